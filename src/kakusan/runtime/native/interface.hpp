// What each kernel is called with, for the loader too: interface.py mirrors it field by field. Types
// are numbers of `WeightType`: `x_type`, FLOAT32 or BFLOAT16, is that of all activations of a call.
// Weights in blocks are whole blocks, from their first value on.
// Activations are contiguous, pictures (batch, height, width, channels).
#pragma once

#include "weights.hpp"

namespace kakusan {

// out (rows, columns) = x weightᵀ + bias + residual; x (rows, depth), weight (columns, depth).
// bfloat16 is multiplied in pairs, so that its depth has to be even, here and below.
struct LinearCall {
    int64_t threads, x_type;
    const void* x;
    int64_t rows, depth, columns;
    Weights weight, bias;
    const void* residual;  // or null
    void* out;
};

// out (rows, width) = value * gelu(gate), both halves of x weightᵀ + bias; weight (2 width, depth)
struct GegluCall {
    int64_t threads, x_type;
    const void* x;
    int64_t rows, depth, width;
    Weights weight, bias;
    void* out;
};

// out (batch, out_height, out_width, columns); the kernel is 1x1 or 3x3; padding is by zeros, and
// whatever an output needs beyond the right and the bottom is zero too
struct ConvolutionCall {
    int64_t threads, x_type;
    const void* x;
    int64_t batch, height, width, channels;
    int64_t enlarge;  // how many times every position of x is repeated in both directions before
    int64_t columns, side, stride, padding, out_height, out_width;
    Weights weight, bias;
    const void* sample;    // (batch, columns), the same at every position of a picture; or null
    const void* residual;  // like out, or null
    void* out;
};

// out = (x - mean) / deviation * weight + bias over groups of channels, then SiLU if asked for
struct GroupNormCall {
    int64_t threads, x_type;
    const void* x;
    int64_t batch, positions, channels, groups, silu;
    double eps;
    Weights weight, bias;
    void* out;
};

// The same over the `width` numbers of each row
struct LayerNormCall {
    int64_t threads, x_type;
    const void* x;
    int64_t rows, width;
    double eps;
    Weights weight, bias;
    void* out;
};

// out (rows, first_bytes + second_bytes): rows of two arrays side by side
struct ConcatenateCall {
    int64_t threads, rows;
    const void* first;
    int64_t first_bytes;
    const void* second;
    int64_t second_bytes;
    void* out;
};

// out: 1 if all `count` numbers of x are finite, else 0
struct FiniteCall {
    int64_t threads, x_type;
    const void* x;
    int64_t count;
    void* out;
};

// Attention without a mask, softmax(scale * q kᵀ) v, on tokens (batch, token, heads * head_dim)
// whose rows are contiguous; strides count elements
struct AttentionCall {
    int64_t threads, x_type;
    const void *q, *k, *v;
    int64_t q_batch_stride, q_row_stride, k_batch_stride, k_row_stride, v_batch_stride,
        v_row_stride;
    int64_t batch, heads, queries, keys, head_dim;
    double scale;
    void* out;
};

}  // namespace kakusan
