// Small vectors and matrices with one Gaussian in each lane, and how the rows of an array become lanes.
#pragma once

#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {

struct Vec3 {
  Float x, y, z;
};
inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator*(Vec3 a, Float s) { return {a.x * s, a.y * s, a.z * s}; }
inline Float dot(Vec3 a, Vec3 b) { return fma(a.x, b.x, fma(a.y, b.y, a.z * b.z)); }
inline Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }

struct Mat3 {
  Vec3 row[3];
};
inline Vec3 operator*(const Mat3& m, Vec3 v) { return {dot(m.row[0], v), dot(m.row[1], v), dot(m.row[2], v)}; }
inline Vec3 times_transposed(const Mat3& m, Vec3 v) { return m.row[0] * v.x + m.row[1] * v.y + m.row[2] * v.z; }

inline Vec3 load_row(const float* p) { return {Float(p[0]), Float(p[1]), Float(p[2])}; }
inline Mat3 load_matrix(const float* p) { return {{load_row(p), load_row(p + 3), load_row(p + 6)}}; }

// Rows [base, base + kLanes) of the input, where the last lanes may lie past its end and repeat the last row.
struct Rows {
  int64_t base, n;
  unsigned valid;  // one bit for each lane
  bool near_end;   // reading a few floats more than the rows hold would leave the array

  Rows(int64_t first, int64_t n_rows) : base(first), n(n_rows) {
    const int64_t left = n - base;
    valid = left >= kLanes ? (1u << kLanes) - 1 : (1u << left) - 1;
    near_end = left < kLanes + 4;
  }
  // Columns [first, first + count) of rows of `stride` floats; out has room for the next multiple of four.
  template <int count>
  void load(const float* field, int stride, int first, Float* out) const {
    if (near_end) return load_near_end(field, stride, first, count, out);
    const float* rows = field + base * stride + first;
#pragma GCC unroll 12
    for (int j = 0; j < count; j += 4) load_columns4(rows + j, stride, out + j);
  }
  [[gnu::noinline]] void load_near_end(const float* field, int stride, int first, int count, Float* out) const {
    for (int j = 0; j < count; ++j) {
      float lanes[kLanes];
      for (int l = 0; l < kLanes; ++l) lanes[l] = field[(base + l < n ? base + l : n - 1) * stride + first + j];
      out[j] = SPLATSIM_ISA::load(lanes);
    }
  }
  Vec3 load3(const float* field) const {
    Float v[4];
    load<3>(field, 3, 0, v);
    return {v[0], v[1], v[2]};
  }
  Float load1(const float* field) const {
    if (n - base >= kLanes) return SPLATSIM_ISA::load(field + base);
    Float v[1];
    load_near_end(field, 1, 0, 1, v);
    return v[0];
  }
};

}  // namespace splatsim::SPLATSIM_ISA
