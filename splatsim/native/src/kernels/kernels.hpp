// The table of kernels that each instruction set provides, where it was compiled. Every result is independent of the number of threads.
#pragma once

#include <cstdint>

#include "../frame.hpp"

namespace splatsim {

// Which channels a pass composites.
struct Channels {
  const float* values;  // of the first Gaussian
  int count;            // 1 to 16
  int stride;           // floats from one Gaussian to the next
  int pixel_stride;     // floats from one pixel to the next
};

struct Work {
  int64_t vectors;  // (Gaussian, block of 8 pixels) pairs that the rasteriser visits
  int64_t pairs;    // (Gaussian, pixel) pairs that contribute
};

struct GaussiansGradient {
  float* means;      // [n 3]
  float* quats;      // [n 4]
  float* scales;     // [n 3]
  float* opacities;  // [n]
  float* sh;         // [n k 3]
};

struct PhotometricResult {
  double l1, ssim;  // sums over all pixels and channels
};

struct AdamStep {
  int64_t rows, columns;
  const uint8_t* visible;      // [rows], or null for all
  const float* learning_rates;  // [columns]
  float beta1, beta2, epsilon;
  float correction1, correction2;  // 1 - beta^t
};

constexpr int kBoneFloats = 24;

enum class SkinMode : int { kPolar, kQuaternion, kDualQuaternion };

struct Skin {
  const int32_t* joints;  // [n k]
  const float* weights;   // [n k]
  const float* bones;     // [j kBoneFloats], see skin.cpp
  int k;
  SkinMode mode;
};

struct SkinOutput {
  float* means;  // [n 3]
  float* quats;  // [n 4]
  float* turns;  // [n 4]: the blended rotations, or null
};

struct Kernels {
  const char* name;

  // Shapes and colours of all Gaussians in this camera; fills shapes, colors and first_slot.
  void (*project)(const GaussiansView&, Frame&, int threads);
  // Instances, then entries sorted by tile and depth.
  void (*bin)(Frame&, int threads);

  // out: `count` floats for each pixel. background: `count` floats, or null for black. alpha [height, width], or null.
  void (*rasterize)(Frame&, const Channels&, const float* background, float* out, float* alpha, int threads);
  // moments [n 6]: sums of h, h u, h v, h u², h u v, h v², with h = alpha dL/dalpha and (u, v) of Shape: in those units
  // even a needle's sums do not cancel. d_values: rows `stride` apart.
  // Both are written, or added to where the flag says so. d_alpha may be null.
  void (*rasterize_backward)(const Frame&, const Channels&, const float* out, const float* d_out, const float* d_alpha,
                             float* moments, bool add_moments, float* d_values, bool add_values, int threads);
  // ids [height, width]: the Gaussian at which half of the light is gone, or -1.
  void (*surface_ids)(const Frame&, int32_t* ids, int threads);

  // How much there was to do, for benchmarks.
  Work (*count_work)(const Frame&, int threads);
  // Floating-point operations per second of one core, by independent fused multiply-adds in registers.
  double (*measure_flops)();

  // Gradients are written, or added to where `add` says so. d_camera [15]: rotation, translation, position; or null.
  void (*project_backward)(const GaussiansView&, const Frame&, const float* moments, const float* d_colors,
                           const GaussiansGradient&, bool add, double* d_camera, int threads);

  // Images [height, width, 3]; d_image is null when only the values are wanted.
  PhotometricResult (*photometric)(const float* image, const float* target, int height, int width, float l1_weight,
                                   float ssim_weight, float* d_image, int threads);
  // scales = exp(log_scales) [3 n], opacities = 1 / (1 + exp(-logit_opacities)) [n].
  void (*activate)(int64_t n, const float* log_scales, const float* logit_opacities, float* scales, float* opacities,
                   int threads);
  // d_log = (d_scales + scale_penalty) · scales, d_logit = (d_opacities + opacity_penalty) · opacities · (1 - opacities).
  void (*activate_backward)(int64_t n, const float* scales, const float* opacities, const float* d_scales,
                            const float* d_opacities, float scale_penalty, float opacity_penalty, float* d_log,
                            float* d_logit, int threads);
  // Pictures of `pixels` times three channels: out = image · gain + offset.
  void (*expose)(int64_t pixels, const float* image, const float* gains, const float* offsets, float* out, int threads);
  // d_image = d_out · gain; sums [6]: of d_out · image for each channel, then of d_out.
  void (*expose_backward)(int64_t pixels, const float* image, const float* gains, const float* d_out, float* d_image,
                          double* sums, int threads);
  void (*skin)(const Skin&, int64_t n, const float* means, const float* quats, const SkinOutput&, int threads);
  // Coefficients [n k 3] of f(Rᵀ d), R the rotations of unit quaternions `turns` [n 4]; k is 4, 9 or 16.
  void (*rotate_sh)(int64_t n, int k, const float* sh, const float* turns, float* out, int threads);
  void (*adam)(const AdamStep&, float* parameter, const float* gradient, float* first, float* second, int threads);
};

namespace scalar {
const Kernels& kernels();
}
namespace avx2 {
const Kernels& kernels();
}
namespace neon {
const Kernels& kernels();
}

}  // namespace splatsim
