// What the parts of the bridge share. Nothing here is visible to Go.
#pragma once

#include "bridge.h"
#include "product.h"

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "llama.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

struct rc_stop {
    std::atomic<int> on{0};
    std::atomic<bool> sketch{false}; // stop at the first node: only the graph is wanted
    bool brief = false; // leave a decode after its last hook, or, without any, after its first node
};

namespace rc {

extern std::atomic<int64_t> live;

// counted counts the objects that Go must free.
struct counted {
    counted() { live++; }
    ~counted() { live--; }
    counted(const counted &) = delete;
    counted & operator=(const counted &) = delete;
};

// failure carries an rc_code through the bridge.
struct failure : std::runtime_error {
    int code;
    failure(int code, const std::string & text) : std::runtime_error(text), code(code) {}
};

__attribute__((format(printf, 2, 3)))
[[noreturn]] inline void fail(int code, const char * format, ...) {
    char text[RC_ERR];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    throw failure(code, text);
}

// While a caught lives, what ggml or llama.cpp would end the process on, on the
// same thread, is thrown as a failure. It is for what reads a file, where such an
// assertion says that the file is bad: loading, tokenising, contexts, a graph that
// is only sketched. Where a graph runs there is none: the other threads would wait
// for the one that left.
struct caught {
    static thread_local int depth;
    caught() { depth++; }
    ~caught() { depth--; }
    caught(const caught &) = delete;
    caught & operator=(const caught &) = delete;
};

// guard runs f; whatever it throws becomes a code and a line in err.
template <typename F>
int guard(char * err, F && f) noexcept {
    try {
        f();
        return RC_OK;
    } catch (const failure & e) {
        snprintf(err, RC_ERR, "%s", e.what());
        return e.code;
    } catch (const std::bad_alloc &) {
        snprintf(err, RC_ERR, "out of memory");
        return RC_NO_MEMORY;
    } catch (const std::exception & e) {
        snprintf(err, RC_ERR, "%s", e.what());
        return RC_FAILED;
    } catch (...) {
        snprintf(err, RC_ERR, "unknown exception");
        return RC_FAILED;
    }
}

bool stopped(void * stop); // a ggml_abort_callback
// base_name strips the scheduler's copy marks: "CUDA0#name#0" is "name".
std::string base_name(const char * name);
bool is_copy_name(const char * name);

// threads is the pool that decodes and programs of a context share.
struct threads {
    ggml_threadpool_t pool = nullptr;
    int n = 1;
    std::unique_ptr<product_memory> products; // made by the first program that needs it
    explicit threads(int n);
    ~threads();
};

struct capture;
struct hooks;

} // namespace rc

struct rc_model : rc::counted {
    llama_model * model = nullptr;
    const llama_vocab * vocab = nullptr;
    bool cpu_only = false;
    bool ggml_only = false;
    ~rc_model();
};

struct rc_adapter : rc::counted {
    llama_adapter_lora * adapter = nullptr;
    ~rc_adapter();
};

struct rc_context : rc::counted {
    rc_model * model = nullptr;
    llama_context * ctx = nullptr;
    int32_t n_batch = 0;
    int32_t n_seq = 0;
    rc_stop stop;
    std::unique_ptr<rc::threads> pool;

    // the last batch's row of logits for each token, -1: none
    std::vector<int32_t> output_row;

    std::unique_ptr<rc::hooks> hooks;
    std::unique_ptr<rc::capture> capture;

    // tensors that Go may name: weights and caches seen in captures, stored tensors
    std::unordered_set<const ggml_tensor *> known;

    // programs
    std::vector<ggml_backend_t> backends;
    ggml_backend_sched_t sched = nullptr;
    size_t sched_size = 0;
    rc_program * attached = nullptr;

    rc_context();
    ~rc_context();
    ggml_tensor * tensor(uint64_t handle) const; // throws on an unknown one
    void init_backends();
};
