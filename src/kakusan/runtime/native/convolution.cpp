// Convolutions of pictures laid out (batch, height, width, channels), by products of shifted rows
// (indirect convolution, arXiv:1907.02129): no copy of the input is made.

#include "product.hpp"

using namespace kakusan;

namespace {

struct Geometry {
    int64_t height, width, channels, out_height, out_width;
    int64_t side, stride, padding;
    int64_t enlarge;  // how many times every position of x is repeated in both directions before
};

template <class T>
struct Shifted {
    const T* x;
    const T* zeros;  // a position outside of the picture
    Geometry g;

    const T* operator()(int64_t m, int tap) const {
        const int64_t column = m % g.out_width * g.stride + tap % g.side - g.padding;
        const int64_t line = m / g.out_width % g.out_height * g.stride + tap / g.side - g.padding;
        if (column < 0 || column >= g.width * g.enlarge) return zeros;
        if (line < 0 || line >= g.height * g.enlarge) return zeros;
        const int64_t picture = m / (g.out_width * g.out_height);
        const int64_t position =
            (picture * g.height + line / g.enlarge) * g.width + column / g.enlarge;
        return x + position * g.channels;
    }
};

template <class T>
int convolution(const void* x, int64_t batch, const Geometry& g, const Weights& weights,
                int64_t columns, const Weights& bias, const void* sample, const void* residual,
                void* out) {
    static thread_local Scratch zeros_scratch, bias_scratch;
    float* zeros = zeros_scratch.floats(g.channels);
    const float* added = bias.floats(columns, bias_scratch);
    if (!zeros || (bias.data && !added)) return 1;
    memset(zeros, 0, g.channels * sizeof(float));
    const int64_t positions = g.out_height * g.out_width;
    const Additions<T> add{added, (const T*)sample, (const T*)residual};
    return product<T>(Shifted<T>{(const T*)x, (const T*)zeros, g}, batch * positions, g.channels,
                      int(g.side * g.side), weights, Columns{columns},
                      Store<T>{columns, positions, add, (T*)out});
}

}  // namespace

// out (batch, out_height, out_width, columns); the kernel is 1x1 or 3x3; padding is by zeros, and
// whatever an output needs beyond the right and the bottom is zero too. Types as in linear.cpp.
KAKUSAN_EXPORT int kakusan_convolution(int64_t x_type, const void* x, int64_t batch, int64_t height,
                                       int64_t width, int64_t channels, int64_t enlarge,
                                       const void* weight, int64_t type, int64_t columns,
                                       int64_t side, int64_t stride, int64_t padding,
                                       int64_t out_height, int64_t out_width, const void* bias,
                                       int64_t bias_type, const void* sample, const void* residual,
                                       void* out) {
    const Geometry geometry{height, width,  channels, out_height, out_width,
                            side,   stride, padding,  enlarge};
    return for_type(x_type, [&](auto zero) {
        return convolution<decltype(zero)>(x, batch, geometry, {weight, type}, columns,
                                           {bias, bias_type}, sample, residual, out);
    });
}
