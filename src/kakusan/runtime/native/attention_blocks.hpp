// Attention in blocks, whatever multiplies: keys and values are laid out once for all queries, and
// each thread takes blocks of queries through them.
#pragma once

#include "attention_rows.hpp"
#include "attention_softmax.hpp"
#include "parallel.hpp"
#include "scratch.hpp"

namespace kakusan::attention {

template <class T>
struct Problem {
    Tokens<T> q, k, v;
    T* out;
    int64_t batch, heads, queries, keys, head_dim;
    float scale;
    int64_t threads;
};

template <class T, class Kernel>
class Attention {
    typedef typename Kernel::Element Element;
    static constexpr int PER = Kernel::PER;  // elements in a unit of 32 bits
    static constexpr int64_t BLOCK = Kernel::BLOCK;
    static constexpr int PANEL = Kernel::WIDTH * LANES;
    static constexpr int64_t QUERY_BLOCK = 4 * PANEL;

   public:
    explicit Attention(const Problem<T>& problem) : p(problem) {
        depth = round_up((p.head_dim + PER - 1) / PER, Kernel::DEPTH);
        dims = round_up(p.head_dim, Kernel::DIMS);
        row = round_up(depth > dims ? depth : dims, LANES);
        blocks = (p.keys + BLOCK - 1) / BLOCK;
        key_size = round_up(p.keys, Kernel::KEYS) * depth;
        value_size = round_up((p.keys + PER - 1) / PER, Kernel::UNITS) * dims;
    }

    // 0, or 1 if there is no memory
    int run() {
        static thread_local Scratch memory;
        const int64_t packed = round_up(pairs() * (key_size + value_size), 16);
        packed_keys = memory.floats(packed + p.threads * thread_size());
        if (!packed_keys) return 1;
        packed_values = packed_keys + pairs() * key_size;
        float* scratch = packed_keys + packed;
        parallel(p.threads, pairs() * blocks, packed / LANES, [&](Worker& worker) {
            for (int64_t task; (task = worker.next()) >= 0;)
                pack(task / blocks, task % blocks, scratch + worker.slot * thread_size());
        });
        const int64_t query_blocks = ceil_div(p.queries, QUERY_BLOCK);
        const int64_t operations = p.batch * p.heads * p.queries * p.keys * (depth + dims);
        parallel(p.threads, pairs() * query_blocks, operations / LANES, [&](Worker& worker) {
            typename Kernel::Session session;
            session.begin();
            for (int64_t task; (task = worker.next()) >= 0;)
                attend(task / query_blocks, task % query_blocks * QUERY_BLOCK,
                       scratch + worker.slot * thread_size());
            session.end();
        });
        return 0;
    }

   private:
    int64_t pairs() const { return p.batch * p.heads; }

    int64_t panel_size() const { return (2 * row + 2) * PANEL; }

    int64_t thread_size() const {
        return round_up(LANES * row + BLOCK * PANEL + QUERY_BLOCK / PANEL * panel_size(), 1024);
    }

    const T* token(const Tokens<T>& tokens, int64_t pair, int64_t index) const {
        return tokens.data + pair / p.heads * tokens.batch_stride + index * tokens.row_stride +
               pair % p.heads * p.head_dim;
    }

    float* key_block(int64_t pair, int64_t b) const {
        return packed_keys + pair * key_size + b * BLOCK * depth;
    }

    float* value_block(int64_t pair, int64_t b) const {
        return packed_values + pair * value_size + b * BLOCK / PER * dims;
    }

    int64_t keys_of(int64_t b) const { return smaller(BLOCK, p.keys - b * BLOCK); }

    int64_t units_of(int64_t b) const {
        return round_up((keys_of(b) + PER - 1) / PER, Kernel::UNITS);
    }

    void pack(int64_t pair, int64_t b, float* rows) const {
        const int64_t count = keys_of(b), units = units_of(b), first = b * BLOCK;
        // Rows that fill up repeat the last key, whose score can't raise the maximum
        for (int64_t i = 0; i < round_up(count, Kernel::KEYS); i++)
            copy_row<Element>(token(p.k, pair, first + smaller(i, count - 1)), p.head_dim,
                              key_block(pair, b) + i * depth, depth);
        for (int64_t unit = 0; unit < units; unit += Kernel::UNITS) {
            for (int64_t i = 0; i < Kernel::UNITS; i++)
                copy_values(pair, first, (unit + i) * PER, count, rows + i * row);
            Kernel::place_values(rows, row, unit, units, dims, value_block(pair, b));
        }
    }

    // The values of one unit of keys, whose first is the block's `i`th
    void copy_values(int64_t pair, int64_t first, int64_t i, int64_t count, float* to) const {
        if (i >= count) {
            memset(to, 0, 4 * dims);
            return;
        }
        const T* value = token(p.v, pair, first + i);
        if constexpr (PER == 1) copy_row<Element>(value, p.head_dim, to, dims);
        if constexpr (PER == 2) {
            const T* next = i + 1 < count ? token(p.v, pair, first + i + 1) : nullptr;
            pair_rows(value, next, p.head_dim, to, dims);
        }
    }

