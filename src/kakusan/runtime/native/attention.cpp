// Attention without a mask, softmax(scale * q kᵀ) v, on tokens (batch, token, heads * head_dim)
// whose rows are contiguous; the result is contiguous throughout. Strides count elements.

#include <sys/syscall.h>
#include <unistd.h>

#include "attention_blocks.hpp"
#include "attention_broadcast.hpp"

// KAKUSAN_EMULATE: 1 stands for a processor with AVX512_BF16, 2 for one with AMX
#include "tiles.hpp"
#ifdef KAKUSAN_HAS_TILES
#include "attention_tiles.hpp"
#endif

namespace kakusan::attention {

#ifdef KAKUSAN_HAS_TILES
typedef Tiles Bf16Kernel;
#elif defined(KAKUSAN_HAS_PAIRS)
typedef Broadcast<Pairs> Bf16Kernel;
#else
typedef Broadcast<Floats> Bf16Kernel;
#endif

template <class Kernel, class T>
static int run(const Problem<T>& problem) {
    if (problem.keys < 1 || !(problem.scale > 0)) return 1;
    return Attention<T, Kernel>(problem).run();
}

}  // namespace kakusan::attention

using namespace kakusan;
using namespace kakusan::attention;

// Whether this process may use AMX tiles: Linux gives the right to them on request only
KAKUSAN_EXPORT int kakusan_amx_ready() {
    constexpr long ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

// 0 when done. Else nothing is written: there are no keys, the scale isn't positive, the processor
// or system has no tiles for a library that needs them, or there is no memory.
KAKUSAN_EXPORT int kakusan_attention_f32(const float* q, const float* k, const float* v, float* out,
                                 int64_t batch, int64_t heads, int64_t queries, int64_t keys,
                                 int64_t head_dim, float scale, int64_t q_batch_stride,
                                 int64_t q_row_stride, int64_t k_batch_stride, int64_t k_row_stride,
                                 int64_t v_batch_stride, int64_t v_row_stride) {
    return run<Broadcast<Floats>, float>({{q, q_batch_stride, q_row_stride},
                                          {k, k_batch_stride, k_row_stride},
                                          {v, v_batch_stride, v_row_stride},
                                          out, batch, heads, queries, keys, head_dim, scale});
}

KAKUSAN_EXPORT int kakusan_attention_bf16(const Bf16* q, const Bf16* k, const Bf16* v, Bf16* out,
                                  int64_t batch, int64_t heads, int64_t queries, int64_t keys,
                                  int64_t head_dim, float scale, int64_t q_batch_stride,
                                  int64_t q_row_stride, int64_t k_batch_stride,
                                  int64_t k_row_stride, int64_t v_batch_stride,
                                  int64_t v_row_stride) {
#if defined(__AMX_BF16__) && !defined(KAKUSAN_EMULATE)
    if (!kakusan_amx_ready()) return 1;
#endif
    return run<Bf16Kernel, Bf16>({{q, q_batch_stride, q_row_stride},
                                  {k, k_batch_stride, k_row_stride},
                                  {v, v_batch_stride, v_row_stride},
                                  out, batch, heads, queries, keys, head_dim, scale});
}
