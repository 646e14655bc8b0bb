// Exact traversal of voxel grids by rays (Amanatides and Woo 1987), and what is built on it.
#pragma once

#include <cstdint>

namespace splatsim {

// Voxels in C order, z fastest. A ray is origin + t · direction; t is in units of the direction's length.
struct VoxelBox {
  int shape[3];
  double origin[3];
  double voxel_size;
  int64_t count() const { return int64_t{shape[0]} * shape[1] * shape[2]; }
};

struct Rays {
  const double* origins;     // [n 3]
  const double* directions;  // [n 3]
  const double* reach;       // [n] the ray ends at this t
  int64_t n;
};

constexpr uint8_t kFree = 0, kOccupied = 1, kUnknown = 2;  // as in splatsim/grids

struct Hits {
  int64_t* index;   // [n] flat index of the first occupied voxel, or -1
  double* entry;    // [n] t where the ray enters it; without a hit, where the ray or the grid ends (0: never inside)
  double* exit;     // [n] t where the ray leaves it; without a hit, as entry
  int8_t* face;     // [n] 2 · axis + (1 if the ray runs towards smaller indices); -1: the ray starts inside, or no hit
  double* unknown;  // [n] length in t that lies in unknown voxels before the hit
};

void first_hits(const VoxelBox&, const uint8_t* states, const Rays&, const Hits&, int threads);

// counts [voxels] grows by the number of rays that cross the whole voxel before they end.
void count_crossings(const VoxelBox&, const Rays&, int32_t* counts, int threads);

// Each voxel is occupied with probability p, independently of the others: P(first hit is v) = p_v Π (1 - p_before).
template <class T>
struct Expectation {
  const T* probabilities;  // [voxels]
  const T* values;         // [voxels channels], or null
  int channels;
};

template <class T>
struct Composite {
  T* alphas;   // [n] probability that the ray hits anything
  T* ranges;   // [n] sum of P(first hit is v) times t where v is entered
  T* squares;  // [n] the same with t²
  T* values;   // [n channels]
};

template <class T>
void composite(const VoxelBox&, const Expectation<T>&, const Rays&, const Composite<T>& out, int threads);

// Gradients of a loss whose gradients to the outputs are `d_out`; written, summed in the order of the rays.
template <class T>
void composite_backward(const VoxelBox&, const Expectation<T>&, const Rays&, const Composite<const T>& d_out,
                        T* d_probabilities, T* d_values, int threads);

}  // namespace splatsim
