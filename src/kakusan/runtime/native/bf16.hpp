// bfloat16, the upper half of a float: alone in memory, or in pairs that fill a lane. With
// KAKUSAN_EMULATE the instructions for pairs are plain C++ of the same meaning, so that a processor
// without them tests all that is built on them.
#pragma once

#include "vector.hpp"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#if defined(KAKUSAN_EMULATE) || defined(__AVX512BF16__)
#define KAKUSAN_HAS_PAIRS 1
#endif

namespace kakusan {

struct Bf16 {
    uint16_t bits;
};

static inline float to_float(float x) { return x; }
static inline float to_float(Bf16 x) { return upcast(x.bits); }

typedef uint16_t HalfVec __attribute__((vector_size(2 * LANES)));
typedef uint32_t UnsignedVec __attribute__((vector_size(4 * LANES)));

constexpr int32_t HIGH = 0xffff << 16;

static inline Vec load(const Bf16* p) {
    HalfVec halves;
    memcpy(&halves, p, sizeof(halves));
    return (Vec)(__builtin_convertvector(halves, UnsignedVec) << 16);
}

// A lane of a Vec of pairs holds two bfloat16, the earlier one in its low half.
#if defined(__AVX512BF16__) && !defined(KAKUSAN_EMULATE)

// Rounded to nearest even, here and below
static inline void store(Bf16* p, Vec v) {
    const __m256bh halves = _mm512_cvtneps_pbh((__m512)v);
    memcpy(p, &halves, sizeof(halves));
}

// One after the other, in one store: what is read next is as long, and would wait for two
static inline void store_both(Bf16* p, Vec first, Vec second) {
    const __m512bh halves = _mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
    memcpy(p, &halves, sizeof(halves));
}

// (low, high) of each lane
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

static inline IntVec rounded_high(Vec x) {
    const IntVec bits = (IntVec)x;
    return (bits + 0x7fff + ((bits >> 16) & 1)) & HIGH;
}

static inline void store(Bf16* p, Vec v) {
    const HalfVec halves = __builtin_convertvector((UnsignedVec)rounded_high(v) >> 16, HalfVec);
    memcpy(p, &halves, sizeof(halves));
}

static inline void store_both(Bf16* p, Vec first, Vec second) {
    store(p, first);
    store(p + LANES, second);
}

static inline Vec make_pairs(Vec low, Vec high) {
    return (Vec)(rounded_high(high) | ((rounded_high(low) >> 16) & 0xffff));
}

static inline Vec add_products(Vec sum, Vec x, Vec y) {
    const Vec high = (Vec)((IntVec)x & HIGH) * (Vec)((IntVec)y & HIGH);
    return sum + high + (Vec)((IntVec)x << 16) * (Vec)((IntVec)y << 16);
}

#endif

// `count` (at most LANES) values, whose neighbours are not ours to touch
template <class T>
static inline Vec load_part(const T* p, int64_t count) {
    if (count >= LANES) return load(p);
    T part[LANES] = {};
    for (int64_t i = 0; i < count; i++) part[i] = p[i];
    return load(part);
}
template <class T>
static inline void store_part(T* p, Vec v, int64_t count) {
    if (count >= LANES) return store(p, v);
    T part[LANES];
    store(part, v);
    for (int64_t i = 0; i < count; i++) p[i] = part[i];
}

// How a lane of 32 bits is multiplied and added: as a float, or as a pair of bfloat16
struct Floats {
    typedef float Element;
    static inline Vec multiply_add(Vec sum, Vec x, const float* unit) {
        return sum + x * broadcast(*unit);
    }
};

struct Pairs {
    typedef Bf16 Element;
    static inline Vec multiply_add(Vec sum, Vec x, const float* unit) {
        int32_t bits;
        memcpy(&bits, unit, 4);
        return add_products(sum, x, (Vec)(bits - IntVec{}));
    }
};

}  // namespace kakusan
