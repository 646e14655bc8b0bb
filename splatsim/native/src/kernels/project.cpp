// From Gaussians in the world to ellipses in the image (EWA splatting, Zwicker et al. 2001; Kerbl et al. 2023, §4),
// with their colours, and the adjoint of both. One lane is one Gaussian. The adjoint computes the projection again, so
// forward and adjoint stand in one file.

#include "kernels.hpp"
#include "../threads.hpp"
#include "rows.hpp"
#include "sh.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int64_t kChunk = 2048;  // Gaussians in one task
constexpr float kHalfLog2E = 0.72134752044448170f;
constexpr float kSlack = 1e-3f;   // pixels: bounds are a little wide, the rasteriser decides
constexpr float kMinCompensation = 1e-12f;

// Everything between a Gaussian's parameters and its ellipse; computed again in the adjoint.
struct Projection {
  Vec3 mean;        // world
  Vec3 point;       // camera frame
  Float w, x, y, z, inverse_norm;  // unit quaternion
  Mat3 rotation;    // of the quaternion
  Vec3 scale;
  Mat3 factor;      // rotation · diag(scale): the covariance is factor · factorᵀ
  Float inverse_z;
  Float slope_x, slope_y;      // x / z and y / z, held within the widened field of view
  Mask inside_x, inside_y;     // where they were not held
  Float j00, j02, j11, j12;    // Jacobian of the projection
  Vec3 a0, a1;                 // Jacobian · camera rotation
  Vec3 t0, t1;                 // … · factor: the footprint is t · tᵀ
  Float c00, c01, c11;         // footprint before blur
  Float determinant0, determinant;  // before and after blur
  Float compensation;
  Float opacity;
};

inline Mat3 rotation_of(Float w, Float x, Float y, Float z) {
  const Float one(1.0f), two(2.0f);
  return {{{one - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y)},
           {two * (x * y + w * z), one - two * (x * x + z * z), two * (y * z - w * x)},
           {two * (x * z - w * y), two * (y * z + w * x), one - two * (x * x + y * y)}}};
}

// Slopes beyond 1.3 times the field of view would make the linearisation explode; they are held there.
struct SlopeLimits {
  Float x_min, x_max, y_min, y_max;
  explicit SlopeLimits(const CameraView& c) {
    const float margin_x = 0.15f * c.width / c.fx, margin_y = 0.15f * c.height / c.fy;
    x_min = Float(-c.cx / c.fx - margin_x);
    x_max = Float((c.width - c.cx) / c.fx + margin_x);
    y_min = Float(-c.cy / c.fy - margin_y);
    y_max = Float((c.height - c.cy) / c.fy + margin_y);
  }
};

