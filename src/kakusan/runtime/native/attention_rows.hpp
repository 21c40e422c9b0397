// Moving tokens: rows of float32 or bfloat16 in and out.
#pragma once

#include <cstdint>
#include <cstring>

#include "bf16.hpp"
#include "transpose.hpp"

namespace kakusan::attention {

// Tokens of shape (batch, token, heads * head_dim); strides in elements
template <class T>
struct Tokens {
    const T* data;
    int64_t batch_stride, row_stride;
};

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

}  // namespace kakusan::attention
