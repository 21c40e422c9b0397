// The matrix product behind linear layers and convolutions: out[m] = source(m) * weightᵀ.
#pragma once

#include "parallel.hpp"
#include "store.hpp"
#include "tiles.hpp"

namespace kakusan {

constexpr int64_t ROW_BLOCK = 384;    // rows of one task, at most
constexpr int64_t GROUP_PANELS = 10;  // panels of one task, at most: its sums stay in the second cache
constexpr int64_t TASKS = 4;          // of each thread, at least: who is late has taken little
constexpr int64_t PACKED_BYTES = 8 << 20;  // packed weights that tasks share at a time

// A slice of the sum: values of k at all taps
struct Slice {
    int64_t start, stop;
    int taps;

    int64_t depth() const { return stop - start; }
};

// The addresses of a task's rows at each tap
template <class T>
struct RowTable {
    const T* address[MAX_TAPS][ROW_BLOCK];
};

// Vectors of columns times one unit of a row: a float, or a pair of bfloat16
template <class Arithmetic>
struct Vectors {
    typedef typename Arithmetic::Element Element;
    static constexpr int PER = 4 / sizeof(Element);
    // Rows at a time: as many accumulators as the registers hold beside a panel's two vectors
    static constexpr int ROWS = LANES == 16 ? 12 : 6;
    static constexpr int64_t SLICE = PER == 1 ? 384 : 576;  // taps times k: fits the first cache
    static constexpr int64_t DEPTH = PER == 1 ? 1 : PER * UNITS;  // what packing fills k up to

    typedef Vec Sums[ROWS][2];

    struct Session {
        void begin() {}
        void end() {}
    };

    static void pack(const Weights& weights, const Columns& columns, int64_t panel, int64_t depth,
                     const Slice& slice, float* out) {
        const auto how = PER == 1 ? pack_floats : pack_pairs;
        how(weights, columns, panel, depth, slice.taps, slice.start, slice.stop, out);
    }

    static constexpr int64_t gathered_size(int64_t) { return 0; }
    static void gather(const RowTable<Element>&, int64_t, const Slice&, float*) {}

    static inline __attribute__((always_inline)) void clear(Sums& acc) {
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) acc[r][0] = acc[r][1] = Vec{};
    }

    // acc[r] += sum over units of rows[r][unit] * panel[unit][0..NR)
    static inline __attribute__((always_inline)) void multiply(const Element* const* rows,
                                                               int64_t units, const float* panel,
                                                               Sums& acc) {
        const float* row[ROWS];
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) row[r] = reinterpret_cast<const float*>(rows[r]);
#pragma GCC unroll 2
        for (int64_t k = 0; k < units; k++) {
            const Vec b0 = load(panel + k * NR), b1 = load(panel + k * NR + LANES);
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; r++) {
                acc[r][0] = Arithmetic::multiply_add(acc[r][0], b0, row[r] + k);
                acc[r][1] = Arithmetic::multiply_add(acc[r][1], b1, row[r] + k);
            }
        }
    }

    // ROWS rows from `r` on through a slice of a panel, sums [row][NR]
    static void multiply(const RowTable<Element>& rows, const float*, int64_t r, const Slice& slice,
                         const float* packed, bool fresh, float* sums) {
        Sums acc;
        const int64_t units = ceil_div(slice.depth(), PER);
        const int64_t step = round_up(slice.depth(), DEPTH) / PER * NR;
        clear(acc);
        for (int tap = 0; tap < slice.taps; tap++)
            multiply(rows.address[tap] + r, units, packed + tap * step, acc);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                float* to = sums + i * NR + half * LANES;
                store(to, fresh ? acc[i][half] : load(to) + acc[i][half]);
            }
    }
};

#ifdef KAKUSAN_HAS_TILES