inline Projection project_rows(const GaussiansView& g, const CameraView& c, const Mat3& view, const SlopeLimits& limits,
                               const Rows& rows) {
  Projection p;
  p.mean = rows.load3(g.means);
  p.point = view * p.mean + load_row(c.translation);
  Float q[4];
  rows.load<4>(g.quats, 4, 0, q);
  // By the largest entry first: squares of very large or very small ones would leave the range of floats.
  const Float size = Float(1.0f) / max(max(abs(q[0]), abs(q[1])), max(abs(q[2]), abs(q[3])));
  const Float w = q[0] * size, x = q[1] * size, y = q[2] * size, z = q[3] * size;
  p.inverse_norm = size / sqrt(w * w + x * x + y * y + z * z);
  p.w = q[0] * p.inverse_norm;
  p.x = q[1] * p.inverse_norm;
  p.y = q[2] * p.inverse_norm;
  p.z = q[3] * p.inverse_norm;
  p.rotation = rotation_of(p.w, p.x, p.y, p.z);
  p.scale = rows.load3(g.scales);
  for (int i = 0; i < 3; ++i) {
    const Vec3& r = p.rotation.row[i];
    p.factor.row[i] = {r.x * p.scale.x, r.y * p.scale.y, r.z * p.scale.z};
  }
  p.inverse_z = Float(1.0f) / p.point.z;
  if (c.ortho) {
    p.j00 = Float(c.fx);
    p.j11 = Float(c.fy);
    p.j02 = p.j12 = p.slope_x = p.slope_y = Float(0.0f);
    p.inside_x = p.inside_y = Float(0.0f) < Float(1.0f);
  } else {
    const Float x = p.point.x * p.inverse_z, y = p.point.y * p.inverse_z;
    p.slope_x = max(limits.x_min, min(limits.x_max, x));
    p.slope_y = max(limits.y_min, min(limits.y_max, y));
    p.inside_x = (x >= limits.x_min) & (x <= limits.x_max);
    p.inside_y = (y >= limits.y_min) & (y <= limits.y_max);
    p.j00 = p.inverse_z * c.fx;
    p.j11 = p.inverse_z * c.fy;
    p.j02 = -(p.j00 * p.slope_x);
    p.j12 = -(p.j11 * p.slope_y);
  }
  p.a0 = view.row[0] * p.j00 + view.row[2] * p.j02;
  p.a1 = view.row[1] * p.j11 + view.row[2] * p.j12;
  p.t0 = times_transposed(p.factor, p.a0);
  p.t1 = times_transposed(p.factor, p.a1);
  p.c00 = dot(p.t0, p.t0);
  p.c01 = dot(p.t0, p.t1);
  p.c11 = dot(p.t1, p.t1);
  // Lagrange's identity: the same number as c00 c11 - c01², without the cancellation.
  const Vec3 normal = cross(p.t0, p.t1);
  p.determinant0 = dot(normal, normal);
  p.determinant = p.determinant0 + (p.c00 + p.c11) * kBlur + Float(kBlur * kBlur);
  p.compensation = c.antialiased ? sqrt(max(p.determinant0 / p.determinant, Float(kMinCompensation))) : Float(1.0f);
  p.opacity = rows.load1(g.opacities);
  return p;
}

template <int K>
struct Color {
  Vec3 direction;      // unit
  Float inverse_norm;  // of the unnormalised direction
  Float basis[K];
  Float sh[(3 * K + 3) / 4 * 4];
  Vec3 value;          // before it is clamped at 0
};

template <int K>
inline Color<K> color_rows(const GaussiansView& g, const CameraView& c, const Mat3& view, Vec3 mean, const Rows& rows) {
  Color<K> out;
  if (c.ortho) {  // parallel rays: all Gaussians are seen from the same side
    out.direction = view.row[2];
    out.inverse_norm = Float(1.0f);
  } else {
    const Vec3 v = {mean.x - c.position[0], mean.y - c.position[1], mean.z - c.position[2]};
    out.inverse_norm = Float(1.0f) / sqrt(dot(v, v));
    out.direction = v * out.inverse_norm;
  }
  sh_basis<K>(out.direction.x, out.direction.y, out.direction.z, out.basis);
  rows.load<3 * K>(g.sh, 3 * K, 0, out.sh);
  out.value = {Float(0.5f), Float(0.5f), Float(0.5f)};
#pragma GCC unroll 16
  for (int j = 0; j < K; ++j) {
    out.value = {fma(out.basis[j], out.sh[3 * j], out.value.x), fma(out.basis[j], out.sh[3 * j + 1], out.value.y),
                 fma(out.basis[j], out.sh[3 * j + 2], out.value.z)};
  }
  return out;
}

inline float log2_of(float x) { return __builtin_log2f(x); }

void store_rows(Frame& f, const Rows& rows, unsigned visible, const Float* shape, Float tiles, Vec3 color) {
  const Float first[4] = {shape[0], shape[1], shape[2], shape[3]}, second[4] = {shape[4], shape[5], shape[6], tiles};
  const Float channels[4] = {color.x, color.y, color.z, shape[6]};
  alignas(32) float a[4 * kLanes], b[4 * kLanes], c[4 * kLanes];
  store_columns4(a, first);
  store_columns4(b, second);
  store_columns4(c, channels);
  for (int l = 0; l < kLanes && rows.valid >> l & 1; ++l) {
    Shape& s = f.shapes[rows.base + l];
    std::memcpy(&s.x, a + 4 * l, 16);
    std::memcpy(&s.l22, b + 4 * l, 12);
    s.tiles = visible >> l & 1 ? static_cast<uint32_t>(b[4 * l + 3]) : 0;
    std::memcpy(&f.colors[4 * (rows.base + l)], c + 4 * l, 16);
  }
}

