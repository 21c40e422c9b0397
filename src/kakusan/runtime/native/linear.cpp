// Linear layers: x (rows, depth) times weightᵀ (columns, depth), with what follows them.

#include "activation.hpp"
#include "product.hpp"

using namespace kakusan;

namespace {

struct Rows {
    const float* x;
    int64_t stride;
    const float* operator()(int64_t m, int) const { return x + m * stride; }
};

// value * gelu(gate): a panel's second half holds the gates of its first
struct StoreGated {
    int64_t width;
    const float* bias;

    void operator()(const Tile& acc, int64_t row, int valid, int64_t panel, bool, bool,
                    float* out) const {
        const int64_t n = panel * LANES;
        const Vec value = bias ? load_part(bias + n, width - n) : Vec{};
        const Vec gate = bias ? load_part(bias + width + n, width - n) : Vec{};
        for (int r = 0; r < valid; r++)
            store_part(out + (row + r) * width + n, (acc[r][0] + value) * gelu(acc[r][1] + gate),
                       width - n);
    }
};

constexpr int64_t WHOLE_DEPTH = 2560;  // of a gated layer, whose sums have nowhere to wait

}  // namespace

// out (rows, columns) = x weightᵀ + bias + residual
KAKUSAN_EXPORT int kakusan_linear(const float* x, int64_t stride, int64_t rows, int64_t depth,
                                  const void* weight, int64_t type, int64_t columns, const float* bias,
                                  const float* residual, float* out) {
    const int64_t block = ceil_div(depth, ceil_div(depth, PACKED_DEPTH));
    return product(Rows{x, stride}, rows, depth, 1, {weight, type}, {columns}, block, out,
                   Store{columns, rows, {bias, nullptr, residual}});
}

// out (rows, width) = value * gelu(gate), both halves of x weightᵀ + bias; weight (2 width, depth)
KAKUSAN_EXPORT int kakusan_geglu(const float* x, int64_t stride, int64_t rows, int64_t depth,
                                 const void* weight, int64_t type, int64_t width, const float* bias,
                                 float* out) {
    if (depth > WHOLE_DEPTH) return 1;
    return product(Rows{x, stride}, rows, depth, 1, {weight, type}, {2 * width, width}, depth, out,
                   StoreGated{width, bias});
}
