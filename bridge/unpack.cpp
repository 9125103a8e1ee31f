// Dequantising with AVX-512.
//
// ggml's own loops are compiled for every x86 processor and take 0.5 to 3 ns a
// value: as long as the products with some 50 rows that follow. The layouts are
// those of GGUF (ggml's block_q4_0 and so on); a test holds each to ggml's values.
#include "unpack.h"

#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(RETCON_NO_AVX512)
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized" // in its own immintrin.h
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f")))

namespace {

using loop = void (*)(const uint8_t * block, float * to, int64_t blocks);

// half is the F16 at p.
AVX512 inline float half(const uint8_t * p) {
    uint16_t bits;
    memcpy(&bits, p, sizeof(bits));
    return _mm512_cvtss_f32(_mm512_cvtph_ps(_mm256_set1_epi16((short) bits)));
}

AVX512 inline __m128i sixteen(const uint8_t * p) { return _mm_loadu_si128((const __m128i *) p); }
AVX512 inline __m512i unsigned_bytes(const uint8_t * p) { return _mm512_cvtepu8_epi32(sixteen(p)); }
AVX512 inline __m512i low(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi32(15)); }
AVX512 inline __m512i high(__m512i bytes) { return _mm512_srli_epi32(bytes, 4); }

// bits are `count` bits of each value from `from` on, moved up to bit `to`.
AVX512 inline __m512i bits(__m512i v, int from, int count, int to) {
    __m512i b = _mm512_and_si512(_mm512_srl_epi32(v, _mm_cvtsi32_si128(from)), _mm512_set1_epi32((1 << count) - 1));
    return _mm512_sll_epi32(b, _mm_cvtsi32_si128(to));
}

// flags are 16 where a bit of the mask is set.
AVX512 inline __m512i flags(uint32_t mask) { return _mm512_maskz_set1_epi32((__mmask16) mask, 16); }

// put writes q * scale + offset, rounded twice as ggml does it: compilers do not
// fuse an addition that names its rounding.
AVX512 inline void put(float * to, __m512i q, float scale, float offset) {
    __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(q), _mm512_set1_ps(scale));
    _mm512_storeu_ps(to, _mm512_add_round_ps(product, _mm512_set1_ps(offset), _MM_FROUND_CUR_DIRECTION));
}

// put_from writes (q - zero) * scale.
AVX512 inline void put_from(float * to, __m512i q, int zero, float scale) {
    _mm512_storeu_ps(to, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(zero))), _mm512_set1_ps(scale)));
}

AVX512 void q4_0(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 18, to += 32) {
        __m512i q = unsigned_bytes(b + 2);
        put_from(to, low(q), 8, half(b));
        put_from(to + 16, high(q), 8, half(b));
    }
}

AVX512 void q4_1(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 20, to += 32) {
        __m512i q = unsigned_bytes(b + 4);
        put(to, low(q), half(b), half(b + 2));
        put(to + 16, high(q), half(b), half(b + 2));
    }
}

AVX512 void q5_0(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 22, to += 32) {
        uint32_t fifth;
        memcpy(&fifth, b + 2, sizeof(fifth));
        __m512i q = unsigned_bytes(b + 6);
        put_from(to, _mm512_or_si512(low(q), flags(fifth)), 16, half(b));
        put_from(to + 16, _mm512_or_si512(high(q), flags(fifth >> 16)), 16, half(b));
    }
}

AVX512 void q5_1(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 24, to += 32) {
        uint32_t fifth;
        memcpy(&fifth, b + 4, sizeof(fifth));
        __m512i q = unsigned_bytes(b + 8);
        put(to, _mm512_or_si512(low(q), flags(fifth)), half(b), half(b + 2));
        put(to + 16, _mm512_or_si512(high(q), flags(fifth >> 16)), half(b), half(b + 2));
    }
}

AVX512 void q8_0(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 34, to += 32) {
        for (int i = 0; i < 32; i += 16) {
            put_from(to + i, _mm512_cvtepi8_epi32(sixteen(b + 2 + i)), 0, half(b));
        }
    }
}

AVX512 void q2_k(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 84) {
        const float d = half(b + 80), least = half(b + 82);
        for (int i = 0; i < 16; i++, to += 16) { // sixteen values: 128 share 32 bytes, two bits each
            __m512i q = unsigned_bytes(b + 16 + i / 8 * 32 + i % 2 * 16);
            put(to, bits(q, i % 8 / 2 * 2, 2, 0), d * (b[i] & 15), -least * (b[i] >> 4));
        }
    }
}

AVX512 void q3_k(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 110) {
        const float d = half(b + 108);
        for (int i = 0; i < 16; i++, to += 16) {
            __m512i third = bits(unsigned_bytes(b + i % 2 * 16), i / 2, 1, 2);
            __m512i q = bits(unsigned_bytes(b + 32 + i / 8 * 32 + i % 2 * 16), i % 8 / 2 * 2, 2, 0);
            const uint8_t * s = b + 96; // six bits: four in bytes 0 to 7, two in 8 to 11
            const int scale = (s[i % 8] >> (i / 8 * 4) & 15) | (s[8 + i % 4] >> (i / 4 * 2) & 3) << 4;
            put_from(to, _mm512_or_si512(q, third), 4, d * (scale - 32));
        }
    }
}

