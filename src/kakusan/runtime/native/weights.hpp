// Weights as a checkpoint keeps them (float32, float16 or bfloat16), packed for the products.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "transpose.hpp"

namespace kakusan {

enum WeightType : int { FLOAT32 = 0, FLOAT16 = 1, BFLOAT16 = 2 };

struct Weights {
    const void* data;
    int64_t type;

    // `count` consecutive values from `start`, as float32
    void read(int64_t start, int64_t count, float* out) const {
        if (type == FLOAT32) {
            memcpy(out, static_cast<const float*>(data) + start, count * sizeof(float));
            return;
        }
        const uint16_t* from = static_cast<const uint16_t*>(data) + start;
        int64_t i = 0;
        if (type == FLOAT16) {
            for (; i + 8 <= count; i += 8)
                _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(from + i))));
            for (; i < count; i++) out[i] = _cvtsh_ss(from[i]);
            return;
        }
        for (; i < count; i++) out[i] = widened(from[i]);
    }
};

// A panel holds NR columns of the product side by side: [tap][k][NR]
constexpr int NR = 2 * LANES;

// Which output channels a panel's columns compute. GEGLU puts LANES values beside their gates.
struct Columns {
    int64_t count;       // output channels
    int64_t gate = 0;    // where the gates begin, 0 for none

    int64_t panels() const {
        const int64_t width = gate ? LANES : NR;
        return ((gate ? gate : count) + width - 1) / width;
    }
    // the row of the weight for column j of panel p, or -1 for padding
    int64_t row(int64_t p, int j) const {
        if (gate == 0) return p * NR + j < count ? p * NR + j : -1;
        const int64_t n = p * LANES + j % LANES;
        return n >= gate ? -1 : n + (j / LANES) * gate;
    }
};

constexpr int MAX_TAPS = 9;
constexpr int PACK = 32;  // values of k that are packed at a time

// out[tap][k - start][NR] for k in [start, stop), of a weight [rows][depth][taps]
static inline void pack(const Weights& weights, const Columns& columns, int64_t panel, int64_t depth,
                        int taps, int64_t start, int64_t stop, float* out) {
    alignas(64) float rows[NR][PACK * MAX_TAPS + LANES];
    alignas(64) float turned[LANES][LANES];
    for (int64_t k = start; k < stop; k += PACK) {
        const int64_t count = smaller(PACK, stop - k) * taps;
        for (int j = 0; j < NR; j++) {
            const int64_t row = columns.row(panel, j);
            if (row < 0)
                memset(rows[j], 0, count * sizeof(float));
            else
                weights.read((row * depth + k) * taps, count, rows[j]);
        }
        float* to[LANES] = {};  // where the next columns go
        int tap = 0;
        float* next = out + (k - start) * NR;
        for (int64_t i = 0; i < count; i += LANES) {
            const int some = int(smaller(count - i, LANES));
            for (int n = 0; n < some; n++) {
                to[n] = next + tap * (stop - start) * NR;
                if (++tap == taps) tap = 0, next += NR;
            }
            for (int j = 0; j < NR; j += LANES) {
                transpose(rows[j] + i, PACK * MAX_TAPS + LANES, turned[0], LANES);
                for (int n = 0; n < some; n++) memcpy(to[n] + j, turned[n], sizeof(turned[0]));
            }
        }
    }
}

}  // namespace kakusan
