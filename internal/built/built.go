// Package built finds, for tests, what make builds: the tests of one checkout
// can run against several native libraries, each in a folder of its own (make
// test-isa). The Makefile says where by environment variables; without them it
// is where make puts things by itself.
package built

import (
	"os"
	"path/filepath"
)

// Path is a file that belongs to the native library under test, such as a cache
// of what it computed: in $RETCON_BUILD, or build.
func Path(name string) string { return filepath.Join(folder("RETCON_BUILD", "build"), name) }

// Tool is a file that does not depend on the library under test: llama.cpp's own
// programs (bin) and the models that they make (archs). It is in $RETCON_TOOLS,
// or build.
func Tool(name string) string { return filepath.Join(folder("RETCON_TOOLS", "build"), name) }

// Retcon is the program under test: $RETCON_BIN, or bin, holds it.
func Retcon() string { return filepath.Join(folder("RETCON_BIN", "bin"), "retcon") }

// folder is the folder that a variable names, or one of the checkout.
func folder(variable, name string) string {
	if f := os.Getenv(variable); f != "" {
		return f
	}
	return filepath.Join(Root(), name)
}

// Root is the checkout: the first folder with a go.mod from the working
// directory, which in a test is the package's, upwards.
func Root() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return "."
}
