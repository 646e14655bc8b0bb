#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "stereo.hpp"
#include "stereo_warp.hpp"
#include "threads.hpp"

// Into the one function that is compiled for each width of registers.
#if defined(__GNUC__)
#define SPLATSIM_INLINE inline __attribute__((always_inline))
#else
#define SPLATSIM_INLINE inline
#endif

namespace splatsim {
namespace {

constexpr int kRadius = 4, kStep = 2;  // pixels: windows are 9 by 9, every other pixel of them
constexpr int kSide = 2 * kRadius / kStep + 1, kTaps = kSide * kSide;
constexpr int kLanes = 8, kRoom = (kTaps + kLanes - 1) / kLanes * kLanes;
constexpr float kAlike = 12.0f;         // difference of grey values at which a pixel of a window counts a third
constexpr float kNoise = 1.0f;          // standard deviation of a grey value below which there is no texture
constexpr int kBest = 3, kMost = 8;     // as many others that agree best are believed, of so many at most
constexpr float kUnseen = 0.6f;         // what a plane costs that no other picture shows
constexpr float kAlone = 0.3f;          // and at least, where only one does
constexpr float kApart = 10.0f;         // cost of disagreeing with the depth that another picture has, over that depth
constexpr float kMostApart = 0.2f;      // and at most
constexpr int kRounds = 3;
constexpr float kShift = 0.04f;                 // share of a depth by which planes are moved at most
constexpr float kLean[3] = {0.0f, 0.5f, 0.2f};  // changes of depth over a focal length, of it, by which they are leant
constexpr int kReach[] = {3, 5, 7, 9, 11};  // pixels away at which planes are looked for as well
constexpr int kSides[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
constexpr float kSteepest = 8.0f;       // change of inverse depth over a focal length, of it: 83 degrees
constexpr float kSame = 1e-3f;          // planes that differ by less need not be tried
constexpr float kNever = 9.0f;          // more than any plane costs
constexpr float kLost = 0.9f;           // a plane that costs this is borne out by nothing

uint32_t mixed(uint32_t x) {  // a permutation without pattern (Wellons, "Hash Function Prospector", 2018)
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  return x ^ (x >> 16);
}

// A number in [-1, 1) that depends on the seed only.
float chance(uint32_t& seed) {
  seed = mixed(seed + 0x9e3779b9U);
  return static_cast<float>(seed >> 8) * (1.0f / 8388608.0f) - 1.0f;
}

// Inverse depth at a pixel and how it changes to the right and down: a plane in space is one in the picture.
struct Plane {
  float inverse, right, down;

  float at(int dx, int dy) const { return inverse + right * static_cast<float>(dx) + down * static_cast<float>(dy); }
};

struct Window {
  float grey[kRoom], weight[kRoom], right[kRoom], down[kRoom];  // grey less the mean; weights sum to 1
  float mean, variance;
};

struct Other {
  Warp warp;
  const float *grey, *depths;
  const uint8_t* counted;
};

struct Refinement {
  const float* grey;
  const int height, width;
  const float focal;
  std::vector<Other> others;
  std::vector<Plane> planes;
  std::vector<float> costs;

  Refinement(const StereoPictures& all, const StereoTask& task, const float* first, const float* known)
      : grey(all.grey + task.reference * all.height * all.width), height(all.height), width(all.width),
        focal(static_cast<float>(all.Ks[9 * task.reference])) {
    const int64_t pixels = static_cast<int64_t>(height) * width;
    for (int k = 0; k < task.most_others && others.size() < kMost; ++k) {
      const int64_t other = task.others[k];
      if (other >= 0)
        others.push_back({warp_of(all, task.reference, other), all.grey + other * pixels, known + other * pixels,
                          all.counted + other * pixels});
    }
    planes.resize(static_cast<size_t>(pixels));
    costs.assign(static_cast<size_t>(pixels), kNever);
    begin(first + task.reference * pixels);
  }

  bool inside(int x, int y) const { return x >= 0 && y >= 0 && x < width && y < height; }

  // Planes through the first depths: slopes are the middle ones of differences to the pixels around.
  void begin(const float* first) {
    const auto inverse = [&](int x, int y) {
      return 1 / first[static_cast<int64_t>(std::clamp(y, 0, height - 1)) * width + std::clamp(x, 0, width - 1)];
    };
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        float right[9], down[9];
        int n = 0;
        for (int dy = -2; dy <= 2; dy += 2)
          for (int dx = -2; dx <= 2; dx += 2) {
            right[n] = (inverse(x + dx + 2, y + dy) - inverse(x + dx - 2, y + dy)) / 4;
            down[n++] = (inverse(x + dx, y + dy + 2) - inverse(x + dx, y + dy - 2)) / 4;
          }
        std::nth_element(right, right + 4, right + 9);
        std::nth_element(down, down + 4, down + 9);
        const Plane plane{inverse(x, y), right[4], down[4]};
        planes[static_cast<int64_t>(y) * width + x] = possible(plane) ? plane : Plane{plane.inverse, 0, 0};
      }
  }

  bool possible(const Plane& plane) const {
    const float most = kSteepest * plane.inverse / focal;
    return plane.inverse > 1e-4f && plane.inverse < 1e4f && std::abs(plane.right) < most && std::abs(plane.down) < most;
  }

  // Pixels count by likeness and nearness to the one in the middle: what lies on other things says nothing about it.
  SPLATSIM_INLINE void look(int x, int y, Window& window) const {
    const float middle = grey[static_cast<int64_t>(y) * width + x];
    window = {};
    float sum = 0, mean = 0;
    int i = 0;
    for (int dy = -kRadius; dy <= kRadius; dy += kStep)
      for (int dx = -kRadius; dx <= kRadius; dx += kStep, ++i) {
        const int column = std::clamp(x + dx, 0, width - 1), row = std::clamp(y + dy, 0, height - 1);
        const float value = grey[static_cast<int64_t>(row) * width + column];
        const float away = static_cast<float>(dx * dx + dy * dy) / (2.0f * kRadius * kRadius);
        window.grey[i] = value;
        window.right[i] = static_cast<float>(column - x);
        window.down[i] = static_cast<float>(row - y);
        window.weight[i] = std::exp(-std::abs(value - middle) / kAlike - away);
        sum += window.weight[i];
        mean += window.weight[i] * value;
      }
    window.mean = mean / sum;
    for (int k = 0; k < kTaps; ++k) {
      window.weight[k] /= sum;
      window.grey[k] -= window.mean;
      window.variance += window.weight[k] * window.grey[k] * window.grey[k];
    }
  }

  // 1 - normalised cross-correlation of the window with what the other picture shows of the plane.
  // `at` is where its middle falls, homogeneous, and `right` and `down` are the steps from there.
  SPLATSIM_INLINE float unlike(const Window& window, const Other& other, const float* at, const float* right, const float* down) const {
    float seen[kRoom];
    const float last_column = static_cast<float>(width) - 1.001f, last_row = static_cast<float>(height) - 1.001f;
    for (int i = 0; i < kRoom; ++i) {
      const float r = window.right[i], d = window.down[i];
      const float scale = 1 / std::max(at[2] + r * right[2] + d * down[2], 1e-9f);
      float u = (at[0] + r * right[0] + d * down[0]) * scale - 0.5f;
      float v = (at[1] + r * right[1] + d * down[1]) * scale - 0.5f;
      u = std::min(std::max(u, 0.0f), last_column);
      v = std::min(std::max(v, 0.0f), last_row);
      const int left = static_cast<int>(u), top = static_cast<int>(v), p = top * width + left;
      const float a = u - static_cast<float>(left), b = v - static_cast<float>(top);
      const float above = other.grey[p] + (other.grey[p + 1] - other.grey[p]) * a;
      const float below = other.grey[p + width] + (other.grey[p + width + 1] - other.grey[p + width]) * a;
      seen[i] = above + (below - above) * b - window.mean;
    }
    float sums[kLanes] = {}, squares[kLanes] = {}, products[kLanes] = {};
    for (int i = 0; i < kRoom; i += kLanes)
      for (int k = 0; k < kLanes; ++k) {
        const float weighted = window.weight[i + k] * seen[i + k];
        sums[k] += weighted;
        squares[k] += weighted * seen[i + k];
        products[k] += weighted * window.grey[i + k];
      }
    float sum = 0, square = 0, product = 0;
    for (int k = 0; k < kLanes; ++k) {
      sum += sums[k];
      square += squares[k];
      product += products[k];
    }
    constexpr float noise = kNoise * kNoise;
    const float variance = std::max(0.0f, square - sum * sum);
    return std::clamp(1 - product / std::sqrt((window.variance + noise) * (variance + noise)), 0.0f, 1.0f);
  }

  SPLATSIM_INLINE float cost(const Window& window, int x, int y, const Plane& plane) const {
    if (!possible(plane)) return kNever;
    float found[kMost];
    int n = 0;
    for (const Other& other : others) {
      const float *t = other.warp.turn, *s = other.warp.shift;
      const float u = static_cast<float>(x) + 0.5f, v = static_cast<float>(y) + 0.5f;
      float at[3], right[3], down[3];
      for (int k = 0; k < 3; ++k) {
        at[k] = t[3 * k] * u + t[3 * k + 1] * v + t[3 * k + 2] + s[k] * plane.inverse;
        right[k] = t[3 * k] + s[k] * plane.right;
        down[k] = t[3 * k + 1] + s[k] * plane.down;
      }
      if (!(at[2] > 1e-6f)) continue;
      const float column = at[0] / at[2] - 0.5f, row = at[1] / at[2] - 0.5f;
      if (!(column >= 0 && row >= 0 && column < static_cast<float>(width - 1) && row < static_cast<float>(height - 1)))
        continue;
      const int64_t p = static_cast<int64_t>(row + 0.5f) * width + static_cast<int64_t>(column + 0.5f);
      if (!other.counted[p]) continue;
      const float there = other.depths[p], expected = at[2] / plane.inverse;
      const float apart = there > 0 ? std::min(kApart * std::abs(there / expected - 1), kMostApart) : kMostApart;
      found[n++] = unlike(window, other, at, right, down) + apart;
    }
    if (n == 0) return kUnseen + kMostApart;
    std::sort(found, found + n);
    const int best = std::min(kBest, (n + 1) / 2);
    float sum = 0;
    for (int k = 0; k < best; ++k) sum += found[k];
    return n == 1 ? std::max(sum, kAlone) : sum / static_cast<float>(best);
  }

  SPLATSIM_INLINE void evaluate_all() {
    Window window;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        look(x, y, window);
        const int64_t p = static_cast<int64_t>(y) * width + x;
        costs[p] = cost(window, x, y, planes[p]);
      }
  }

