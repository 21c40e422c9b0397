// Convolutions of pictures laid out (batch, height, width, channels), by products of shifted rows
// (indirect convolution, arXiv:1907.02129): no copy of the input is made.

#include "product.hpp"

using namespace kakusan;

namespace {

struct Shifted {
    const float* x;
    const float* zeros;  // a position outside of the picture
    int64_t height, width, channels, out_height, out_width;
    int64_t side, stride, padding;

    const float* operator()(int64_t m, int tap) const {
        const int64_t column = m % out_width * stride + tap % side - padding;
        const int64_t line = m / out_width % out_height * stride + tap / side - padding;
        if (column < 0 || column >= width || line < 0 || line >= height) return zeros;
        const int64_t picture = m / (out_width * out_height);
        return x + ((picture * height + line) * width + column) * channels;
    }
};

}  // namespace

// out (batch, out_height, out_width, columns); the kernel is 1x1 or 3x3; padding is by zeros, and
// whatever an output needs beyond the right and the bottom is zero too
KAKUSAN_EXPORT int kakusan_convolution(const float* x, int64_t batch, int64_t height, int64_t width,
                                       int64_t channels, const void* weight, int64_t type,
                                       int64_t columns, int64_t side, int64_t stride, int64_t padding,
                                       int64_t out_height, int64_t out_width, const float* bias,
                                       const float* sample, const float* residual, float* out) {
    static thread_local Scratch scratch;
    float* zeros = scratch.floats(channels);
    if (!zeros) return 1;
    memset(zeros, 0, channels * sizeof(float));
    const int64_t positions = out_height * out_width, taps = side * side;
    const int64_t most = PACKED_DEPTH / taps;
    const int64_t block = ceil_div(channels, ceil_div(channels, most));
    const Shifted source{x,         zeros, height, width,  channels, out_height,
                         out_width, side,  stride, padding};
    return product(source, batch * positions, channels, int(taps), {weight, type}, {columns}, block,
                   out, Store{columns, positions, {bias, sample, residual}});
}
