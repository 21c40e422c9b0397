// Weights as a checkpoint stores them (in float32, float16, bfloat16, or ggml's blocks of 32 values),
// packed for the products.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "bf16.hpp"
#include "scratch.hpp"
#include "taps.hpp"
#include "transpose.hpp"

namespace kakusan {

enum WeightType : int { FLOAT32 = 0, FLOAT16 = 1, BFLOAT16 = 2, Q8_0 = 3, Q4_0 = 4 };

static inline Vec load_halves(const uint16_t* p) {  // of float16
#ifdef __AVX512F__
    return (Vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#else
    Vec v;
    for (int i = 0; i < LANES; i += 8) {
        const __m256 part = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(p + i)));
        memcpy(reinterpret_cast<float*>(&v) + i, &part, sizeof(part));
    }
    return v;
#endif
}

// `run` for activations of a type: with a value of that type, or 1 where it cannot be computed with
template <class Run>
static inline int for_type(int64_t type, const Run& run) {
    if (type == FLOAT32) return run(float{});
#ifdef KAKUSAN_HAS_PAIRS
    if (type == BFLOAT16) return run(Bf16{});
#endif
    return 1;
}

constexpr int BLOCK = 32;  // values that share a scale, a float16 number before them

typedef int8_t Bytes __attribute__((vector_size(16)));

static inline Vec load_bytes(const int8_t* p) {  // signed
#ifdef __AVX512F__
    return (Vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
#else
    Vec v;
    for (int i = 0; i < LANES; i += 8) {
        const __m256i whole = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(p + i)));
        const __m256 part = _mm256_cvtepi32_ps(whole);
        memcpy(reinterpret_cast<float*>(&v) + i, &part, sizeof(part));
    }
    return v;
#endif
}

static inline int64_t block_bytes(int64_t type) { return type == Q8_0 ? 2 + BLOCK : 2 + BLOCK / 2; }

// The values of one block as float32
static inline void unpack_block(const uint8_t* block, int64_t type, float* out) {
    uint16_t half;
    memcpy(&half, block, sizeof(half));
    const Vec scale = broadcast(_cvtsh_ss(half));
    alignas(16) int8_t own[BLOCK];
    const int8_t* values = reinterpret_cast<const int8_t*>(block + sizeof(half));
    if (type == Q4_0) {  // a byte holds a value of the first half, and one of the second
        Bytes both;
        memcpy(&both, values, sizeof(both));
        const Bytes low = (both & 15) - 8, high = ((both >> 4) & 15) - 8;
        memcpy(own, &low, sizeof(low));
        memcpy(own + BLOCK / 2, &high, sizeof(high));
        values = own;
    }
    for (int i = 0; i < BLOCK; i += LANES) store(out + i, load_bytes(values + i) * scale);
}

struct Weights {
    const void* data;
    int64_t type;

    bool in_blocks() const { return type >= Q8_0; }

    // `read` for blocks, which may begin and end within one
    template <class T>
    void read_blocks(int64_t start, int64_t count, T* out) const {
        alignas(64) float values[BLOCK + LANES] = {};
        const uint8_t* block = static_cast<const uint8_t*>(data) + start / BLOCK * block_bytes(type);
        for (int64_t skip = start % BLOCK; count > 0; skip = 0, block += block_bytes(type)) {
            const int64_t some = smaller(BLOCK - skip, count);
            unpack_block(block, type, values);
            for (int64_t i = 0; i < some; i += LANES)
                store_part(out + i, load(values + skip + i), some - i);
            out += some;
            count -= some;
        }
    }

    // `count` consecutive values from `start`, as float32
    void read(int64_t start, int64_t count, float* out) const {
        if (in_blocks()) return read_blocks(start, count, out);
        if (type == FLOAT32) {
            memcpy(out, static_cast<const float*>(data) + start, count * sizeof(float));
            return;
        }
        const uint16_t* from = static_cast<const uint16_t*>(data) + start;
        int64_t i = 0;
        if (type == FLOAT16) {
            for (; i + LANES <= count; i += LANES) store(out + i, load_halves(from + i));
            for (; i < count; i++) out[i] = _cvtsh_ss(from[i]);
            return;
        }
        for (; i < count; i++) out[i] = upcast(from[i]);
    }

    // The same, rounded to bfloat16
    void read(int64_t start, int64_t count, Bf16* out) const {
        if (in_blocks()) return read_blocks(start, count, out);
        if (type == BFLOAT16) {
            memcpy(out, static_cast<const Bf16*>(data) + start, count * sizeof(Bf16));
            return;
        }
        int64_t i = 0;
        if (type == FLOAT16) {
            const uint16_t* from = static_cast<const uint16_t*>(data) + start;
            for (; i + 2 * LANES <= count; i += 2 * LANES)
                store_both(out + i, load_halves(from + i), load_halves(from + i + LANES));
        }
        float values[LANES];
        for (; i < count; i += LANES) {
            const int64_t some = smaller(LANES, count - i);
            read(start + i, some, values);
            store_part(out + i, load(values), some);
        }
    }

    // Has `count` values from `start` on, which may not exist, on their way from memory: the rows of
    // a weight are pages apart, where no processor foresees what is read next
    void prefetch(int64_t start, int64_t count) const {
        if (in_blocks()) return;
        const int64_t bytes = type == FLOAT32 ? 4 : 2;
        const char* from = static_cast<const char*>(data) + start * bytes;
        for (int64_t i = 0; i < count * bytes; i += 64) _mm_prefetch(from + i, _MM_HINT_T1);
    }

