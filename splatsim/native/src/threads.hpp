// A pool of threads and one way to use it: many small tasks, taken in order.
#pragma once

#include <cstdint>

namespace splatsim {

// Calls task(context, i, worker) once for every i in [0, count), on up to `threads` threads, and returns when all are
// done. 0 <= worker < threads names the thread. Results must not depend on which thread takes which task. Safe to call
// from several threads at once (the later caller works alone) and after fork(). If a task throws, the tasks that have
// not begun are left out and the first exception is thrown here.
void run_tasks(int64_t count, int threads, void (*task)(void* context, int64_t i, int worker), void* context);

template <class Body>
void parallel_for(int64_t count, int threads, Body&& body) {
  run_tasks(count, threads, [](void* context, int64_t i, int worker) { (*static_cast<Body*>(context))(i, worker); },
            const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace splatsim
