// The two products of attention where one number of a key or value is multiplied with a vector of
// queries: float32 on any processor, pairs of bfloat16 where it has AVX512_BF16.
#pragma once

#include <cstring>

#include "attention_avx512.hpp"
#include "attention_exp2.hpp"
#include "attention_rows.hpp"

namespace kakusan::attention {

// Units are floats or pairs of bfloat16, 32 bits both. Queries are [unit of dims][query], keys
// [key][unit of dims], scores [key][query], weights [unit of keys][query], values
// [group of dims][unit of keys][dim], sums [dim][query].
template <class Arithmetic>
struct Broadcast {
    typedef typename Arithmetic::Element Element;
    struct Session {  // what a thread sets up for the while
        void begin() {}
        void end() {}
    };
    static constexpr Exp2 QUALITY = sizeof(Element) == 4 ? Exp2::FLOAT : Exp2::BF16;
    static constexpr int PER = 4 / sizeof(Element);
    static constexpr int WIDTH = 3;  // vectors of queries in a panel
    static constexpr int ROWS = LANES == 16 ? 8 : 4;  // WIDTH * ROWS sums stay in registers
    // What sizes are rounded up to: keys, units of keys, units of dims in a key, dims in a value
    static constexpr int KEYS = ROWS, UNITS = 1, DEPTH = 1, DIMS = ROWS;

    static constexpr int64_t BLOCK = 128;  // keys whose scores are made at a time
    static constexpr int64_t DEPTH_BLOCK = 256;  // of a panel's queries, what the first cache holds

    // Take in a row of values, that of unit `unit` of `units`
    static void place_values(const float* row, int64_t, int64_t unit, int64_t units, int64_t dims,
                             float* values) {
        for (int64_t d = 0; d < dims; d += ROWS)
            memcpy(values + d * units + unit * ROWS, row + d, 4 * ROWS);
    }

    template <int W>
    static void scores(const float* queries, const float* keys, int64_t count, int64_t depth,
                       float* scores) {
        for (int64_t unit = 0; unit < depth; unit += DEPTH_BLOCK)
            for (int64_t key = 0; key < count; key += ROWS)
                multiply<W>(queries + unit * W * LANES, smaller(DEPTH_BLOCK, depth - unit),
                            keys + key * depth + unit, 1, depth, unit == 0,
                            scores + key * W * LANES);
    }

    template <int W>
    static void accumulate(const float* weights, const float* values, int64_t units, int64_t dims,
                           float* sums) {
        for (int64_t d = 0; d < dims; d += ROWS)
            multiply<W>(weights, units, values + d * units, ROWS, 1, false, sums + d * W * LANES);
    }

   private:
    // sums[r][query] (+)= sum over i of vectors[i][query] * units[i * step + r * row]
    template <int W>
    static inline __attribute__((always_inline)) void multiply(const float* vectors, int64_t count,
                                                               const float* units, int64_t step,
                                                               int64_t row, bool fresh,
                                                               float* sums) {
        Vec sum[ROWS][W];
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
            for (int w = 0; w < W; w++) sum[r][w] = Vec{};
        for (int64_t i = 0; i < count; i++) {
            Vec x[W];
#pragma GCC unroll 4
            for (int w = 0; w < W; w++) x[w] = load(vectors + (i * W + w) * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
                for (int w = 0; w < W; w++)
                    sum[r][w] =
                        Arithmetic::multiply_add(sum[r][w], x[w], units + i * step + r * row);
        }
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
            for (int w = 0; w < W; w++) {
                float* to = sums + (r * W + w) * LANES;
                store(to, fresh ? sum[r][w] : load(to) + sum[r][w]);
            }
    }
};

}  // namespace kakusan::attention
