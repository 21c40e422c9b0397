// The helpers: threads that wait for jobs. They are started when they are first needed and live as
// long as the process. One job has them at a time; who finds them taken works alone.
//
// On a machine that does other work too, a helper may be without a processor at any moment, and for
// milliseconds. Four rules keep that from the caller:
// - The caller takes chunks itself until none are left, and then waits for those in progress only.
//   Each thread begins with a share of its own, and goes on with what others have not come to.
// - Helpers stay off the processor that the caller runs on.
// - A helper that finds its processor shared sleeps between jobs instead of spinning, and leaves a
//   long job now and then: it is pushed aside while it holds no chunk, then.
// - What helpers have gained is set against what waiting for them has cost. Where that is more, the
//   caller works alone for a while.

#include "parallel.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace kakusan {

constexpr int MOST_SHARES = 16;

// Neighbouring chunks, which one thread begins with: what it computed before is in its cache
struct alignas(64) Share {
    std::atomic<int64_t> taken{0};
    int64_t first = 0, count = 0;
};

struct Job {
    Job(Work work, const void* context, int64_t chunks, int threads);

    Work work;
    const void* context;
    int shares;
    std::atomic<int64_t> helped{0};  // chunks that helpers have done
    Share share[MOST_SHARES];
};

namespace {

constexpr int MOST = 256;                 // threads of a job
constexpr size_t STACK = 4 << 20;         // bytes; the kernels have up to 1 MB of sums there
constexpr int64_t SPIN = 300'000;         // nanoseconds a helper looks out for the next job
constexpr int64_t SPIN_AT_END = 100'000;  // and the caller for the last chunks
constexpr int64_t PUSHED = 500'000;       // without a processor for so long: others want it too
constexpr int64_t LOSS = 3'000'000;       // so much of it recently: the processor is shared
constexpr int64_t MOST_LOSS = 10'000'000, RECOVERY = 10;  // a loss is forgotten in ten times as long
constexpr int64_t STAY = 1'200'000;       // in a job on a shared processor, below a time slice
constexpr int64_t NAP = 20'000;
constexpr int64_t CREDIT = 10'000'000;    // what gains may make up for later
constexpr int64_t SHORTEST_PAUSE = 20'000'000, LONGEST_PAUSE = 320'000'000;

// Of `state`: a job can be joined; its caller sleeps; how many helpers are in it
constexpr uint32_t OPEN = 1u << 31, ASLEEP = 1u << 30, INSIDE = ASLEEP - 1;

struct alignas(64) Bell {
    std::atomic<uint32_t> parked{0};
};

std::atomic<bool> occupied{false};         // by a caller, to whom the two lines below belong
int helpers = 0;                           // that were started
int64_t credit = CREDIT, pause_length = SHORTEST_PAUSE, alone_until = 0;

alignas(64) std::atomic<uint32_t> posted{0};  // counts jobs
std::atomic<int> wanted{0};                   // threads of the last one
std::atomic<int64_t> posted_at{0};
std::atomic<int> callers_cpu{-1}, callers_id{0};
thread_local int own_id = 0;  // of the calling thread, as the system knows it
std::atomic<Job*> current{nullptr};
alignas(64) std::atomic<uint32_t> state{0};
alignas(64) std::atomic<int64_t> shared_until{0};  // when what was lost will be forgotten
Bell bells[MOST];

int64_t now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

void sleep_while(std::atomic<uint32_t>& word, uint32_t value) {
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake(std::atomic<uint32_t>& word) {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

bool is_shared(int64_t time) {
    return shared_until.load(std::memory_order_relaxed) - time > LOSS * RECOVERY;
}

// Somebody was without a processor for a while, or waited for one who was
void note_loss(int64_t loss, int64_t time) {
    if (loss < PUSHED) return;
    const int64_t until = shared_until.load(std::memory_order_relaxed);
    const int64_t most = time + MOST_LOSS * RECOVERY;
    shared_until.store(smaller(most, (until > time ? until : time) + loss * RECOVERY),
                       std::memory_order_relaxed);
}

// Keep this helper off the caller's processor, among those that the caller may use
void avoid(int cpu) {
    cpu_set_t allowed;
    const int caller = callers_id.load(std::memory_order_relaxed);
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(caller, sizeof(allowed), &allowed))
        return;
    if (CPU_COUNT(&allowed) > 1) CPU_CLR(cpu, &allowed);
    sched_setaffinity(0, sizeof(allowed), &allowed);
}

// Returns when there is a job after `seen` that wants this helper
uint32_t await_job(int slot, uint32_t seen) {
    const auto is_wanted = [&] {
        const uint32_t last = posted.load(std::memory_order_seq_cst);
        if (last == seen) return false;
        seen = last;
        return slot < wanted.load(std::memory_order_relaxed);
    };
    int64_t before = now();
    for (const int64_t stop = is_shared(before) ? before : before + SPIN; before < stop;) {
        for (int i = 0; i < 64; i++) {
            if (is_wanted()) return seen;
            __builtin_ia32_pause();
        }
        const int64_t time = now();
        note_loss(time - before, time);
        before = time;
    }
    for (;;) {
        bells[slot].parked.store(1, std::memory_order_seq_cst);
        if (is_wanted()) break;
        sleep_while(bells[slot].parked, 1);
        if (!is_wanted()) continue;
        const int64_t time = now();
        note_loss(time - posted_at.load(std::memory_order_relaxed), time);
        break;
    }
    bells[slot].parked.store(0, std::memory_order_relaxed);
    return seen;
}

// Take part in the job that is open, if one is; whether there is more to do in it after a nap
bool help(int slot) {
    uint32_t before = state.load(std::memory_order_acquire);
    do {
        if (!(before & OPEN)) return false;
    } while (!state.compare_exchange_weak(before, before + 1, std::memory_order_acq_rel));
    bool left = false;
    if (slot < wanted.load(std::memory_order_relaxed)) {  // the job may be a later one
        Job& job = *current.load(std::memory_order_relaxed);
        const int64_t time = now();
        Worker worker(job, slot, is_shared(time) ? time + STAY : INT64_MAX);
        job.work(job.context, worker);
        job.helped.fetch_add(worker.done(), std::memory_order_relaxed);
        left = worker.left();
    }
    if (state.fetch_sub(1, std::memory_order_acq_rel) == (ASLEEP | 1)) wake(state);
    return left;
}

void* live(void* argument) {
    const int slot = int(reinterpret_cast<intptr_t>(argument));
    const timespec nap{0, NAP};
    int avoided = -1;
    for (uint32_t seen = posted.load() - 1;;) {
        seen = await_job(slot, seen);
        const int cpu = callers_cpu.load(std::memory_order_relaxed);
        if (cpu != avoided) avoid(avoided = cpu);
        while (help(slot)) nanosleep(&nap, nullptr);
    }
}

// In a child of fork() there are no helpers, and whoever had a job is not there either
void forget_helpers() {
    helpers = own_id = 0;
    state = 0;
    for (Bell& bell : bells) bell.parked = 0;
    occupied = false;
}

// Start helpers until there are `count`, or as many as the system gives
void start_helpers(int count) {
    static bool registered = false;
    if (!registered && pthread_atfork(nullptr, nullptr, forget_helpers)) return;
    registered = true;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's own threads
    for (pthread_t thread; helpers < count; helpers++)
        if (pthread_create(&thread, &attributes, live, reinterpret_cast<void*>(intptr_t(helpers + 1))))
            break;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
}

// Until no helper is inside any more
void await_helpers() {
    const int64_t stop = now() + SPIN_AT_END;
    while (now() < stop)
        for (int i = 0; i < 64; i++) {
            if (!(state.load(std::memory_order_acquire) & INSIDE)) return;
            __builtin_ia32_pause();
        }
    uint32_t last = state.load(std::memory_order_acquire);
    while (last & INSIDE) {
        if (!(last & ASLEEP) && !state.compare_exchange_weak(last, last | ASLEEP)) continue;
        sleep_while(state, last | ASLEEP);  // its processor is free for the helper's chunk now
        last = state.load(std::memory_order_acquire);
    }
}

// Whether helpers are worth it is judged by what they did and how long the caller waited for it
void judge(int64_t gain, int64_t wait, int64_t time) {
    note_loss(wait, time);
    credit += gain - wait;
    if (credit > CREDIT) {
        credit = CREDIT;
        pause_length = SHORTEST_PAUSE;
    } else if (credit < 0) {
        credit = 0;
        alone_until = time + pause_length;
        pause_length = smaller(2 * pause_length, LONGEST_PAUSE);
    }
}

void with_helpers(int threads, Job& job) {
    const int64_t start = now();
    if (start < alone_until) {
        Worker worker(job, 0, INT64_MAX);
        return job.work(job.context, worker);
    }
    if (helpers < threads - 1) start_helpers(threads - 1);
    current.store(&job, std::memory_order_relaxed);
    wanted.store(threads, std::memory_order_relaxed);
    posted_at.store(start, std::memory_order_relaxed);
    if (!own_id) own_id = int(syscall(SYS_gettid));
    callers_id.store(own_id, std::memory_order_relaxed);
    callers_cpu.store(sched_getcpu(), std::memory_order_relaxed);
    state.store(OPEN, std::memory_order_release);
    posted.fetch_add(1, std::memory_order_seq_cst);
    for (int slot = 1; slot < threads && slot <= helpers; slot++)
        if (bells[slot].parked.load(std::memory_order_seq_cst) && bells[slot].parked.exchange(0))
            wake(bells[slot].parked);
    Worker worker(job, 0, INT64_MAX);
    job.work(job.context, worker);
    const int64_t exhausted = now();
    int64_t end = exhausted;
    if (state.fetch_and(~OPEN, std::memory_order_acq_rel) & INSIDE) {
        await_helpers();
        end = now();
    }
    const int64_t mine = worker.done(), helped = job.helped.load(std::memory_order_relaxed);
    judge(mine ? (exhausted - start) * helped / mine : end - start, end - exhausted, end);
}

}  // namespace

Job::Job(Work work, const void* context, int64_t chunks, int threads)
    : work(work), context(context), shares(threads < MOST_SHARES ? threads : MOST_SHARES) {
    for (int i = 0; i < shares; i++) {
        share[i].first = chunks * i / shares;
        share[i].count = chunks * (i + 1) / shares - share[i].first;
    }
}

int64_t Worker::next() {
    const bool leaves = leave_at_ != INT64_MAX && now() > leave_at_;
    for (int tried = 0; tried < job_.shares; tried++) {
        Share& share = job_.share[(slot + passed_) % job_.shares];
        if (share.taken.load(std::memory_order_relaxed) < share.count) {
            left_ = leaves;
            if (leaves) return -1;
            const int64_t chunk = share.taken.fetch_add(1, std::memory_order_relaxed);
            if (chunk < share.count) {
                done_++;
                return share.first + chunk;
            }
        }
        passed_++;  // that share is taken: on to the next one's
    }
    return -1;
}

void run_job(int threads, int64_t chunks, Work work, const void* context) {
    threads = int(smaller(smaller(threads, MOST), chunks));
    Job job(work, context, chunks, threads > 1 ? threads : 1);
    if (threads > 1 && !occupied.exchange(true, std::memory_order_acquire)) {
        with_helpers(threads, job);
        occupied.store(false, std::memory_order_release);
        return;
    }
    Worker worker(job, 0, INT64_MAX);
    work(context, worker);
}

}  // namespace kakusan
