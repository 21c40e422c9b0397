// Memory that a calling thread holds from call to call: fresh pages cost more than arithmetic. It
// gives all of it back when it is told to, as between two networks. It is the system's own, not the
// C library's, whose reserve belongs to the whole process.
#pragma once

#include <sys/mman.h>

#include <cstddef>

namespace kakusan {

class Scratch {
   public:
    Scratch() : next_(first_) { first_ = this; }
    ~Scratch() { give_back(); }

    // Give back what this thread holds
    static void forget() {
        for (Scratch* each = first_; each; each = each->next_) each->give_back();
    }

    // At least `count` floats, at the beginning of a page; null if there is no memory
    float* floats(size_t count) {
        const size_t bytes = (count * sizeof(float) + PAGE - 1) / PAGE * PAGE;
        if (bytes <= size_) return memory_;
        give_back();
        void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return nullptr;
        madvise(memory, bytes, MADV_HUGEPAGE);
        memory_ = static_cast<float*>(memory);
        size_ = bytes;
        return memory_;
    }

   private:
    static constexpr size_t PAGE = 4096;

    void give_back() {
        if (memory_) munmap(memory_, size_);
        memory_ = nullptr;
        size_ = 0;
    }

    static inline thread_local Scratch* first_ = nullptr;
    Scratch* next_;
    float* memory_ = nullptr;
    size_t size_ = 0;
};

}  // namespace kakusan