// scale_of is scale and minimum i of eight, six bits each, of Q4_K and Q5_K.
inline void scale_of(const uint8_t * s, int i, int & scale, int & least) {
    if (i < 4) {
        scale = s[i] & 63, least = s[i + 4] & 63;
    } else {
        scale = (s[i + 4] & 15) | s[i - 4] >> 6 << 4, least = s[i + 4] >> 4 | s[i] >> 6 << 4;
    }
}

AVX512 void q4_k(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 144) {
        for (int i = 0; i < 16; i++, to += 16) {
            int scale, least;
            scale_of(b + 4, i / 2, scale, least);
            __m512i q = bits(unsigned_bytes(b + 16 + i / 4 * 32 + i % 2 * 16), i / 2 % 2 * 4, 4, 0);
            put(to, q, half(b) * scale, -half(b + 2) * least);
        }
    }
}

AVX512 void q5_k(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 176) {
        for (int i = 0; i < 16; i++, to += 16) {
            int scale, least;
            scale_of(b + 4, i / 2, scale, least);
            __m512i fifth = bits(unsigned_bytes(b + 16 + i % 2 * 16), i / 2, 1, 4);
            __m512i q = bits(unsigned_bytes(b + 48 + i / 4 * 32 + i % 2 * 16), i / 2 % 2 * 4, 4, 0);
            put(to, _mm512_or_si512(q, fifth), half(b) * scale, -half(b + 2) * least);
        }
    }
}

AVX512 void q6_k(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 210) {
        const float d = half(b + 208);
        for (int i = 0; i < 16; i++, to += 16) {
            const int quarter = i % 8 / 2, side = i % 2 * 16; // of 128 values
            __m512i q = bits(unsigned_bytes(b + i / 8 * 64 + quarter % 2 * 32 + side), quarter / 2 * 4, 4, 0);
            __m512i upper = bits(unsigned_bytes(b + 128 + i / 8 * 32 + side), quarter * 2, 2, 4);
            put_from(to, _mm512_or_si512(q, upper), 32, d * (int8_t) b[192 + i]);
        }
    }
}

// levels are the values of four bits in IQ4_NL and IQ4_XS.
alignas(64) constexpr float levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

AVX512 inline void put_levels(float * to, const uint8_t * q, float scale) {
    const __m512 table = _mm512_load_ps(levels), s = _mm512_set1_ps(scale);
    const __m512i bytes = unsigned_bytes(q);
    _mm512_storeu_ps(to, _mm512_mul_ps(_mm512_permutexvar_ps(low(bytes), table), s));
    _mm512_storeu_ps(to + 16, _mm512_mul_ps(_mm512_permutexvar_ps(high(bytes), table), s));
}

AVX512 void iq4_nl(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 18, to += 32) {
        put_levels(to, b + 2, half(b));
    }
}

AVX512 void iq4_xs(const uint8_t * b, float * to, int64_t blocks) {
    for (; blocks > 0; blocks--, b += 136) {
        const int upper = b[2] | b[3] << 8;
        for (int i = 0; i < 8; i++, to += 32) {
            const int scale = (b[4 + i / 2] >> (i % 2 * 4) & 15) | (upper >> (2 * i) & 3) << 4;
            put_levels(to, b + 8 + i * 16, half(b) * (scale - 32));
        }
    }
}

loop loop_of(ggml_type t) {
    static const bool wide = __builtin_cpu_supports("avx512f");
    if (!wide) {
        return nullptr;
    }
    switch (t) {
        case GGML_TYPE_Q4_0: return q4_0;
        case GGML_TYPE_Q4_1: return q4_1;
        case GGML_TYPE_Q5_0: return q5_0;
        case GGML_TYPE_Q5_1: return q5_1;
        case GGML_TYPE_Q8_0: return q8_0;
        case GGML_TYPE_Q2_K: return q2_k;
        case GGML_TYPE_Q3_K: return q3_k;
        case GGML_TYPE_Q4_K: return q4_k;
        case GGML_TYPE_Q5_K: return q5_k;
        case GGML_TYPE_Q6_K: return q6_k;
        case GGML_TYPE_IQ4_NL: return iq4_nl;
        case GGML_TYPE_IQ4_XS: return iq4_xs;
        default: return nullptr;
    }
}

} // namespace

#else

namespace {
using loop = void (*)(const uint8_t *, float *, int64_t);
loop loop_of(ggml_type) { return nullptr; }
} // namespace

#endif

bool rc::unpacks_fast(ggml_type t) { return loop_of(t) != nullptr; }

void rc::unpack(ggml_type t, const char * src, float * dst, int64_t n) {
    if (loop l = loop_of(t)) {
        l((const uint8_t *) src, dst, n / ggml_blck_size(t));
    } else if (t == GGML_TYPE_F32) {
        memcpy(dst, src, n * sizeof(float));
    } else {
        ggml_get_type_traits(t)->to_float(src, dst, n);
    }
}
