// What one core can do at most: the yardstick of bench/speed.

#include <time.h>

#include "kernels.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

double seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Twelve independent chains hide the latency of a multiply-add; the best of many short runs avoids interruptions.
double measure_flops() {
  constexpr int kChains = 12, kSteps = 200'000, kRuns = 40;
  float sink = 0.0f;
  double best = 1e9;
  for (int run = 0; run < kRuns; ++run) {
    Float chain[kChains];
    for (int i = 0; i < kChains; ++i) chain[i] = Float(0.1f * static_cast<float>(i) + sink * 1e-30f);
    const Float a(0.999f), b(0.001f);
    const double start = seconds();
    for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
      for (int i = 0; i < kChains; ++i) chain[i] = fma(chain[i], a, b);
    }
    const double took = seconds() - start;
    for (const Float& c : chain) sink += sum(c);
    best = took < best ? took : best;
  }
  const double operations = 2.0 * kLanes * kChains * kSteps;
  return sink == 12345.0f ? 0.0 : operations / best;
}

}  // namespace

void install_ceiling(Kernels& k) { k.measure_flops = measure_flops; }

}  // namespace splatsim::SPLATSIM_ISA
