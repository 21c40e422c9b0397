// 2^x for the softmax, by a polynomial on the fractional part of x.
#pragma once

#include "attention_avx512.hpp"

#if KAKUSAN_LANES == 8
#define KAKUSAN_PIN_CONSTANTS 1
#endif

namespace kakusan::attention {

// The degree of the polynomial. Its relative error is 2e-9 at 6, where float32 rounds coarser, and
// 7.5e-5 at 3, where bfloat16 rounds 25 times coarser.
enum class Exp2 { FLOAT = 6, BF16 = 3 };

#ifdef KAKUSAN_HAS_SCALEF
// of a fraction in [0, 1)
constexpr float FLOAT_TERMS[] = {1.0f,          0.693146984f,   0.240229836f,  0.055483342f,
                                 0.009678841f,  0.00124396878f, 0.000217022555f};
constexpr float BF16_TERMS[] = {0.999925219f, 0.69583354f, 0.226067155f, 0.0780245226f};
#else
// of a fraction in [-1/2, 1/2]
constexpr float FLOAT_TERMS[] = {1.0f,           0.693147206f,   0.240226469f,  0.0555032878f,
                                 0.00961848896f, 0.00133999312f, 0.00015345812f};
constexpr float BF16_TERMS[] = {0.999928074f, 0.693260985f, 0.242611122f, 0.0551716691f};
#endif

// A constant that is about to be used for several vectors: without AVX-512 the compiler would run
// out of registers and load it again for each.
static inline Vec constant(float x) {
    Vec value = broadcast(x);
#ifdef KAKUSAN_PIN_CONSTANTS
    asm volatile("" : "+x"(value));
#endif
    return value;
}

template <Exp2 QUALITY, int COUNT>
static inline void polynomial(const Vec (&f)[COUNT], Vec (&p)[COUNT]) {
    constexpr int DEGREE = static_cast<int>(QUALITY);
    constexpr const float* TERMS = QUALITY == Exp2::FLOAT ? FLOAT_TERMS : BF16_TERMS;
#pragma GCC unroll 8
    for (int i = 0; i < COUNT; i++) p[i] = broadcast(TERMS[DEGREE]);
#pragma GCC unroll 8
    for (int term = DEGREE - 1; term >= 0; term--) {
        const Vec c = constant(TERMS[term]);
#pragma GCC unroll 8
        for (int i = 0; i < COUNT; i++) p[i] = p[i] * f[i] + c;
    }
}

// 2^x for x at most a little above 0; below -126 the result is 2^-126 or smaller. NaN stays NaN.
template <Exp2 QUALITY, int COUNT>
static inline void exp2_of(Vec (&x)[COUNT]) {
    Vec f[COUNT], p[COUNT];
#ifdef KAKUSAN_HAS_SCALEF
    for (int i = 0; i < COUNT; i++) f[i] = fraction(x[i]);
    polynomial<QUALITY>(f, p);
    for (int i = 0; i < COUNT; i++) x[i] = scale_by_power(p[i], x[i]);
#else
    const Vec least = constant(-126.0f), magic = constant(12582912.0f);
    IntVec power[COUNT];
#pragma GCC unroll 8
    for (int i = 0; i < COUNT; i++) {
        const Vec y = x[i] < least ? least : x[i];
        const Vec shifted = y + magic;  // 1.5 * 2^23: the low bits now hold y rounded
        f[i] = y - (shifted - magic);
        power[i] = (IntVec)shifted << 23;
    }
    polynomial<QUALITY>(f, p);
#pragma GCC unroll 8
    for (int i = 0; i < COUNT; i++) x[i] = (Vec)((IntVec)p[i] + power[i]);
#endif
}

}  // namespace kakusan::attention