    // All `count` values as float32, where they are or in `scratch`; null for none, or no memory
    const float* floats(int64_t count, Scratch& scratch) const {
        if (!data || type == FLOAT32) return static_cast<const float*>(data);
        float* values = scratch.floats(count);
        if (values) read(0, count, values);
        return values;
    }
};

// A panel holds NR columns of the product side by side: [tap][k][NR]
constexpr int NR = 2 * LANES;

// Which output channels a panel's columns compute. GEGLU puts LANES values beside their gates.
struct Columns {
    int64_t count;       // output channels
    int64_t gate = 0;    // where the gates begin, 0 for none

    int64_t panels() const {
        const int64_t width = gate ? LANES : NR;
        return ((gate ? gate : count) + width - 1) / width;
    }
    // the row of the weight for column j of panel p, or -1 for padding
    int64_t row(int64_t p, int j) const {
        if (gate == 0) return p * NR + j < count ? p * NR + j : -1;
        const int64_t n = p * LANES + j % LANES;
        return n >= gate ? -1 : n + (j / LANES) * gate;
    }
};

constexpr int MAX_TAPS = 9;
constexpr int PACK = 32;  // values of k that are packed at a time

// As `Floats` multiplies them: out[tap][k - start][NR] for k in [start, stop), of a weight
// [rows][depth][taps]
static inline void pack_floats(const Weights& weights, const Columns& columns, int64_t panel,
                               int64_t depth, int taps, int64_t start, int64_t stop, float* out) {
    alignas(64) float rows[NR][PACK * MAX_TAPS + LANES];
    alignas(64) float transposed[LANES][LANES];
    for (int64_t k = start; k < stop; k += PACK) {
        const int64_t count = smaller(PACK, stop - k) * taps;
        for (int j = 0; j < NR; j++) {
            const int64_t row = columns.row(panel, j);
            const int64_t at = (row * depth + k) * taps;
            if (taps > 1) weights.prefetch(at + PACK * taps, PACK * taps);
            if (row < 0)
                memset(rows[j], 0, count * sizeof(float));
            else
                weights.read(at, count, rows[j]);
        }
        float* to[LANES] = {};  // where the next columns go
        int tap = 0;
        float* next = out + (k - start) * NR;
        for (int64_t i = 0; i < count; i += LANES) {
            const int some = int(smaller(count - i, LANES));
            for (int n = 0; n < some; n++) {
                to[n] = next + tap * (stop - start) * NR;
                if (++tap == taps) tap = 0, next += NR;
            }
            for (int j = 0; j < NR; j += LANES) {
                transpose(rows[j] + i, PACK * MAX_TAPS + LANES, transposed[0], LANES);
                for (int n = 0; n < some; n++) memcpy(to[n] + j, transposed[n], sizeof(transposed[0]));
            }
        }
    }
}

// As `Pairs` and tiles multiply them: out[tap][unit][NR], where a unit is the values of k and k + 1.
// Units are filled up with zeros to a multiple of UNITS.
constexpr int UNITS = 16;

static inline void pack_pairs(const Weights& weights, const Columns& columns, int64_t panel,
                              int64_t depth, int taps, int64_t start, int64_t stop, float* out) {
    constexpr int SOME = SORTED, STRIDE = SOME + 2 * LANES;  // values of k at a time
    static_assert(SOME == 2 * UNITS && TAPS == MAX_TAPS);
    const int64_t units = round_up(stop - start, SOME) / 2;
    alignas(64) Bf16 rows[MAX_TAPS][LANES][STRIDE];
    alignas(64) Bf16 mixed[MAX_TAPS * SOME];
    for (int64_t k = start; k < stop; k += SOME) {
        const int64_t count = smaller(SOME, stop - k), first = (k - start) / 2;
        const bool plain = weights.type == BFLOAT16 && count == SOME;
        const Bf16* data = (const Bf16*)weights.data;
        for (int j = 0; j < NR; j += LANES) {
            const int64_t row = columns.row(panel, j), last = columns.row(panel, j + LANES - 1);
            const bool in_place = taps == 1 && plain && last >= 0;
            for (int i = 0; i < LANES && !in_place; i++) {
                const int64_t own = columns.row(panel, j + i);
                Bf16* to = taps == 1 ? rows[0][i] : mixed;
                if (count < SOME || own < 0) memset(to, 0, taps * SOME * sizeof(Bf16));
                const int64_t at = (own * depth + k) * taps;
                const bool there = taps > 1 && plain && own >= 0;
                if (taps > 1) weights.prefetch(at + SOME * taps, SOME * taps);
                if (own >= 0 && !there) weights.read(at, count * taps, to);
                if (taps > 1)
                    sort_taps(there ? data + at : mixed, [&](int tap) { return rows[tap][i]; });
            }
            for (int tap = 0; tap < taps; tap++) {
                const Bf16* from = in_place ? data + row * depth + k : rows[tap][0];
                const int64_t stride = (in_place ? depth : STRIDE) / 2;
                for (int unit = 0; unit < UNITS; unit += LANES)
                    transpose(reinterpret_cast<const float*>(from) + unit, stride,
                              out + (tap * units + first + unit) * NR + j, NR);
            }
        }
    }
}

}  // namespace kakusan
