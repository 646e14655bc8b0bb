// From what an optimiser steps (logarithms, logits) to what is rendered (scales, opacities), and back.

#include "kernels.hpp"
#include "../threads.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int64_t kChunk = 1 << 14;  // floats in one task

// Calls body(i) for whole vectors and tail(i) for what is left of [0, count).
template <class Body, class Tail>
inline void by_vectors(int64_t count, int threads, Body body, Tail tail) {
  parallel_for((count + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * kChunk < count ? (chunk + 1) * kChunk : count;
    int64_t i = chunk * kChunk;
    for (; i + kLanes <= end; i += kLanes) body(i);
    for (; i < end; ++i) tail(i);
  });
}

// exp(x), held within the floats that are neither zero nor infinite, also where x is infinite; NaN stays NaN.
inline Float exponential(Float x) {
  const Float y = x * 1.4426950408889634f;
  return select(x <= Float(__builtin_inff()), exp2(max(Float(-125.0f), min(Float(126.0f), y))), x);
}

inline Float first_lane(float x) {
  float lanes[kLanes] = {x};
  return load(lanes);
}

inline float value_of_first(Float x) {
  float lanes[kLanes];
  store(lanes, x);
  return lanes[0];
}

inline Float sigmoid(Float x) { return Float(1.0f) / (exponential(-x) + 1.0f); }

void activate(int64_t n, const float* log_scales, const float* logit_opacities, float* scales, float* opacities,
              int threads) {
  by_vectors(3 * n, threads, [&](int64_t i) { store(scales + i, exponential(load(log_scales + i))); },
             [&](int64_t i) { scales[i] = value_of_first(exponential(first_lane(log_scales[i]))); });
  by_vectors(n, threads, [&](int64_t i) { store(opacities + i, sigmoid(load(logit_opacities + i))); },
             [&](int64_t i) { opacities[i] = value_of_first(sigmoid(first_lane(logit_opacities[i]))); });
}

void activate_backward(int64_t n, const float* scales, const float* opacities, const float* d_scales,
                       const float* d_opacities, float scale_penalty, float opacity_penalty, float* d_log,
                       float* d_logit, int threads) {
  const Float more_scale(scale_penalty), more_opacity(opacity_penalty);
  by_vectors(3 * n, threads,
             [&](int64_t i) { store(d_log + i, (load(d_scales + i) + more_scale) * load(scales + i)); },
             [&](int64_t i) { d_log[i] = (d_scales[i] + scale_penalty) * scales[i]; });
  by_vectors(n, threads,
             [&](int64_t i) {
               const Float o = load(opacities + i);
               store(d_logit + i, (load(d_opacities + i) + more_opacity) * o * (Float(1.0f) - o));
             },
             [&](int64_t i) { d_logit[i] = (d_opacities[i] + opacity_penalty) * opacities[i] * (1.0f - opacities[i]); });
}

}  // namespace

void install_activation(Kernels& k) {
  k.activate = activate;
  k.activate_backward = activate_backward;
}

}  // namespace splatsim::SPLATSIM_ISA
