// Gives back the memory that the calling thread's kernels have kept for their next call.

#include <malloc.h>

#include "scratch.hpp"
#include "vector.hpp"

KAKUSAN_EXPORT void kakusan_forget_scratch() {
    kakusan::Scratch::forget();
#ifdef __GLIBC__
    malloc_trim(0);  // and what the C library keeps of memory that was given back to it
#endif
}
