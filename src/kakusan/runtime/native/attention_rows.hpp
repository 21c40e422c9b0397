// Moving tokens: rows of float32 or bfloat16 in and out, and blocks turned on their side.
#pragma once

#include <cstdint>
#include <cstring>

#include "vector.hpp"

namespace kakusan::attention {

struct Bf16 {
    uint16_t bits;
};

// Tokens of shape (batch, token, heads * head_dim); strides in elements
template <class T>
struct Tokens {
    const T* data;
    int64_t batch_stride, row_stride;
};

static inline int64_t round_up(int64_t count, int64_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}
static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static inline float to_float(Bf16 x) {
    const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// Below, rows of units: floats, or pairs of bfloat16 in the 32 bits of a float

// A token's numbers as units, and zero behind them
template <class Element, class T>
static inline void copy_row(const T* from, int64_t count, float* to, int64_t units) {
    if constexpr (sizeof(Element) == sizeof(T))
        memcpy(to, from, sizeof(T) * count);
    else
        for (int64_t i = 0; i < count; i++) to[i] = to_float(from[i]);
    memset(reinterpret_cast<char*>(to) + sizeof(Element) * count, 0,
           4 * units - sizeof(Element) * count);
}

// Pairs of the numbers of two tokens, the second of which may be missing, and zero behind them
static inline void pair_rows(const Bf16* low, const Bf16* high, int64_t count, float* to,
                             int64_t units) {
    memset(to + count, 0, 4 * (units - count));
    for (int64_t i = 0; i < count; i++) {
        const uint32_t bits = low[i].bits | (high ? static_cast<uint32_t>(high[i].bits) << 16 : 0);
        memcpy(to + i, &bits, 4);
    }
}

// Swap, between rows i and i + SIZE, the blocks of SIZE lanes that lie off the diagonal
template <int SIZE>
static inline void swap_blocks(Vec (&rows)[LANES]) {
    IntVec upper = {}, lower = {};
#pragma GCC unroll 16
    for (int lane = 0; lane < LANES; lane++) {
        upper[lane] = lane & SIZE ? LANES + lane - SIZE : lane;
        lower[lane] = lane & SIZE ? LANES + lane : lane + SIZE;
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        if (i & SIZE) continue;
        const Vec a = rows[i], b = rows[i + SIZE];
        rows[i] = __builtin_shuffle(a, b, upper);
        rows[i + SIZE] = __builtin_shuffle(a, b, lower);
    }
}

// Turn LANES rows of LANES units of 32 bits, whatever these hold; strides in units
static inline void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    Vec rows[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) rows[i] = load(from + i * from_stride);
    swap_blocks<1>(rows);
    swap_blocks<2>(rows);
    swap_blocks<4>(rows);
    if constexpr (LANES == 16) swap_blocks<LANES / 2>(rows);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) store(to + i * to_stride, rows[i]);
}

}  // namespace kakusan::attention
