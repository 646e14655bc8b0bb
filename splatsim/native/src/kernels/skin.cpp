// Gaussians that follow the bones of a body, and colours that turn with them.
//
// A row of bones holds what is blended for one joint: world_from_rest as a 3 × 4 matrix, four floats of nothing, the
// quaternion of its rotation, and the dual part. The rotation of a blended matrix is its polar factor, which for rigid
// bones is the first eigenvector of the weighted sum of q qᵀ (Markley et al., "Averaging Quaternions", 2007): repeated
// squaring finds it, also where bones stand against each other.

#include <cmath>
#include <utility>

#include "kernels.hpp"
#include "../threads.hpp"
#include "rows.hpp"
#include "sh.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int64_t kChunk = 1 << 11;  // Gaussians in one task
constexpr int kSquarings = 6;

struct Quat {
  Float w, x, y, z;
};
inline Quat operator*(Quat a, Float s) { return {a.w * s, a.x * s, a.y * s, a.z * s}; }
inline Float dot(Quat a, Quat b) { return fma(a.w, b.w, fma(a.x, b.x, fma(a.y, b.y, a.z * b.z))); }
inline Quat unit(Quat q) { return q * (Float(1.0f) / sqrt(max(dot(q, q), Float(1e-30f)))); }
inline Quat multiply(Quat a, Quat b) {
  return {a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
          a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w};
}
inline Quat load_quat(const Rows& rows, const float* quats) {
  Float v[4];
  rows.load<4>(quats, 4, 0, v);
  return {v[0], v[1], v[2], v[3]};
}

// Writes the valid rows of `columns` (count, at most four) to columns [first, first + count) of rows of `stride`.
inline void store_rows(const Rows& rows, const Float* columns, int count, float* field, int stride, int first) {
  float lanes[4 * kLanes];
  store_columns4(lanes, columns);
  for (int l = 0; l < kLanes && rows.base + l < rows.n; ++l)
    for (int j = 0; j < count; ++j) field[(rows.base + l) * stride + first + j] = lanes[4 * l + j];
}
inline void store_quat(const Rows& rows, Quat q, float* quats) {
  const Float columns[4] = {q.w, q.x, q.y, q.z};
  store_rows(rows, columns, 4, quats, 4, 0);
}

// The blended matrix (12 columns), and for the other modes quaternion and dual part (8 columns from 16 on), the
// quaternions taken on the side of the heaviest bone's.
inline void blend(const Skin& skin, const Rows& rows, Float* columns) {
  const int floats = skin.mode == SkinMode::kPolar ? 16 : kBoneFloats;
  float blended[kLanes * kBoneFloats];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int64_t i = rows.base + lane < rows.n ? rows.base + lane : rows.n - 1;
    const int32_t* joints = skin.joints + i * skin.k;
    const float* weights = skin.weights + i * skin.k;
    int heaviest = 0;
    for (int k = 1; k < skin.k; ++k)
      if (weights[k] > weights[heaviest]) heaviest = k;
    const float* lead = skin.bones + int64_t{joints[heaviest]} * kBoneFloats + 16;
    Float sum[kBoneFloats / kLanes];
    for (Float& s : sum) s = Float(0.0f);
    for (int k = 0; k < skin.k; ++k) {
      if (weights[k] == 0.0f) continue;
      const float* bone = skin.bones + int64_t{joints[k]} * kBoneFloats;
      for (int f = 0; f < 16; f += kLanes)
        sum[f / kLanes] = fma(Float(weights[k]), load(bone + f), sum[f / kLanes]);
      if (floats == 16) continue;
      const float* q = bone + 16;
      const float side = q[0] * lead[0] + q[1] * lead[1] + q[2] * lead[2] + q[3] * lead[3];
      const Float turned(side < 0.0f ? -weights[k] : weights[k]);
      for (int f = 16; f < kBoneFloats; f += kLanes)
        sum[f / kLanes] = fma(turned, load(bone + f), sum[f / kLanes]);
    }
    for (int f = 0; f < floats; f += kLanes) store(blended + lane * kBoneFloats + f, sum[f / kLanes]);
  }
  for (int f = 0; f < floats; f += 4) load_columns4(blended + f, kBoneFloats, columns + f);
}

