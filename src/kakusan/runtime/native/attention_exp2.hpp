// 2^x for the softmax, by a polynomial on the fractional part of x.
#pragma once

#include "attention_avx512.hpp"

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

template <Exp2 QUALITY>
static inline Vec polynomial(Vec f) {
    constexpr int DEGREE = static_cast<int>(QUALITY);
    constexpr const float* TERMS = QUALITY == Exp2::FLOAT ? FLOAT_TERMS : BF16_TERMS;
    Vec p = broadcast(TERMS[DEGREE]);
#pragma GCC unroll 8
    for (int i = DEGREE - 1; i >= 0; i--) p = p * f + TERMS[i];
    return p;
}

// 2^x for x at most a little above 0; below -126 the result is 2^-126 or smaller. NaN stays NaN.
template <Exp2 QUALITY>
static inline Vec exp2_of(Vec x) {
#ifdef KAKUSAN_HAS_SCALEF
    return scale_by_power(polynomial<QUALITY>(fraction(x)), x);
#else
    x = x < -126.0f ? broadcast(-126.0f) : x;
    const Vec shifted = x + 12582912.0f;  // 1.5 * 2^23: the low bits now hold x rounded
    const Vec p = polynomial<QUALITY>(x - (shifted - 12582912.0f));
    return (Vec)((IntVec)p + ((IntVec)shifted << 23));
#endif
}

}  // namespace kakusan::attention
