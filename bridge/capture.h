// Hooks and capture: what the callback that llama.cpp runs for every node does.
#pragma once

#include "internal.h"

namespace rc {

// anchor follows a decode: the nearest product with a named weight at or
// before the node in hand, and the distance from it.
struct anchor {
    std::string key; // op and weight name
    int offset = 0;
    void reset() { key.clear(); offset = 0; }
    void next(const ggml_tensor * t);
    static std::string make_key(int op, const std::string & weight) { return std::to_string(op) + " " + weight; }
};

struct hooks {
    rc_hook * list = nullptr;
    size_t n = 0;
    std::unordered_map<std::string, std::vector<rc_hook *>> by_anchor;
    std::string error; // the first complaint of the running decode
    anchor at;
    std::vector<uint8_t> scratch;

    void begin();
    bool done() const; // every hook has fired
    bool wants(const ggml_tensor * t);
    void serve(ggml_tensor * t);

private:
    std::vector<rc_hook *> due; // hooks of the node in hand
    void serve(ggml_tensor * t, rc_hook & h);
};

struct capture {
    bool on = false;
    std::vector<rc_node> nodes;
    std::unordered_map<const ggml_tensor *, int32_t> index;
    std::unordered_map<std::string, int32_t> last_named; // newest node of a name, for the scheduler's copies
    std::unordered_map<int32_t, std::vector<uint8_t>> data;
    std::unordered_set<int32_t> want;
    std::string error;
    int32_t pending = -1;

    bool record(rc_context & c, ggml_tensor * t); // true: the value is wanted
    void keep(ggml_tensor * t);

private:
    int32_t leaf(rc_context & c, ggml_tensor * t);
    int32_t find(rc_context & c, ggml_tensor * t);
    rc_node describe(const ggml_tensor * t) const;
};

bool eval_callback(ggml_tensor * t, bool ask, void * context);

} // namespace rc