void store_hidden(Frame& f, const Rows& rows) {
  for (int l = 0; l < kLanes && rows.valid >> l & 1; ++l) f.shapes[rows.base + l].tiles = 0;
}

template <int K>
void forward_rows(const GaussiansView& g, Frame& f, const Mat3& view, const SlopeLimits& limits, const Rows& rows) {
  const CameraView& c = f.camera;
  const Projection p = project_rows(g, c, view, limits, rows);
  const Float inverse_determinant = Float(1.0f) / p.determinant;
  const Float b00 = p.c00 + Float(kBlur), b11 = p.c11 + Float(kBlur);
  const Float alpha = p.opacity * p.compensation;
  Float shape[7];
  if (c.ortho) {
    shape[0] = fma(p.point.x, Float(c.fx), Float(c.cx));
    shape[1] = fma(p.point.y, Float(c.fy), Float(c.cy));
  } else {
    shape[0] = fma(p.point.x * p.inverse_z, Float(c.fx), Float(c.cx));
    shape[1] = fma(p.point.y * p.inverse_z, Float(c.fy), Float(c.cy));
  }
  shape[2] = sqrt(b11 * inverse_determinant * kHalfLog2E);
  shape[3] = -(p.c01 * inverse_determinant * kHalfLog2E) / shape[2];
  shape[4] = sqrt(Float(kHalfLog2E) / b11);
  shape[6] = p.point.z;
  Mask visible = (p.point.z > Float(kNearPlane)) & (alpha >= Float(kMinAlpha)) & is_finite(alpha) & is_finite(shape[0]) &
                 is_finite(shape[1]) & is_finite(shape[3]) & (shape[2] > Float(0.0f)) & (shape[4] > Float(0.0f)) &
                 is_finite(p.determinant) & is_finite(p.point.z) & mask_of(rows.valid);
  // The half extents of alpha >= 1/255, then the tiles that hold a pixel centre within them.
  float lanes[kLanes];
  store(lanes, select(visible, alpha, Float(1.0f)));
  for (float& lane : lanes) lane = log2_of(lane);
  shape[5] = load(lanes);
  const Float reach = max(shape[5] - Float(kLog2MinAlpha), Float(0.0f)) / Float(kHalfLog2E);
  const Float half_x = sqrt(reach * b00) + Float(kSlack), half_y = sqrt(reach * b11) + Float(kSlack);
  const Float left = max(ceil(shape[0] - half_x - 0.5f), Float(0.0f));
  const Float right = min(floor(shape[0] + half_x - 0.5f), Float(static_cast<float>(c.width - 1)));
  const Float top = max(ceil(shape[1] - half_y - 0.5f), Float(0.0f));
  const Float bottom = min(floor(shape[1] + half_y - 0.5f), Float(static_cast<float>(c.height - 1)));
  visible = visible & (left <= right) & (top <= bottom);
  if (!any(visible)) {
    store_hidden(f, rows);
    return;
  }
  const Float columns = floor(right * (1.0f / kTileWidth)) - floor(left * (1.0f / kTileWidth)) + 1.0f;
  const Float lines = floor(bottom * (1.0f / kTileHeight)) - floor(top * (1.0f / kTileHeight)) + 1.0f;
  const Float tiles = columns * lines;
  const Color<K> color = color_rows<K>(g, c, view, p.mean, rows);
  visible = visible & is_finite(color.value.x) & is_finite(color.value.y) & is_finite(color.value.z);
  const Float zero(0.0f);
  const Vec3 clamped = {max(color.value.x, zero), max(color.value.y, zero), max(color.value.z, zero)};
  store_rows(f, rows, bits(visible), shape, tiles, clamped);
}

