// Spherical harmonics of degree 0 to 3 and their derivatives; the same formulas as splatsim/spherical_harmonics.py.
#pragma once

#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {

constexpr float kC0 = 0.28209479177387814f, kC1 = 0.4886025119029199f;
constexpr float kC20 = 1.0925484305920792f, kC21 = 0.31539156525252005f, kC22 = 0.5462742152960396f;
constexpr float kC30 = 0.5900435899266435f, kC31 = 2.890611442640554f, kC32 = 0.4570457994644658f,
                kC33 = 0.3731763325901154f, kC34 = 1.445305721320277f;

// The first K (1, 4, 9 or 16) basis functions at the unit direction (x, y, z).
template <int K>
inline void sh_basis(Float x, Float y, Float z, Float* out) {
  out[0] = Float(kC0);
  if constexpr (K < 4) return;
  out[1] = y * -kC1;
  out[2] = z * kC1;
  out[3] = x * -kC1;
  if constexpr (K < 9) return;
  const Float xx = x * x, yy = y * y, zz = z * z;
  out[4] = x * y * kC20;
  out[5] = y * z * -kC20;
  out[6] = (zz + zz - xx - yy) * kC21;
  out[7] = x * z * -kC20;
  out[8] = (xx - yy) * kC22;
  if constexpr (K < 16) return;
  const Float ring = fma(zz, Float(4.0f), -(xx + yy));
  out[9] = y * (xx * 3.0f - yy) * -kC30;
  out[10] = x * y * z * kC31;
  out[11] = y * ring * -kC32;
  out[12] = z * (zz * 2.0f - (xx + yy) * 3.0f) * kC33;
  out[13] = x * ring * -kC32;
  out[14] = z * (xx - yy) * kC34;
  out[15] = x * (xx - yy * 3.0f) * -kC30;
}

// The gradient to (x, y, z) of sum_j weight[j] * basis_j(x, y, z).
template <int K>
inline void sh_basis_backward(Float x, Float y, Float z, const Float* w, Float* dx, Float* dy, Float* dz) {
  *dx = *dy = *dz = Float(0.0f);
  if constexpr (K < 4) return;
  *dx = w[3] * -kC1;
  *dy = w[1] * -kC1;
  *dz = w[2] * kC1;
  if constexpr (K < 9) return;
  *dx = *dx + (y * w[4] - z * w[7]) * kC20 - x * w[6] * (2 * kC21) + x * w[8] * (2 * kC22);
  *dy = *dy + (x * w[4] - z * w[5]) * kC20 - y * w[6] * (2 * kC21) - y * w[8] * (2 * kC22);
  *dz = *dz - (y * w[5] + x * w[7]) * kC20 + z * w[6] * (4 * kC21);
  if constexpr (K < 16) return;
  const Float xx = x * x, yy = y * y, zz = z * z, xy = x * y, xz = x * z, yz = y * z;
  *dx = *dx - xy * w[9] * (6 * kC30) + yz * w[10] * kC31 + xy * w[11] * (2 * kC32) - xz * w[12] * (6 * kC33) -
        (zz * 4.0f - xx * 3.0f - yy) * w[13] * kC32 + xz * w[14] * (2 * kC34) - (xx - yy) * w[15] * (3 * kC30);
  *dy = *dy - (xx - yy) * w[9] * (3 * kC30) + xz * w[10] * kC31 - (zz * 4.0f - xx - yy * 3.0f) * w[11] * kC32 -
        yz * w[12] * (6 * kC33) + xy * w[13] * (2 * kC32) - yz * w[14] * (2 * kC34) + xy * w[15] * (6 * kC30);
  *dz = *dz + xy * w[10] * kC31 - yz * w[11] * (8 * kC32) + (zz * 2.0f - xx - yy) * w[12] * (3 * kC33) -
        xz * w[13] * (8 * kC32) + (xx - yy) * w[14] * kC34;
}

}  // namespace splatsim::SPLATSIM_ISA
