// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) (arXiv:1509.09308): 36 products a tile of
// 4x4 outputs instead of 144. The points 0, ±5/8, ±3/2 and infinity keep float32's error near that
// of the direct sum; the usual 0, ±1, ±2 lose twice as much.

#include "interface.hpp"
#include "product.hpp"

using namespace kakusan;

namespace {

typedef Vectors<Floats> Engine;
constexpr int MR = Engine::ROWS;

constexpr float A = 0.625f, B = 1.5f;
constexpr float A2 = A * A, B2 = B * B;
constexpr int TILE = 4, PATCH = 6, PRODUCTS = PATCH * PATCH;

constexpr int64_t LINE = 16;         // floats of a cache line
constexpr int64_t TILE_BLOCK = 24;   // tiles of one task, a multiple of MR
constexpr int64_t TASK_PANELS = 8;   // panels of one task: its sums stay in the second cache
// Bytes of transformed input and weights at a time, for the third cache: where all weights fit they
// are transformed once, else once for each chunk of input, which is larger then
constexpr int64_t CHUNK = 24 << 20, CHUNK_BESIDE_ALL = 12 << 20;
constexpr int64_t GROUP = 6 << 20, ALL = 12 << 20;
constexpr int64_t FEW_TILES = 2 * TILE_BLOCK;
constexpr int64_t SLICE = 64;        // channels whose transformed weights stay in the second cache

// x -> Bᵀ x of six values, in place
static inline __attribute__((always_inline)) void transform_input(Vec* x, int s) {
    const Vec x0 = x[0], x1 = x[s], x2 = x[2 * s], x3 = x[3 * s], x4 = x[4 * s], x5 = x[5 * s];
    const Vec even_a = x4 - B2 * x2, odd_a = A * (x3 - B2 * x1);
    const Vec even_b = x4 - A2 * x2, odd_b = B * (x3 - A2 * x1);
    x[0] = A2 * B2 * x0 - (A2 + B2) * x2 + x4;
    x[s] = even_a + odd_a;
    x[2 * s] = even_a - odd_a;
    x[3 * s] = even_b + odd_b;
    x[4 * s] = even_b - odd_b;
    x[5 * s] = A2 * B2 * x1 - (A2 + B2) * x3 + x5;
}

// y = G x: three values, `s` apart, to six
static inline __attribute__((always_inline)) void transform_weight(const Vec* x, int s, Vec* y,
                                                                   int t) {
    constexpr float at_a = 1 / (2 * A2 * (A2 - B2)), at_b = 1 / (2 * B2 * (B2 - A2));
    const Vec x0 = x[0], x1 = x[s], x2 = x[2 * s];
    const Vec even_a = at_a * (x0 + A2 * x2), odd_a = at_a * A * x1;
    const Vec even_b = at_b * (x0 + B2 * x2), odd_b = at_b * B * x1;
    y[0] = (1 / (A2 * B2)) * x0;
    y[t] = even_a + odd_a;
    y[2 * t] = even_a - odd_a;
    y[3 * t] = even_b + odd_b;
    y[4 * t] = even_b - odd_b;
    y[5 * t] = x2;
}

// y = Aᵀ x: six values, `s` apart, to four
static inline __attribute__((always_inline)) void transform_output(const Vec* x, int s, Vec* y,
                                                                   int t) {
    const Vec sum_a = x[s] + x[2 * s], difference_a = x[s] - x[2 * s];
    const Vec sum_b = x[3 * s] + x[4 * s], difference_b = x[3 * s] - x[4 * s];
    y[0] = x[0] + sum_a + sum_b;
    y[t] = A * difference_a + B * difference_b;
    y[2 * t] = A2 * sum_a + B2 * sum_b;
    y[3 * t] = A2 * A * difference_a + B2 * B * difference_b + x[5 * s];
}

template <class T>
struct Picture {
    const T* x;
    int64_t height, width, channels;  // of the output, and of the input enlarged
    int64_t enlarge;                  // how many times the input is enlarged before, 1 or 2
    int64_t tiles_down, tiles_across;

    // Which picture tile t is in, and where its outputs begin
    struct Place {
        int64_t picture, top, left;
    };
    Place place(int64_t t) const {
        return {t / (tiles_across * tiles_down), t / tiles_across % tiles_down * TILE,
                t % tiles_across * TILE};
    }