template <int K>
void project_all(const GaussiansView& g, Frame& f, int threads) {
  const Mat3 view = load_matrix(f.camera.rotation);
  const SlopeLimits limits(f.camera);
  parallel_for((g.n + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * kChunk < g.n ? (chunk + 1) * kChunk : g.n;
    for (int64_t base = chunk * kChunk; base < end; base += kLanes) forward_rows<K>(g, f, view, limits, Rows(base, g.n));
  });
}

void project(const GaussiansView& g, Frame& f, int threads) {
  const auto run = g.k == 1 ? project_all<1> : g.k == 4 ? project_all<4> : g.k == 9 ? project_all<9> : project_all<16>;
  run(g, f, threads);
}

// ---- adjoint

struct CameraSums {
  Mat3 rotation;
  Vec3 translation, position;
};

inline void add_outer(Mat3& m, Vec3 a, Vec3 b) {
  m.row[0] = m.row[0] + b * a.x;
  m.row[1] = m.row[1] + b * a.y;
  m.row[2] = m.row[2] + b * a.z;
}

inline Vec3 masked(Vec3 v, Mask m) { return {v.x & m, v.y & m, v.z & m}; }

// Gradient to the footprint's three entries (the off-diagonal one counted once), to its determinant before blur, taken
// as a number of its own, to the centre and to the opacity.
struct FootprintGradient {
  Float c00, c01, c11, determinant0, x, y, opacity;
};

inline FootprintGradient backward_shape(const Projection& p, const CameraView& c, const Float* moments) {
  const Float inverse_determinant = Float(1.0f) / p.determinant;
  const Float b11 = p.c11 + Float(kBlur), scale(1.0f / kHalfLog2E);
  // (u, v) = A (dx, dy), where k Q = Aᵀ A for the inverse covariance Q and k = log2(e) / 2. With d = (dx, dy),
  // dL/dcentre = Q Σ h d = Aᵀ Σ h (u, v) / k and dL/dcovariance = Q (Σ h d dᵀ) Q / 2 = Aᵀ (Σ h (u, v)(u, v)ᵀ) A / 2 k².
  const Float a00 = sqrt(b11 * inverse_determinant * kHalfLog2E);
  const Float a01 = -(p.c01 * inverse_determinant * kHalfLog2E) / a00, a11 = sqrt(Float(kHalfLog2E) / b11);
  const Float half = scale * scale * 0.5f;
  const Float m0 = a01 * moments[3] + a11 * moments[4], m1 = a01 * moments[4] + a11 * moments[5];
  FootprintGradient out;
  out.c00 = a00 * a00 * moments[3] * half;
  out.c01 = a00 * m0 * (half * 2.0f);
  out.c11 = (a01 * m0 + a11 * m1) * half;
  out.x = a00 * moments[1] * scale;
  out.y = (a01 * moments[1] + a11 * moments[2]) * scale;
  // moments[0] is alpha · dL/dalpha summed up, so dL/dopacity = moments[0] / opacity.
  out.opacity = moments[0] / p.opacity;
  out.determinant0 = Float(0.0f);
  if (c.antialiased) {
    // L depends on the compensation r = sqrt(d0 / d) by moments[0] / r; dr = r / 2 · (dd0 / d0 - dd / d), where
    // d = d0 + blur (c00 + c11) + blur².
    const Mask free = p.determinant0 > p.determinant * kMinCompensation;
    const Float d0 = (moments[0] * 0.5f / p.determinant0) & free, d1 = (moments[0] * -0.5f * inverse_determinant) & free;
    out.determinant0 = d0 + d1;
    out.c00 = out.c00 + d1 * kBlur;
    out.c11 = out.c11 + d1 * kBlur;
  }
  return out;
}

