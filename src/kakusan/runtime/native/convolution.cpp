// Convolutions of pictures laid out (batch, height, width, channels), by products of shifted rows
// (indirect convolution, arXiv:1907.02129): no copy of the input is made.

#include "interface.hpp"
#include "narrow.hpp"
#include "product.hpp"

using namespace kakusan;

namespace {

template <class T>
struct Shifted {
    const T* x;
    const T* zeros;  // a position outside of the picture
    const ConvolutionCall& g;

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
int convolution(const ConvolutionCall& call) {
    static thread_local Scratch zeros_scratch, bias_scratch;
    float* zeros = zeros_scratch.floats(call.channels);
    const float* bias = call.bias.floats(call.columns, bias_scratch);
    if (!zeros || (call.bias.data && !bias)) return 1;
    memset(zeros, 0, call.channels * sizeof(float));
    const int64_t positions = call.out_height * call.out_width;
    const Additions<T> add{bias, (const T*)call.sample, (const T*)call.residual};
    const Shifted<T> source{(const T*)call.x, (const T*)zeros, call};
    const int64_t rows = call.batch * positions, depth = call.channels;
    const int taps = int(call.side * call.side);
    if (is_narrow(call.columns, depth, add)) {
        const auto run = call.columns == 3 ? Narrow<T, 3>::template run<Shifted<T>>
                                           : Narrow<T, 4>::template run<Shifted<T>>;
        return run(call.threads, source, rows, depth, taps, call.weight, add, (T*)call.out);
    }
    return product<T>(call.threads, source, rows, depth, taps, call.weight, Columns{call.columns},
                      Store<T>{call.columns, positions, add, (T*)call.out});
}

}  // namespace

KAKUSAN_EXPORT int kakusan_convolution(const ConvolutionCall* call) {
    return for_type(call->x_type, [&](auto zero) { return convolution<decltype(zero)>(*call); });
}