  // Planes of the pixels beside one, and of those on the four lines from it that fit best where they are, moved here.
  int borrowed(int x, int y, Plane* found) const {
    int n = 0;
    const auto borrow = [&](int sx, int sy) {
      const Plane& theirs = planes[static_cast<int64_t>(sy) * width + sx];
      found[n++] = {theirs.at(x - sx, y - sy), theirs.right, theirs.down};
    };
    for (const auto& [dx, dy] : kSides) {
      if (inside(x + dx, y + dy)) borrow(x + dx, y + dy);
      int from = 0;
      float cheapest = kNever;
      for (const int reach : kReach)
        if (inside(x + dx * reach, y + dy * reach)) {
          const float there = costs[static_cast<int64_t>(y + dy * reach) * width + x + dx * reach];
          if (there < cheapest) cheapest = there, from = reach;
        }
      if (from > 0) borrow(x + dx * from, y + dy * from);
    }
    return n;
  }

  bool alike(const Plane& a, const Plane& b) const {
    const float lean = std::abs(a.right - b.right) + std::abs(a.down - b.down);
    return std::abs(a.inverse - b.inverse) <= kSame * b.inverse && lean <= 20 * kSame * b.inverse / focal;
  }

  // Moved, leant, and both a little.
  Plane varied(const Plane& plane, int kind, int round, uint32_t& seed) const {
    const float shift = kind == 1 ? 0 : kShift / static_cast<float>(1 << round);
    const float lean = kLean[kind] / static_cast<float>(1 << (round / 2)) * plane.inverse / focal;
    const float inverse = plane.inverse * (1 + shift * chance(seed)), right = plane.right + lean * chance(seed);
    return {inverse, right, plane.down + lean * chance(seed)};
  }

