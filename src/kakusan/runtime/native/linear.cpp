// Linear layers: x (rows, depth) times weightᵀ (columns, depth), with what follows them.

#include "interface.hpp"
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
int linear(const LinearCall& call) {
    static thread_local Scratch scratch;
    const float* bias = call.bias.floats(call.columns, scratch);
    if (call.bias.data && !bias) return 1;
    const Store<T> store{call.columns, call.rows, {bias, nullptr, (const T*)call.residual},
                         (T*)call.out};
    return product<T>(call.threads, Rows<T>{(const T*)call.x, call.depth}, call.rows, call.depth, 1,
                      call.weight, Columns{call.columns}, store);
}

template <class T>
int geglu(const GegluCall& call) {
    static thread_local Scratch scratch;
    const float* bias = call.bias.floats(2 * call.width, scratch);
    if (call.bias.data && !bias) return 1;
    const StoreGated<T> store{call.width, bias, (T*)call.out};
    return product<T>(call.threads, Rows<T>{(const T*)call.x, call.depth}, call.rows, call.depth, 1,
                      call.weight, Columns{2 * call.width, call.width}, store);
}

}  // namespace

KAKUSAN_EXPORT int kakusan_linear(const LinearCall* call) {
    return for_type(call->x_type, [&](auto zero) { return linear<decltype(zero)>(*call); });
}

KAKUSAN_EXPORT int kakusan_geglu(const GegluCall* call) {
    return for_type(call->x_type, [&](auto zero) { return geglu<decltype(zero)>(*call); });
}
