// Rows of two arrays side by side.

#include "interface.hpp"
#include "parallel.hpp"

using namespace kakusan;

KAKUSAN_EXPORT int kakusan_concatenate(const ConcatenateCall* call) {
    const char *first = (const char*)call->first, *second = (const char*)call->second;
    char* out = (char*)call->out;
    const int64_t a = call->first_bytes, b = call->second_bytes;
    constexpr int64_t CHUNK = 1 << 17;  // bytes that one thread copies at a time
    parallel_for(call->threads, call->rows, ceil_div(CHUNK, a + b), call->rows * (a + b) / 16,
                 [&](int64_t row) {
                     memcpy(out + row * (a + b), first + row * a, a);
                     memcpy(out + row * (a + b) + a, second + row * b, b);
                 });
    return 0;
}
