// Exposure of a picture: out = image · gain + offset for each channel, and its adjoint. Rows are summed one by one and
// added up in order, so the sums do not depend on the number of threads.

#include "kernels.hpp"
#include "../threads.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int64_t kChunk = 4096;  // pixels in one task
constexpr int kPeriod = 3 * kLanes;  // floats after which channels and lanes meet again

struct Pattern {
  float values[kPeriod];
  explicit Pattern(const float* three) {
    for (int i = 0; i < kPeriod; ++i) values[i] = three[i % 3];
  }
};

void expose(int64_t pixels, const float* image, const float* gains, const float* offsets, float* out, int threads) {
  const Pattern gain(gains), offset(offsets);
  parallel_for((pixels + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t end = 3 * ((chunk + 1) * kChunk < pixels ? (chunk + 1) * kChunk : pixels);
    int64_t i = 3 * chunk * kChunk;
    for (; i + kPeriod <= end; i += kPeriod)
      for (int j = 0; j < kPeriod; j += kLanes)
        store(out + i + j, fma(load(gain.values + j), load(image + i + j), load(offset.values + j)));
    for (; i < end; ++i) out[i] = gains[i % 3] * image[i] + offsets[i % 3];
  });
}

void expose_backward(int64_t pixels, const float* image, const float* gains, const float* d_out, float* d_image,
                     double* sums, int threads) {
  const Pattern gain(gains);
  const int64_t chunks = (pixels + kChunk - 1) / kChunk;
  Array<double> partial;
  partial.resize(static_cast<size_t>(6 * chunks));
  parallel_for(chunks, threads, [&](int64_t chunk, int) {
    const int64_t end = 3 * ((chunk + 1) * kChunk < pixels ? (chunk + 1) * kChunk : pixels);
    int64_t i = 3 * chunk * kChunk;
    Float d_gain[3] = {Float(0.0f), Float(0.0f), Float(0.0f)}, d_offset[3] = {Float(0.0f), Float(0.0f), Float(0.0f)};
    for (; i + kPeriod <= end; i += kPeriod)
      for (int j = 0; j < 3; ++j) {
        const int64_t at = i + j * kLanes;
        const Float d = load(d_out + at);
        d_gain[j] = fma(d, load(image + at), d_gain[j]);
        d_offset[j] = d_offset[j] + d;
        store(d_image + at, d * load(gain.values + j * kLanes));
      }
    double* to = &partial[6 * chunk];
    for (int c = 0; c < 6; ++c) to[c] = 0;
    alignas(32) float lanes[2][kPeriod];
    for (int j = 0; j < 3; ++j) {
      store(lanes[0] + j * kLanes, d_gain[j]);
      store(lanes[1] + j * kLanes, d_offset[j]);
    }
    for (int j = 0; j < kPeriod; ++j) {
      to[j % 3] += lanes[0][j];
      to[3 + j % 3] += lanes[1][j];
    }
    for (; i < end; ++i) {
      to[i % 3] += static_cast<double>(d_out[i]) * image[i];
      to[3 + i % 3] += d_out[i];
      d_image[i] = d_out[i] * gains[i % 3];
    }
  });
  for (int c = 0; c < 6; ++c) sums[c] = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int c = 0; c < 6; ++c) sums[c] += partial[6 * chunk + c];
}

}  // namespace

void install_exposure(Kernels& k) {
  k.expose = expose;
  k.expose_backward = expose_backward;
}

}  // namespace splatsim::SPLATSIM_ISA
