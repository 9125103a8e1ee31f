// Copies of weights in the plain types, as they are or transposed, made in the
// host's memory without a graph.
#include "internal.h"
#include "unpack.h"

#include <algorithm>
#include <system_error>
#include <thread>

namespace {

// on_host: the tensor's values lie in this process's memory in ggml's own order
// (buffers that rearrange weights for a kernel are not counted as host memory).
bool on_host(const ggml_tensor * t) {
    ggml_backend_buffer_t b = t->view_src != nullptr ? t->view_src->buffer : t->buffer;
    return b != nullptr && t->data != nullptr && ggml_backend_buffer_is_host(b);
}

void values_of(const ggml_tensor * t, int64_t row, float * dst) {
    rc::unpack(t->type, (const char *) t->data + row * t->nb[1], dst, t->ne[0]);
}

// write converts n values, with the rounding of the CPU's own operators.
void write(ggml_type type, const float * src, char * dst, int64_t n) {
    switch (type) {
        case GGML_TYPE_F16:
            ggml_cpu_fp32_to_fp16(src, (ggml_fp16_t *) dst, n);
            break;
        case GGML_TYPE_BF16:
            ggml_cpu_fp32_to_bf16(src, (ggml_bf16_t *) dst, n);
            break;
        default:
            memcpy(dst, src, n * sizeof(float));
    }
}

constexpr int64_t tile = 32; // rows that are read, and columns that are transposed, at a time

// copier copies rows [begin, end) of w, a tile at a time, by as many threads as call run.
struct copier {
    const ggml_tensor * w;
    ggml_tensor * dst;
    int64_t begin, end;
    bool transposed;
    std::atomic<int64_t> next{0};

    void run(std::vector<float> & values) {
        for (int64_t i; (i = begin + tile * next++) < end;) {
            int64_t rows = std::min(tile, end - i);
            for (int64_t r = 0; r < rows; r++) {
                values_of(w, i + r, values.data() + r * w->ne[0]);
            }
            if (transposed) {
                transpose(values.data(), i, rows);
                continue;
            }
            for (int64_t r = 0; r < rows; r++) {
                write(dst->type, values.data() + r * w->ne[0], (char *) dst->data + (i + r) * dst->nb[1], w->ne[0]);
            }
        }
    }

    // transpose writes values [rows, k] to columns first.. of dst [m, k].
    void transpose(const float * values, int64_t first, int64_t rows) {
        const int64_t k = w->ne[0];
        float part[tile][tile];
        for (int64_t j = 0; j < k; j += tile) {
            int64_t columns = std::min(tile, k - j);
            for (int64_t r = 0; r < rows; r++) {
                for (int64_t c = 0; c < columns; c++) {
                    part[c][r] = values[r * k + j + c];
                }
            }
            for (int64_t c = 0; c < columns; c++) {
                write(dst->type, part[c], (char *) dst->data + (j + c) * dst->nb[1] + first * dst->nb[0], rows);
            }
        }
    }
};

void check(const ggml_tensor * w, const ggml_tensor * dst, int64_t row, int64_t rows, bool transposed) {
    if (ggml_backend_buffer_get_usage(dst->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS) {
        rc::fail(RC_INVALID, "%s is a weight of the model: it is never written", dst->name);
    }
    if (dst->type != GGML_TYPE_F32 && dst->type != GGML_TYPE_F16 && dst->type != GGML_TYPE_BF16) {
        rc::fail(RC_INVALID, "a copy in %s", ggml_type_name(dst->type));
    }
    if (w->type != GGML_TYPE_F32 && ggml_get_type_traits(w->type)->to_float == nullptr) {
        rc::fail(RC_UNSUPPORTED, "ggml cannot dequantise %s", ggml_type_name(w->type));
    }
    bool fits = dst->ne[0] == w->ne[transposed ? 1 : 0] && dst->ne[1] == w->ne[transposed ? 0 : 1];
    if (!fits || w->ne[2] * w->ne[3] * dst->ne[2] * dst->ne[3] != 1 || !ggml_is_contiguous(w) || !ggml_is_contiguous(dst)) {
        rc::fail(RC_INVALID, "the copy of %s has another shape", w->name);
    }
    if (row < 0 || rows < 0 || rows > w->ne[1] - row) {
        rc::fail(RC_INVALID, "rows from %lld of %s", (long long) row, w->name);
    }
}

} // namespace

extern "C" int rc_weight_copy(rc_context * c, uint64_t weight, uint64_t dst, int64_t row, int64_t rows, bool transposed, bool * done, char * err) {
    *done = false;
    return rc::guard(err, [&] {
        copier job{c->tensor(weight), c->tensor(dst), row, row + rows, transposed};
        check(job.w, job.dst, row, rows, transposed);
        if (!on_host(job.w) || !on_host(job.dst)) {
            return;
        }
        int n = (int) std::max<int64_t>(1, std::min<int64_t>(c->pool->n, rows / tile));
        std::vector<std::vector<float>> values(n, std::vector<float>(tile * job.w->ne[0]));
        std::vector<std::thread> helpers;
        helpers.reserve(n); // it must not throw while some run
        for (int i = 1; i < n; i++) {
            try {
                helpers.emplace_back([&, i] { job.run(values[i]); });
            } catch (const std::system_error &) {
                break; // no more threads to be had: those that there are do the work
            }
        }
        job.run(values[0]);
        for (auto & h : helpers) {
            h.join();
        }
        *done = true;
    });
}