inline void backward_rotation(const Projection& p, const Mat3& d, Float* d_quat) {
  const Vec3 &r0 = d.row[0], &r1 = d.row[1], &r2 = d.row[2];
  const Float two(2.0f);
  const Float dw = two * (p.x * (r2.y - r1.z) + p.y * (r0.z - r2.x) + p.z * (r1.x - r0.y));
  const Float dx = two * (p.w * (r2.y - r1.z) + p.y * (r0.y + r1.x) + p.z * (r0.z + r2.x) - two * p.x * (r1.y + r2.z));
  const Float dy = two * (p.w * (r0.z - r2.x) + p.x * (r0.y + r1.x) + p.z * (r1.z + r2.y) - two * p.y * (r0.x + r2.z));
  const Float dz = two * (p.w * (r1.x - r0.y) + p.x * (r0.z + r2.x) + p.y * (r1.z + r2.y) - two * p.z * (r0.x + r1.y));
  const Float along = dw * p.w + dx * p.x + dy * p.y + dz * p.z;  // the length of a quaternion does not matter
  d_quat[0] = (dw - along * p.w) * p.inverse_norm;
  d_quat[1] = (dx - along * p.x) * p.inverse_norm;
  d_quat[2] = (dy - along * p.y) * p.inverse_norm;
  d_quat[3] = (dz - along * p.z) * p.inverse_norm;
}

// The gradients of one vector of Gaussians, ready to be stored row by row.
struct RowGradients {
  Vec3 mean, scale;
  Float quat[4], opacity;
};

inline RowGradients backward_projection(const Projection& p, const CameraView& c, const Mat3& view,
                                        const Float* moments, Float d_depth, Mask active, CameraSums* sums) {
  const FootprintGradient d = backward_shape(p, c, moments);
  Vec3 d_t0 = p.t0 * (d.c00 * 2.0f) + p.t1 * d.c01, d_t1 = p.t1 * (d.c11 * 2.0f) + p.t0 * d.c01;
  if (c.antialiased) {  // the determinant is |t0 × t1|²: no cancellation here either
    const Vec3 normal = cross(p.t0, p.t1) * (d.determinant0 * 2.0f);
    d_t0 = d_t0 + cross(p.t1, normal);
    d_t1 = d_t1 + cross(normal, p.t0);
  }
  const Vec3 d_a0 = p.factor * d_t0, d_a1 = p.factor * d_t1;
  Mat3 d_factor;
  d_factor.row[0] = d_t0 * p.a0.x + d_t1 * p.a1.x;
  d_factor.row[1] = d_t0 * p.a0.y + d_t1 * p.a1.y;
  d_factor.row[2] = d_t0 * p.a0.z + d_t1 * p.a1.z;

  Vec3 d_point;
  if (c.ortho) {
    d_point = {d.x * c.fx, d.y * c.fy, d_depth};
  } else {
    const Float d_j00 = dot(d_a0, view.row[0]), d_j02 = dot(d_a0, view.row[2]);
    const Float d_j11 = dot(d_a1, view.row[1]), d_j12 = dot(d_a1, view.row[2]);
    // j00 = fx / z, j02 = -j00 · slope: through z, and through the slope where it was not held.
    const Float d_slope_x = (-(d_j02 * p.j00)) & p.inside_x, d_slope_y = (-(d_j12 * p.j11)) & p.inside_y;
    const Float d_x = fma(d.x, Float(c.fx), d_slope_x) * p.inverse_z, d_y = fma(d.y, Float(c.fy), d_slope_y) * p.inverse_z;
    const Float d_scale = (d_j00 * p.j00 + d_j02 * p.j02 + d_j11 * p.j11 + d_j12 * p.j12) * p.inverse_z;
    d_point = {d_x, d_y, d_depth - d_scale - (d_x * p.point.x + d_y * p.point.y) * p.inverse_z};
  }

  RowGradients out;
  out.mean = times_transposed(view, d_point);
  Mat3 d_rotation;
  out.scale = {Float(0.0f), Float(0.0f), Float(0.0f)};
  for (int i = 0; i < 3; ++i) {
    const Vec3 &f = d_factor.row[i], &r = p.rotation.row[i];
    d_rotation.row[i] = {f.x * p.scale.x, f.y * p.scale.y, f.z * p.scale.z};
    out.scale = {fma(f.x, r.x, out.scale.x), fma(f.y, r.y, out.scale.y), fma(f.z, r.z, out.scale.z)};
  }
  backward_rotation(p, d_rotation, out.quat);
  out.opacity = d.opacity;
  if (sums) {
    add_outer(sums->rotation, masked(d_point, active), masked(p.mean, active));
    sums->translation = sums->translation + masked(d_point, active);
    sums->rotation.row[0] = sums->rotation.row[0] + masked(d_a0 * p.j00, active);
    sums->rotation.row[1] = sums->rotation.row[1] + masked(d_a1 * p.j11, active);
    sums->rotation.row[2] = sums->rotation.row[2] + masked(d_a0 * p.j02 + d_a1 * p.j12, active);
  }
  return out;
}

