#include "stereo.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "stereo_warp.hpp"
#include "threads.hpp"

namespace splatsim {
namespace {

constexpr int kRadius = 3;         // pixels; windows are 7 by 7
constexpr float kNoise = 2.0f;     // standard deviation of a grey value, of 255, below which there is no texture
constexpr int kBest = 3;           // of the other pictures, so many that agree best are believed: the rest is hidden
constexpr int kMost = 16;          // other pictures
constexpr float kUnseen = 0.6f;    // what a depth costs that no other picture shows
constexpr float kAlone = 0.3f;     // and at least, where only one does
constexpr float kScale = 200.0f;   // of costs in [0, 1], as whole numbers
constexpr int kSmallStep = 8;      // cost of a step of one level
constexpr int kLargeStep = 60;     // of a larger one
constexpr float kEdge = 8.0f;      // difference of grey values at which the latter is halved
constexpr int kSure = 10;          // the second best depth, not beside the best, must cost more by this: 2 % of the steps
constexpr int16_t kNever = 16000;  // more than any path costs
constexpr int kPaths[8][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};

using Picture = std::vector<float>;

// Sums over windows; beyond the rim the last pixel is repeated.
SPLATSIM_WIDER void box_sums(const float* in, float* out, float* rows, int height, int width) {
  for (int y = 0; y < height; ++y) {
    const float* line = in + static_cast<int64_t>(y) * width;
    float* sums = rows + static_cast<int64_t>(y) * width;
    float sum = 0;
    for (int k = -kRadius; k <= kRadius; ++k) sum += line[std::clamp(k, 0, width - 1)];
    for (int x = 0; x < width; ++x) {
      sums[x] = sum;
      sum += line[std::min(x + kRadius + 1, width - 1)] - line[std::max(x - kRadius, 0)];
    }
  }
  for (int y = 0; y < height; ++y) {
    float* sums = out + static_cast<int64_t>(y) * width;
    std::fill(sums, sums + width, 0.0f);
    for (int k = -kRadius; k <= kRadius; ++k) {
      const float* line = rows + static_cast<int64_t>(std::clamp(y + k, 0, height - 1)) * width;
      for (int x = 0; x < width; ++x) sums[x] += line[x];
    }
  }
}

// One reference picture with its windows' means and variances, and scratch for those it is compared with.
struct Sweep {
  const StereoPictures& all;
  const float* grey;
  const int height, width;
  const int64_t pixels;
  Picture mean, variance, moved, square, product, sums, squares, products, rows;
  std::vector<uint8_t> seen;

  Sweep(const StereoPictures& pictures, int64_t reference)
      : all(pictures), grey(pictures.grey + reference * pictures.height * pictures.width), height(pictures.height),
        width(pictures.width), pixels(static_cast<int64_t>(height) * width) {
    for (Picture* p : {&mean, &variance, &moved, &square, &product, &sums, &squares, &products, &rows})
      p->resize(static_cast<size_t>(pixels));
    seen.resize(static_cast<size_t>(pixels));
    for (int64_t p = 0; p < pixels; ++p) square[p] = grey[p] * grey[p];
    box_sums(grey, mean.data(), rows.data(), height, width);
    box_sums(square.data(), variance.data(), rows.data(), height, width);
    for (int64_t p = 0; p < pixels; ++p) {
      mean[p] /= area();
      variance[p] = std::max(0.0f, variance[p] / area() - mean[p] * mean[p]);
    }
  }

  static constexpr float area() { return (2 * kRadius + 1) * (2 * kRadius + 1); }

