// Mean absolute error and structural similarity (Wang et al. 2004: 11 × 11 Gaussian window, sigma 1.5, zero padding, as
// in 3DGS), with the gradient to the first image. Images are rows of interleaved channels, so that a tap to the left is
// three floats to the left.

#include "kernels.hpp"
#include "../threads.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int kRadius = 5, kTaps = 2 * kRadius + 1, kChannels = 3;
constexpr int kMargin = kRadius * kChannels;  // floats of padding on either side of a row
constexpr int kStrip = 32;                    // rows in one task
constexpr float kC1 = 0.01f * 0.01f, kC2 = 0.03f * 0.03f;
constexpr float kWindow[kTaps] = {0.00102838f, 0.00759876f, 0.03600077f, 0.10936069f, 0.21300554f, 0.26601172f,
                                  0.21300554f, 0.10936069f, 0.03600077f, 0.00759876f, 0.00102838f};

inline int64_t padded(int64_t floats) { return (floats + 7) / 8 * 8; }

// out[i] = sum of window[t] * in[i + 3 t], for `floats` places rounded up to a vector. `in` starts kMargin to the left.
inline void blur_row(const float* in, float* out, int64_t floats) {
  for (int64_t i = 0; i < floats; i += kLanes) {
    Float sum = load(in + i + kMargin) * kWindow[kRadius];
#pragma GCC unroll 5
    for (int t = 0; t < kRadius; ++t)
      sum = fma(load(in + i + t * kChannels) + load(in + i + (kTaps - 1 - t) * kChannels), Float(kWindow[t]), sum);
    store(out + i, sum);
  }
}

// The same over kTaps rows, at place i.
inline Float blur_column(const float* const* rows, int64_t i) {
  Float sum = load(rows[kRadius] + i) * kWindow[kRadius];
#pragma GCC unroll 5
  for (int t = 0; t < kRadius; ++t) sum = fma(load(rows[t] + i) + load(rows[kTaps - 1 - t] + i), Float(kWindow[t]), sum);
  return sum;
}

// The last kTaps rows of `maps` quantities, blurred along the row, by row number; rows outside the image are zero.
class Ring {
 public:
  Ring(int maps, int64_t width) : maps_(maps), width_(width) {
    rows_.resize(static_cast<size_t>(maps * kTaps * width));
    std::memset(rows_.data(), 0, rows_.size() * sizeof(float));
  }
  float* row(int map, int y) { return &rows_[(int64_t{map} * kTaps + (y + kTaps) % kTaps) * width_]; }
  void clear(int y) {
    for (int map = 0; map < maps_; ++map) std::memset(row(map, y), 0, static_cast<size_t>(width_) * sizeof(float));
  }
  // The rows around y, top to bottom.
  void around(int map, int y, const float** out) {
    for (int t = 0; t < kTaps; ++t) out[t] = row(map, y + t - kRadius);
  }

 private:
  int maps_;
  int64_t width_;
  Array<float> rows_;
};

// A row of the image with zeros on both sides.
inline void copy_padded(const float* row, int64_t floats, float* out) {
  std::memcpy(out + kMargin, row, static_cast<size_t>(floats) * sizeof(float));
}

struct Images {
  const float *image, *target;
  int height;
  int64_t floats;   // in a row
  int64_t width;    // of a padded row
};

// Pass 1 over rows [begin, end): sums of |x - y| and of SSIM; the partial derivatives of SSIM by mean, by mean square and
// by mean product go to `partials`, three rows of `width` floats for each row of the image, unless it is null.
void moments_strip(const Images& m, int begin, int end, float* partials, PhotometricResult* result) {
  Ring ring(5, m.width);
  Array<float> scratch;  // x, y, x², y², x y of one row, padded
  const int64_t line = m.width + 2 * kMargin + 8;
  scratch.resize(static_cast<size_t>(5 * line));
  std::memset(scratch.data(), 0, scratch.size() * sizeof(float));
  float *x = &scratch[0], *y = x + line, *xx = y + line, *yy = xx + line, *xy = yy + line;
  result->l1 = result->ssim = 0.0;

  for (int row = begin - kRadius; row < end + kRadius; ++row) {
    if (row < 0 || row >= m.height) {
      ring.clear(row + kTaps);
    } else {
      copy_padded(m.image + row * m.floats, m.floats, x);
      copy_padded(m.target + row * m.floats, m.floats, y);
      for (int64_t i = kMargin; i < m.width + kMargin; i += kLanes) {
        const Float a = load(x + i), b = load(y + i);
        store(xx + i, a * a);
        store(yy + i, b * b);
        store(xy + i, a * b);
      }
      for (int map = 0; map < 5; ++map) blur_row(&scratch[map * line], ring.row(map, row + kTaps), m.width);
    }
    const int at = row - kRadius;  // all rows around this one are there now
    if (at < begin) continue;
    const float* taps[5][kTaps];
    for (int map = 0; map < 5; ++map) ring.around(map, at + kTaps, taps[map]);
    float* out = partials ? partials + int64_t{at} * 3 * m.width : nullptr;
    const float *image = m.image + at * m.floats, *target = m.target + at * m.floats;
    Float ssim(0.0f);
    double tail = 0.0, l1 = 0.0;
    for (int64_t i = 0; i < m.width; i += kLanes) {
      const Float mx = blur_column(taps[0], i), my = blur_column(taps[1], i);
      const Float sxx = blur_column(taps[2], i) - mx * mx, syy = blur_column(taps[3], i) - my * my,
                  sxy = blur_column(taps[4], i) - mx * my;
      const Float a1 = fma(mx * my, Float(2.0f), Float(kC1)), a2 = fma(sxy, Float(2.0f), Float(kC2));
      const Float b1 = fma(mx, mx, fma(my, my, Float(kC1))), b2 = sxx + syy + kC2;
      const Float inverse = Float(1.0f) / (b1 * b2);
      const Float value = a1 * a2 * inverse;
      if (i + kLanes <= m.floats) {
        ssim = ssim + value;
      } else {
        float lanes[kLanes];
        store(lanes, value);
        for (int64_t l = 0; i + l < m.floats; ++l) tail += lanes[l];
      }
      if (!out) continue;
      const Float by_xx = -(value / b2), by_xy = a1 * inverse * 2.0f;
      const Float by_x = (my * (a2 - a1) * inverse - value * mx / b1 + value * mx / b2) * 2.0f;
      store(out + i, by_x);
      store(out + m.width + i, by_xx);
      store(out + 2 * m.width + i, by_xy);
    }
    int64_t i = 0;
    Float difference(0.0f);
    for (; i + kLanes <= m.floats; i += kLanes) difference = difference + abs(load(image + i) - load(target + i));
    for (; i < m.floats; ++i) l1 += __builtin_fabsf(image[i] - target[i]);
    result->ssim += static_cast<double>(sum(ssim)) + tail;
    result->l1 += static_cast<double>(sum(difference)) + l1;
  }
}

