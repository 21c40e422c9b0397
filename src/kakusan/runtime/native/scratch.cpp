// Gives back the memory that the calling thread's kernels hold for their next call.

#include "scratch.hpp"
#include "vector.hpp"

KAKUSAN_EXPORT void kakusan_forget_scratch() { kakusan::Scratch::forget(); }
