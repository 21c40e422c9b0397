// The matrix product behind linear layers and convolutions: out[m] = source(m) * weightᵀ.
#pragma once

#include "scratch.hpp"
#include "weights.hpp"

namespace kakusan {

// Rows at a time: as many accumulators as the registers hold beside a panel's two vectors
constexpr int MR = LANES == 16 ? 12 : 6;

typedef Vec Tile[MR][2];

static inline __attribute__((always_inline)) void clear(Tile& acc) {
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++) acc[r][0] = acc[r][1] = Vec{};
}

// acc[r] += sum over k of rows[r][k] * panel[k][0..NR)
static inline __attribute__((always_inline)) void multiply(const float* const* rows, int64_t depth,
                                                           const float* panel, Tile& acc) {
    const float* row[MR];
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++) row[r] = rows[r];
#pragma GCC unroll 2
    for (int64_t k = 0; k < depth; k++) {
        const Vec b0 = load(panel + k * NR), b1 = load(panel + k * NR + LANES);
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++) {
            const Vec a = broadcast(row[r][k]);
            acc[r][0] += a * b0;
            acc[r][1] += a * b1;
        }
    }
}

// `count` (at most LANES) values of a row, whose rest is not ours to touch
static inline Vec load_part(const float* p, int64_t count) {
    if (count >= LANES) return load(p);
    float part[LANES] = {};
    for (int64_t i = 0; i < count; i++) part[i] = p[i];
    return load(part);
}
static inline void store_part(float* p, Vec v, int64_t count) {
    if (count >= LANES) return store(p, v);
    float part[LANES];
    store(part, v);
    for (int64_t i = 0; i < count; i++) p[i] = part[i];
}

// What is added where a result is stored: each may be null
struct Additions {
    const float* bias;      // [columns]
    const float* sample;    // [batch][columns], the same at every position of a picture
    const float* residual;  // like the output
};

constexpr int ROW_BLOCK = 16 * MR;  // rows whose values of one k block stay in the second cache
constexpr int PANEL_BLOCK = 8;      // panels that one task computes
constexpr int64_t PACKED_PANELS = 64;
constexpr int64_t PACKED_DEPTH = 384;  // taps times k: a packed panel fits the first cache

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `Source` gives the address of row m at a tap; `Finish` takes finished tiles to the output.
// Partial sums of a depth beyond one block stay in `out`, [rows][columns].
template <class Source, class Finish>
static int product(const Source& source, int64_t rows, int64_t depth, int taps,
                   const Weights& weights, const Columns& columns, int64_t block_depth, float* out,
                   const Finish& finish) {
    static thread_local Scratch scratch;
    const int64_t panels = columns.panels();
    const int64_t panel_size = block_depth * taps * NR;
    const int64_t packed_panels = smaller(panels, PACKED_PANELS);
    float* packed = scratch.floats(packed_panels * panel_size);
    if (!packed) return 1;
    const int64_t row_blocks = ceil_div(rows, ROW_BLOCK);
#pragma omp parallel
    for (int64_t first = 0; first < panels; first += PACKED_PANELS) {
        const int64_t here = smaller(PACKED_PANELS, panels - first);
        for (int64_t start = 0; start < depth; start += block_depth) {
            const int64_t stop = smaller(depth, start + block_depth);
#pragma omp for schedule(static)
            for (int64_t p = 0; p < here; p++)
                pack(weights, columns, first + p, depth, taps, start, stop,
                     packed + p * panel_size);
            const int64_t groups = ceil_div(here, PANEL_BLOCK);
#pragma omp for collapse(2) schedule(dynamic, 1)
            for (int64_t block = 0; block < row_blocks; block++)
                for (int64_t group = 0; group < groups; group++) {
                    const int64_t row = block * ROW_BLOCK;
                    const int64_t count = smaller(ROW_BLOCK, rows - row);
                    const float* address[MAX_TAPS][ROW_BLOCK];
                    for (int tap = 0; tap < taps; tap++)
                        for (int64_t r = 0; r < ceil_div(count, MR) * MR; r++)
                            address[tap][r] = source(row + smaller(r, count - 1), tap) + start;
                    const int64_t last = smaller(here, (group + 1) * PANEL_BLOCK);
                    for (int64_t p = group * PANEL_BLOCK; p < last; p++)
                        for (int64_t r = 0; r < count; r += MR) {
                            Tile acc;
                            const int valid = smaller(MR, count - r);
                            clear(acc);
                            for (int tap = 0; tap < taps; tap++)
                                multiply(address[tap] + r, stop - start,
                                         packed + p * panel_size + tap * (stop - start) * NR, acc);
                            finish(acc, row + r, valid, first + p, start > 0, stop == depth, out);
                        }
                }
        }
    }
    return 0;
}

// Adds what belongs to a result when its last block is done, and stores it
struct Store {
    int64_t columns;
    int64_t positions;  // rows of one picture
    Additions add;

    __attribute__((always_inline)) void operator()(const Tile& acc, int64_t row, int valid,
                                                   int64_t panel, bool resume, bool done,
                                                   float* out) const {
        const int64_t n = panel * NR;
        if (valid == MR && columns - n >= NR) return whole(acc, row, n, resume, done, out);
        for (int half = 0; half < 2; half++) part(acc, half, row, valid, n, resume, done, out);
    }

    __attribute__((always_inline)) void whole(const Tile& acc, int64_t row, int64_t n, bool resume,
                                              bool done, float* out) const {
        Tile v;
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++)
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) v[r][half] = acc[r][half];
        const auto plus = [&](const float* from, int64_t stride) __attribute__((always_inline)) {
#pragma GCC unroll 16
            for (int r = 0; r < MR; r++)
#pragma GCC unroll 2
                for (int half = 0; half < 2; half++)
                    v[r][half] += load(from + r * stride + half * LANES);
        };
        float* to = out + row * columns + n;
        if (resume) plus(to, columns);
        if (done && add.bias) plus(add.bias + n, 0);
        if (done && add.residual) plus(add.residual + row * columns + n, columns);
        if (done && add.sample)
            for (int r = 0; r < MR; r++)
                for (int half = 0; half < 2; half++)
                    v[r][half] += load(add.sample + (row + r) / positions * columns + n +
                                       half * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < MR; r++)
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++)
                store(to + r * columns + half * LANES, v[r][half]);
    }

    void part(const Tile& acc, int half, int64_t row, int valid, int64_t n, bool resume, bool done,
              float* out) const {
        n += half * LANES;
        const int64_t width = columns - n;
        if (width <= 0) return;
        const Vec bias = add.bias && done ? load_part(add.bias + n, width) : Vec{};
        for (int r = 0; r < valid; r++) {
            float* to = out + (row + r) * columns + n;
            Vec v = acc[r][half] + bias;
            if (resume) v += load_part(to, width);
            if (done && add.sample)
                v += load_part(add.sample + (row + r) / positions * columns + n, width);
            if (done && add.residual)
                v += load_part(add.residual + (row + r) * columns + n, width);
            store_part(to, v, width);
        }
    }
};

}  // namespace kakusan
