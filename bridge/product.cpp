// Products in F32 on x86 with AVX-512.
//
// ggml multiplies by dot products of unpacked rows and comes to a quarter of
// what such a processor can do (docs/results.md). Here a panel of the first
// factor lies turned in the second-level cache, and a tile, a piece of it and
// eight rows of the second, is summed in registers, as in Goto and van de Geijn
// (2008), "Anatomy of High-Performance Matrix Multiplication". Each sum runs in
// the order of its terms, whatever the number of rows and threads.
#include "product.h"

#include "ggml-cpu.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // in its own immintrin.h
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
constexpr int64_t block_rows = 256;   // rows that meet a panel before it is packed anew
constexpr size_t panel_size = panel_width * depth;

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

// turn writes a square of registers, one row each, as its transpose.
AVX512 inline void turn(__m512 r[lanes], float * to, size_t ld) {
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

// values loads the first n of sixteen values, and zeros behind them.
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
// [m, n]: W [k, m], or [m, k] if it lies turned already.
struct factors {
    ggml_type type;
    bool turned;
    const char * w;
    size_t row; // of W, in bytes
    const float * x;
    strides sx;
    float * c;
    int64_t m, n, k;
};

// pack turns rows [first, first + width) of W, zeros past its end, columns
// [from, from + k), to a panel [width, k]. Where W lies turned that is a copy.
AVX512 void pack(const factors & f, int64_t first, int width, int64_t from, int k, float * panel) {
    if (f.turned) {
        for (int p = 0; p < k; p++) {
            for (int i = 0; i < width; i += lanes) {
                const int n = (int) std::min<int64_t>(lanes, f.m - first - i);
                _mm512_store_ps(panel + (size_t) p * width + i, values(f.type, f.w + (from + p) * f.row, first + i, n));
            }
        }
        return;
    }
    for (int i = 0; i < width; i += lanes) {
        for (int p = 0; p < k; p += lanes) {
            const int columns = std::min(lanes, k - p);
            __m512 r[lanes];
            UNROLL for (int q = 0; q < lanes; q++) {
                int64_t row = first + i + q;
                r[q] = row < f.m ? values(f.type, f.w + row * f.row, from + p, columns) : _mm512_setzero_ps();
            }
            turn(r, panel + (size_t) p * width + i, width);
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
    f.turned = op == GGML_OP_OUT_PROD;
    f.type = w->type;
    f.w = (const char *) w->data + i2 / (dst->ne[2] / w->ne[2]) * w->nb[2] + i3 / (dst->ne[3] / w->ne[3]) * w->nb[3];
    f.row = w->nb[1];
    f.x = (const float *) ((const char *) x->data + i2 * x->nb[2] + i3 * x->nb[3]);
    f.c = (float *) ((char *) dst->data + i2 * dst->nb[2] + i3 * dst->nb[3]);
    f.m = dst->ne[0], f.n = dst->ne[1], f.k = w->ne[f.turned ? 1 : 0];
    const size_t step[2] = {x->nb[0] / sizeof(float), x->nb[1] / sizeof(float)};
    f.sx = f.turned ? strides{step[1], step[0]} : strides{step[0], step[1]};
    return f;
}

// cut is how a product is done in parts that stand alone: panels of W by blocks of rows.
struct cut {
    int64_t vectors, panels, blocks, block, depth;

    explicit cut(const factors & f) {
        vectors = (f.m + lanes - 1) / lanes;
        panels = (vectors + most_vectors - 1) / most_vectors;
        vectors = (vectors + panels - 1) / panels;
        blocks = std::max<int64_t>(1, (f.n + block_rows / 2) / block_rows);
        block = ((f.n + blocks - 1) / blocks + tile_rows - 1) / tile_rows * tile_rows;
        const int64_t parts = (f.k + ::depth - 1) / ::depth;
        depth = ((f.k + parts - 1) / parts + lanes - 1) / lanes * lanes;
    }

    void run(const factors & f, int64_t part, float * panel) const {
        const int64_t first = part % panels * vectors * lanes, begin = std::min(f.n, part / panels * block);
        const int64_t end = std::min(f.n, begin + block);
        if (first >= f.m) {
            return; // rounding up left less than whole panels
        }
        const int width = (int) (std::min(vectors, (f.m - first + lanes - 1) / lanes) * lanes);
        for (int64_t from = 0; from < f.k; from += depth) {
            const int k = (int) std::min(depth, f.k - from);
            const bool whole = f.type == GGML_TYPE_F32 && first + width <= f.m;
            if (f.turned && whole && end - begin < 4 * tile_rows) { // a copy would not pay
                rows(f, (const float *) (f.w + from * f.row) + first, f.row / sizeof(float), width, first, begin, end, from, k);
                continue;
            }
            pack(f, first, width, from, k, panel);
            rows(f, panel, width, width, first, begin, end, from, k);
        }
    }
};

bool wide() {
    static const bool yes = __builtin_cpu_supports("avx512f");
    return yes;
}

bool plain(ggml_type t) {
    // ggml's own products in these types are fast where there are instructions for them
    static const bool halves = ggml_cpu_has_avx512_bf16() || ggml_cpu_has_amx_int8();
    return t == GGML_TYPE_F32 || (!halves && (t == GGML_TYPE_F16 || t == GGML_TYPE_BF16));
}

} // namespace

bool rc::product_adds(ggml_type t) { return wide() && plain(t); }

bool rc::product_fits(const ggml_tensor * t) {
    if (!wide() || (t->op != GGML_OP_MUL_MAT && t->op != GGML_OP_OUT_PROD) || t->type != GGML_TYPE_F32 || !ggml_is_contiguous(t)) {
        return false;
    }
    const ggml_tensor * w = t->src[0], * x = t->src[1];
    const bool turned = t->op == GGML_OP_OUT_PROD;
    const bool aligned = (x->nb[0] | x->nb[1]) % sizeof(float) == 0 && w->nb[0] == ggml_type_size(w->type);
    if (x->type != GGML_TYPE_F32 || !aligned || !plain(w->type)) {
        return false;
    }
    if (turned && w->type != GGML_TYPE_F32) {
        return true; // ggml has no such product
    }
    // few rows of a large matrix take the time that reading it takes
    return t->ne[1] >= 4 * tile_rows || (t->ne[1] >= tile_rows && ggml_nelements(w) <= t->ne[2] * t->ne[3] * 16384);
}

rc::product_memory::product_memory(int threads) : values(new float[threads * panel_size + lanes]) {}

float * rc::product_memory::panel(int thread) const {
    const uintptr_t line = lanes * sizeof(float);
    return (float *) (((uintptr_t) values.get() + line - 1) / line * line) + thread * panel_size;
}

void rc::product(ggml_tensor * dst, int thread, int threads, void * data) {
    product_task & task = *(product_task *) data;
    const cut c(of(dst, task.op, 0, 0));
    const int64_t parts = c.panels * c.blocks;
    const uint64_t work = parts * dst->ne[2] * dst->ne[3], turns = work + threads;
    // each thread asks once in vain, so that every run counts on from a multiple of turns
    for (uint64_t i; (i = task.next++ % turns) < work;) {
        const int64_t batch = i / parts;
        c.run(of(dst, task.op, batch % dst->ne[2], batch / dst->ne[2]), i % parts, task.memory.panel(thread));
    }
}

#else

bool rc::product_adds(ggml_type) { return false; }
bool rc::product_fits(const ggml_tensor *) { return false; }
void rc::product(ggml_tensor *, int, int, void *) {}
rc::product_memory::product_memory(int) {}
float * rc::product_memory::panel(int) const { return nullptr; }

#endif