// The quaternion nearest to a blend of rotations, from its matrix (columns 0 1 2, 4 5 6, 8 9 10 of the 3 × 4 one).
inline Quat polar(const Float* m) {
  const Float xx = m[0], yy = m[5], zz = m[10], one(1.0f);
  // The upper triangle of 4 Σ w q qᵀ, rows w x y z.
  Float s[10] = {one + xx + yy + zz, m[9] - m[6],       m[2] - m[8],        m[4] - m[1],       one + xx - yy - zz,
                 m[1] + m[4],        m[2] + m[8],       one - xx + yy - zz, m[6] + m[9],       one - xx - yy + zz};
  constexpr int at[4][4] = {{0, 1, 2, 3}, {1, 4, 5, 6}, {2, 5, 7, 8}, {3, 6, 8, 9}};
  for (int pass = 0; pass < kSquarings; ++pass) {
    const Float scale = one / max(s[0] + s[4] + s[7] + s[9], Float(1e-30f));
    for (Float& value : s) value = value * scale;
    Float squared[10];
    for (int i = 0; i < 4; ++i)
      for (int j = i; j < 4; ++j) {
        Float sum = s[at[i][0]] * s[at[0][j]];
        for (int k = 1; k < 4; ++k) sum = fma(s[at[i][k]], s[at[k][j]], sum);
        squared[at[i][j]] = sum;
      }
    for (int i = 0; i < 10; ++i) s[i] = squared[i];
  }
  // The column of the largest diagonal element is the longest.
  Quat best = {s[0], s[1], s[2], s[3]};
  Float largest = s[0];
  for (int c = 1; c < 4; ++c) {
    const Mask more = s[at[c][c]] > largest;
    best = {select(more, s[at[0][c]], best.w), select(more, s[at[1][c]], best.x), select(more, s[at[2][c]], best.y),
            select(more, s[at[3][c]], best.z)};
    largest = select(more, s[at[c][c]], largest);
  }
  return unit(best);
}

inline Vec3 rotate(Quat q, Vec3 v) {
  const Vec3 axis{q.x, q.y, q.z};
  const Vec3 once = cross(axis, v) * 2.0f;
  return v + once * q.w + cross(axis, once);
}

void skin_group(const Skin& skin, const Rows& rows, const float* means, const float* quats, const SkinOutput& out) {
  Float m[kBoneFloats];
  blend(skin, rows, m);
  const Vec3 x = rows.load3(means);
  Quat turn;
  Vec3 moved;
  if (skin.mode == SkinMode::kPolar) {
    turn = polar(m);
  } else {
    const Quat real{m[16], m[17], m[18], m[19]};
    turn = unit(real);
  }
  if (skin.mode == SkinMode::kDualQuaternion) {
    const Float scale = Float(1.0f) / sqrt(max(dot({m[16], m[17], m[18], m[19]}, {m[16], m[17], m[18], m[19]}),
                                               Float(1e-30f)));
    const Quat dual = Quat{m[20], m[21], m[22], m[23]} * (scale * 2.0f);
    const Quat shift = multiply(dual, {turn.w, -turn.x, -turn.y, -turn.z});
    moved = rotate(turn, x) + Vec3{shift.x, shift.y, shift.z};
  } else {
    moved = {fma(m[0], x.x, fma(m[1], x.y, fma(m[2], x.z, m[3]))), fma(m[4], x.x, fma(m[5], x.y, fma(m[6], x.z, m[7]))),
             fma(m[8], x.x, fma(m[9], x.y, fma(m[10], x.z, m[11])))};
  }
  const Float columns[4] = {moved.x, moved.y, moved.z, Float(0.0f)};
  store_rows(rows, columns, 3, out.means, 3, 0);
  store_quat(rows, multiply(turn, load_quat(rows, quats)), out.quats);
  if (out.turns) store_quat(rows, turn, out.turns);
}

void skin(const Skin& skin, int64_t n, const float* means, const float* quats, const SkinOutput& out, int threads) {
  parallel_for((n + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
    for (int64_t i = chunk * kChunk; i < end; i += kLanes) skin_group(skin, Rows(i, n), means, quats, out);
  });
}

// ---- colours

// Fixed directions at which a band of 2 l + 1 functions is told by its values, chosen for the least condition number
// (2.0 and 2.7) among many drawn at random.
constexpr float kDirections2[5][3] = {{-0.958277f, 0.119785f, 0.259533f},
                                      {0.766406f, -0.41804f, 0.487713f},
                                      {-0.610886f, -0.791148f, -0.030044f},
                                      {-0.190324f, -0.580989f, 0.791346f},
                                      {-0.410761f, 0.911688f, 0.010019f}};
constexpr float kDirections3[7][3] = {{-0.489389f, -0.299626f, 0.818977f}, {0.130202f, -0.701088f, -0.701088f},
                                      {0.240132f, -0.970534f, 0.020011f},  {0.149813f, -0.699127f, 0.699127f},
                                      {-0.907914f, -0.329244f, -0.259404f}, {0.923516f, 0.040153f, -0.381452f},
                                      {-0.509975f, -0.499975f, -0.699965f}};

// The inverse of the basis at the fixed directions, by Gauss-Jordan elimination.
template <int M>
struct Inverse {
  float rows[M][M];

