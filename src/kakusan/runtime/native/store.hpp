// What is done to the sums of products on their way to the output.
#pragma once

#include "activation.hpp"
#include "weights.hpp"

namespace kakusan {

// What is added where a result is stored: each may be null
template <class T>
struct Additions {
    const float* bias;  // [columns]
    const T* sample;    // [batch][columns], the same at every position of a picture
    const T* residual;  // like the output
};

// Adds what belongs to a result, and stores it: out (rows, columns)
template <class T>
struct Store {
    int64_t columns;
    int64_t positions;  // rows of one picture
    Additions<T> add;
    T* out;

    // `valid` rows from `row` of a panel, sums [row][NR]
    void operator()(const float* sums, int64_t row, int64_t valid, int64_t panel) const {
        const int64_t n = panel * NR;
        const bool both = columns - n > LANES;
        Vec bias[2] = {};
        if (add.bias)
            for (int half = 0; half < 1 + both; half++)
                bias[half] = load_part(add.bias + n + half * LANES, columns - n - half * LANES);
        for (int64_t r = 0; r < valid; r++, sums += NR)
            for (int half = 0; half < 1 + both; half++) {
                const int64_t at = n + half * LANES, width = columns - at;
                Vec v = load(sums + half * LANES) + bias[half];
                if (add.sample)
                    v += load_part(add.sample + (row + r) / positions * columns + at, width);
                if (add.residual)
                    v += load_part(add.residual + (row + r) * columns + at, width);
                store_part(out + (row + r) * columns + at, v, width);
            }
    }
};

// value * gelu(gate): a panel's second half holds the gates of its first; out (rows, width)
template <class T>
struct StoreGated {
    int64_t width;
    const float* bias;  // [2 * width], or null
    T* out;

    void operator()(const float* sums, int64_t row, int64_t valid, int64_t panel) const {
        const int64_t n = panel * LANES;
        const Vec value = bias ? load_part(bias + n, width - n) : Vec{};
        const Vec gate = bias ? load_part(bias + width + n, width - n) : Vec{};
        for (int64_t r = 0; r < valid; r++, sums += NR)
            store_part(out + (row + r) * width + n,
                       (load(sums) + value) * gelu(load(sums + LANES) + gate), width - n);
    }
};

}  // namespace kakusan