  SPLATSIM_INLINE void improve(int x, int y, int round, uint32_t seed) {
    const int64_t p = static_cast<int64_t>(y) * width + x;
    Window window;
    look(x, y, window);
    Plane tried[8];
    const int count = borrowed(x, y, tried);
    for (int i = 0; i < count + 3; ++i) {
      const Plane plane = i < count ? tried[i] : varied(planes[p], i - count, round, seed);
      if (i < count && alike(plane, planes[p])) continue;
      const float found = cost(window, x, y, plane);
      if (found < costs[p]) costs[p] = found, planes[p] = plane;
    }
  }
};

SPLATSIM_WIDER void refine(const StereoPictures& all, const StereoTask& task, const float* first, const float* known,
                           float* depths) {
  Refinement one(all, task, first, known);
  one.evaluate_all();
  for (int round = 0; round < kRounds; ++round)
    for (int color = 0; color < 2; ++color)  // as on a chessboard: nobody borrows from one that has just borrowed
      for (int y = 0; y < one.height; ++y)
        for (int x = (y + color) % 2; x < one.width; x += 2) {
          const auto p = static_cast<uint32_t>(y * one.width + x);
          one.improve(x, y, round, mixed(p + mixed(static_cast<uint32_t>(task.reference * kRounds + round))));
        }
  for (size_t p = 0; p < one.planes.size(); ++p) depths[p] = one.costs[p] < kLost ? 1 / one.planes[p].inverse : 0;
}

}  // namespace

// PatchMatch stereo (Bleyer et al., "PatchMatch stereo", 2011), with consistency between views as in Xu and Tao,
// "Multi-scale geometric consistency guided multi-view stereo", 2019.
void refine_stereo(const StereoPictures& all, const StereoTask* tasks, int64_t count, const float* first,
                   const float* known, float* depths, int threads) {
  const int64_t pixels = static_cast<int64_t>(all.height) * all.width;
  parallel_for(count, threads, [&](int64_t i, int) { refine(all, tasks[i], first, known, depths + i * pixels); });
}

}  // namespace splatsim