  // The other picture as it would look from here if all lay at this depth.
  void move(int64_t other, const Warp& warp, float depth) {
    const float* picture = all.grey + other * pixels;
    const uint8_t* counted = all.counted + other * pixels;
    const float *t = warp.turn, *s = warp.shift;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const int64_t p = static_cast<int64_t>(y) * width + x;
        const float u = static_cast<float>(x) + 0.5f, v = static_cast<float>(y) + 0.5f;
        const float z = (t[6] * u + t[7] * v + t[8]) * depth + s[2];
        const float column = ((t[0] * u + t[1] * v + t[2]) * depth + s[0]) / z - 0.5f;
        const float row = ((t[3] * u + t[4] * v + t[5]) * depth + s[1]) / z - 0.5f;
        seen[p] = 0;
        moved[p] = mean[p];
        if (!(z > 1e-6f && column >= 0 && row >= 0 && column < static_cast<float>(width - 1) &&
              row < static_cast<float>(height - 1)))
          continue;
        const int left = static_cast<int>(column), top = static_cast<int>(row);
        const float a = column - static_cast<float>(left), b = row - static_cast<float>(top);
        const int64_t at = static_cast<int64_t>(top) * width + left;
        const float* q = picture + at;
        seen[p] = counted[at];
        moved[p] = (q[0] * (1 - a) + q[1] * a) * (1 - b) + (q[width] * (1 - a) + q[width + 1] * a) * b;
      }
  }

  // 1 - normalised cross-correlation of windows, or 2 where the other picture does not show the pixel.
  void compare(float* costs) {
    for (int64_t p = 0; p < pixels; ++p) {
      square[p] = moved[p] * moved[p];
      product[p] = moved[p] * grey[p];
    }
    box_sums(moved.data(), sums.data(), rows.data(), height, width);
    box_sums(square.data(), squares.data(), rows.data(), height, width);
    box_sums(product.data(), products.data(), rows.data(), height, width);
    correlate(costs);
  }

