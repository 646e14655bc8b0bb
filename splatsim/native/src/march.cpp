#include "march.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace splatsim {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kDiagonal = 1.41421356f, kSteepest = 0.70710678f;
constexpr int kBuckets = 8;
constexpr float kBucketsPerCell = 2;  // a step is at most √2 long, so that no entry lies 4 buckets ahead

struct Entry {
  int32_t cell;
  float distance;
};

// Through the edge from a neighbour beside, at distance `beside`, to one diagonal to it, at distance `diagonal`.
inline float through(float beside, float diagonal) {
  const float fall = beside - diagonal;
  if (!(fall > 0)) return beside + 1;
  if (fall >= kSteepest) return diagonal + kDiagonal;
  return beside + std::sqrt(1 - fall * fall);
}

// Cells with a closed border around them, taken in the order of their distance up to half a cell (Yatziv, Bartesaghi
// and Sapiro, "O(N) implementation of the fast marching algorithm", 2006). Whoever came too early is taken again, so
// the result is the fixed point of the scheme.
class March {
 public:
  March(const uint8_t* open, int rows, int cols, const float* start)
      : stride_(cols + 2), open_(size_t(rows + 2) * stride_, 0), distance_(open_.size(), kInfinity) {
    for (int row = 0; row < rows; ++row)
      for (int col = 0; col < cols; ++col) {
        const size_t from = size_t(row) * cols + col, to = size_t(row + 1) * stride_ + col + 1;
        open_[to] = open[from];
        if (!open[from] || !(start[from] < kInfinity)) continue;
        distance_[to] = start[from];
        seeds_.push_back({static_cast<int32_t>(to), start[from]});
      }
    std::sort(seeds_.begin(), seeds_.end(), [](const Entry& a, const Entry& b) { return a.distance < b.distance; });
  }

  void run() {
    size_t next = 0, pending = 0;
    int64_t bucket = 0;
    std::vector<Entry> now;
    while (pending || next < seeds_.size()) {
      if (!pending) bucket = std::max(bucket, bucket_of(seeds_[next].distance));
      for (; next < seeds_.size() && bucket_of(seeds_[next].distance) <= bucket; ++next, ++pending)
        buckets_[bucket % kBuckets].push_back(seeds_[next]);
      auto& waiting = buckets_[bucket % kBuckets];
      while (!waiting.empty()) {
        now.swap(waiting);
        for (const Entry& entry : now)
          if (entry.distance == distance_[entry.cell]) expand(entry, bucket, pending);
        pending -= now.size();
        now.clear();
      }
      ++bucket;
    }
  }

  void copy_to(float* out, int rows, int cols) const {
    for (int row = 0; row < rows; ++row)
      std::copy_n(distance_.data() + size_t(row + 1) * stride_ + 1, cols, out + size_t(row) * cols);
  }

 private:
  static int64_t bucket_of(float distance) { return static_cast<int64_t>(distance * kBucketsPerCell); }

  void expand(const Entry& from, int64_t bucket, size_t& pending) {
    const int32_t ahead[4] = {1, stride_, -1, -stride_};
    const float v = from.distance;
    for (int side = 0; side < 4; ++side) {
      const int32_t step = ahead[side], turn = ahead[(side + 1) % 4], beside = from.cell + step;
      if (open_[beside] && distance_[beside] > v) {
        const float low = std::min(distance_[from.cell + turn], distance_[from.cell - turn]);
        offer(beside, through(v, low), bucket, pending);
      }
      const int32_t corner = beside + turn;
      if (open_[corner] && distance_[corner] > v) {
        float best = kInfinity;
        if (open_[beside]) best = through(distance_[beside], v);
        if (open_[from.cell + turn]) best = std::min(best, through(distance_[from.cell + turn], v));
        if (best < kInfinity) offer(corner, best, bucket, pending);
      }
    }
  }

  void offer(int32_t cell, float distance, int64_t bucket, size_t& pending) {
    if (!(distance < distance_[cell])) return;
    distance_[cell] = distance;
    buckets_[std::max(bucket, bucket_of(distance)) % kBuckets].push_back({cell, distance});
    ++pending;
  }

  int32_t stride_;
  std::vector<uint8_t> open_;
  std::vector<float> distance_;
  std::vector<Entry> seeds_;
  std::vector<Entry> buckets_[kBuckets];
};

}  // namespace

void march(const uint8_t* open, int rows, int cols, float* distances) {
  March field(open, rows, cols, distances);
  field.run();
  field.copy_to(distances, rows, cols);
}

}  // namespace splatsim
