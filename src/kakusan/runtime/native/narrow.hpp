// Convolutions to 3 or 4 channels. As columns of a panel these would be a tenth of what is computed,
// so vectors lie along the channels of the input here, and are added up at the end.
#pragma once

#include "parallel.hpp"
#include "store.hpp"

namespace kakusan {

// `from` as a vector of units of 32 bits: floats, or pairs of bfloat16
static inline Vec load_units(const float* from) { return load(from); }
static inline Vec load_units(const Bf16* from) {
    return load(reinterpret_cast<const float*>(from));
}

// sum + x * y of such units
static inline Vec add_units(Vec sum, Vec x, Vec y, float) { return sum + x * y; }
#ifdef KAKUSAN_HAS_PAIRS
static inline Vec add_units(Vec sum, Vec x, Vec y, Bf16) { return add_products(sum, x, y); }
#endif

template <class T, int COLUMNS>
struct Narrow {
    static constexpr int STEP = LANES * 4 / sizeof(T);  // channels of a vector
    static constexpr int ROWS = LANES / COLUMNS;        // positions at a time: a vector of results
    static constexpr int64_t BLOCK = 16 * ROWS;         // positions of a task

    // [tap][STEP channels][column][STEP]
    static void pack(const Weights& weights, int64_t depth, int taps, T* values, T* out) {
        for (int c = 0; c < COLUMNS; c++) {
            weights.read(c * depth * taps, depth * taps, values);
            for (int64_t k = 0; k < depth; k++)
                for (int tap = 0; tap < taps; tap++)
                    out[((tap * depth + k / STEP * STEP) * COLUMNS) + c * STEP + k % STEP] =
                        values[k * taps + tap];
        }
    }

    // The sums of ROWS positions from `m` on, COLUMNS each, side by side
    template <class Source>
    static Vec sums(const Source& source, int64_t m, int64_t last, int64_t depth, int taps,
                    const T* weight) {
        Vec acc[LANES] = {};
        for (int tap = 0; tap < taps; tap++) {
            const T* row[ROWS];
            for (int r = 0; r < ROWS; r++) row[r] = source(smaller(m + r, last), tap);
            for (int64_t k = 0; k < depth; k += STEP, weight += STEP * COLUMNS) {
                Vec w[COLUMNS];
#pragma GCC unroll 4
                for (int c = 0; c < COLUMNS; c++) w[c] = load_units(weight + c * STEP);
#pragma GCC unroll 8
                for (int r = 0; r < ROWS; r++) {
                    const Vec x = load_units(row[r] + k);
#pragma GCC unroll 4
                    for (int c = 0; c < COLUMNS; c++)
                        acc[r * COLUMNS + c] = add_units(acc[r * COLUMNS + c], x, w[c], T{});
                }
            }
        }
        alignas(64) float lanes[LANES][LANES];
        transpose(reinterpret_cast<const float*>(acc), LANES, lanes[0], LANES);
        Vec sum = load(lanes[0]);
        for (int i = 1; i < LANES; i++) sum += load(lanes[i]);
        return sum;
    }

    // 0, or 1 if there is no memory
    template <class Source>
    static int run(int64_t threads, const Source& source, int64_t rows, int64_t depth, int taps,
                   const Weights& weights, const Additions<T>& add, T* out) {
        static thread_local Scratch memory;
        const int64_t size = depth * taps;
        T* packed = reinterpret_cast<T*>(memory.floats((COLUMNS + 1) * size));
        if (!packed) return 1;
        pack(weights, depth, taps, packed + COLUMNS * size, packed);
        alignas(64) float biases[LANES] = {};
        for (int i = 0; add.bias && i < ROWS * COLUMNS; i++) biases[i] = add.bias[i % COLUMNS];
        const Vec bias = load(biases);
        parallel_for(threads, ceil_div(rows, BLOCK), 1, rows * size * COLUMNS / LANES / 2,
                     [&](int64_t block) {
                         const int64_t end = smaller(rows, (block + 1) * BLOCK);
                         for (int64_t m = block * BLOCK; m < end; m += ROWS) {
                             const int64_t at = m * COLUMNS, count = smaller(ROWS, end - m) * COLUMNS;
                             Vec v = sums(source, m, end - 1, depth, taps, packed) + bias;
                             if (add.residual) v += load_part(add.residual + at, count);
                             store_part(out + at, v, count);
                         }
                     });
        return 0;
    }
};

// Whether `Narrow` computes a convolution: the channels must be whole vectors
template <class T>
static inline bool is_narrow(int64_t columns, int64_t depth, const Additions<T>& add) {
    return (columns == 3 || columns == 4) && depth % Narrow<T, 4>::STEP == 0 && !add.sample;
}

}  // namespace kakusan
