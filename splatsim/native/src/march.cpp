#include "march.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace splatsim {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// No comparison with a closed cell's distance holds, so that nothing leads there or from there.
constexpr float kClosed = std::numeric_limits<float>::quiet_NaN();
constexpr float kDiagonal = 1.41421356f, kSteepest = 0.70710678f;
constexpr int kBuckets = 8;
constexpr float kBucketsPerCell = 2;  // a step is at most √2 long, so that no entry lies 4 buckets ahead

struct Entry {
  int32_t cell;
  float distance;
};

// A distance, infinite where it is a closed cell's.
inline float reached(float distance) { return distance == distance ? distance : kInfinity; }

// Through the edge from a neighbour beside, at distance `beside`, to one diagonal to it, at distance `diagonal`.
// All three cases are worked out, so that several of them fit into one vector.
inline float through(float beside, float diagonal) {
  const float fall = beside - diagonal;
  const float rest = 1 - fall * fall;
  const float slanted = beside + std::sqrt(rest > 0 ? rest : 0.f);
  const float straight = beside + 1, across = diagonal + kDiagonal;
  const float falling = fall >= kSteepest ? across : slanted;
  return fall > 0 ? falling : straight;
}

// Cells with a closed border around them, taken in the order of their distance up to half a cell (Yatziv, Bartesaghi
// and Sapiro, "O(N) implementation of the fast marching algorithm", 2006). Whoever came too early is taken again, so
// the result is the fixed point of the scheme.
class March {
 public:
  March(const uint8_t* open, int rows, int cols, const float* start)
      : stride_(cols + 2), distance_(size_t(rows + 2) * stride_, kClosed) {
    for (int row = 0; row < rows; ++row)
      for (int col = 0; col < cols; ++col) {
        const size_t from = size_t(row) * cols + col, to = size_t(row + 1) * stride_ + col + 1;
        if (!open[from]) continue;
        distance_[to] = start[from];
        if (!(start[from] < kInfinity)) continue;
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
    for (int row = 0; row < rows; ++row) {
      const float* first = distance_.data() + size_t(row + 1) * stride_ + 1;
      std::transform(first, first + cols, out + size_t(row) * cols, reached);
    }
  }

 private:
  static int64_t bucket_of(float distance) { return static_cast<int64_t>(distance * kBucketsPerCell); }

  // All neighbours are looked at in one go, since which of them lie ahead is not to be guessed.
  void expand(const Entry& from, int64_t bucket, size_t& pending) {
    const int32_t ahead[4] = {1, stride_, -1, -stride_};
    const float v = from.distance;
    int32_t cells[8];
    float known[8], found[8], side[4], next[4], across[4];
    for (int i = 0; i < 4; ++i) {
      cells[i] = from.cell + ahead[i];
      cells[4 + i] = cells[i] + ahead[(i + 1) % 4];
    }
    for (int i = 0; i < 8; ++i) known[i] = distance_[cells[i]];
    for (int i = 0; i < 4; ++i) {
      next[i] = known[(i + 1) % 4];
      side[i] = reached(next[i]);
    }
    for (int i = 0; i < 4; ++i) across[i] = side[(i + 2) % 4];
    for (int i = 0; i < 4; ++i) {
      found[i] = through(v, side[i] < across[i] ? side[i] : across[i]);
      const float one = through(known[i], v), two = through(next[i], v);
      found[4 + i] = one < two || two != two ? one : two;
    }
    unsigned better = 0;
    for (int i = 0; i < 8; ++i) better |= unsigned(found[i] < known[i]) << i;
    for (; better; better &= better - 1) {
      const int i = std::countr_zero(better);
      distance_[cells[i]] = found[i];
      buckets_[std::max(bucket, bucket_of(found[i])) % kBuckets].push_back({cells[i], found[i]});
      ++pending;
    }
  }

  int32_t stride_;
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
