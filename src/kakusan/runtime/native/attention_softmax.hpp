// The softmax of a block of scores, carried on from one block of keys to the next
// (arXiv:2112.05682). Scores stand as [key][query]: a query is a lane, and nothing is ever summed
// across a vector.
#pragma once

#include <cstring>

#include "attention_exp2.hpp"

namespace kakusan::attention {

// What a panel of queries has come to: of each query the largest score so far, the sum of its
// weights, and, as [dim][query], the sum of weight times value
struct Panel {
    float* largest;
    float* sum;
    float* out;
    int64_t dims;
};

template <int WIDTH>
static inline void start(const Panel& panel) {
    // Below any score, and finite also when multiplied
    for (int i = 0; i < WIDTH * LANES; i++) panel.largest[i] = -1e30f;
    memset(panel.sum, 0, 4 * WIDTH * LANES);
    memset(panel.out, 0, 4 * WIDTH * LANES * panel.dims);
}

// Each query's largest score, of this block's and those before
template <int WIDTH>
static inline void find_largest(const float* scores, int64_t keys, const Panel& panel,
                                Vec (&largest)[WIDTH]) {
    constexpr int AT_ONCE = 4 * WIDTH;  // so that none waits for the one before it
    Vec most[AT_ONCE];
#pragma GCC unroll 16
    for (int i = 0; i < AT_ONCE; i++) most[i] = load(panel.largest + i % WIDTH * LANES);
    const float* end = scores + keys * WIDTH * LANES;
    for (; scores + AT_ONCE * LANES <= end; scores += AT_ONCE * LANES)
#pragma GCC unroll 16
        for (int i = 0; i < AT_ONCE; i++) most[i] = maximum(load(scores + i * LANES), most[i]);
    for (; scores < end; scores += WIDTH * LANES)
#pragma GCC unroll 4
        for (int i = 0; i < WIDTH; i++) most[i] = maximum(load(scores + i * LANES), most[i]);
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++)
        largest[i] = maximum(maximum(most[i], most[WIDTH + i]),
                            maximum(most[2 * WIDTH + i], most[3 * WIDTH + i]));
}

// Take new largest scores, and weigh by them what is summed already
template <Exp2 QUALITY, int WIDTH>
static inline void raise_largest(const Vec (&largest)[WIDTH], float scale, const Panel& panel) {
    Vec factor[WIDTH];
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++) {
        factor[i] = (load(panel.largest + i * LANES) - largest[i]) * scale;
        store(panel.largest + i * LANES, largest[i]);
    }
    exp2_of<QUALITY>(factor);
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++)
        store(panel.sum + i * LANES, load(panel.sum + i * LANES) * factor[i]);
    for (int64_t dim = 0; dim < panel.dims; dim++)
#pragma GCC unroll 4
        for (int i = 0; i < WIDTH; i++) {
            float* out = panel.out + (dim * WIDTH + i) * LANES;
            store(out, load(out) * factor[i]);
        }
}

// Turn scores into weights where they stand. `scale` is that of the scores times log2(e). With
// PER == 2 a unit of weights is a pair (key, key + 1) of bfloat16. Units past the last are zero.
template <Exp2 QUALITY, int PER, int WIDTH>
static inline void softmax(float* scores, int64_t keys, int64_t units, float scale,
                           const Panel& panel) {
    Vec shift[WIDTH], sum[WIDTH] = {};
    find_largest<WIDTH>(scores, keys, panel, shift);
    raise_largest<QUALITY, WIDTH>(shift, scale, panel);
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++) shift[i] *= scale;
    // Two keys at a time, so that enough is under way; a missing second one weighs nothing
    const auto weigh = [&](int64_t key, bool both) __attribute__((always_inline)) {
        Vec w[2 * WIDTH] = {};
        const int count = both ? 2 * WIDTH : WIDTH;
#pragma GCC unroll 8
        for (int i = 0; i < count; i++)
            w[i] = load(scores + (key * WIDTH + i) * LANES) * scale - shift[i % WIDTH];
        exp2_of<QUALITY>(w);
#pragma GCC unroll 4
        for (int i = 0; i < WIDTH; i++) sum[i] += both ? w[i] + w[WIDTH + i] : w[i];
        if constexpr (PER == 1)
#pragma GCC unroll 8
            for (int i = 0; i < count; i++) store(scores + (key * WIDTH + i) * LANES, w[i]);
        if constexpr (PER == 2)
#pragma GCC unroll 4
            for (int i = 0; i < WIDTH; i++)
                store(scores + (key / 2 * WIDTH + i) * LANES,
                      make_pairs(w[i], both ? w[WIDTH + i] : Vec{}));
    };
    for (int64_t key = 0; key + 1 < keys; key += 2) weigh(key, true);
    if (keys % 2) weigh(keys - 1, false);
    for (int64_t i = (keys + PER - 1) / PER * WIDTH; i < units * WIDTH; i++)
        store(scores + i * LANES, Vec{});
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++)
        store(panel.sum + i * LANES, load(panel.sum + i * LANES) + sum[i]);
}

}  // namespace kakusan::attention