    void attend(int64_t pair, int64_t first, float* scratch) const {
        float* panels = scratch + LANES * row;
        float* scores = panels + QUERY_BLOCK / PANEL * panel_size();
        const int64_t stop = smaller(first + QUERY_BLOCK, p.queries);
        for (int64_t b = -1; b <= blocks; b++) {
            float* memory = panels;
            for (int64_t q = first; q < stop; q += PANEL, memory += panel_size()) {
                const int64_t count = smaller(PANEL, stop - q);
                const int64_t width = (count + LANES - 1) / LANES;
                if (width == 1) step<1>(pair, b, q, count, memory, scratch, scores);
                if (width == 2) step<2>(pair, b, q, count, memory, scratch, scores);
                if (width == 3) step<3>(pair, b, q, count, memory, scratch, scores);
            }
        }
    }

    // Take a panel of queries through a block of keys; before the first begin it, after the last
    // write what it has come to.
    template <int W>
    void step(int64_t pair, int64_t b, int64_t first, int64_t count, float* memory, float* rows,
              float* scores) const {
        if constexpr (W <= Kernel::WIDTH) {
            float* queries = memory + (row + 2) * PANEL;
            const Panel panel = {memory, memory + PANEL, memory + 2 * PANEL, dims};
            if (b < 0) {
                start<W>(panel);
                take_queries<W>(pair, first, count, rows, queries);
            } else if (b < blocks) {
                const int64_t keys = keys_of(b), units = units_of(b);
                const float scale = p.scale * 1.44269504f;  // log2(e)
                Kernel::template scores<W>(queries, key_block(pair, b),
                                           round_up(keys, Kernel::KEYS), depth, scores);
                softmax<Kernel::QUALITY, PER, W>(scores, keys, units, scale, panel);
                Kernel::template accumulate<W>(scores, value_block(pair, b), units, dims,
                                               panel.out);
            } else {
                finish<W>(pair, first, count, rows, panel);
            }
        }
    }

    static constexpr int OWN = 4 / sizeof(T);  // numbers of a token in 32 bits

    // Whether LANES tokens, `stride` apart, can be transposed where they stand
    bool whole(int64_t count, int64_t stride) const {
        return count >= LANES && p.head_dim % (OWN * LANES) == 0 && stride % OWN == 0;
    }

    // Lay queries out as [unit][query]; lanes beyond the last query are zero
    template <int W>
    void take_queries(int64_t pair, int64_t first, int64_t count, float* rows,
                      float* queries) const {
        for (int w = 0; w < W; w++, first += LANES, count -= LANES) {
            const float* from = rows;
            int64_t stride = row;
            if (PER == OWN && whole(count, p.q.row_stride)) {
                from = reinterpret_cast<const float*>(token(p.q, pair, first));
                stride = p.q.row_stride / OWN;
            } else {
                memset(rows, 0, 4 * LANES * row);
                for (int64_t i = 0; i < smaller(LANES, count); i++)
                    copy_row<Element>(token(p.q, pair, first + i), p.head_dim, rows + i * row, row);
            }
            for (int64_t unit = 0; unit < depth; unit += LANES)
                transpose(from + unit, stride, queries + (unit * W + w) * LANES, W * LANES);
        }
    }

    template <int W>
    void finish(int64_t pair, int64_t first, int64_t count, float* rows, const Panel& panel) const {
        const int64_t width = p.heads * p.head_dim;
        T* out = p.out + (pair / p.heads * p.queries + first) * width + pair % p.heads * p.head_dim;
        for (int w = 0; w < W; w++, out += LANES * width, count -= LANES) {
            float* sums = panel.out + w * LANES;
            divide<W>(sums, 1.0f / load(panel.sum + w * LANES));
            const bool direct = whole(count, width);
            float* to = direct ? reinterpret_cast<float*>(out) : rows;
            for (int64_t unit = 0; unit < dims / OWN; unit += LANES)
                transpose(sums + unit * W * LANES, W * LANES, to + unit,
                          direct ? width / OWN : row);
            if (direct) continue;
            for (int64_t i = 0; i < smaller(LANES, count); i++)
                memcpy(out + i * width, rows + i * row, sizeof(T) * p.head_dim);
        }
    }

    // Make a vector of queries' sums of weighted values their mean, in the units of the result
    template <int W>
    void divide(float* sums, Vec factor) const {
        const auto at = [&](int64_t dim) { return sums + dim * W * LANES; };
        for (int64_t unit = 0; unit < dims / OWN; unit++) {
            const Vec mean = load(at(OWN * unit)) * factor;
            if constexpr (OWN == 1) store(at(unit), mean);
            if constexpr (OWN == 2)
                store(at(unit), make_pairs(mean, load(at(2 * unit + 1)) * factor));
        }
    }

    const Problem<T>& p;
    int64_t depth, dims, row, blocks, key_size, value_size;
    float *packed_keys, *packed_values;
};

}  // namespace kakusan::attention
