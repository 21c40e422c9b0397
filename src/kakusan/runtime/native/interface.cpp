// Tells the loader how large the structures of calls are here, in the order of interface.py's.

#include "interface.hpp"

using namespace kakusan;

KAKUSAN_EXPORT const int64_t* kakusan_sizes() {
    static const int64_t sizes[] = {
        sizeof(LinearCall),    sizeof(GegluCall),     sizeof(ConvolutionCall),
        sizeof(ConvolutionCall), sizeof(GroupNormCall), sizeof(LayerNormCall),
        sizeof(ConcatenateCall), sizeof(FiniteCall),    sizeof(AttentionCall),
        0,
    };
    return sizes;
}
