#include "threads.hpp"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace splatsim {
namespace {

struct Job {
  void (*task)(void*, int64_t, int);
  void* context;
  int64_t count;
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // the first one; written by the thread that set `failed`

  void work(int worker) noexcept {
    try {
      for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) task(context, i, worker);
    } catch (...) {
      next.store(count);
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
};

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

class Pool {
 public:
  // The caller is worker 0; the pool's threads are workers 1 and up.
  void run(Job& job, int threads) {
    const int helpers = static_cast<int>(std::min<int64_t>(threads, job.count)) - 1;
    grow(helpers);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      wanted_ = helpers;
      running_ = helpers;
      round_.fetch_add(1);
    }
    wake_.notify_all();
    job.work(0);
    for (int spin = 0; spin < kSpins && running_.load() > 0; ++spin) pause();
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return running_.load() == 0; });
    job_ = nullptr;
  }

 private:
  // About 30 µs: between the stages of one frame a thread need not be woken by the kernel.
  static constexpr int kSpins = 1500;

  void grow(int helpers) {
    while (static_cast<int>(threads_.size()) < helpers) {
      const int worker = static_cast<int>(threads_.size()) + 1;
      threads_.emplace_back([this, worker] { loop(worker); });
      threads_.back().detach();
    }
  }

  void loop(int worker) {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && round_.load() == seen; ++spin) pause();
      Job* job = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_.load() != seen; });
        seen = round_.load();
        if (worker <= wanted_) job = job_;
      }
      if (!job) continue;
      job->work(worker);
      if (running_.fetch_sub(1) == 1) {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> running_{0};
  Job* job_ = nullptr;
  int wanted_ = 0;
};

std::mutex busy;
Pool* pool = nullptr;
std::atomic<pid_t> owner{0};

}  // namespace

void run_tasks(int64_t count, int threads, void (*task)(void*, int64_t, int), void* context) {
  Job job{task, context, count};
  const auto finish = [&job] {
    if (job.error) std::rethrow_exception(job.error);
  };
  if (owner != 0 && owner != getpid()) {  // after fork() the threads are gone and the locks' state is unknown
    new (&busy) std::mutex;
    pool = nullptr;
    owner = 0;
  }
  if (threads <= 1 || count <= 1 || !busy.try_lock()) {
    job.work(0);
    return finish();
  }
  const std::lock_guard<std::mutex> lock(busy, std::adopt_lock);
  if (!pool) {
    pool = new Pool;  // never destroyed: its threads sleep until the process ends
    owner = getpid();
  }
  pool->run(job, threads);
  finish();
}

}  // namespace splatsim
