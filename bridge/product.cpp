// Products in F32 on x86 with AVX-512.
//
// ggml multiplies by dot products of unpacked rows and comes to a quarter of
// what such a processor can do (docs/results.md). Here a panel of the first
// factor lies transposed in the second-level cache, and a tile, a piece of it and
// eight rows of the second, is summed in registers, as in Goto and van de Geijn
// (2008), "Anatomy of High-Performance Matrix Multiplication". A quantised factor
// is dequantised on its way into the panel. Each sum runs in the order of its
// terms, whatever the number of rows and threads.
#include "product.h"
#include "unpack.h"

#include "ggml-cpu.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(RETCON_NO_AVX512)
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized" // in its own immintrin.h
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f")))
#define UNROLL _Pragma("GCC unroll 16")

namespace {

constexpr int lanes = 16;             // floats in a register
constexpr int most_vectors = 3;       // registers of a panel's row
constexpr int panel_width = most_vectors * lanes;
constexpr int tile_rows = 8;          // rows of a tile: 24 sums stay in registers
constexpr int64_t depth = 800;        // terms summed in one go: a panel takes at most 150 KB
constexpr int64_t transposed_blocks[2] = {160, 256}; // columns unpacked at a time, of blocks of 32 and of 256
constexpr int64_t block_rows = 256;   // rows that meet a panel before it is packed anew
constexpr int64_t piece = 256;        // values of a row that are dequantised at a time
constexpr size_t near = 1024;         // bytes from row to row of a matrix that is as good as packed
constexpr size_t panel_size = 1 << 16; // of one panel, or of those that are unpacked together
constexpr size_t memory_size = panel_size + lanes * piece; // of a thread: a panel, and rows on their way to it

// strides, in floats, from one value of a row to the next, and from row to row.
struct strides {
    size_t value, row;
};

// tile sums k terms of a panel [V * 16, k] and N rows of x into rows of c, or
// adds them to these.
template <int V, int N>
AVX512 void tile(const float * panel, size_t ldp, const float * x, strides sx, float * c, size_t ldc, int k, bool add) {
    __m512 sum[N][V];
    UNROLL for (int j = 0; j < N; j++) {
        UNROLL for (int v = 0; v < V; v++) {
            sum[j][v] = _mm512_setzero_ps();
        }
    }
    for (int p = 0; p < k; p++) {
        __m512 w[V];
        UNROLL for (int v = 0; v < V; v++) {
            w[v] = _mm512_loadu_ps(panel + p * ldp + v * lanes);
        }
        UNROLL for (int j = 0; j < N; j++) {
            __m512 value = _mm512_set1_ps(x[j * sx.row + p * sx.value]);
            UNROLL for (int v = 0; v < V; v++) {
                sum[j][v] = _mm512_fmadd_ps(w[v], value, sum[j][v]);
            }
        }
    }
    UNROLL for (int j = 0; j < N; j++) {
        UNROLL for (int v = 0; v < V; v++) {
            float * to = c + j * ldc + v * lanes;
            _mm512_storeu_ps(to, add ? _mm512_add_ps(_mm512_loadu_ps(to), sum[j][v]) : sum[j][v]);
        }
    }
}

using tile_fn = void (*)(const float *, size_t, const float *, strides, float *, size_t, int, bool);

template <int V>
constexpr tile_fn tiles_of[tile_rows] = {tile<V, 1>, tile<V, 2>, tile<V, 3>, tile<V, 4>, tile<V, 5>, tile<V, 6>, tile<V, 7>, tile<V, 8>};
constexpr const tile_fn * tiles[most_vectors] = {tiles_of<1>, tiles_of<2>, tiles_of<3>};

// transpose writes a square of registers, one row each, as its transpose.
AVX512 inline void transpose(__m512 r[lanes], float * to, size_t ld) {
    __m512 t[lanes];
    UNROLL for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        UNROLL for (int j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(t[4 * i + j]), b = _mm512_castps_pd(t[4 * i + j + 2]);
            r[4 * i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[4 * i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    UNROLL for (int i = 0; i < 4; i++) {
        UNROLL for (int h = 0; h < 2; h++) {
            t[8 * h + i] = _mm512_shuffle_f32x4(r[8 * h + i], r[8 * h + i + 4], 0x88);
            t[8 * h + i + 4] = _mm512_shuffle_f32x4(r[8 * h + i], r[8 * h + i + 4], 0xdd);
        }
    }
    UNROLL for (int i = 0; i < 8; i++) {
        _mm512_store_ps(to + i * ld, _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
        _mm512_store_ps(to + (i + 8) * ld, _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd));
    }
}

// values loads the first n of sixteen values, and zeros after them.
AVX512 inline __m512 values(ggml_type type, const char * row, int64_t column, int n) {
    if (type == GGML_TYPE_F32) {
        return _mm512_maskz_loadu_ps((__mmask16) ((1u << n) - 1), (const float *) row + column);
    }
    const uint16_t * half = (const uint16_t *) row + column;
    uint16_t few[lanes] = {};
    if (n < lanes) {
        memcpy(few, half, n * sizeof(uint16_t));
        half = few;
    }
    __m256i h = _mm256_loadu_si256((const __m256i *) half);
    if (type == GGML_TYPE_F16) {
        return _mm512_cvtph_ps(h);
    }
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

// factors are the two factors of one product, of a batch of them, and its result
// [m, n]: W [k, m], or [m, k] if it lies transposed already.
struct factors {
    ggml_type type;
    bool transposed;
    const char * w;
    size_t row; // of W, in bytes
    const float * x;
    strides sx;
    float * c;
    int64_t m, n, k;
};

// unpack dequantises columns [from, from + k) of sixteen rows of W from first on.
void unpack(const factors & f, int64_t first, int64_t from, int64_t k, float * to) {
    const ggml_type_traits * t = ggml_get_type_traits(f.type);
    for (int q = 0; q < lanes && first + q < f.m; q++) {
        rc::unpack(f.type, f.w + (first + q) * f.row + from / t->blck_size * t->type_size, to + q * piece, k);
    }
}

// pack_square turns sixteen rows and up to as many columns of W.
AVX512 inline void pack_square(const factors & f, int64_t first, int64_t from, int columns, float * to, size_t ld) {
    __m512 r[lanes];
    UNROLL for (int q = 0; q < lanes; q++) {
        int64_t row = first + q;
        r[q] = row < f.m ? values(f.type, f.w + row * f.row, from, columns) : _mm512_setzero_ps();
    }
    transpose(r, to, ld);
}

// pack turns rows [first, first + width) of W, zeros past its end, columns
// [from, from + k), to a panel [width, k].
AVX512 void pack(const factors & f, int64_t first, int width, int64_t from, int k, float * panel) {
    for (int i = 0; i < width; i += lanes) {
        if (!ggml_is_quantized(f.type)) {
            for (int p = 0; p < k; p += lanes) {
                pack_square(f, first + i, from + p, std::min(lanes, k - p), panel + (size_t) p * width + i, width);
            }
            continue;
        }
        float * plain = panel + panel_size;
        const factors unpacked = {GGML_TYPE_F32, false, (const char *) plain, piece * sizeof(float), nullptr, {}, nullptr, f.m - first - i, 0, 0};
        for (int p = 0; p < k; p += piece) {
            const int columns = (int) std::min<int64_t>(piece, k - p);
            unpack(f, first + i, from + p, columns, plain);
            for (int c = 0; c < columns; c += lanes) {
                pack_square(unpacked, 0, c, std::min(lanes, columns - c), panel + (size_t) (p + c) * width + i, width);
            }
        }
    }
}

// panel_of is how many vectors a panel takes of those that are left.
int panel_of(int vectors) {
    const int panels = (vectors + most_vectors - 1) / most_vectors;
    return (vectors + panels - 1) / panels;
}

// pack_transposed copies columns [first, first + width) of W, which lies transposed, of
// rows [from, from + k), to panels that follow each other.
AVX512 void pack_transposed(const factors & f, int64_t first, int width, int64_t from, int k, float * panels) {
    const int64_t known = std::min<int64_t>(width, f.m - first);
    for (int p = 0; p < k; p++) {
        const char * row = f.w + (from + p) * f.row;
        ggml_type type = f.type;
        int64_t column = first;
        if (ggml_is_quantized(type)) {
            float * plain = panels + panel_size;
            rc::unpack(type, row + first / ggml_blck_size(type) * ggml_type_size(type), plain, known);
            type = GGML_TYPE_F32, row = (const char *) plain, column = 0;
        }
        float * to = panels;
        for (int left = width / lanes, done = 0; left > 0;) {
            const int vectors = panel_of(left);
            for (int v = 0; v < vectors; v++, done += lanes) {
                const int n = (int) std::max<int64_t>(0, std::min<int64_t>(lanes, known - done));
                _mm512_store_ps(to + (size_t) p * vectors * lanes + v * lanes, values(type, row, column + done, n));
            }
            to += (size_t) k * vectors * lanes;
            left -= vectors;
        }
    }
}

// rows multiplies a panel with rows [begin, end). Behind W's last row the tile
// goes through memory of its own.
void rows(const factors & f, const float * panel, size_t ldp, int width, int64_t first, int64_t begin, int64_t end, int64_t from, int k) {
    const tile_fn * by_rows = tiles[width / lanes - 1];
    const int64_t left = std::min<int64_t>(width, f.m - first);
    for (int64_t j = begin; j < end; j += tile_rows) {
        const int n = (int) std::min<int64_t>(tile_rows, end - j);
        const float * x = f.x + j * f.sx.row + from * f.sx.value;
        float * to = f.c + j * f.m + first;
        if (left == width) {
            by_rows[n - 1](panel, ldp, x, f.sx, to, f.m, k, from > 0);
            continue;
        }
        float part[tile_rows * panel_width];
        by_rows[n - 1](panel, ldp, x, f.sx, part, width, k, false);
        for (int r = 0; r < n; r++) {
            for (int64_t i = 0; i < left; i++) {
                to[r * f.m + i] = part[r * width + i] + (from > 0 ? to[r * f.m + i] : 0);
            }
        }
    }
}

// of is product i2, i3 of a batch.
factors of(const ggml_tensor * dst, ggml_op op, int64_t i2, int64_t i3) {
    const ggml_tensor * w = dst->src[0], * x = dst->src[1];
    factors f = {};
    f.transposed = op == GGML_OP_OUT_PROD;
    f.type = w->type;
    f.w = (const char *) w->data + i2 / (dst->ne[2] / w->ne[2]) * w->nb[2] + i3 / (dst->ne[3] / w->ne[3]) * w->nb[3];
    f.row = w->nb[1];
    f.x = (const float *) ((const char *) x->data + i2 * x->nb[2] + i3 * x->nb[3]);
    f.c = (float *) ((char *) dst->data + i2 * dst->nb[2] + i3 * dst->nb[3]);
    f.m = dst->ne[0], f.n = dst->ne[1], f.k = w->ne[f.transposed ? 1 : 0];
    const size_t step[2] = {x->nb[0] / sizeof(float), x->nb[1] / sizeof(float)};
    f.sx = f.transposed ? strides{step[1], step[0]} : strides{step[0], step[1]};
    return f;
}

int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
int64_t parts_of(int64_t n, int64_t most) { return (n + most - 1) / most; }

// cut is how a product is done in parts that stand alone: columns of the result
// by blocks of rows.
struct cut {
    int64_t columns, across, blocks, block, depth;

    explicit cut(const factors & f) {
        const int64_t unit = std::max<int64_t>(lanes, ggml_blck_size(f.type));
        const bool blocked = f.transposed && unit > lanes; // whole blocks are unpacked: several panels at a time
        const int64_t most_columns = blocked ? transposed_blocks[unit > 32] : panel_width;
        columns = up(parts_of(f.m, parts_of(f.m, most_columns)), blocked ? unit : lanes);
        across = parts_of(f.m, columns);
        blocks = std::max<int64_t>(1, (f.n + block_rows / 2) / block_rows);
        block = up(parts_of(f.n, blocks), tile_rows);
        const int64_t term = f.transposed ? lanes : unit;
        const int64_t most = std::min<int64_t>(::depth, panel_size / columns) / term * term;
        depth = up(parts_of(f.k, parts_of(f.k, most)), term);
    }

    void run(const factors & f, int64_t part, float * panels) const {
        const int64_t first = part % across * columns, begin = std::min(f.n, part / across * block);
        const int64_t end = std::min(f.n, begin + block);
        const int width = (int) up(std::min(columns, f.m - first), lanes);
        for (int64_t from = 0; from < f.k; from += depth) {
            const int k = (int) std::min(depth, f.k - from);
            const bool whole = f.type == GGML_TYPE_F32 && first + width <= f.m;
            if (f.transposed && whole && f.row <= near && end - begin < 4 * tile_rows) { // a copy would not pay
                rows(f, (const float *) (f.w + from * f.row) + first, f.row / sizeof(float), width, first, begin, end, from, k);
                continue;
            }
            if (f.transposed) {
                pack_transposed(f, first, width, from, k, panels);
            } else {
                pack(f, first, width, from, k, panels);
            }
            const float * panel = panels;
            for (int left = width / lanes, done = 0; left > 0;) {
                const int n = panel_of(left) * lanes;
                rows(f, panel, n, n, first + done, begin, end, from, k);
                panel += (size_t) k * n, done += n, left -= n / lanes;
            }
        }
    }
};

bool wide() {
    static const bool yes = __builtin_cpu_supports("avx512f");
    return yes;
}

} // namespace

bool rc::product_takes(ggml_type t) {
    // ggml's own products in halves are fast where there are instructions for them,
    // and so are those with copies of quantised matrices
    static const bool halves = ggml_cpu_has_avx512_bf16() || ggml_cpu_has_amx_int8();
    const bool half = t == GGML_TYPE_F16 || t == GGML_TYPE_BF16;
    return wide() && (t == GGML_TYPE_F32 || (!halves && (half || rc::unpacks_fast(t))));
}

bool rc::product_fits(const ggml_tensor * t) {
    if (!wide() || (t->op != GGML_OP_MUL_MAT && t->op != GGML_OP_OUT_PROD) || t->type != GGML_TYPE_F32 || !ggml_is_contiguous(t)) {
        return false;
    }
    const ggml_tensor * w = t->src[0], * x = t->src[1];
    const bool transposed = t->op == GGML_OP_OUT_PROD;
    const bool aligned = (x->nb[0] | x->nb[1]) % sizeof(float) == 0 && w->nb[0] == ggml_type_size(w->type);
    if (x->type != GGML_TYPE_F32 || !aligned || !rc::product_takes(w->type)) {
        return false;
    }
    if (ggml_is_quantized(w->type)) {
        return true; // a row's values do not depend on how many others there are
    }
    if (transposed && w->type != GGML_TYPE_F32) {
        return true; // ggml has no such product
    }
    // few rows of a large matrix take the time that reading it takes
    return t->ne[1] >= 4 * tile_rows || (t->ne[1] >= tile_rows && ggml_nelements(w) <= t->ne[2] * t->ne[3] * 16384);
}

rc::product_memory::product_memory(int threads) : values(new float[threads * memory_size + lanes]) {}

float * rc::product_memory::panel(int thread) const {
    const uintptr_t line = lanes * sizeof(float);
    return (float *) (((uintptr_t) values.get() + line - 1) / line * line) + thread * memory_size;
}

void rc::product(ggml_tensor * dst, int thread, int threads, void * data) {
    product_task & task = *(product_task *) data;
    const cut c(of(dst, task.op, 0, 0));
    const int64_t parts = c.across * c.blocks;
    const uint64_t work = parts * dst->ne[2] * dst->ne[3], turns = work + threads;
    // each thread asks once in vain, so that every run counts on from a multiple of turns
    for (uint64_t i; (i = task.next++ % turns) < work;) {
        const int64_t batch = i / parts;
        c.run(of(dst, task.op, batch % dst->ne[2], batch / dst->ne[2]), i % parts, task.memory.panel(thread));
    }
}

#else

bool rc::product_takes(ggml_type) { return false; }
bool rc::product_fits(const ggml_tensor *) { return false; }
void rc::product(ggml_tensor *, int, int, void *) {}
rc::product_memory::product_memory(int) {}
float * rc::product_memory::panel(int) const { return nullptr; }

#endif
