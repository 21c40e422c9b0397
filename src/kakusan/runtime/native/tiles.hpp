// AMX tiles. A tile is 16 rows of 64 bytes: 16 x 16 sums, or 16 x 16 pairs of bfloat16. With
// KAKUSAN_EMULATE the instructions are plain C++ of the same meaning.
#pragma once

#include <cstring>
#include <type_traits>

#include "bf16.hpp"

#if defined(__AMX_BF16__) || KAKUSAN_EMULATE == 2
#define KAKUSAN_HAS_TILES 1

namespace kakusan {

// What ldtilecfg reads and sttilecfg writes
struct TileConfig {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64);

#ifdef KAKUSAN_EMULATE

struct TileRegister {
    float row[16][16];
};
static thread_local TileConfig tile_config;
static thread_local TileRegister tile[8];

static inline void load_config(const TileConfig& config) {
    tile_config = config;
    memset(tile, 0, sizeof(tile));
}
static inline void store_config(TileConfig& config) { config = tile_config; }

template <int N>
static inline void zero_tile() {
    memset(&tile[N], 0, sizeof(TileRegister));
}
template <int N>
static inline void load_tile(const float* from, int64_t row_bytes) {
    zero_tile<N>();
    for (int r = 0; r < tile_config.rows[N]; r++)
        memcpy(tile[N].row[r], reinterpret_cast<const char*>(from) + r * row_bytes,
               tile_config.row_bytes[N]);
}
template <int N>
static inline void store_tile(float* to, int64_t row_bytes) {
    for (int r = 0; r < tile_config.rows[N]; r++)
        memcpy(reinterpret_cast<char*>(to) + r * row_bytes, tile[N].row[r],
               tile_config.row_bytes[N]);
}
// C[m][n] += A[m][pair k] . B[pair k][n]
template <int C, int A, int B>
static inline void multiply_tiles() {
    for (int m = 0; m < tile_config.rows[C]; m++)
        for (int k = 0; k < tile_config.row_bytes[A] / 4; k++) {
            int32_t pair;
            memcpy(&pair, &tile[A].row[m][k], 4);
            for (int n = 0; n < 16; n += LANES) {
                float* sum = tile[C].row[m] + n;
                const Vec a = (Vec)(pair - IntVec{}), b = load(tile[B].row[k] + n);
                store(sum, add_products(load(sum), a, b));
            }
        }
}

#else

static inline void load_config(const TileConfig& config) {
    asm volatile("ldtilecfg %0" ::"m"(config));
}
static inline void store_config(TileConfig& config) {
    asm volatile("sttilecfg %0" : "=m"(config));
}

// The compiler knows nothing of tile registers: volatile and "memory" keep the order
template <int N>
static inline void zero_tile() {
    asm volatile("tilezero %%tmm%c0" ::"i"(N) : "memory");
}
template <int N>
static inline void load_tile(const float* from, int64_t row_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(N) : "memory");
}
template <int N>
static inline void store_tile(float* to, int64_t row_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_bytes), "i"(N) : "memory");
}
template <int C, int A, int B>
static inline void multiply_tiles() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B) : "memory");
}

#endif

// Eight full tiles for this thread; at the end comes back what was set up before
class FullTiles {
   public:
    void begin() {
        store_config(before_);
        TileConfig config = {};
        config.palette = 1;
        for (int i = 0; i < 8; i++) {
            config.rows[i] = 16;
            config.row_bytes[i] = 64;
        }
        load_config(config);
    }
    void end() { load_config(before_); }

   private:
    TileConfig before_;
};

// Strips of tiles in memory, all in units of 32 bits: from row to row within a tile, from a tile to
// the next along the sum, and from a strip to the one beside it
struct Strips {
    const float* data;
    int64_t row, next, beside;
};

// Call with 0 to COUNT - 1 as constants
template <int COUNT, class Action>
static inline __attribute__((always_inline)) void each(Action action) {
    if constexpr (COUNT > 0) {
        each<COUNT - 1>(action);
        action(std::integral_constant<int, COUNT - 1>{});
    }
}

// ROWS x COLUMNS tiles (+)= a * b, `count` tiles along the sum; they stand below and beside one
// another in `sums`, whose rows are `row` apart.
template <int ROWS, int COLUMNS>
static inline void multiply_strips(const Strips& a, const Strips& b, int64_t count, bool fresh,
                                   float* sums, int64_t row) {
    constexpr int A = ROWS * COLUMNS, B = A + ROWS;  // the first tile that holds a, b
    static_assert(B + COLUMNS <= 8);
    const auto each_sum = [&](auto action) {
        each<A>([&](auto tile) {
            action(tile, sums + tile / COLUMNS * 16 * row + tile % COLUMNS * 16);
        });
    };
    each_sum([&](auto tile, float* at) {
        if (fresh)
            zero_tile<tile>();
        else
            load_tile<tile>(at, 4 * row);
    });
    for (int64_t i = 0; i < count; i++) {
        each<COLUMNS>([&](auto c) {
            load_tile<B + c>(b.data + i * b.next + c * b.beside, 4 * b.row);
        });
        each<ROWS>([&](auto r) {
            load_tile<A + r>(a.data + i * a.next + r * a.beside, 4 * a.row);
            each<COLUMNS>([&](auto c) { multiply_tiles<r * COLUMNS + c, A + r, B + c>(); });
        });
    }
    each_sum([&](auto tile, float* at) { store_tile<tile>(at, 4 * row); });
}

}  // namespace kakusan

#endif
