// Group normalisation of pictures laid out (batch, positions, channels), with or without SiLU.

#include "activation.hpp"
#include "interface.hpp"
#include "parallel.hpp"

using namespace kakusan;

namespace {

constexpr int64_t SLICES = 32;  // of a picture's positions: fixed, so that sums never depend on threads
constexpr int64_t RUN = 64;     // positions that are summed in float32
constexpr int64_t CHUNK = 1 << 15;  // numbers that one thread normalises at a time

// Sums of x - x0 and of its square over the positions [start, stop), for each channel; x0 is the
// picture's first position, which keeps the squares as small as the spread
template <class T>
void sum_slice(const T* x, int64_t start, int64_t stop, int64_t channels, double* sums) {
    for (int64_t c = 0; c < channels; c += LANES) {
        const int64_t count = smaller(LANES, channels - c);
        const Vec origin = load_part(x + c, count);
        double total[LANES] = {}, squares[LANES] = {};
        for (int64_t from = start; from < stop; from += RUN) {
            Vec sum{}, square{};
            const int64_t to = smaller(stop, from + RUN);
            for (int64_t i = from; i < to; i++) {
                const Vec d = load_part(x + i * channels + c, count) - origin;
                sum += d;
                square += d * d;
            }
            for (int j = 0; j < LANES; j++) {
                total[j] += sum[j];
                squares[j] += square[j];
            }
        }
        for (int64_t j = 0; j < count; j++) {
            sums[c + j] = total[j];
            sums[channels + c + j] = squares[j];
        }
    }
}

// What each channel of a group is multiplied by and what is added then, from the slices' sums
template <class T>
void scale_and_shift(const T* x, const double* sums, const GroupNormCall& call, int64_t g,
                     const float* weight, const float* bias, float* factors) {
    const int64_t positions = call.positions, channels = call.channels;
    const int64_t width = channels / call.groups;
    double mean = 0, spread = 0;
    for (int pass = 0; pass < 2; pass++)  // the group's mean, then the squares around it
        for (int64_t c = g * width; c < (g + 1) * width; c++) {
            double sum = 0, square = 0;
            for (int64_t slice = 0; slice < SLICES; slice++) {
                sum += sums[slice * 2 * channels + c];
                square += sums[(slice * 2 + 1) * channels + c];
            }
            const double origin = to_float(x[c]);
            const double own = sum / positions, distance = origin + own - mean;
            if (pass == 0)
                mean += (origin + own) / width;
            else
                spread += square - sum * own + positions * distance * distance;
        }
    if (spread < 0) spread = 0;  // by rounding
    const double scale = 1 / __builtin_sqrt(spread / (positions * width) + float(call.eps));
    for (int64_t c = g * width; c < (g + 1) * width; c++) {
        const double factor = weight[c] * scale;
        factors[c] = float(factor);
        factors[channels + c] = float(bias[c] - mean * factor);
    }
}

template <class T>
int group_norm(const GroupNormCall& call) {
    static thread_local Scratch sums_scratch, factors_scratch, weight_scratch, bias_scratch;
    const int64_t batch = call.batch, positions = call.positions, channels = call.channels;
    double* sums = reinterpret_cast<double*>(
        sums_scratch.floats(batch * SLICES * 2 * channels * sizeof(double) / sizeof(float)));
    float* factors = factors_scratch.floats(batch * 2 * channels);
    const float* scale = call.weight.floats(channels, weight_scratch);
    const float* shift = call.bias.floats(channels, bias_scratch);
    if (!sums || !factors || !scale || !shift) return 1;
    const T* x = static_cast<const T*>(call.x);
    T* out = static_cast<T*>(call.out);
    const int64_t picture = positions * channels, nanoseconds = batch * picture / LANES;
    parallel_for(call.threads, batch * SLICES, 2, nanoseconds, [&](int64_t i) {
        const int64_t b = i / SLICES, slice = i % SLICES;
        sum_slice(x + b * picture, positions * slice / SLICES, positions * (slice + 1) / SLICES,
                  channels, sums + i * 2 * channels);
    });
    parallel_for(call.threads, batch * call.groups, 8, batch * channels * SLICES, [&](int64_t i) {
        const int64_t b = i / call.groups;
        scale_and_shift(x + b * picture, sums + b * SLICES * 2 * channels, call, i % call.groups,
                        scale, shift, factors + b * 2 * channels);
    });
    const int64_t grain = ceil_div(CHUNK, channels);
    parallel_for(call.threads, batch * positions, grain, 2 * nanoseconds, [&](int64_t i) {
        const float* factor = factors + i / positions * 2 * channels;
        for (int64_t c = 0; c < channels; c += LANES) {
            const int64_t count = smaller(LANES, channels - c);
            const Vec v = fused(load_part(x + i * channels + c, count),
                                load_part(factor + c, count),
                                load_part(factor + channels + c, count));
            store_part(out + i * channels + c, call.silu ? silu(v) : v, count);
        }
    });
    return 0;
}

}  // namespace

KAKUSAN_EXPORT int kakusan_group_norm(const GroupNormCall* call) {
    return for_type(call->x_type, [&](auto zero) { return group_norm<decltype(zero)>(*call); });
}
