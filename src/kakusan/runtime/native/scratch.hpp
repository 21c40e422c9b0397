// Memory that a calling thread keeps from call to call: fresh pages cost more than arithmetic.
#pragma once

#include <cstdlib>

namespace kakusan {

class Scratch {
   public:
    ~Scratch() { free(memory_); }

    // At least `count` floats, aligned to a cache line; null if there is no memory
    float* floats(size_t count) {
        const size_t bytes = (count * sizeof(float) + 4095) / 4096 * 4096;
        if (bytes > size_) {
            free(memory_);
            memory_ = static_cast<float*>(aligned_alloc(4096, bytes));
            size_ = memory_ ? bytes : 0;
        }
        return memory_;
    }

   private:
    float* memory_ = nullptr;
    size_t size_ = 0;
};

}  // namespace kakusan
