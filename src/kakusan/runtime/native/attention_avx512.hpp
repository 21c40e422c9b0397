// The AVX-512 instructions of the softmax. With KAKUSAN_EMULATE they are plain C++ of the
// same meaning, so that a processor without them tests all that is built on them.
#pragma once

#include <cmath>

#include "bf16.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#if defined(KAKUSAN_EMULATE) || defined(__AVX512DQ__)
#define KAKUSAN_HAS_SCALEF 1
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

}  // namespace kakusan::attention