// 2 x 2 AMX tiles of sums. A task's rows are copied into tiles first, wherever they stand.
struct TiledRows {
    static_assert(LANES == 16);
    typedef Bf16 Element;
    typedef FullTiles Session;
    static constexpr int PER = 2, ROWS = 32;
    static constexpr int64_t SLICE = 576, DEPTH = PER * UNITS, TILE = 256;

    static void pack(const Weights& weights, const Columns& columns, int64_t panel, int64_t depth,
                     const Slice& slice, float* out) {
        pack_pairs(weights, columns, panel, depth, slice.taps, slice.start, slice.stop, out);
    }

    static int64_t tiles(const Slice& slice) {
        return slice.taps * ceil_div(slice.depth(), DEPTH);
    }
    static constexpr int64_t gathered_size(int64_t depth_of_all_taps) {
        return ROW_BLOCK * depth_of_all_taps / PER;
    }

    // [16 rows][tap, 32 values of k][row][16 units]
    static void gather(const RowTable<Element>& rows, int64_t count, const Slice& slice,
                       float* out) {
        for (int64_t r = 0; r < count; r++) {
            float* to = out + (r / 16 * tiles(slice) * 16 + r % 16) * 16;
            for (int tap = 0; tap < slice.taps; tap++)
                for (int64_t k = 0; k < slice.depth(); k += DEPTH, to += TILE) {
                    const Bf16* from = rows.address[tap][r] + k;
                    const int64_t some = slice.depth() - k;
                    if (some >= DEPTH) {
                        store(to, load(reinterpret_cast<const float*>(from)));
                    } else {
                        memset(to, 0, DEPTH * sizeof(Bf16));
                        memcpy(to, from, some * sizeof(Bf16));
                    }
                }
        }
    }

    static void multiply(const RowTable<Element>&, const float* gathered, int64_t r,
                         const Slice& slice, const float* packed, bool fresh, float* sums) {
        const int64_t count = tiles(slice);
        const Strips a = {gathered + r / 16 * count * TILE, 16, TILE, count * TILE};
        multiply_strips<2, 2>(a, {packed, NR, 16 * NR, 16}, count, fresh, sums, NR);
    }
};

#endif

#ifdef KAKUSAN_HAS_TILES
typedef TiledRows HalfEngine;
#else
typedef Vectors<Pairs> HalfEngine;
#endif
template <class T>
struct EngineOf {
    typedef Vectors<Floats> type;
};
template <>
struct EngineOf<Bf16> {
    typedef HalfEngine type;
};

// `Source` gives the address of row m at a tap; `Finish` takes finished sums to the output. Each
// sum is made in the same order, however many threads there are and whatever else they compute.
template <class T, class Source, class Finish>
class Product {
    typedef typename EngineOf<T>::type Engine;

   public:
    Product(int64_t threads, const Source& source, int64_t rows, int64_t depth, int taps,
            const Weights& weights, const Columns& columns, const Finish& finish)
        : threads(threads), source(source), rows(rows), depth(depth), taps(taps), weights(weights),
          columns(columns), finish(finish) {
        const int64_t most = Engine::SLICE / taps;
        slice_depth = round_up(ceil_div(depth, ceil_div(depth, most)), Engine::DEPTH);
        slices = ceil_div(depth, slice_depth);
        slice_size = taps * slice_depth / Engine::PER * NR;
        row_blocks = ceil_div(rows, ROW_BLOCK);
        row_block = round_up(ceil_div(rows, row_blocks), Engine::ROWS);
    }

