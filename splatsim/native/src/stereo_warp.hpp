// What sweeping planes and refining them share: how the pixels of one picture fall on another.
#pragma once

#include "stereo.hpp"

// The same arithmetic for wider registers, chosen when the module is loaded.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define SPLATSIM_WIDER __attribute__((target_clones("avx2", "default")))
#else
#define SPLATSIM_WIDER
#endif

namespace splatsim {

// other_from_reference, as pixels: at z-depth z, pixel (u, v) falls on (a + b / z) of these rows, homogeneous.
struct Warp {
  float turn[9], shift[3];
};

inline Warp warp_of(const StereoPictures& all, int64_t reference, int64_t other) {
  const double* a = all.viewmats + 16 * reference;
  const double* b = all.viewmats + 16 * other;
  const double* Ka = all.Ks + 9 * reference;
  const double* Kb = all.Ks + 9 * other;
  double rotation[9], translation[3];
  for (int i = 0; i < 3; ++i) {
    translation[i] = b[4 * i + 3];
    for (int j = 0; j < 3; ++j) {
      rotation[3 * i + j] = 0;
      for (int k = 0; k < 3; ++k) rotation[3 * i + j] += b[4 * i + k] * a[4 * j + k];
      translation[i] -= rotation[3 * i + j] * a[4 * j + 3];
    }
  }
  Warp warp;
  for (int i = 0; i < 3; ++i) {
    const double f = i < 2 ? Kb[4 * i] : 1, c = i < 2 ? Kb[3 * i + 2] : 0;
    double row[3];
    for (int j = 0; j < 3; ++j) row[j] = f * rotation[3 * i + j] + c * rotation[6 + j];
    warp.shift[i] = static_cast<float>(f * translation[i] + c * translation[2]);
    warp.turn[3 * i] = static_cast<float>(row[0] / Ka[0]);
    warp.turn[3 * i + 1] = static_cast<float>(row[1] / Ka[4]);
    warp.turn[3 * i + 2] = static_cast<float>(row[2] - row[0] * Ka[2] / Ka[0] - row[1] * Ka[5] / Ka[4]);
  }
  return warp;
}

}  // namespace splatsim
