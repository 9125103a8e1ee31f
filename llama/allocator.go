package llama

/*
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

// Without this glibc learns from the first large buffer that is freed to serve
// all up to 32 MB from its heap, and keeps up to 64 MB of what is freed there.
// Copies of small weights are a few hundred KB each: in the heap they leave holes
// that nothing else fits into, by which bench grew some 7 MB an edit.
static int returns;

static void return_buffers(void) {
    returns = 1;
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
    mallopt(M_ARENA_MAX, 1); // but threads that are there keep theirs
#endif
}

// Go calls from one thread now and from another then, and each has a heap of its
// own that keeps what was freed: five hundred edits took 25 MB that way.
static void return_rest(void) {
#if defined(__GLIBC__)
    if (returns) {
        malloc_trim(0);
    }
#endif
}
*/
import "C"

// ReturnFreedMemory makes the C allocator of the process give large buffers back
// to the system when they are freed: a model's contexts come and go, and each has
// its own. It is the program's to call, once and before anything else, since it
// changes the allocator for all code in it; where it does not, up to 86 MB that
// were freed stay with the process, and what its threads keep grows from edit to
// edit. Without glibc it does nothing.
func ReturnFreedMemory() { C.return_buffers() }

// returnRest gives back what a context has left, where the program wants that.
func returnRest() { C.return_rest() }
