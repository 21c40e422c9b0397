// SiLU and GELU, exact to float32's rounding.
#pragma once

#include "vector.hpp"

namespace kakusan {

// e^x: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; relative error below 2e-7
static inline Vec exponential(Vec x) {
    x = minimum(maximum(x, broadcast(-87.0f)), broadcast(88.0f));
    const Vec magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
    const Vec shifted = x * 1.44269504f + magic;
    const Vec n = shifted - magic;
    const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
    Vec p = r * (1.0f / 5040) + (1.0f / 720);
    p = p * r + (1.0f / 120);
    p = p * r + (1.0f / 24);
    p = p * r + (1.0f / 6);
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (Vec)((IntVec)p + (((IntVec)shifted - (IntVec)magic) << 23));
}

static inline Vec silu(Vec x) { return x / (1.0f + exponential(-x)); }

// x times the normal distribution function. Abramowitz and Stegun 7.1.26, error below 1.5e-7.
static inline Vec gelu(Vec x) {
    const Vec z = absolute(x) * 0.70710678f;
    const Vec t = 1.0f / (1.0f + 0.3275911f * z);
    Vec p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const Vec tail = 0.5f * p * t * exponential(-z * z);  // the probability beyond |x|
    return x * (x < 0.0f ? tail : 1.0f - tail);
}

}  // namespace kakusan