  void correlate(float* costs) const {
    constexpr float noise = kNoise * kNoise;
    for (int64_t p = 0; p < pixels; ++p) {
      const float m = sums[p] / area();
      const float other = std::max(0.0f, squares[p] / area() - m * m);
      const float both = products[p] / area() - m * mean[p];
      const float likeness = both / std::sqrt((variance[p] + noise) * (other + noise));
      costs[p] = seen[p] ? std::clamp(1 - likeness, 0.0f, 1.0f) : 2.0f;
    }
  }
};

// The mean of the best few: elsewhere something stands between, or the picture ends.
uint8_t joint_cost(const float* costs, int64_t stride, int count) {
  float found[kMost];
  int n = 0;
  for (int k = 0; k < count; ++k)
    if (costs[k * stride] < 1.5f) found[n++] = costs[k * stride];
  if (n == 0) return static_cast<uint8_t>(kScale * kUnseen);
  std::sort(found, found + n);
  const int best = std::min(kBest, (n + 1) / 2);
  float sum = 0;
  for (int k = 0; k < best; ++k) sum += found[k];
  return static_cast<uint8_t>(kScale * (n == 1 ? std::max(sum, kAlone) : sum / static_cast<float>(best)));
}

// costs [pixels levels]
std::vector<uint8_t> sweep_costs(const StereoPictures& all, const StereoTask& task, Sweep& sweep) {
  std::vector<std::pair<int64_t, Warp>> others;
  for (int k = 0; k < std::min(task.most_others, kMost); ++k)
    if (task.others[k] >= 0) others.push_back({task.others[k], warp_of(all, task.reference, task.others[k])});
  const int count = static_cast<int>(others.size());
  std::vector<uint8_t> costs(static_cast<size_t>(sweep.pixels * task.levels));
  Picture each(static_cast<size_t>(sweep.pixels * std::max(count, 1)), 2.0f);
  for (int level = 0; level < task.levels; ++level) {
    const double share = static_cast<double>(level) / (task.levels - 1);
    const auto depth = static_cast<float>(1 / ((1 - share) / task.farthest + share / task.nearest));
    for (int k = 0; k < count; ++k) {
      sweep.move(others[k].first, others[k].second, depth);
      sweep.compare(each.data() + k * sweep.pixels);
    }
    for (int64_t p = 0; p < sweep.pixels; ++p)
      costs[p * task.levels + level] = joint_cost(each.data() + p, sweep.pixels, count);
  }
  return costs;
}

// One step of a path: the least cost of each level here, and its share of the sum over paths. Arrays of levels have one
// more entry on each side, which is never the least.
SPLATSIM_WIDER void step(const uint8_t* costs, const int16_t* before, int16_t* here, int16_t* total, int levels,
                         int16_t large) {
  int16_t least = kNever;
  for (int l = 1; l <= levels; ++l) least = std::min(least, before[l]);
  const auto most = static_cast<int16_t>(least + large);
  for (int l = 0; l < levels; ++l) {
    const int16_t beside = std::min(before[l], before[l + 2]);
    const int16_t best = std::min(std::min(before[l + 1], most), static_cast<int16_t>(beside + kSmallStep));
    here[l + 1] = static_cast<int16_t>(costs[l] + best - least);
    total[l] = static_cast<int16_t>(total[l] + here[l + 1]);
  }
}

// Sums of the costs of the best path from each of eight sides (Hirschmüller, "Stereo processing by semi-global
// matching and mutual information", 2008, §2.3).
std::vector<int16_t> add_paths(const Sweep& sweep, const std::vector<uint8_t>& costs, int levels) {
  const int width = sweep.width, height = sweep.height, stride = levels + 2;
  std::vector<int16_t> total(static_cast<size_t>(sweep.pixels * levels), 0);
  std::vector<int16_t> none(static_cast<size_t>(stride), 0), before, here;
  none.front() = none.back() = kNever;
  for (const auto& [dx, dy] : kPaths) {
    before.assign(static_cast<size_t>(stride) * width, kNever);
    here.assign(static_cast<size_t>(stride) * width, kNever);
    for (int row = 0; row < height; ++row) {
      const int y = dy < 0 ? height - 1 - row : row;
      for (int column = 0; column < width; ++column) {
        const int x = dx < 0 ? width - 1 - column : column;
        const int64_t p = static_cast<int64_t>(y) * width + x;
        const bool inside = x - dx >= 0 && x - dx < width && y - dy >= 0 && y - dy < height;
        const auto& line = dy == 0 ? here : before;
        const int16_t* from = inside ? line.data() + static_cast<int64_t>(stride) * (x - dx) : none.data();
        const float change = inside ? std::abs(sweep.grey[p] - sweep.grey[p - static_cast<int64_t>(dy) * width - dx]) : 0;
        const int large = std::max(kSmallStep + 1, static_cast<int>(kLargeStep / (1 + change / kEdge)));
        step(costs.data() + p * levels, from, here.data() + static_cast<int64_t>(stride) * x,
             total.data() + p * levels, levels, static_cast<int16_t>(large));
      }
      before.swap(here);
    }
  }
  return total;
}

void solve(const StereoPictures& all, const StereoTask& task, float* depths) {
  Sweep sweep(all, task.reference);
  const int levels = task.levels;
  const std::vector<int16_t> total = add_paths(sweep, sweep_costs(all, task, sweep), levels);
  const uint8_t* counted = all.counted + task.reference * sweep.pixels;
  for (int64_t p = 0; p < sweep.pixels; ++p) {
    const int16_t* costs = total.data() + p * levels;
    const int best = static_cast<int>(std::min_element(costs, costs + levels) - costs);
    float place = static_cast<float>(best);
    if (best > 0 && best < levels - 1) {  // the lowest point of a parabola through three
      const float a = costs[best - 1], b = costs[best], c = costs[best + 1];
      if (a - 2 * b + c > 0) place += 0.5f * (a - c) / (a - 2 * b + c);
    }
    const double share = place / static_cast<float>(levels - 1);
    int second = kNever;
    for (int l = 0; l < levels; ++l)
      if (std::abs(l - best) > 2) second = std::min<int>(second, costs[l]);
    const bool known = counted[p] && second - costs[best] >= kSure;
    depths[p] = known ? static_cast<float>(1 / ((1 - share) / task.farthest + share / task.nearest)) : 0.0f;
  }
}

}  // namespace

void stereo(const StereoPictures& all, const StereoTask* tasks, int64_t count, float* depths, int threads) {
  const int64_t pixels = static_cast<int64_t>(all.height) * all.width;
  parallel_for(count, threads, [&](int64_t i, int) { solve(all, tasks[i], depths + i * pixels); });
}

}  // namespace splatsim
