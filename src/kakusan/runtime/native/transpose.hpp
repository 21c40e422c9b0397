// Blocks transposed in registers.
#pragma once

#include "vector.hpp"

namespace kakusan {

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

// Transpose LANES rows of LANES units of 32 bits, whatever these hold; strides in units
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

}  // namespace kakusan
