// The weight of a 3x3 convolution has the nine taps of each input channel side by side; products
// want the channels of each tap side by side.
#pragma once

#include <immintrin.h>

#include "bf16.hpp"

namespace kakusan {

constexpr int TAPS = 9;
constexpr int SORTED = 32;  // channels that are sorted at a time

#ifdef __AVX512BW__

// Of each tap's 32 values, which are picked from each of 4 pairs of registers and one last register
struct Picks {
    static constexpr int SOURCES = 5, PAIR = 64;
    alignas(64) uint16_t index[TAPS][SOURCES][SORTED];
    uint32_t mask[TAPS][SOURCES];

    constexpr Picks() : index(), mask() {
        for (int tap = 0; tap < TAPS; tap++)
            for (int k = 0; k < SORTED; k++) {
                const int at = k * TAPS + tap, source = at / PAIR;
                index[tap][source][k] = uint16_t(at % PAIR);
                mask[tap][source] |= uint32_t(1) << k;
            }
    }
};

// to(tap) is where the 32 values of a tap go
template <class To>
static inline void sort_taps(const Bf16* from, const To& to) {
    static constexpr Picks picks;
    __m512i in[TAPS];
    for (int i = 0; i < TAPS; i++) in[i] = _mm512_loadu_si512(from + i * SORTED);
    for (int tap = 0; tap < TAPS; tap++) {
        __m512i out = _mm512_maskz_permutexvar_epi16(
            picks.mask[tap][4], _mm512_load_si512(picks.index[tap][4]), in[8]);
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++)
            out = _mm512_or_si512(
                out, _mm512_maskz_permutex2var_epi16(picks.mask[tap][s], in[2 * s],
                                                     _mm512_load_si512(picks.index[tap][s]),
                                                     in[2 * s + 1]));
        _mm512_store_si512(to(tap), out);
    }
}

#else

template <class To>
static inline void sort_taps(const Bf16* from, const To& to) {
    for (int tap = 0; tap < TAPS; tap++) {
        Bf16* out = to(tap);
        for (int k = 0; k < SORTED; k++) out[k] = from[k * TAPS + tap];
    }
}

#endif

}  // namespace kakusan
