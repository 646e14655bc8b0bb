// One vector type, `Float`, in two widths: 8 lanes with AVX2, 1 lane as the scalar base. Kernels are written once over it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(SPLATSIM_ISA_avx2)
#include <immintrin.h>
#endif

namespace splatsim::SPLATSIM_ISA {

#if defined(SPLATSIM_ISA_avx2)

constexpr int kLanes = 8;

struct Mask {
  __m256 v;
};

struct Float {
  __m256 v;
  Float() = default;
  Float(__m256 x) : v(x) {}
  Float(float x) : v(_mm256_set1_ps(x)) {}
};

inline Float load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Float a) { _mm256_storeu_ps(p, a.v); }
inline Float operator+(Float a, Float b) { return _mm256_add_ps(a.v, b.v); }
inline Float operator-(Float a, Float b) { return _mm256_sub_ps(a.v, b.v); }
inline Float operator*(Float a, Float b) { return _mm256_mul_ps(a.v, b.v); }
inline Float operator/(Float a, Float b) { return _mm256_div_ps(a.v, b.v); }
inline Float operator-(Float a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }
inline Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
inline Float fnma(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a.v, b.v, c.v); }
inline Float sqrt(Float a) { return _mm256_sqrt_ps(a.v); }
inline Float abs(Float a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v); }
// As in the instruction set: where either is NaN, the result is b.
inline Float min(Float a, Float b) { return _mm256_min_ps(a.v, b.v); }
inline Float max(Float a, Float b) { return _mm256_max_ps(a.v, b.v); }
inline Float floor(Float a) { return _mm256_floor_ps(a.v); }
inline Float ceil(Float a) { return _mm256_ceil_ps(a.v); }
// Comparisons are false where either side is NaN.
inline Mask operator<(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator<=(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
inline Mask operator>(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
inline Mask operator>=(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
inline Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
inline Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.v, b.v)}; }
inline Float operator&(Float a, Mask m) { return _mm256_and_ps(a.v, m.v); }
inline Float select(Mask m, Float yes, Float no) { return _mm256_blendv_ps(no.v, yes.v, m.v); }
inline unsigned bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_ps(m.v)); }
inline Mask mask_of(unsigned bits) {
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane);
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane))};
}
inline void store_int(int32_t* p, Float a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvttps_epi32(a.v));
}

// columns[j], lane l = rows[l * stride + j], for four columns of eight rows. (Gathers are slow on many processors.)
inline void load_columns4(const float* rows, int64_t stride, Float* columns) {
  __m256 r[4];
  for (int i = 0; i < 4; ++i)
    r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows + i * stride)),
                                _mm_loadu_ps(rows + (i + 4) * stride), 1);
  const __m256 a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpackhi_ps(r[0], r[1]);
  const __m256 c = _mm256_unpacklo_ps(r[2], r[3]), d = _mm256_unpackhi_ps(r[2], r[3]);
  columns[0] = _mm256_shuffle_ps(a, c, 0x44);
  columns[1] = _mm256_shuffle_ps(a, c, 0xEE);
  columns[2] = _mm256_shuffle_ps(b, d, 0x44);
  columns[3] = _mm256_shuffle_ps(b, d, 0xEE);
}

// rows[l * 4 + j] = columns[j], lane l.
inline void store_columns4(float* rows, const Float* columns) {
  const __m256 a = _mm256_unpacklo_ps(columns[0].v, columns[1].v), b = _mm256_unpackhi_ps(columns[0].v, columns[1].v);
  const __m256 c = _mm256_unpacklo_ps(columns[2].v, columns[3].v), d = _mm256_unpackhi_ps(columns[2].v, columns[3].v);
  const __m256 r[4] = {_mm256_shuffle_ps(a, c, 0x44), _mm256_shuffle_ps(a, c, 0xEE), _mm256_shuffle_ps(b, d, 0x44),
                       _mm256_shuffle_ps(b, d, 0xEE)};
  for (int i = 0; i < 4; ++i) {
    _mm_storeu_ps(rows + 4 * i, _mm256_castps256_ps128(r[i]));
    _mm_storeu_ps(rows + 4 * (i + 4), _mm256_extractf128_ps(r[i], 1));
  }
}

// Byte r has the bits max(first[r] - origin, 0) … min(last[r] - origin, 7) set, for eight rows.
inline uint64_t row_masks(const int32_t* first, const int32_t* last, int32_t origin) {
  const __m256i start = _mm256_set1_epi32(origin), ones = _mm256_set1_epi32(0xFF), seven = _mm256_set1_epi32(7);
  __m256i low = _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first)), start);
  __m256i high = _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(last)), start);
  low = _mm256_max_epi32(low, _mm256_setzero_si256());
  high = _mm256_sub_epi32(seven, _mm256_min_epi32(high, seven));
  // Shifts by 32 and more give 0, so that rows outside need no case of their own.
  __m256i rows = _mm256_and_si256(_mm256_sllv_epi32(ones, low), _mm256_srlv_epi32(ones, high));
  rows = _mm256_packus_epi32(rows, rows);
  rows = _mm256_packus_epi16(rows, rows);
  const auto top = static_cast<uint32_t>(_mm256_extract_epi32(rows, 0));
  const auto bottom = static_cast<uint32_t>(_mm256_extract_epi32(rows, 4));
  return top | uint64_t{bottom} << 32;
}

// 2^(n) scaled into `mantissa`, where `shifted` holds n in its lowest bits (see exp2).
inline Float scale_by_power(Float mantissa, Float shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted.v), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(mantissa.v), exponent));
}

