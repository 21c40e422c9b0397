// Memory that a calling thread keeps from call to call: fresh pages cost more than arithmetic. It
// gives all of it back when it is told to, as between two networks.
#pragma once

#include <cstdlib>

namespace kakusan {

class Scratch {
   public:
    Scratch() : next_(first_) { first_ = this; }
    ~Scratch() { free(memory_); }

    // Give back what this thread holds
    static void forget() {
        for (Scratch* each = first_; each; each = each->next_) {
            free(each->memory_);
            each->memory_ = nullptr;
            each->size_ = 0;
        }
    }

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
    static inline thread_local Scratch* first_ = nullptr;
    Scratch* next_;
    float* memory_ = nullptr;
    size_t size_ = 0;
};

}  // namespace kakusan
