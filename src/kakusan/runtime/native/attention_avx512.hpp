// The few AVX-512 instructions that attention uses. With KAKUSAN_EMULATE they are plain C++ of the
// same meaning, so that a processor without them tests all that is built on them.
#pragma once

#include <cmath>

#include "vector.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#if defined(KAKUSAN_EMULATE) || defined(__AVX512DQ__)
#define KAKUSAN_HAS_SCALEF 1
#endif

#if defined(KAKUSAN_EMULATE) || defined(__AVX512BF16__)
#define KAKUSAN_HAS_PAIRS 1
#endif

namespace kakusan::attention {

#if defined(__AVX512DQ__) && !defined(KAKUSAN_EMULATE)

// x less its floor, in [0, 1)
static inline Vec fraction(Vec x) {
    return (Vec)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

// x * 2^floor(exponent)
static inline Vec scale_by_power(Vec x, Vec exponent) {
    return (Vec)_mm512_scalef_ps((__m512)x, (__m512)exponent);
}

#else

static inline Vec fraction(Vec x) {
    for (int i = 0; i < LANES; i++) x[i] = x[i] - floorf(x[i]);
    return x;
}

static inline Vec scale_by_power(Vec x, Vec exponent) {
    for (int i = 0; i < LANES; i++) x[i] *= exp2f(floorf(exponent[i]));
    return x;
}

#endif

// A lane of a Vec of pairs holds two bfloat16, the earlier one in its low half.
#if defined(__AVX512BF16__) && !defined(KAKUSAN_EMULATE)

// (low, high) of each lane, rounded to nearest even
static inline Vec make_pairs(Vec low, Vec high) {
    alignas(64) static constexpr uint16_t INTERLEAVE[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    // vcvtne2ps2bf16 puts its second operand into the low half of the register
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
    return (Vec)_mm512_permutexvar_epi16(_mm512_load_si512(INTERLEAVE), halves);
}

// sum + x.high * y.high + x.low * y.low
static inline Vec add_products(Vec sum, Vec x, Vec y) {
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)y);
}

#else

constexpr int32_t HIGH = 0xffff << 16;

static inline IntVec rounded_high(Vec x) {
    const IntVec bits = (IntVec)x;
    return (bits + 0x7fff + ((bits >> 16) & 1)) & HIGH;
}

static inline Vec make_pairs(Vec low, Vec high) {
    return (Vec)(rounded_high(high) | ((rounded_high(low) >> 16) & 0xffff));
}

static inline Vec add_products(Vec sum, Vec x, Vec y) {
    const Vec high = (Vec)((IntVec)x & HIGH) * (Vec)((IntVec)y & HIGH);
    return sum + high + (Vec)((IntVec)x << 16) * (Vec)((IntVec)y << 16);
}

#endif

}  // namespace kakusan::attention
