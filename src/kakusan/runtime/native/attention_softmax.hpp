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

// Find the largest scores with this block's, and weigh by them what is summed already
template <Exp2 QUALITY, int WIDTH>
static inline void raise_largest(const float* scores, int64_t keys, float scale,
                                 const Panel& panel) {
    Vec largest[WIDTH], factor[WIDTH];
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++) largest[i] = load(panel.largest + i * LANES);
    for (int64_t key = 0; key < keys; key++)
#pragma GCC unroll 4
        for (int i = 0; i < WIDTH; i++) {
            const Vec score = load(scores + (key * WIDTH + i) * LANES);
            largest[i] = score > largest[i] ? score : largest[i];
        }
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++) {
        factor[i] = exp2_of<QUALITY>((load(panel.largest + i * LANES) - largest[i]) * scale);
        store(panel.largest + i * LANES, largest[i]);
        store(panel.sum + i * LANES, load(panel.sum + i * LANES) * factor[i]);
    }
    for (int64_t dim = 0; dim < panel.dims; dim++)
#pragma GCC unroll 4
        for (int i = 0; i < WIDTH; i++) {
            float* out = panel.out + (dim * WIDTH + i) * LANES;
            store(out, load(out) * factor[i]);
        }
}

// Turn scores into weights where they stand. `scale` is that of the scores times log2(e). With
// PER == 2 a unit of weights is a pair (key, key + 1) of bfloat16. Units past the last key are zero.
template <Exp2 QUALITY, int PER, int WIDTH>
static inline void softmax(float* scores, int64_t keys, int64_t units, float scale,
                           const Panel& panel) {
    raise_largest<QUALITY, WIDTH>(scores, keys, scale, panel);
    Vec shift[WIDTH], sum[WIDTH] = {};
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++) shift[i] = load(panel.largest + i * LANES) * scale;
    const auto weight = [&](int64_t key, int i) __attribute__((always_inline)) {
        const Vec score = load(scores + (key * WIDTH + i) * LANES);
        const Vec w = exp2_of<QUALITY>(score * scale - shift[i]);
        sum[i] += w;
        return w;
    };
    const auto put = [&](int64_t unit, int i, Vec w) __attribute__((always_inline)) {
        store(scores + (unit * WIDTH + i) * LANES, w);
    };
    int64_t unit = 0;
    for (; unit < keys / PER; unit++)
#pragma GCC unroll 4
        for (int i = 0; i < WIDTH; i++) {
            if constexpr (PER == 1) put(unit, i, weight(unit, i));
            if constexpr (PER == 2)
                put(unit, i, make_pairs(weight(2 * unit, i), weight(2 * unit + 1, i)));
        }
    for (; unit < units; unit++)
        for (int i = 0; i < WIDTH; i++)
            put(unit, i, PER * unit < keys ? make_pairs(weight(2 * unit, i), Vec{}) : Vec{});
#pragma GCC unroll 4
    for (int i = 0; i < WIDTH; i++)
        store(panel.sum + i * LANES, load(panel.sum + i * LANES) + sum[i]);
}

}  // namespace kakusan::attention