    // The 36 transformed values of tile t, all channels: out[product][channel]
    void transform(int64_t t, float* out, int64_t stride) const {
        const auto [picture, top, left] = place(t);
        const T* from[PRODUCTS];
        for (int i = 0; i < PRODUCTS; i++) {
            const int64_t line = top + i / PATCH - 1, column = left + i % PATCH - 1;
            const bool inside = line >= 0 && line < height && column >= 0 && column < width;
            from[i] = inside ? x + ((picture * (height / enlarge) + line / enlarge) *
                                        (width / enlarge) + column / enlarge) * channels
                             : nullptr;
        }
        for (int64_t c = 0; c < channels; c += LANES) {
            Vec patch[PRODUCTS];
            for (int i = 0; i < PRODUCTS; i++) patch[i] = from[i] ? load(from[i] + c) : Vec{};
            for (int i = 0; i < PATCH; i++) transform_input(patch + i, PATCH);
            for (int i = 0; i < PATCH; i++) transform_input(patch + i * PATCH, 1);
            for (int i = 0; i < PRODUCTS; i++) store(out + i * stride + c, patch[i]);
        }
    }
};

// The 36 transformed values of a panel's weights for some input channels: out[product][k][NR]
void transform_panel(const Weights& weights, const Columns& columns, int64_t panel,
                     int64_t channels, int64_t start, int64_t stop, float* out, int64_t stride) {
    alignas(64) float taps[MAX_TAPS * PACK * NR];
    pack_floats(weights, columns, panel, channels, MAX_TAPS, start, stop, taps);
    const int64_t step = (stop - start) * NR;
    for (int64_t i = 0; i < stop - start; i++)
        for (int half = 0; half < NR; half += LANES) {
            Vec w[MAX_TAPS], lines[PATCH * 3], u[PRODUCTS];
            for (int tap = 0; tap < MAX_TAPS; tap++) w[tap] = load(taps + tap * step + i * NR + half);
            for (int j = 0; j < 3; j++) transform_weight(w + j, 3, lines + j, 3);
            for (int j = 0; j < PATCH; j++) transform_weight(lines + j * 3, 1, u + j * PATCH, 1);
            for (int j = 0; j < PRODUCTS; j++)
                store(out + j * stride + i * NR + half, u[j]);
        }
}

// Sums of one tile and panel, sums[product][...][NR], to the output's 4x4 positions
template <class T>
void finish(const float* sums, int64_t stride, const Picture<T>& to, int64_t t, int64_t panel,
            int64_t columns, const Additions<T>& add, T* out) {
    const auto [picture, top, left] = to.place(t);
    for (int half = 0; half < 2; half++) {
        const int64_t n = panel * NR + half * LANES, count = columns - n;
        if (count <= 0) return;
        Vec added = add.bias ? load_part(add.bias + n, count) : Vec{};
        if (add.sample) added += load_part(add.sample + picture * columns + n, count);
        Vec m[PRODUCTS], lines[TILE * PATCH], y[TILE * TILE];
        for (int i = 0; i < PRODUCTS; i++) m[i] = load(sums + i * stride + half * LANES);
        for (int i = 0; i < PATCH; i++) transform_output(m + i, PATCH, lines + i, PATCH);
        for (int i = 0; i < TILE; i++) transform_output(lines + i * PATCH, 1, y + i * TILE, 1);
        for (int i = 0; i < TILE && top + i < to.height; i++)
            for (int j = 0; j < TILE && left + j < to.width; j++) {
                const int64_t at =
                    ((picture * to.height + top + i) * to.width + left + j) * columns + n;
                Vec v = y[i * TILE + j] + added;
                if (add.residual) v += load_part(add.residual + at, count);
                store_part(out + at, v, count);
            }
    }
}

// What `products` reads and writes: strides are those between products, or as they say
struct Block {
    const float* input;  // [product][tile][...]: transformed pictures
    int64_t input_stride, tile_stride;
    const float* weight;  // [panel][product][k][NR]: transformed weights
    int64_t weight_stride;
    float* sums;  // [product][tile][panel][NR]
    int64_t tiles, panels;
};

// Adds the products of `depth` channels to the sums of `count` tiles, a multiple of MR; or begins
void products(const Block& block, int64_t count, int64_t depth, bool begin) {
    const int64_t deep = ceil_div(depth, ceil_div(depth, Engine::SLICE));
    const int64_t width = block.panels * NR, panel_stride = PRODUCTS * block.weight_stride;
    for (int i = 0; i < PRODUCTS; i++)
        for (int64_t start = 0; start < depth; start += deep) {
            const float* input = block.input + i * block.input_stride + start;
            const float* weight = block.weight + i * block.weight_stride + start * NR;
            const int64_t here = smaller(deep, depth - start);
            for (int64_t p = 0; p < block.panels; p++)
                for (int64_t t = 0; t < count; t += MR) {
                    const float* rows[MR];
                    Engine::Sums acc;
                    float* to = block.sums + (i * block.tiles + t) * width + p * NR;
                    for (int r = 0; r < MR; r++) rows[r] = input + (t + r) * block.tile_stride;
                    Engine::clear(acc);
                    Engine::multiply(rows, here, weight + p * panel_stride, acc);
                    for (int r = 0; r < MR; r++)
                        for (int half = 0; half < 2; half++) {
                            float* at = to + r * width + half * LANES;
                            store(at, begin && start == 0 ? acc[r][half] : load(at) + acc[r][half]);
                        }
                }
        }
}

// The tiles [tile, tile + count); the last rows of a block need something to read
template <class T>
void transform_tiles(int64_t threads, const Picture<T>& picture, int64_t tile, int64_t count,
                     float* input, int64_t input_stride) {
    const int64_t channels = picture.channels;
    parallel_for(threads, ceil_div(count, MR) * MR, 2, count * channels * PRODUCTS / LANES,
                 [&](int64_t t) {
                     picture.transform(tile + smaller(t, count - 1), input + t * channels,
                                       input_stride);
                 });
}

// The panels [first, first + count), PACK channels at a time
void transform_panels(const ConvolutionCall& call, const Columns& columns, int64_t first,
                      int64_t count, float* packed, int64_t stride) {
    const int64_t channels = call.channels, parts = ceil_div(channels, PACK);
    parallel_for(call.threads, count * parts, 1, count * channels * PRODUCTS * NR / LANES,
                 [&](int64_t i) {
                     const int64_t p = i / parts, part = i % parts * PACK;
                     transform_panel(call.weight, columns, first + p, channels, part,
                                     smaller(channels, part + PACK),
                                     packed + p * PRODUCTS * stride + part * NR, stride);
                 });
}

// Few tiles: each panel's weights are transformed a slice at a time and multiplied while they are
// in the second cache, instead of going through memory four times as large as they were
template <class T>
void few_tiles(const ConvolutionCall& call, const Picture<T>& picture, int64_t tiles,
               const Additions<T>& add, float* input, int64_t input_stride) {
    const int64_t filled = ceil_div(tiles, MR) * MR, channels = picture.channels;
    const Columns columns{call.columns};
    constexpr int64_t STRIDE = SLICE * NR + LINE;
    transform_tiles(call.threads, picture, 0, tiles, input, input_stride);
    parallel(call.threads, columns.panels(), SMALL, [&](Worker& worker) {
        alignas(64) float sums[PRODUCTS * FEW_TILES * NR], packed[PRODUCTS * STRIDE];
        for (int64_t panel; (panel = worker.next()) >= 0;) {
            for (int64_t start = 0; start < channels; start += SLICE) {
                const int64_t stop = smaller(channels, start + SLICE);
                for (int64_t part = start; part < stop; part += PACK)
                    transform_panel(call.weight, columns, panel, channels, part,
                                    smaller(stop, part + PACK), packed + (part - start) * NR,
                                    STRIDE);
                products({input + start, input_stride, channels, packed, STRIDE, sums, FEW_TILES, 1},
                         filled, stop - start, start == 0);
            }
            for (int64_t t = 0; t < tiles; t++)
                finish(sums + t * NR, FEW_TILES * NR, picture, t, panel, call.columns, add,
                       (T*)call.out);
        }
    });
}

// The panels [first, first + panels) of the tiles [tile, tile + tiles), whose inputs and weights
// have been transformed
template <class T>
void many_tiles(const ConvolutionCall& call, const Picture<T>& picture, const Additions<T>& add,
                int64_t tile, int64_t tiles, const float* input, int64_t input_stride,
                int64_t first, int64_t panels, const float* packed, int64_t weight_stride) {
    const int64_t channels = picture.channels, across = ceil_div(panels, TASK_PANELS);
    parallel(call.threads, ceil_div(tiles, TILE_BLOCK) * across, SMALL, [&](Worker& worker) {
        alignas(64) float sums[PRODUCTS * TILE_BLOCK * TASK_PANELS * NR];
        for (int64_t task; (task = worker.next()) >= 0;) {
            const int64_t block = task / across * TILE_BLOCK, p = task % across * TASK_PANELS;
            const int64_t some = smaller(TASK_PANELS, panels - p);
            const int64_t valid = smaller(TILE_BLOCK, tiles - block);
            products({input + block * channels, input_stride, channels,
                      packed + p * PRODUCTS * weight_stride, weight_stride, sums, TILE_BLOCK, some},
                     ceil_div(valid, MR) * MR, channels, true);
            for (int64_t t = 0; t < valid; t++)
                for (int64_t i = 0; i < some; i++)
                    finish(sums + (t * some + i) * NR, TILE_BLOCK * some * NR, picture,
                           tile + block + t, first + p + i, call.columns, add, (T*)call.out);
        }
    });
}

template <class T>
int winograd(const ConvolutionCall& call, const Picture<T>& picture) {
    static thread_local Scratch input_scratch, weight_scratch, bias_scratch;
    const float* bias = call.bias.floats(call.columns, bias_scratch);
    if (call.bias.data && !bias) return 1;
    const Additions<T> add{bias, (const T*)call.sample, (const T*)call.residual};
    const Columns columns{call.columns};
    const int64_t channels = picture.channels;
    const int64_t tiles = call.batch * picture.tiles_down * picture.tiles_across;
    const int64_t weight_stride = channels * NR + LINE, panel_size = PRODUCTS * weight_stride;
    const int64_t panels = columns.panels(), panel_bytes = panel_size * int64_t(sizeof(float));
    const bool all = panels * panel_bytes <= ALL;
    const int64_t fitting =
        (all ? CHUNK_BESIDE_ALL : CHUNK) / (PRODUCTS * channels * int64_t(sizeof(float)));
    const bool few = tiles <= FEW_TILES;
    const int64_t blocks = few ? FEW_TILES / TILE_BLOCK : fitting / TILE_BLOCK;
    const int64_t chunk = smaller(ceil_div(tiles, TILE_BLOCK), blocks < 1 ? 1 : blocks) * TILE_BLOCK;
    // A cache line more than the values need: strides of whole pages would share one set of a cache
    const int64_t input_stride = chunk * channels + LINE;
    const int64_t grouped = GROUP / panel_bytes;
    const int64_t group = all ? panels : smaller(grouped < 1 ? 1 : grouped, panels);
    float* input = input_scratch.floats(PRODUCTS * input_stride);
    if (input && few) {
        few_tiles(call, picture, tiles, add, input, input_stride);
        return 0;
    }
    float* packed = weight_scratch.floats(group * panel_size);
    if (!input || !packed) return 1;
    for (int64_t tile = 0; tile < tiles; tile += chunk) {
        const int64_t here = smaller(chunk, tiles - tile);
        transform_tiles(call.threads, picture, tile, here, input, input_stride);
        for (int64_t first = 0; first < panels; first += group) {
            const int64_t several = smaller(group, panels - first);
            if (tile == 0 || group < panels)
                transform_panels(call, columns, first, several, packed, weight_stride);
            many_tiles(call, picture, add, tile, here, input, input_stride, first, several, packed,
                       weight_stride);
        }
    }
    return 0;
}

}  // namespace

// The kernel is 3x3, stride and padding are 1, and channels a multiple of the vector's lanes. The
// products are float32's whatever the types are.
KAKUSAN_EXPORT int kakusan_winograd(const ConvolutionCall* call) {
    if (call->channels % LANES) return 1;
    return for_type(call->x_type, [&](auto zero) {
        typedef decltype(zero) T;
        return winograd(*call, Picture<T>{(const T*)call->x, call->out_height, call->out_width,
                                          call->channels, call->enlarge,
                                          ceil_div(call->out_height, TILE),
                                          ceil_div(call->out_width, TILE)});
    });
}
