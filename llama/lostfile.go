//go:build unix

package llama

/*
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char bus_name[64];
static int bus_code;
static struct sigaction bus_before;

static void put(const char * text, size_t n) {
    while (n > 0) {
        ssize_t k = write(STDERR_FILENO, text, n);
        if (k <= 0) {
            return;
        }
        text += k;
        n -= (size_t) k;
    }
}

// mapped finds the file that is mapped at an address, by what the kernel says of
// the process: lines of "begin-end rights offset device inode  path". It is called
// in a signal handler, and calls nothing that may not be.
static size_t mapped(uintptr_t address, char * path, size_t most) {
    int f = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (f < 0) {
        return 0;
    }
    char buf[2048];
    uintptr_t ends[2] = {0, 0};
    int field = 0, here = 0, done = 0;
    size_t n = 0;
    for (ssize_t k; !done && (k = read(f, buf, sizeof(buf))) > 0;) {
        for (ssize_t i = 0; i < k && !done; i++) {
            char c = buf[i];
            if (c == '\n') {
                done = here;
                ends[0] = ends[1] = 0;
                field = here = 0;
            } else if (field < 2) {
                if (c == '-' || c == ' ') {
                    field++;
                    here = field == 2 && ends[0] <= address && address < ends[1];
                } else {
                    ends[field] = ends[field] * 16 + (uintptr_t) (c <= '9' ? c - '0' : c - 'a' + 10);
                }
            } else if (here && (n > 0 || c == '/') && n < most) {
                path[n++] = c;
            }
        }
    }
    close(f);
    return n;
}

static void on_bus(int sig, siginfo_t * info, void * context) {
    char path[1024];
    size_t n = info->si_code == BUS_ADRERR ? mapped((uintptr_t) info->si_addr, path, sizeof(path)) : 0;
    if (n > 0) {
        static const char why[] = ": it has become shorter while it was in use, or cannot be read any more\n";
        put(bus_name, strlen(bus_name));
        put(": ", 2);
        put(path, n);
        put(why, sizeof(why) - 1);
        _exit(bus_code);
    }
    if (bus_before.sa_flags & SA_SIGINFO) {
        bus_before.sa_sigaction(sig, info, context);
    } else {
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

static void report_lost_file(const char * name, int code) {
    strncpy(bus_name, name, sizeof(bus_name) - 1);
    bus_code = code;
    struct sigaction act;
    memset(&act, 0, sizeof(act));
    act.sa_sigaction = on_bus;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigfillset(&act.sa_mask);
    sigaction(SIGBUS, &act, &bus_before);
}
*/
import "C"

import "unsafe"

// ReportLostFile has the process end with a line on stderr, which begins with
// name, and with an exit code, where a model that is mapped into memory turns out
// to have been cut short by another program, or its disk fails. There is no error
// to be had: the system's signal comes in the middle of a computation. Without it
// Go's report of the signal, some hundred lines, ends the process. It is the
// program's to call, once, since signals are the whole process's.
func ReportLostFile(name string, code int) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	C.report_lost_file(c, C.int(code))
}
