// The two products of attention on AMX tiles.
#pragma once

#include "attention_exp2.hpp"
#include "attention_rows.hpp"
#include "tiles.hpp"

namespace kakusan::attention {

// See Broadcast for what the parts mean. Keys and values are the left factors, 16 rows at a time;
// queries and weights, whose pairs lie side by side as they are made, the right ones.
struct Tiles {
    static_assert(LANES == 16);
    typedef Bf16 Element;
    typedef FullTiles Session;
    static constexpr Exp2 QUALITY = Exp2::BF16;
    static constexpr int PER = 2, WIDTH = 2;
    static constexpr int KEYS = 32, UNITS = 16, DEPTH = 16, DIMS = 16;

    static constexpr int64_t BLOCK = 256;

    static void place_values(const float* rows, int64_t row, int64_t unit, int64_t units,
                             int64_t dims, float* values) {
        for (int64_t d = 0; d < dims; d += 16)
            transpose(rows + d, row, values + d * units + unit * 16, 16);
    }

    template <int W>
    static void scores(const float* queries, const float* keys, int64_t count, int64_t depth,
                       float* scores) {
        const Strips b = {queries, 16 * W, 16 * 16 * W, 16};
        for (int64_t key = 0; key < count; key += 32) {
            const Strips a = {keys + key * depth, depth, 16, 16 * depth};
            multiply_strips<2, W>(a, b, depth / 16, true, scores + key * 16 * W, 16 * W);
        }
    }

    template <int W>
    static void accumulate(const float* weights, const float* values, int64_t units, int64_t dims,
                           float* sums) {
        const Strips b = {weights, 16 * W, 16 * 16 * W, 16};
        const auto strips = [&](int64_t d) {
            return Strips{values + d * units, 16, 256, 16 * units};
        };
        int64_t d = 0;
        for (; d < dims && dims - d != 48; d += 32) {
            float* to = sums + d * 16 * W;
            if (dims - d == 16)
                multiply_strips<1, W>(strips(d), b, units / 16, false, to, 16 * W);
            else
                multiply_strips<2, W>(strips(d), b, units / 16, false, to, 16 * W);
        }
        if (d >= dims) return;
        // Three rows of tiles are left: by columns, they too have a tile for each factor
        for (int w = 0; w < W; w++)
            multiply_strips<3, 1>(strips(d), {weights + 16 * w, 16 * W, 16 * 16 * W, 0}, units / 16,
                                  false, sums + (d * W + w) * 16, 16 * W);
    }
};

}  // namespace kakusan::attention
