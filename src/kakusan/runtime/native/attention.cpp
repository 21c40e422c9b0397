// Attention, with the kernels that this library's instructions are the best for.

#include <sys/syscall.h>
#include <unistd.h>

#include "attention_blocks.hpp"
#include "attention_broadcast.hpp"
#include "interface.hpp"

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
static int run(const AttentionCall& call) {
    if (call.keys < 1 || !(call.scale > 0)) return 1;
    const Problem<T> problem{{(const T*)call.q, call.q_batch_stride, call.q_row_stride},
                             {(const T*)call.k, call.k_batch_stride, call.k_row_stride},
                             {(const T*)call.v, call.v_batch_stride, call.v_row_stride},
                             (T*)call.out, call.batch, call.heads, call.queries, call.keys,
                             call.head_dim, float(call.scale), call.threads};
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
KAKUSAN_EXPORT int kakusan_attention(const AttentionCall* call) {
    if (call->x_type == FLOAT32) return run<Broadcast<Floats>, float>(*call);
    if (call->x_type != BFLOAT16) return 1;
#if defined(__AMX_BF16__) && !defined(KAKUSAN_EMULATE)
    if (!kakusan_amx_ready()) return 1;
#endif
    return run<Bf16Kernel, Bf16>(*call);
}
