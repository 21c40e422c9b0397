// Layer normalisation, to the bit as torch's own kernel rounds: a picture does not depend on which
// of the two computes it. Moments by Welford's method over eight lanes, chunks of the row joined in
// pairs (Chan et al., Algorithms for computing the sample variance, 1983), whatever this library's
// own vectors hold.

#include <immintrin.h>

#include "interface.hpp"
#include "parallel.hpp"

using namespace kakusan;

namespace {

constexpr int EIGHT = 8, STEPS = 16;  // lanes, and updates of a chunk's moments
constexpr int64_t CHUNK = 1 << 15;    // numbers that one thread normalises at a time
typedef float Vec8 __attribute__((vector_size(4 * EIGHT)));

static inline Vec8 load8(const float* p) { return (Vec8)_mm256_loadu_ps(p); }
static inline Vec8 load8(const Bf16* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return (Vec8)_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
static inline void store8(float* p, Vec8 v) { _mm256_storeu_ps(p, (__m256)v); }
static inline void store_one(float* p, float value) { *p = value; }
// Rounded to nearest even
static inline void store_one(Bf16* p, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    p->bits = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
static inline void store8(Bf16* p, Vec8 v) {
    for (int i = 0; i < EIGHT; i++) store_one(p + i, v[i]);
}

static inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline Vec8 fused(Vec8 a, Vec8 b, Vec8 c) {
    return (Vec8)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

// A product that the compiler may not fuse into a sum
template <class V>
static inline V product(V a, V b) {
    V result = a * b;
    asm("" : "+x"(result));
    return result;
}

// How many values were seen, their mean, and the sum of squares around it
template <class V>
struct Moments {
    int64_t count = 0;
    V mean{}, squares{};
};

static float share(int64_t part, int64_t whole) { return whole ? float(part) / float(whole) : 0; }

static void join(const Moments<Vec8>& part, Moments<Vec8>& all) {
    const int64_t count = all.count + part.count;
    const Vec8 delta = part.mean - all.mean;
    const Vec8 moved = product(share(part.count, count) - Vec8{}, delta);
    const Vec8 weighed = product(delta, float(all.count) - Vec8{});
    all.mean = all.mean + moved;
    all.squares = fused(weighed, moved, all.squares + part.squares);
    all.count = count;
}

static void join(const Moments<float>& part, Moments<float>& all) {
    const int64_t count = all.count + part.count;
    const float c = share(part.count, count), delta = part.mean - all.mean;
    all.mean = fused(c, delta, all.mean);
    const float squares = fused(product(product(delta, delta), c), float(all.count), part.squares);
    all.squares = all.squares + squares;
    all.count = count;
}

// The chunk of `steps` updates; every `apart`-th vector from `x` on
template <class T>
static Moments<Vec8> chunk_of(const T* x, int64_t steps, int64_t apart) {
    Moments<Vec8> found;
    for (int64_t j = 0; j < steps; j++) {
        const Vec8 value = load8(x + j * apart), delta = value - found.mean;
        found.mean = fused(delta, 1 / float(j + 1) - Vec8{}, found.mean);
        found.squares = fused(delta, value - found.mean, found.squares);
    }
    found.count = steps;
    return found;
}

template <class T>
static Moments<float> moments(const T* x, int64_t width) {
    constexpr int64_t PER = sizeof(float) / sizeof(T);  // vectors of floats in one of T
    constexpr int64_t UNIT = PER * EIGHT;
    const int64_t units = width / UNIT, chunks = ceil_div(units, STEPS);
    int levels = 0;
    while (int64_t(1) << levels < chunks) levels++;
    Moments<Vec8> level[64];
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t steps = smaller(STEPS, units - i * STEPS);
        for (int64_t part = 0; part < PER; part++)
            join(chunk_of(x + i * STEPS * UNIT + part * EIGHT, steps, UNIT), level[0]);
        for (int up = 1; up < levels && ((i + 1) >> (up - 1)) % 2 == 0; up++) {
            join(level[up - 1], level[up]);
            level[up - 1] = {};
        }
    }
    for (int up = 1; up < levels; up++) join(level[up], level[0]);
    Moments<float> all;
    for (int64_t i = units * UNIT; i < width; i++) {  // what fills no vector
        const float value = to_float(x[i]), delta = value - all.mean;
        all.mean += delta / float(++all.count);
        all.squares = fused(delta, value - all.mean, all.squares);
    }
    for (int i = 0; i < EIGHT; i++)
        join(Moments<float>{units * PER, level[0].mean[i], level[0].squares[i]}, all);
    return all;
}

// torch subtracts the mean first in float32 only
template <class T, class V>
static inline V normalised(V x, V mean, V factor) {
    if constexpr (sizeof(T) == sizeof(float)) return product(x - mean, factor);
    return fused(x, factor, -product(factor, mean));
}

template <class T>
int layer_norm(const LayerNormCall& call) {
    static thread_local Scratch weight_scratch, bias_scratch;
    const int64_t width = call.width;
    const float* scale = call.weight.floats(width, weight_scratch);
    const float* shift = call.bias.floats(width, bias_scratch);
    if (!scale || !shift) return 1;
    parallel_for(call.threads, call.rows, ceil_div(CHUNK, width), call.rows * width / EIGHT,
                 [&](int64_t row) {
        const T* x = static_cast<const T*>(call.x) + row * width;
        T* out = static_cast<T*>(call.out) + row * width;
        const Moments<float> found = moments(x, width);
        const float factor = 1 / __builtin_sqrtf(found.squares / float(width) + float(call.eps));
        int64_t c = 0;
        for (; c + EIGHT <= width; c += EIGHT) {
            const Vec8 v = normalised<T>(load8(x + c), found.mean - Vec8{}, factor - Vec8{});
            store8(out + c, fused(v, load8(scale + c), load8(shift + c)));
        }
        for (; c < width; c++) {
            const float v = normalised<T>(to_float(x[c]), found.mean, factor);
            store_one(out + c, fused(v, scale[c], shift[c]));
        }
    });
    return 0;
}

}  // namespace

KAKUSAN_EXPORT int kakusan_layer_norm(const LayerNormCall* call) {
    return for_type(call->x_type, [&](auto zero) { return layer_norm<decltype(zero)>(*call); });
}
