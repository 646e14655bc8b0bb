#include "raycast.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "threads.hpp"

namespace splatsim {
namespace {

constexpr int64_t kRaysPerTask = 512;
constexpr double kNoLight = 1e-7;  // what is behind less light than this is left out

struct Step {
  int64_t voxel;
  double entry, exit;
  int8_t face;
};

// Visits the voxels of one ray in order, until the visitor says false. Ties between axes go to z, then y, then x.
template <class Visit>
void walk(const VoxelBox& box, const double* origin, const double* direction, double reach, Visit&& visit) {
  double o[3], d[3], near = 0, far = reach;
  int near_axis = -1;
  bool moves = false;
  for (int a = 0; a < 3; ++a) {
    o[a] = (origin[a] - box.origin[a]) / box.voxel_size;
    d[a] = direction[a] / box.voxel_size;
    if (!std::isfinite(o[a]) || !std::isfinite(d[a])) return;
    if (d[a] == 0) {
      if (o[a] < 0 || o[a] >= box.shape[a]) return;
      continue;
    }
    moves = true;
    double first = -o[a] / d[a], last = (box.shape[a] - o[a]) / d[a];
    if (first > last) std::swap(first, last);
    if (first > near) near = first, near_axis = a;
    far = std::min(far, last);
  }
  if (!moves || !(near < far)) return;
  int index[3], step[3];
  double next[3], delta[3];
  int8_t face = -1;
  for (int a = 0; a < 3; ++a) {
    step[a] = d[a] >= 0 ? 1 : -1;
    const double at = near_axis < 0 ? o[a] : o[a] + near * d[a];
    index[a] = static_cast<int>(std::floor(std::clamp(at, 0.0, static_cast<double>(box.shape[a]))));
    if (a == near_axis) {
      index[a] = step[a] > 0 ? 0 : box.shape[a] - 1;
      face = static_cast<int8_t>(2 * a + (step[a] < 0));
    }
    index[a] = std::min(index[a], box.shape[a] - 1);
    const double infinity = std::numeric_limits<double>::infinity();
    next[a] = d[a] != 0 ? (index[a] + (step[a] > 0 ? 1 : 0) - o[a]) / d[a] : infinity;
    delta[a] = d[a] != 0 ? step[a] / d[a] : infinity;
  }
  double entry = near;
  for (;;) {
    const int axis = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : (next[1] < next[2] ? 1 : 2);
    const double exit = std::max(entry, next[axis]);
    const int64_t voxel = (int64_t{index[0]} * box.shape[1] + index[1]) * box.shape[2] + index[2];
    if (!visit(Step{voxel, entry, exit, face})) return;
    index[axis] += step[axis];
    if (index[axis] < 0 || index[axis] >= box.shape[axis] || !(exit < reach)) return;
    next[axis] += delta[axis];
    entry = exit;
    face = static_cast<int8_t>(2 * axis + (step[axis] < 0));
  }
}

template <class Body>
void each_ray(const Rays& rays, int threads, Body&& body) {
  parallel_for((rays.n + kRaysPerTask - 1) / kRaysPerTask, threads, [&](int64_t task, int) {
    const int64_t end = std::min(rays.n, (task + 1) * kRaysPerTask);
    for (int64_t i = task * kRaysPerTask; i < end; ++i) body(i);
  });
}

template <class Visit>
void walk(const VoxelBox& box, const Rays& rays, int64_t i, Visit&& visit) {
  walk(box, rays.origins + 3 * i, rays.directions + 3 * i, rays.reach[i], visit);
}

}  // namespace

void first_hits(const VoxelBox& box, const uint8_t* states, const Rays& rays, const Hits& out, int threads) {
  each_ray(rays, threads, [&](int64_t i) {
    Step hit{-1, 0, 0, -1};
    double unknown = 0;
    walk(box, rays, i, [&](const Step& step) {
      const uint8_t state = states[step.voxel];
      if (state == kOccupied) {
        hit = step;
        return false;
      }
      const double end = std::min(step.exit, rays.reach[i]);
      if (state == kUnknown) unknown += end - step.entry;
      hit.entry = hit.exit = end;
      return true;
    });
    out.index[i] = hit.voxel;
    out.entry[i] = hit.entry;
    out.exit[i] = hit.exit;
    out.face[i] = hit.face;
    out.unknown[i] = unknown;
  });
}

void count_crossings(const VoxelBox& box, const Rays& rays, int32_t* counts, int threads) {
  each_ray(rays, threads, [&](int64_t i) {
    walk(box, rays, i, [&](const Step& step) {
      if (step.exit > rays.reach[i]) return false;
      // Whole numbers add up to the same in any order.
      std::atomic_ref<int32_t>(counts[step.voxel]).fetch_add(1, std::memory_order_relaxed);
      return true;
    });
  });
}

template <class T>
void composite(const VoxelBox& box, const Expectation<T>& grid, const Rays& rays, const Composite<T>& out,
               int threads) {
  each_ray(rays, threads, [&](int64_t i) {
    double light = 1, range = 0, square = 0;
    T* values = out.values + i * grid.channels;
    std::fill(values, values + grid.channels, T(0));
    walk(box, rays, i, [&](const Step& step) {
      const double p = grid.probabilities[step.voxel];
      if (p <= 0) return true;
      const double weight = light * p;
      range += weight * step.entry;
      square += weight * step.entry * step.entry;
      const T* value = grid.values + step.voxel * grid.channels;
      for (int c = 0; c < grid.channels; ++c) values[c] += static_cast<T>(weight) * value[c];
      light *= 1 - p;
      return light > kNoLight;
    });
    out.alphas[i] = static_cast<T>(1 - light);
    out.ranges[i] = static_cast<T>(range);
    out.squares[i] = static_cast<T>(square);
  });
}

namespace {

// One voxel on one ray.
template <class T>
struct Share {
  int64_t voxel;
  T weight;   // dL/dvalues = weight · dL/d(composited values)
  T d_alpha;  // dL/dp
};

// The voxels of a ray back to front: with B the value of what lies behind, dL/dp = T (v - B), exact for p = 1 too.
template <class T>
void share_out(const Expectation<T>& grid, const Composite<const T>& d_out, int64_t ray, const std::vector<Step>& steps,
               const std::vector<double>& light, std::vector<Share<T>>& shares) {
  const T* d_values = d_out.values + ray * grid.channels;
  const size_t first = shares.size();
  shares.resize(first + steps.size());
  double behind = 0;
  for (size_t k = steps.size(); k-- > 0;) {
    const Step& step = steps[k];
    const double p = grid.probabilities[step.voxel];
    double value = d_out.alphas[ray] + step.entry * (d_out.ranges[ray] + step.entry * double(d_out.squares[ray]));
    const T* own = grid.values + step.voxel * grid.channels;
    for (int c = 0; c < grid.channels; ++c) value += double(own[c]) * d_values[c];
    shares[first + k] = {step.voxel, static_cast<T>(light[k] * p), static_cast<T>(light[k] * (value - behind))};
    behind = p * value + (1 - p) * behind;
  }
}

}  // namespace

template <class T>
void composite_backward(const VoxelBox& box, const Expectation<T>& grid, const Rays& rays,
                        const Composite<const T>& d_out, T* d_probabilities, T* d_values, int threads) {
  const int64_t tasks = (rays.n + kRaysPerTask - 1) / kRaysPerTask;
  std::vector<std::vector<Share<T>>> shares(static_cast<size_t>(tasks));
  std::vector<int64_t> last_share(static_cast<size_t>(rays.n));
  parallel_for(tasks, threads, [&](int64_t task, int) {
    std::vector<Step> steps;
    std::vector<double> light;
    for (int64_t i = task * kRaysPerTask; i < std::min(rays.n, (task + 1) * kRaysPerTask); ++i) {
      steps.clear();
      light.clear();
      // What stands behind the first opaque voxel counts for that voxel's own gradient, so the walk goes on until the
      // light that is left would be gone without that voxel as well.
      double now = 1, without_first = 1;
      bool met_opaque = false;
      walk(box, rays, i, [&](const Step& step) {
        const double p = grid.probabilities[step.voxel];
        steps.push_back(step);
        light.push_back(now);
        now *= 1 - p;
        if (p > 0.9 && !met_opaque) met_opaque = true;
        else without_first *= 1 - p;
        return without_first > kNoLight;
      });
      share_out(grid, d_out, i, steps, light, shares[task]);
      last_share[i] = static_cast<int64_t>(shares[task].size());
    }
  });
  // Each slab of voxels belongs to one task, which goes through all rays in their order.
  const int64_t slabs = std::max(1, threads), voxels = box.count();
  parallel_for(slabs, threads, [&](int64_t slab, int) {
    const int64_t begin = voxels * slab / slabs, end = voxels * (slab + 1) / slabs;
    std::fill(d_probabilities + begin, d_probabilities + end, T(0));
    std::fill(d_values + begin * grid.channels, d_values + end * grid.channels, T(0));
    for (int64_t ray = 0; ray < rays.n; ++ray) {
      const auto& list = shares[static_cast<size_t>(ray / kRaysPerTask)];
      const T* d_pixel = d_out.values + ray * grid.channels;
      for (int64_t k = ray % kRaysPerTask ? last_share[ray - 1] : 0; k < last_share[ray]; ++k) {
        const Share<T>& share = list[static_cast<size_t>(k)];
        if (share.voxel < begin || share.voxel >= end) continue;
        d_probabilities[share.voxel] += share.d_alpha;
        if (share.weight == T(0)) continue;
        T* d_value = d_values + share.voxel * grid.channels;
        for (int c = 0; c < grid.channels; ++c) d_value[c] += share.weight * d_pixel[c];
      }
    }
  });
}

template void composite<float>(const VoxelBox&, const Expectation<float>&, const Rays&, const Composite<float>&, int);
template void composite<double>(const VoxelBox&, const Expectation<double>&, const Rays&, const Composite<double>&,
                                int);
template void composite_backward<float>(const VoxelBox&, const Expectation<float>&, const Rays&,
                                        const Composite<const float>&, float*, float*, int);
template void composite_backward<double>(const VoxelBox&, const Expectation<double>&, const Rays&,
                                         const Composite<const double>&, double*, double*, int);

}  // namespace splatsim