    // 0, or 1 if there is no memory
    int run() {
        static thread_local Scratch memory;
        const int64_t panels = columns.panels();
        const bool shared = row_blocks > 1;  // else each panel is packed by who multiplies it
        const int64_t fitting = PACKED_BYTES / (slices * slice_size * int64_t(sizeof(float)));
        const int64_t most = shared ? smaller(panels, fitting < 1 ? 1 : fitting) : panels;
        const int64_t batches = ceil_div(panels, most), batch = ceil_div(panels, batches);
        int64_t groups = ceil_div(TASKS * threads, row_blocks);
        if (groups < ceil_div(batch, GROUP_PANELS)) groups = ceil_div(batch, GROUP_PANELS);
        group = ceil_div(batch, groups);
        sums_size = row_block * NR;
        const int64_t all_taps = taps * slice_depth;
        const int64_t own = group * sums_size + slice_size + Engine::gathered_size(all_taps);
        const int64_t packed_size = shared ? batch * slices * slice_size : 0;
        float* packed = memory.floats(packed_size + threads * own);
        if (!packed) return 1;
        for (int64_t first = 0; first < panels; first += batch) {
            const int64_t here = smaller(batch, panels - first);
            if (shared)
                parallel_for(threads, here * slices, 1, here * slices * slice_size / LANES,
                             [&](int64_t i) {
                                 const int64_t p = i / slices, s = i % slices;
                                 Engine::pack(weights, columns, first + p, depth, slice(s),
                                              packed + i * slice_size);
                             });
            multiply(first, here, packed + packed_size, own, shared ? packed : nullptr);
        }
        return 0;
    }

   private:
    Slice slice(int64_t s) const {
        return {s * slice_depth, smaller(depth, (s + 1) * slice_depth), taps};
    }

    // The panels [first, first + panels), with `own` floats from `scratch` for each thread; `packed`
    // is null if they are not
    void multiply(int64_t first, int64_t panels, float* scratch, int64_t own, const float* packed) {
        const int64_t across = ceil_div(panels, group);
        const int64_t operations = rows * panels * NR * taps * depth;
        parallel(threads, across * ceil_div(rows, row_block), operations / (2 * LANES),
                 [&](Worker& worker) {
                     typename Engine::Session session;
                     session.begin();
                     for (int64_t task; (task = worker.next()) >= 0;) {
                         const int64_t p = task % across * group;
                         compute(task / across * row_block, first + p, smaller(group, panels - p),
                                 scratch + worker.slot * own,
                                 packed ? packed + p * slices * slice_size : nullptr);
                     }
                     session.end();
                 });
    }

    // The panels [first, first + panels) of the rows from `block`
    void compute(int64_t block, int64_t first, int64_t panels, float* sums, const float* packed) {
        const int64_t count = smaller(row_block, rows - block);
        const int64_t filled = round_up(count, Engine::ROWS);
        float* own = sums + group * sums_size;
        float* gathered = own + slice_size;
        RowTable<T> table;
        for (int64_t s = 0; s < slices; s++) {
            const Slice part = slice(s);
            for (int tap = 0; tap < taps; tap++)
                for (int64_t r = 0; r < filled; r++)  // rows that fill up need something to read
                    table.address[tap][r] =
                        s ? table.address[tap][r] + slice_depth
                          : source(block + smaller(r, count - 1), tap);
            Engine::gather(table, filled, part, gathered);
            for (int64_t p = 0; p < panels; p++) {
                if (!packed) Engine::pack(weights, columns, first + p, depth, part, own);
                const float* from = packed ? packed + (p * slices + s) * slice_size : own;
                for (int64_t r = 0; r < count; r += Engine::ROWS) {
                    float* to = sums + p * sums_size + r * NR;
                    Engine::multiply(table, gathered, r, part, from, s == 0, to);
                    if (s == slices - 1)
                        finish(to, block + r, smaller(Engine::ROWS, count - r), first + p);
                }
            }
        }
    }

    const int64_t threads;
    const Source& source;
    int64_t rows, depth;
    int taps;
    const Weights& weights;
    const Columns& columns;
    const Finish& finish;
    int64_t slice_depth, slices, slice_size, row_blocks, row_block, group = 0, sums_size = 0;
};

template <class T, class Source, class Finish>
static int product(int64_t threads, const Source& source, int64_t rows, int64_t depth, int taps,
                   const Weights& weights, const Columns& columns, const Finish& finish) {
    return Product<T, Source, Finish>(threads, source, rows, depth, taps, weights, columns, finish)
        .run();
}

}  // namespace kakusan
