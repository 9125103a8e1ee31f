// Package e2e tests retcon as its users meet it: the built program, on the demo
// model, with llama.cpp's own programs and the Python package gguf as clients of
// the files that it writes. `make test` builds what it needs.
package e2e
