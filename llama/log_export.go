package llama

// cgo forbids C definitions in the file of an exported function: this one has
// nothing else.

import "C"

import "strings"

//export goLog
func goLog(level C.int, text *C.char) {
	defer func() { _ = recover() }() // a panic must not unwind into C
	line := strings.TrimRight(C.GoString(text), "\n")
	if line != "" && line != "." {
		logLine(levelOf(int(level)), line)
	}
}
