// The graph of a decode as a table of nodes.
#include "capture.h"

#include <algorithm>

namespace rc {

static bool is_lora_name(const char * name) {
    return strstr(name, ".lora_a") != nullptr || strstr(name, ".lora_b") != nullptr;
}

static int32_t kind_of(const ggml_tensor * t) {
    if (is_lora_name(t->name)) {
        return RC_WEIGHT;
    }
    if (strncmp(t->name, "cache_", 6) == 0) {
        return RC_CACHE;
    }
    if (t->buffer != nullptr && ggml_backend_buffer_get_usage(t->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS) {
        return RC_WEIGHT;
    }
    return RC_INPUT;
}

rc_node capture::describe(const ggml_tensor * t) const {
    rc_node n = {};
    n.kind = RC_NODE;
    n.op = t->op;
    n.type = t->type;
    n.flags = t->flags;
    for (int i = 0; i < 4; i++) {
        n.ne[i] = t->ne[i];
        n.nb[i] = t->nb[i];
    }
    static_assert(sizeof(n.params) == sizeof(t->op_params), "op_params changed");
    static_assert(RC_MAX_SRC == GGML_MAX_SRC, "GGML_MAX_SRC changed");
    memcpy(n.params, t->op_params, sizeof(n.params));
    std::fill(n.src, n.src + RC_MAX_SRC, RC_NONE);
    n.view_src = RC_NONE;
    n.view_offs = t->view_offs;
    snprintf(n.name, sizeof(n.name), "%s", t->name);
    return n;
}

// leaf records a tensor that no node of this graph computes.
int32_t capture::leaf(rc_context & c, ggml_tensor * t) {
    rc_node n = describe(t);
    n.op = GGML_OP_NONE;
    n.kind = kind_of(t);
    if (is_copy_name(t->name)) {
        std::string name = base_name(t->name);
        snprintf(n.name, sizeof(n.name), "%s", name.c_str());
    }
    if (t->view_src != nullptr) {
        n.view_src = find(c, t->view_src);
        n.kind = nodes[n.view_src].kind;
    }
    const int32_t i = (int32_t) nodes.size();
    if (n.kind == RC_INPUT) {
        // the allocator reuses an input's memory: keep its value now
        auto & bytes = data[i];
        bytes.resize(ggml_nbytes(t));
        ggml_backend_tensor_get(t, bytes.data(), 0, bytes.size());
    } else {
        n.handle = reinterpret_cast<uintptr_t>(t);
        c.known.insert(t);
    }
    nodes.push_back(n);
    index[t] = i;
    return i;
}

int32_t capture::find(rc_context & c, ggml_tensor * t) {
    auto found = index.find(t);
    if (found != index.end()) {
        return found->second;
    }
    if (is_copy_name(t->name)) {
        // the scheduler's copy of another backend's node or leaf
        auto named = last_named.find(base_name(t->name));
        if (named != last_named.end() && nodes[named->second].ne[0] == t->ne[0] && nodes[named->second].ne[1] == t->ne[1]) {
            return named->second;
        }
    }
    return leaf(c, t);
}

bool capture::record(rc_context & c, ggml_tensor * t) {
    if (index.find(t) != index.end() && nodes[index[t]].kind == RC_NODE) {
        error = "llama.cpp split the batch into several graphs";
        return false;
    }
    rc_node n = describe(t);
    for (int i = 0; i < GGML_MAX_SRC; i++) {
        if (t->src[i] != nullptr) {
            n.src[i] = t->src[i] == t ? RC_SELF : find(c, t->src[i]);
        }
    }
    if (t->view_src != nullptr) {
        n.view_src = find(c, t->view_src);
    }
    const int32_t i = (int32_t) nodes.size();
    nodes.push_back(n);
    index[t] = i;
    last_named[t->name] = i;
    pending = i;
    return want.count(i) > 0;
}

void capture::keep(ggml_tensor * t) {
    if (pending < 0 || want.count(pending) == 0) {
        return;
    }
    auto & bytes = data[pending];
    bytes.resize(ggml_nbytes(t));
    ggml_backend_tensor_get(t, bytes.data(), 0, bytes.size());
}

} // namespace rc

extern "C" {

int rc_capture_begin(rc_context * c, const int32_t * want, size_t n_want, char * err) {
    return rc::guard(err, [&] {
        *c->capture = rc::capture();
        c->capture->on = true;
        c->capture->want.insert(want, want + n_want);
    });
}

int rc_capture_sketch(rc_context * c, char * err) {
    return rc::guard(err, [&] {
        *c->capture = rc::capture();
        c->capture->on = true;
        c->init_backends();
        // other devices do not ask whether to go on, and a decode that stops in
        // one part never shows the next
        c->stop.sketch = c->backends.size() == 1;
    });
}

bool rc_capture_only(const rc_context * c) { return c->stop.sketch; }

int rc_capture_end(rc_context * c, size_t * n, char * err) {
    return rc::guard(err, [&] {
        c->capture->on = false;
        c->stop.sketch = false;
        *n = 0;
        if (!c->capture->error.empty()) {
            rc::fail(RC_INVALID, "%s", c->capture->error.c_str());
        }
        *n = c->capture->nodes.size();
    });
}

int rc_capture_nodes(rc_context * c, rc_node * dst, size_t n, char * err) {
    return rc::guard(err, [&] {
        if (n != c->capture->nodes.size()) {
            rc::fail(RC_INVALID, "the capture has %zu nodes, not %zu", c->capture->nodes.size(), n);
        }
        std::copy(c->capture->nodes.begin(), c->capture->nodes.end(), dst);
    });
}

int rc_capture_data(rc_context * c, int32_t index, void * dst, size_t n, char * err) {
    return rc::guard(err, [&] {
        auto found = c->capture->data.find(index);
        if (found == c->capture->data.end()) {
            rc::fail(RC_INVALID, "node %d of the capture was not kept", index);
        }
        if (found->second.size() != n) {
            rc::fail(RC_INVALID, "node %d of the capture has %zu bytes, not %zu", index, found->second.size(), n);
        }
        memcpy(dst, found->second.data(), n);
    });
}

} // extern "C"