  explicit Inverse(const float (&directions)[M][3]) {
    double a[M][2 * M] = {};
    for (int i = 0; i < M; ++i) {
      const double x = directions[i][0], y = directions[i][1], z = directions[i][2];
      fill(x, y, z, a[i]);
      a[i][M + i] = 1;
    }
    for (int c = 0; c < M; ++c) {
      int pivot = c;
      for (int r = c + 1; r < M; ++r)
        if (std::fabs(a[r][c]) > std::fabs(a[pivot][c])) pivot = r;
      for (int j = 0; j < 2 * M; ++j) std::swap(a[c][j], a[pivot][j]);
      const double scale = 1 / a[c][c];
      for (int j = 0; j < 2 * M; ++j) a[c][j] *= scale;
      for (int r = 0; r < M; ++r) {
        if (r == c) continue;
        const double factor = a[r][c];
        for (int j = 0; j < 2 * M; ++j) a[r][j] -= factor * a[c][j];
      }
    }
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < M; ++j) rows[i][j] = static_cast<float>(a[i][M + j]);
  }

 private:
  static void fill(double x, double y, double z, double* out) {
    float lanes[16][kLanes];
    Float basis[16];
    sh_basis<16>(Float(static_cast<float>(x)), Float(static_cast<float>(y)), Float(static_cast<float>(z)), basis);
    for (int b = 0; b < 16; ++b) store(lanes[b], basis[b]);
    for (int j = 0; j < M; ++j) out[j] = lanes[M == 5 ? 4 + j : 9 + j][0];
  }
};

// One band: values of f(d) = basis(Rᵀ d) · c at the fixed directions, then the coefficients that have those values.
template <int M, int K>
inline void rotate_band(const float (&directions)[M][3], const Inverse<M>& inverse, const Mat3& rotation, Float* sh) {
  constexpr int first = M == 5 ? 4 : 9;
  Float values[M][3];
  for (int i = 0; i < M; ++i) {
    const Vec3 d = times_transposed(rotation, load_row(directions[i]));
    Float basis[16];
    sh_basis<K>(d.x, d.y, d.z, basis);
    for (int c = 0; c < 3; ++c) {
      Float sum = basis[first] * sh[3 * first + c];
      for (int j = 1; j < M; ++j) sum = fma(basis[first + j], sh[3 * (first + j) + c], sum);
      values[i][c] = sum;
    }
  }
  for (int j = 0; j < M; ++j)
    for (int c = 0; c < 3; ++c) {
      Float sum = Float(inverse.rows[j][0]) * values[0][c];
      for (int i = 1; i < M; ++i) sum = fma(Float(inverse.rows[j][i]), values[i][c], sum);
      sh[3 * (first + j) + c] = sum;
    }
}

// Band 1 holds the components of a vector: (-y, z, -x).
inline void rotate_vector_band(const Mat3& rotation, Float* sh) {
  for (int c = 0; c < 3; ++c) {
    const Vec3 turned = rotation * Vec3{-sh[9 + c], -sh[3 + c], sh[6 + c]};
    sh[3 + c] = -turned.y;
    sh[6 + c] = turned.z;
    sh[9 + c] = -turned.x;
  }
}

inline Mat3 matrix_of(Quat q) {
  const Float one(1.0f), x2 = q.x + q.x, y2 = q.y + q.y, z2 = q.z + q.z;
  return {{{one - q.y * y2 - q.z * z2, q.x * y2 - q.w * z2, q.x * z2 + q.w * y2},
           {q.x * y2 + q.w * z2, one - q.x * x2 - q.z * z2, q.y * z2 - q.w * x2},
           {q.x * z2 - q.w * y2, q.y * z2 + q.w * x2, one - q.x * x2 - q.y * y2}}};
}

template <int K>
void rotate_rows(int64_t n, const float* sh, const float* turns, float* out, int threads) {
  static const Inverse<5> inverse2(kDirections2);
  static const Inverse<7> inverse3(kDirections3);
  constexpr int width = 3 * K, padded = (width + 3) / 4 * 4;
  parallel_for((n + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
    for (int64_t i = chunk * kChunk; i < end; i += kLanes) {
      const Rows rows(i, n);
      Float c[padded];
      rows.load<width>(sh, width, 0, c);
      const Mat3 rotation = matrix_of(load_quat(rows, turns));
      rotate_vector_band(rotation, c);
      if constexpr (K >= 9) rotate_band<5, 9>(kDirections2, inverse2, rotation, c);
      if constexpr (K >= 16) rotate_band<7, 16>(kDirections3, inverse3, rotation, c);
      for (int j = 0; j < width; j += 4) store_rows(rows, c + j, width - j < 4 ? width - j : 4, out, width, j);
    }
  });
}

void rotate_sh(int64_t n, int k, const float* sh, const float* turns, float* out, int threads) {
  if (k == 4) rotate_rows<4>(n, sh, turns, out, threads);
  if (k == 9) rotate_rows<9>(n, sh, turns, out, threads);
  if (k == 16) rotate_rows<16>(n, sh, turns, out, threads);
}

}  // namespace

void install_skinning(Kernels& k) {
  k.skin = skin;
  k.rotate_sh = rotate_sh;
}

}  // namespace splatsim::SPLATSIM_ISA
