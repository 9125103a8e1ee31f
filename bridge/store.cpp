// Stored tensors, which live from program to program.
#include "internal.h"

struct rc_store : rc::counted {
    rc_context * context = nullptr;
    ggml_context * tensors = nullptr;
    ggml_backend_buffer_t buffer = nullptr;

    ~rc_store() {
        if (tensors != nullptr) {
            for (ggml_tensor * t = ggml_get_first_tensor(tensors); t != nullptr; t = ggml_get_next_tensor(tensors, t)) {
                context->known.erase(t);
            }
            ggml_free(tensors);
        }
        if (buffer != nullptr) {
            ggml_backend_buffer_free(buffer);
        }
    }
};

extern "C" {

int rc_store_new(rc_store ** out, rc_context * c, const int32_t * types, const int64_t (*ne)[4], size_t n, uint64_t * handles, char * err) {
    *out = nullptr;
    return rc::guard(err, [&] {
        c->init_backends();
        auto s = std::make_unique<rc_store>();
        s->context = c;
        ggml_init_params ip = {};
        ip.mem_size = (n + 1) * ggml_tensor_overhead();
        ip.no_alloc = true;
        s->tensors = ggml_init(ip);
        if (s->tensors == nullptr) {
            rc::fail(RC_NO_MEMORY, "out of memory for %zu tensors", n);
        }
        std::vector<ggml_tensor *> made;
        for (size_t i = 0; i < n; i++) {
            if (rc_type_name(types[i]) == nullptr || ne[i][0] % rc_type_block(types[i]) != 0) {
                rc::fail(RC_INVALID, "stored tensor %zu has type %d", i, types[i]);
            }
            for (int k = 0; k < 4; k++) {
                if (ne[i][k] <= 0) {
                    rc::fail(RC_INVALID, "stored tensor %zu is empty", i);
                }
            }
            made.push_back(ggml_new_tensor(s->tensors, (ggml_type) types[i], 4, ne[i]));
        }
        s->buffer = ggml_backend_alloc_ctx_tensors(s->tensors, c->backends.front());
        if (s->buffer == nullptr) {
            rc::fail(RC_NO_MEMORY, "no memory for %zu stored tensors", n);
        }
        for (size_t i = 0; i < n; i++) {
            handles[i] = reinterpret_cast<uintptr_t>(made[i]);
            c->known.insert(made[i]);
        }
        *out = s.release();
    });
}

void rc_store_free(rc_store * s) { delete s; }
size_t rc_store_bytes(const rc_store * s) { return ggml_backend_buffer_get_size(s->buffer); }

int rc_tensor_write(rc_context * c, uint64_t handle, size_t offset, const void * src, size_t n, char * err) {
    return rc::guard(err, [&] {
        ggml_tensor * t = c->tensor(handle);
        if (ggml_backend_buffer_get_usage(t->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS) {
            rc::fail(RC_INVALID, "%s is a weight of the model: it is never written", t->name);
        }
        if (offset > ggml_nbytes(t) || n > ggml_nbytes(t) - offset) {
            rc::fail(RC_INVALID, "%zu bytes at %zu are past the end of %s", n, offset, t->name);
        }
        ggml_backend_tensor_set(t, src, offset, n);
    });
}

int rc_tensor_read(rc_context * c, uint64_t handle, size_t offset, void * dst, size_t n, char * err) {
    return rc::guard(err, [&] {
        ggml_tensor * t = c->tensor(handle);
        if (offset > ggml_nbytes(t) || n > ggml_nbytes(t) - offset) {
            rc::fail(RC_INVALID, "%zu bytes at %zu are past the end of %s", n, offset, t->name);
        }
        ggml_backend_tensor_get(t, dst, offset, n);
    });
}

} // extern "C"
