// Group normalisation of pictures laid out (batch, positions, channels), with or without SiLU.

#include "activation.hpp"
#include "weights.hpp"

using namespace kakusan;

namespace {

constexpr int64_t SLICES = 32;  // of a picture's positions: fixed, so that sums never depend on threads
constexpr int64_t RUN = 64;     // positions that are summed in float32

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

// What each channel of a picture is multiplied by and what is added then, from the slices' sums
template <class T>
void scale_and_shift(const T* x, const double* sums, int64_t positions, int64_t channels,
                     int64_t groups, const float* weight, const float* bias, float eps,
                     float* factors) {
    const int64_t width = channels / groups;
    for (int64_t g = 0; g < groups; g++) {
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
        const double scale = 1 / __builtin_sqrt(spread / (positions * width) + eps);
        for (int64_t c = g * width; c < (g + 1) * width; c++) {
            const double factor = weight[c] * scale;
            factors[c] = float(factor);
            factors[channels + c] = float(bias[c] - mean * factor);
        }
    }
}

template <class T>
int group_norm(const T* x, int64_t batch, int64_t positions, int64_t channels, int64_t groups,
               const Weights& weights, const Weights& bias, float eps, bool with_silu, T* out) {
    static thread_local Scratch sums_scratch, factors_scratch, weight_scratch, bias_scratch;
    double* sums = reinterpret_cast<double*>(
        sums_scratch.floats(batch * SLICES * 2 * channels * sizeof(double) / sizeof(float)));
    float* factors = factors_scratch.floats(batch * 2 * channels);
    const float* scale = weights.floats(channels, weight_scratch);
    const float* shift = bias.floats(channels, bias_scratch);
    if (!sums || !factors || !scale || !shift) return 1;
#pragma omp parallel
    {
#pragma omp for collapse(2) schedule(static)
        for (int64_t b = 0; b < batch; b++)
            for (int64_t slice = 0; slice < SLICES; slice++)
                sum_slice(x + b * positions * channels, positions * slice / SLICES,
                          positions * (slice + 1) / SLICES, channels,
                          sums + (b * SLICES + slice) * 2 * channels);
#pragma omp for schedule(static)
        for (int64_t b = 0; b < batch; b++)
            scale_and_shift(x + b * positions * channels, sums + b * SLICES * 2 * channels,
                            positions, channels, groups, scale, shift, eps,
                            factors + b * 2 * channels);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < batch * positions; i++) {
            const float* factor = factors + i / positions * 2 * channels;
            for (int64_t c = 0; c < channels; c += LANES) {
                const int64_t count = smaller(LANES, channels - c);
                const Vec v = load_part(x + i * channels + c, count) * load_part(factor + c, count) +
                              load_part(factor + channels + c, count);
                store_part(out + i * channels + c, with_silu ? silu(v) : v, count);
            }
        }
    }
    return 0;
}

}  // namespace

// out = (x - mean) / deviation * weight + bias, then SiLU if asked for. `x_type` is that of x and
// out, FLOAT32 or BFLOAT16; `type` that of weight, `bias_type` that of bias.
KAKUSAN_EXPORT int kakusan_group_norm(int64_t x_type, const void* x, int64_t batch,
                                      int64_t positions, int64_t channels, int64_t groups,
                                      const void* weight, int64_t type, const void* bias,
                                      int64_t bias_type, float eps, int64_t with_silu, void* out) {
    return for_type(x_type, [&](auto zero) {
        typedef decltype(zero) T;
        return group_norm((const T*)x, batch, positions, channels, groups, {weight, type},
                          {bias, bias_type}, eps, with_silu, (T*)out);
    });
}
