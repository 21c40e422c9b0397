// Whether all of an array's numbers are finite.

#include <atomic>

#include "interface.hpp"
#include "parallel.hpp"

using namespace kakusan;

// An exponent of ones only is that of NaN and of infinity
template <class Bits>
static bool all_finite(const Bits* x, int64_t count, Bits exponent) {
    Bits found = 0;
    for (int64_t i = 0; i < count; i++) found |= Bits((x[i] & exponent) == exponent);
    return !found;
}

static bool all_finite(const void* x, int64_t type, int64_t first, int64_t count) {
    if (type == FLOAT32) return all_finite((const uint32_t*)x + first, count, uint32_t(0x7f800000));
    const uint16_t exponent = type == FLOAT16 ? 0x7c00 : 0x7f80;
    return all_finite((const uint16_t*)x + first, count, exponent);
}

KAKUSAN_EXPORT int kakusan_finite(const FiniteCall* call) {
    constexpr int64_t CHUNK = 1 << 16;
    std::atomic<bool> finite{true};
    const int64_t count = call->count;
    parallel_for(call->threads, ceil_div(count, CHUNK), 1, count / 4, [&](int64_t chunk) {
        const int64_t first = chunk * CHUNK, several = smaller(CHUNK, count - first);
        if (!all_finite(call->x, call->x_type, first, several)) finite = false;
    });
    *(int64_t*)call->out = finite;
    return 0;
}
