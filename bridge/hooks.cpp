// Hooks in the real decode: values captured, set or added while it runs.
#include "capture.h"

namespace rc {

void anchor::next(const ggml_tensor * t) {
    bool product = t->op == GGML_OP_MUL_MAT || t->op == GGML_OP_GET_ROWS;
    if (product && t->src[0] != nullptr && t->src[0]->op == GGML_OP_NONE) {
        std::string name = base_name(t->src[0]->name);
        if (name.size() > 7 && name.compare(name.size() - 7, 7, ".weight") == 0) {
            key = make_key(t->op, name);
            offset = 0;
            return;
        }
    }
    offset++;
}

void hooks::begin() {
    error.clear();
    at.reset();
    for (size_t i = 0; i < n; i++) {
        list[i].fired = 0;
    }
}

bool hooks::done() const {
    for (size_t i = 0; i < n; i++) {
        if (list[i].fired == 0) {
            return false;
        }
    }
    return true;
}

bool hooks::wants(const ggml_tensor * t) {
    if (n == 0) {
        return false;
    }
    at.next(t);
    due.clear();
    auto found = by_anchor.find(at.key);
    if (found != by_anchor.end()) {
        for (rc_hook * h : found->second) {
            if (h->offset == at.offset) {
                due.push_back(h);
            }
        }
    }
    return !due.empty();
}

void hooks::serve(ggml_tensor * t) {
    for (rc_hook * h : due) {
        serve(t, *h);
    }
}

void hooks::serve(ggml_tensor * t, rc_hook & h) {
    h.fired++;
    char text[256];
    const int64_t rows = ggml_nrows(t);
    if (t->type != GGML_TYPE_F32 || t->ne[0] != h.width || t->nb[0] != sizeof(float) || t->ne[2] * t->ne[3] != 1) {
        snprintf(text, sizeof(text), "the hook at %s+%d meets a node of another shape: %s [%lld, %lld]", h.weight, h.offset, t->name, (long long) t->ne[0], (long long) t->ne[1]);
        error = error.empty() ? text : error;
        return;
    }
    const int32_t n_rows = h.n_rows > 0 ? h.n_rows : (int32_t) rows;
    scratch.resize(h.width * sizeof(float));
    for (int32_t i = 0; i < n_rows; i++) {
        const int64_t row = h.n_rows > 0 ? h.rows[i] : i;
        if (row < 0 || row >= rows) {
            snprintf(text, sizeof(text), "the hook at %s+%d names row %lld of %lld", h.weight, h.offset, (long long) row, (long long) rows);
            error = error.empty() ? text : error;
            return;
        }
        const size_t at_byte = row * t->nb[1];
        const size_t bytes = scratch.size();
        const float * value = h.action == RC_CAPTURE ? nullptr : h.data + (h.n_data == 1 ? 0 : (size_t) i * h.width);
        switch (h.action) {
            case RC_CAPTURE:
                ggml_backend_tensor_get(t, h.dst + (size_t) i * h.width, at_byte, bytes);
                break;
            case RC_SET:
                ggml_backend_tensor_set(t, value, at_byte, bytes);
                break;
            case RC_ADD: {
                float * sum = reinterpret_cast<float *>(scratch.data());
                ggml_backend_tensor_get(t, sum, at_byte, bytes);
                for (int32_t j = 0; j < h.width; j++) {
                    sum[j] += value[j];
                }
                ggml_backend_tensor_set(t, sum, at_byte, bytes);
                break;
            }
        }
    }
}

bool eval_callback(ggml_tensor * t, bool ask, void * context) {
    rc_context & c = *static_cast<rc_context *>(context);
    try {
        if (ask) {
            bool hooked = c.hooks->wants(t);
            bool wanted = c.capture->on && c.capture->record(c, t);
            return hooked || wanted || (c.stop.brief && c.hooks->done());
        }
        // hooks first: what is captured is what the decode goes on with
        c.hooks->serve(t);
        if (c.capture->on) {
            c.capture->keep(t);
        }
        if (c.stop.brief && c.hooks->done()) {
            return false; // the scheduler leaves the graph, and the decode succeeds
        }
    } catch (const std::exception & e) {
        if (c.hooks->error.empty()) {
            c.hooks->error = e.what();
        }
    }
    return true;
}

} // namespace rc

extern "C" void rc_decode_brief(rc_context * c, bool brief) { c->stop.brief = brief; }

extern "C" int rc_hooks_set(rc_context * c, rc_hook * list, size_t n, char * err) {
    return rc::guard(err, [&] {
        c->hooks->list = list;
        c->hooks->n = n;
        c->hooks->by_anchor.clear();
        for (size_t i = 0; i < n; i++) {
            c->hooks->by_anchor[rc::anchor::make_key(list[i].op, list[i].weight)].push_back(&list[i]);
        }
    });
}
