// One Adam step (Kingma & Ba 2015) over the rows of a parameter, in one pass over memory.

#include "kernels.hpp"
#include "../threads.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int64_t kChunkFloats = 1 << 15;

struct Moments {
  Float beta1, beta2, rest1, rest2, scale2, epsilon;
  explicit Moments(const AdamStep& s)
      : beta1(s.beta1),
        beta2(s.beta2),
        rest1(1.0f - s.beta1),
        rest2(1.0f - s.beta2),
        scale2(1.0f / s.correction2),
        epsilon(s.epsilon) {}
};

// `rate` holds learning rate / correction1.
inline void update(const Moments& k, Float rate, float* p, const float* g, float* m, float* v) {
  const Float gradient = load(g);
  const Float first = fma(k.beta1, load(m), k.rest1 * gradient);
  const Float second = fma(k.beta2, load(v), k.rest2 * gradient * gradient);
  store(m, first);
  store(v, second);
  store(p, fnma(rate, first / (sqrt(second * k.scale2) + k.epsilon), load(p)));
}

inline void update_tail(const Moments& k, const float* rate, int64_t count, float* p, const float* g, float* m,
                        float* v) {
  float lanes[5][kLanes] = {};
  const auto bytes = static_cast<size_t>(count) * sizeof(float);
  std::memcpy(lanes[0], p, bytes);
  std::memcpy(lanes[1], g, bytes);
  std::memcpy(lanes[2], m, bytes);
  std::memcpy(lanes[3], v, bytes);
  std::memcpy(lanes[4], rate, bytes);
  update(k, load(lanes[4]), lanes[0], lanes[1], lanes[2], lanes[3]);
  std::memcpy(p, lanes[0], bytes);
  std::memcpy(m, lanes[2], bytes);
  std::memcpy(v, lanes[3], bytes);
}

// A run of rows that are all stepped. `rates` is the pattern of one row, repeated to whole vectors: `period` floats.
inline void update_run(const Moments& k, const float* rates, int64_t period, int64_t floats, float* p, const float* g,
                       float* m, float* v) {
  int64_t i = 0, phase = 0;
  for (; i + kLanes <= floats; i += kLanes) {
    update(k, load(rates + phase), p + i, g + i, m + i, v + i);
    phase += kLanes;
    if (phase == period) phase = 0;
  }
  if (i < floats) update_tail(k, rates + phase, floats - i, p + i, g + i, m + i, v + i);
}

void adam(const AdamStep& s, float* parameter, const float* gradient, float* first, float* second, int threads) {
  const Moments k(s);
  const int64_t period = s.columns * kLanes;
  Array<float> rates;
  rates.resize(static_cast<size_t>(period));
  for (int64_t i = 0; i < period; ++i) rates[i] = s.learning_rates[i % s.columns] / s.correction1;
  const int64_t rows = kChunkFloats / s.columns > 1 ? kChunkFloats / s.columns : 1;
  parallel_for((s.rows + rows - 1) / rows, threads, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * rows < s.rows ? (chunk + 1) * rows : s.rows;
    for (int64_t row = chunk * rows; row < end;) {
      if (s.visible && !s.visible[row]) {
        ++row;
        continue;
      }
      int64_t last = row + 1;
      while (last < end && (!s.visible || s.visible[last])) ++last;
      const int64_t at = row * s.columns;
      update_run(k, rates.data(), period, (last - row) * s.columns, parameter + at, gradient + at, first + at, second + at);
      row = last;
    }
  });
}

}  // namespace

void install_adam(Kernels& k) { k.adam = adam; }

}  // namespace splatsim::SPLATSIM_ISA
