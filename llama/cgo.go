package llama

/*
#cgo CFLAGS: -I${SRCDIR}/../bridge
#cgo !asan LDFLAGS: -L${SRCDIR}/../build/lib -lretcon
#cgo asan LDFLAGS: -L${SRCDIR}/../build-asan/lib -lretcon
#cgo LDFLAGS: -lm -lpthread -ldl
#cgo linux LDFLAGS: -static-libstdc++ -static-libgcc -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic
#cgo darwin LDFLAGS: -lc++

#include "bridge.h"
#include <stdlib.h>
*/
import "C"

// libraryHash is set by the linker to the hash of the native library, so that
// a new library is linked anew.
var libraryHash string