// Pass 2 over rows [begin, end): every pixel gathers the derivatives of the windows that hold it.
void gradient_strip(const Images& m, int begin, int end, const float* partials, float l1_weight, float ssim_weight,
                    float* d_image) {
  Ring ring(3, m.width);
  Array<float> scratch;
  const int64_t line = m.width + 2 * kMargin + 8;
  scratch.resize(static_cast<size_t>(line));
  std::memset(scratch.data(), 0, scratch.size() * sizeof(float));
  for (int row = begin - kRadius; row < end + kRadius; ++row) {
    if (row < 0 || row >= m.height) {
      ring.clear(row + kTaps);
    } else {
      for (int map = 0; map < 3; ++map) {
        copy_padded(partials + (int64_t{row} * 3 + map) * m.width, m.floats, scratch.data());
        blur_row(scratch.data(), ring.row(map, row + kTaps), m.width);
      }
    }
    const int at = row - kRadius;
    if (at < begin) continue;
    const float* taps[3][kTaps];
    for (int map = 0; map < 3; ++map) ring.around(map, at + kTaps, taps[map]);
    const float *image = m.image + at * m.floats, *target = m.target + at * m.floats;
    float* out = d_image + at * m.floats;
    for (int64_t i = 0; i < m.floats; i += kLanes) {
      const int64_t left = m.floats - i < kLanes ? m.floats - i : kLanes;
      float a_lanes[kLanes] = {}, b_lanes[kLanes] = {}, lanes[kLanes];
      const bool whole = left == kLanes;
      if (!whole) {
        std::memcpy(a_lanes, image + i, static_cast<size_t>(left) * sizeof(float));
        std::memcpy(b_lanes, target + i, static_cast<size_t>(left) * sizeof(float));
      }
      const Float a = load(whole ? image + i : a_lanes), b = load(whole ? target + i : b_lanes);
      const Float d_ssim = fma(blur_column(taps[1], i), a * 2.0f, fma(blur_column(taps[2], i), b, blur_column(taps[0], i)));
      const Float sign = (Float(1.0f) & (a > b)) - (Float(1.0f) & (a < b));
      const Float d = fma(sign, Float(l1_weight), d_ssim * ssim_weight);
      store(whole ? out + i : lanes, d);
      if (!whole) std::memcpy(out + i, lanes, static_cast<size_t>(left) * sizeof(float));
    }
  }
}

PhotometricResult photometric(const float* image, const float* target, int height, int width, float l1_weight,
                              float ssim_weight, float* d_image, int threads) {
  const Images m{image, target, height, int64_t{width} * kChannels, padded(int64_t{width} * kChannels)};
  const int64_t strips = (height + kStrip - 1) / kStrip;
  Array<PhotometricResult> results;
  results.resize(static_cast<size_t>(strips));
  Array<float> partials;
  if (d_image) partials.resize(static_cast<size_t>(3 * m.width * height));
  const auto last = [&](int64_t strip) { return static_cast<int>((strip + 1) * kStrip < height ? (strip + 1) * kStrip : height); };
  parallel_for(strips, threads, [&](int64_t s, int) {
    moments_strip(m, static_cast<int>(s) * kStrip, last(s), d_image ? partials.data() : nullptr, &results[s]);
  });
  if (d_image) {
    parallel_for(strips, threads, [&](int64_t s, int) {
      gradient_strip(m, static_cast<int>(s) * kStrip, last(s), partials.data(), l1_weight, ssim_weight, d_image);
    });
  }
  PhotometricResult total{0.0, 0.0};
  for (int64_t s = 0; s < strips; ++s) {
    total.l1 += results[s].l1;
    total.ssim += results[s].ssim;
  }
  return total;
}

}  // namespace

void install_photometric(Kernels& k) { k.photometric = photometric; }

}  // namespace splatsim::SPLATSIM_ISA