// Adds to d_mean; leaves the gradient of coefficient j, channel i in d_sh[3 j + i].
template <int K>
inline void backward_color(const GaussiansView& g, const CameraView& c, const Mat3& view, const Rows& rows, Vec3 mean,
                           const Float* d_color, Mask active, Vec3* d_mean, Float* d_sh, CameraSums* sums) {
  const Color<K> color = color_rows<K>(g, c, view, mean, rows);
  const Float zero(0.0f);
  const Vec3 d = {d_color[0] & (color.value.x > zero), d_color[1] & (color.value.y > zero),
                  d_color[2] & (color.value.z > zero)};
  Float weight[K];
#pragma GCC unroll 16
  for (int j = 0; j < K; ++j) {
    weight[j] = dot({color.sh[3 * j], color.sh[3 * j + 1], color.sh[3 * j + 2]}, d);
    d_sh[3 * j] = color.basis[j] * d.x;
    d_sh[3 * j + 1] = color.basis[j] * d.y;
    d_sh[3 * j + 2] = color.basis[j] * d.z;
  }
  if (K == 1) return;
  Vec3 d_direction;
  sh_basis_backward<K>(color.direction.x, color.direction.y, color.direction.z, weight, &d_direction.x,
                    &d_direction.y, &d_direction.z);
  if (c.ortho) {
    if (sums) sums->rotation.row[2] = sums->rotation.row[2] + masked(d_direction, active);
    return;
  }
  const Float along = dot(d_direction, color.direction);
  const Vec3 d_offset = (d_direction + color.direction * -along) * color.inverse_norm;
  *d_mean = *d_mean + d_offset;
  if (sums) sums->position = sums->position + masked(d_offset, active) * Float(-1.0f);
}

// Stores `count` gradients of each row; lanes that are not active get zeros, or nothing where gradients are added.
template <int count>
inline void store_gradients(float* out, const Rows& rows, unsigned active, const Float* values, bool add) {
#pragma GCC unroll 12
  for (int j = 0; j < count; j += 4) {
    alignas(32) float lanes[4 * kLanes];
    store_columns4(lanes, values + j);
    constexpr int kLast = count % 4 ? count % 4 : 4;
    const int columns = j + 4 <= count ? 4 : kLast;
    for (int l = 0; l < kLanes && rows.valid >> l & 1; ++l) {
      float* row = out + (rows.base + l) * count + j;
      const bool on = active >> l & 1;
      for (int i = 0; i < columns; ++i) {
        const float value = on ? lanes[4 * l + i] : 0.0f;
        row[i] = add ? row[i] + value : value;
      }
    }
  }
}

inline void zero_rows(const GaussiansView& g, const Rows& rows, const GaussiansGradient& out) {
  const size_t count = static_cast<size_t>(rows.n - rows.base < kLanes ? rows.n - rows.base : kLanes);
  std::memset(out.means + 3 * rows.base, 0, 12 * count);
  std::memset(out.quats + 4 * rows.base, 0, 16 * count);
  std::memset(out.scales + 3 * rows.base, 0, 12 * count);
  std::memset(out.opacities + rows.base, 0, 4 * count);
  std::memset(out.sh + 3 * g.k * rows.base, 0, 12 * static_cast<size_t>(g.k) * count);
}

