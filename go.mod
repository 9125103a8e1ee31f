module retcon

go 1.26
