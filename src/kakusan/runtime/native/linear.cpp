// Linear layers: x (rows, depth) times weightᵀ (columns, depth), with what follows them.

#include "product.hpp"

using namespace kakusan;

namespace {

template <class T>
struct Rows {
    const T* x;
    int64_t depth;
    const T* operator()(int64_t m, int) const { return x + m * depth; }
};

template <class T>
int linear(const void* x, int64_t rows, int64_t depth, const Weights& weights, int64_t columns,
           const Weights& bias, const void* residual, void* out) {
    static thread_local Scratch scratch;
    const float* added = bias.floats(columns, scratch);
    if (bias.data && !added) return 1;
    const Store<T> store{columns, rows, {added, nullptr, (const T*)residual}, (T*)out};
    return product<T>(Rows<T>{(const T*)x, depth}, rows, depth, 1, weights, Columns{columns}, store);
}

template <class T>
int geglu(const void* x, int64_t rows, int64_t depth, const Weights& weights, int64_t width,
          const Weights& bias, void* out) {
    static thread_local Scratch scratch;
    const float* added = bias.floats(2 * width, scratch);
    if (bias.data && !added) return 1;
    const StoreGated<T> store{width, added, (T*)out};
    return product<T>(Rows<T>{(const T*)x, depth}, rows, depth, 1, weights,
                      Columns{2 * width, width}, store);
}

}  // namespace

// Below, `x_type` is that of x, residual and out, FLOAT32 or BFLOAT16; `type` that of weight and
// `bias_type` that of bias. bfloat16 is multiplied in pairs, so that its depth has to be even.

// out (rows, columns) = x weightᵀ + bias + residual
KAKUSAN_EXPORT int kakusan_linear(int64_t x_type, const void* x, int64_t rows, int64_t depth,
                                  const void* weight, int64_t type, int64_t columns,
                                  const void* bias, int64_t bias_type, const void* residual,
                                  void* out) {
    return for_type(x_type, [&](auto zero) {
        return linear<decltype(zero)>(x, rows, depth, {weight, type}, columns, {bias, bias_type},
                                      residual, out);
    });
}

// out (rows, width) = value * gelu(gate), both halves of x weightᵀ + bias; weight (2 width, depth)
KAKUSAN_EXPORT int kakusan_geglu(int64_t x_type, const void* x, int64_t rows, int64_t depth,
                                 const void* weight, int64_t type, int64_t width,
                                 const void* bias, int64_t bias_type, void* out) {
    return for_type(x_type, [&](auto zero) {
        return geglu<decltype(zero)>(x, rows, depth, {weight, type}, width, {bias, bias_type}, out);
    });
}