inline float sum(Float a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

// out[i] = sum of the lanes of a[i], for eight vectors at once.
inline void sum8(float* out, const Float* a) {
  const __m256 s01 = _mm256_hadd_ps(a[0].v, a[1].v), s23 = _mm256_hadd_ps(a[2].v, a[3].v);
  const __m256 s45 = _mm256_hadd_ps(a[4].v, a[5].v), s67 = _mm256_hadd_ps(a[6].v, a[7].v);
  const __m256 low = _mm256_hadd_ps(s01, s23), high = _mm256_hadd_ps(s45, s67);
  const __m256 first = _mm256_permute2f128_ps(low, high, 0x20), second = _mm256_permute2f128_ps(low, high, 0x31);
  _mm256_storeu_ps(out, _mm256_add_ps(first, second));
}

// out[i] = sum of the lanes of a[i], for four vectors at once.
inline void sum4(float* out, const Float* a) {
  const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a[0].v, a[1].v), _mm256_hadd_ps(a[2].v, a[3].v));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

#else

constexpr int kLanes = 1;

struct Mask {
  bool v;
};

struct Float {
  float v;
  Float() = default;
  Float(float x) : v(x) {}
};

inline Float load(const float* p) { return *p; }
inline void store(float* p, Float a) { *p = a.v; }
inline Float operator+(Float a, Float b) { return a.v + b.v; }
inline Float operator-(Float a, Float b) { return a.v - b.v; }
inline Float operator*(Float a, Float b) { return a.v * b.v; }
inline Float operator/(Float a, Float b) { return a.v / b.v; }
inline Float operator-(Float a) { return -a.v; }
inline Float fma(Float a, Float b, Float c) { return a.v * b.v + c.v; }
inline Float fnma(Float a, Float b, Float c) { return c.v - a.v * b.v; }
inline Float sqrt(Float a) { return __builtin_sqrtf(a.v); }
inline Float abs(Float a) { return __builtin_fabsf(a.v); }
inline Float min(Float a, Float b) { return a.v < b.v ? a.v : b.v; }
inline Float max(Float a, Float b) { return a.v > b.v ? a.v : b.v; }
inline Float floor(Float a) { return __builtin_floorf(a.v); }
inline Float ceil(Float a) { return __builtin_ceilf(a.v); }
inline Mask operator<(Float a, Float b) { return {a.v < b.v}; }
inline Mask operator<=(Float a, Float b) { return {a.v <= b.v}; }
inline Mask operator>(Float a, Float b) { return {a.v > b.v}; }
inline Mask operator>=(Float a, Float b) { return {a.v >= b.v}; }
inline Mask operator&(Mask a, Mask b) { return {a.v && b.v}; }
inline Mask operator|(Mask a, Mask b) { return {a.v || b.v}; }
inline Float operator&(Float a, Mask m) { return m.v ? a.v : 0.0f; }
inline Float select(Mask m, Float yes, Float no) { return m.v ? yes : no; }
inline unsigned bits(Mask m) { return m.v ? 1u : 0u; }
inline Mask mask_of(unsigned bits) { return {(bits & 1u) != 0}; }
inline void store_int(int32_t* p, Float a) { *p = static_cast<int32_t>(a.v); }
inline void load_columns4(const float* rows, int64_t, Float* columns) {
  for (int j = 0; j < 4; ++j) columns[j] = rows[j];
}
inline void store_columns4(float* rows, const Float* columns) {
  for (int j = 0; j < 4; ++j) rows[j] = columns[j].v;
}

inline uint64_t row_masks(const int32_t* first, const int32_t* last, int32_t origin) {
  uint64_t masks = 0;
  for (int r = 0; r < 8; ++r) {
    const int32_t low = first[r] - origin > 0 ? first[r] - origin : 0, high = last[r] - origin < 7 ? last[r] - origin : 7;
    if (low <= high) masks |= uint64_t{(0xFFu << low) & (0xFFu >> (7 - high)) & 0xFFu} << (8 * r);
  }
  return masks;
}

inline Float scale_by_power(Float mantissa, Float shifted) {
  uint32_t m, s;
  std::memcpy(&m, &mantissa.v, 4);
  std::memcpy(&s, &shifted.v, 4);
  m += s << 23;
  float scaled;
  std::memcpy(&scaled, &m, 4);
  return scaled;
}

inline float sum(Float a) { return a.v; }
inline void sum8(float* out, const Float* a) {
  for (int i = 0; i < 8; ++i) out[i] = a[i].v;
}
inline void sum4(float* out, const Float* a) {
  for (int i = 0; i < 4; ++i) out[i] = a[i].v;
}

#endif

// 2^x for -126 <= x <= 0, relative error below 2e-7; garbage outside. A degree 5 minimax polynomial on [-1/2, 1/2].
inline Float exp2(Float x) {
  const Float shift(12582912.0f);  // 1.5 · 2^23: adding it rounds x to a whole number, held in the lowest bits
  const Float shifted = x + shift;
  const Float f = x - (shifted - shift);
  Float p = fma(f, Float(0.0013276472f), Float(0.009675542f));
  p = fma(p, f, Float(0.05550713f));
  p = fma(p, f, Float(0.2402212f));
  p = fma(p, f, Float(0.69314694f));
  p = fma(p, f, Float(1.0000001f));
  return scale_by_power(p, shifted);
}

inline bool any(Mask m) { return bits(m) != 0; }
inline bool is_finite(float x) { return x - x == 0.0f; }
inline Mask is_finite(Float a) { return abs(a) <= Float(3.0e38f); }

}  // namespace splatsim::SPLATSIM_ISA