template <int K>
void backward_rows(const GaussiansView& g, const Frame& f, const Mat3& view, const SlopeLimits& limits,
                   const Rows& rows, const float* moments, const float* d_colors, const GaussiansGradient& out,
                   bool add, CameraSums* sums) {
  unsigned active = 0;
  for (int l = 0; l < kLanes && rows.base + l < rows.n; ++l) active |= (f.used_slots[rows.base + l] > 0) << l;
  if (!active) {
    if (!add) zero_rows(g, rows, out);
    return;
  }
  Float m[8], d_color[4], d_sh[(3 * K + 3) / 4 * 4];
  for (int j = 3 * K; j < (3 * K + 3) / 4 * 4; ++j) d_sh[j] = Float(0.0f);
  rows.load<6>(moments, 6, 0, m);
  rows.load<4>(d_colors, 4, 0, d_color);
  const Mask mask = mask_of(active);
  const Projection p = project_rows(g, f.camera, view, limits, rows);
  RowGradients d = backward_projection(p, f.camera, view, m, d_color[3], mask, sums);
  backward_color<K>(g, f.camera, view, rows, p.mean, d_color, mask, &d.mean, d_sh, sums);
  const Float mean[4] = {d.mean.x, d.mean.y, d.mean.z, d.mean.z}, scale[4] = {d.scale.x, d.scale.y, d.scale.z, d.scale.z};
  const Float opacity[4] = {d.opacity, d.opacity, d.opacity, d.opacity};
  store_gradients<3>(out.means, rows, active, mean, add);
  store_gradients<4>(out.quats, rows, active, d.quat, add);
  store_gradients<3>(out.scales, rows, active, scale, add);
  store_gradients<1>(out.opacities, rows, active, opacity, add);
  store_gradients<3 * K>(out.sh, rows, active, d_sh, add);
}

void add_sums(double* to, const CameraSums& s) {
  const Vec3 parts[5] = {s.rotation.row[0], s.rotation.row[1], s.rotation.row[2], s.translation, s.position};
  for (int i = 0; i < 5; ++i) {
    to[3 * i] += sum(parts[i].x);
    to[3 * i + 1] += sum(parts[i].y);
    to[3 * i + 2] += sum(parts[i].z);
  }
}

template <int K>
void backward_all(const GaussiansView& g, const Frame& f, const float* moments, const float* d_colors,
                  const GaussiansGradient& out, bool add, double* d_camera, int threads) {
  const Mat3 view = load_matrix(f.camera.rotation);
  const SlopeLimits limits(f.camera);
  const int64_t chunks = (g.n + kChunk - 1) / kChunk;
  Array<double> partial;  // one row of sums for each chunk, added up in order
  partial.resize(static_cast<size_t>(15 * chunks));
  parallel_for(chunks, threads, [&](int64_t chunk, int) {
    CameraSums sums;
    std::memset(&sums, 0, sizeof sums);
    const int64_t end = (chunk + 1) * kChunk < g.n ? (chunk + 1) * kChunk : g.n;
    for (int64_t base = chunk * kChunk; base < end; base += kLanes)
      backward_rows<K>(g, f, view, limits, Rows(base, g.n), moments, d_colors, out, add, d_camera ? &sums : nullptr);
    std::memset(&partial[15 * chunk], 0, 15 * sizeof(double));
    if (d_camera) add_sums(&partial[15 * chunk], sums);
  });
  if (!d_camera) return;
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int i = 0; i < 15; ++i) d_camera[i] += partial[15 * chunk + i];
}

void project_backward(const GaussiansView& g, const Frame& f, const float* moments, const float* d_colors,
                      const GaussiansGradient& out, bool add, double* d_camera, int threads) {
  const auto run = g.k == 1 ? backward_all<1> : g.k == 4 ? backward_all<4> : g.k == 9 ? backward_all<9> : backward_all<16>;
  run(g, f, moments, d_colors, out, add, d_camera, threads);
}

}  // namespace

void install_projection(Kernels& k) {
  k.project = project;
  k.project_backward = project_backward;
}

}  // namespace splatsim::SPLATSIM_ISA
