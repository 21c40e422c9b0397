// A job's chunks, done by the thread that calls and by those helpers that have time for it.
#pragma once

#include <atomic>
#include <cstdint>

#include "vector.hpp"

namespace kakusan {

struct Job;

// One of the threads that take part in a job
class Worker {
   public:
    Worker(Job& job, int slot, int64_t leave_at) : slot(slot), job_(job), leave_at_(leave_at) {}

    const int slot;  // its share of scratch memory, below the job's threads; 0 is the caller's

    // A chunk that nobody else does, or -1 when this thread has no more to do
    int64_t next();

    int64_t done() const { return done_; }
    bool left() const { return left_; }  // while there were chunks

   private:
    Job& job_;
    const int64_t leave_at_;
    int64_t done_ = 0;
    int passed_ = 0;  // shares in which nothing is left
    bool left_ = false;
};

typedef void (*Work)(const void* context, Worker& worker);

void run_job(int threads, int64_t chunks, Work work, const void* context);

// `work(worker)` on at most `threads` threads, which take the chunks [0, chunks) from
// `worker.next()`. Returns when all chunks are done: nobody waits for a thread that took none.
// Jobs of fewer than about SMALL nanoseconds on one thread are not worth another one.
constexpr int64_t SMALL = 5000;

template <class Function>
static inline void parallel(int64_t threads, int64_t chunks, int64_t nanoseconds,
                            const Function& work) {
    run_job(nanoseconds < SMALL ? 1 : int(threads), chunks,
            [](const void* context, Worker& worker) {
                (*static_cast<const Function*>(context))(worker);
            },
            &work);
}

// `action(i)` for every i of [0, count), `grain` of them a chunk
template <class Function>
static inline void parallel_for(int64_t threads, int64_t count, int64_t grain, int64_t nanoseconds,
                                const Function& action) {
    parallel(threads, ceil_div(count, grain), nanoseconds, [&](Worker& worker) {
        for (int64_t chunk; (chunk = worker.next()) >= 0;)
            for (int64_t i = chunk * grain; i < smaller(count, (chunk + 1) * grain); i++) action(i);
    });
}

}  // namespace kakusan
