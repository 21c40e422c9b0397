// Vectors of as many floats as one register of the instruction set holds. GCC lowers wider
// vectors to what there is, so KAKUSAN_LANES=16 runs the 512-bit code on any processor.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef KAKUSAN_LANES
#ifdef __AVX512F__
#define KAKUSAN_LANES 16
#else
#define KAKUSAN_LANES 8
#endif
#endif

#define KAKUSAN_EXPORT extern "C" __attribute__((visibility("default")))

namespace kakusan {

constexpr int LANES = KAKUSAN_LANES;

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef float UnalignedVec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(4 * LANES)));

static inline Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
static inline void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
static inline Vec broadcast(float x) { return x - Vec{}; }

// a * b + c, rounded once, whatever the compiler would choose
static inline Vec fused(Vec a, Vec b, Vec c) {
    for (int i = 0; i < LANES; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
}

static inline Vec minimum(Vec a, Vec b) { return a < b ? a : b; }
static inline Vec maximum(Vec a, Vec b) { return a > b ? a : b; }
static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t round_up(int64_t a, int64_t multiple) {
    return ceil_div(a, multiple) * multiple;
}

// A bfloat16 is the upper half of a float
static inline float upcast(uint16_t bfloat16) {
    const uint32_t bits = static_cast<uint32_t>(bfloat16) << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}
static inline Vec absolute(Vec a) { return (Vec)((IntVec)a & 0x7fffffff); }

}  // namespace kakusan
