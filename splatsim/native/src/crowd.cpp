#include "crowd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace splatsim {
namespace {

constexpr double kTiny = 1e-9;
constexpr double kPushOut = 0.5;  // m/s at which somebody who stands in a wall is moved out of it

struct Vec {
  double x, y;
};
Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y}; }
Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y}; }
Vec operator*(double s, Vec a) { return {s * a.x, s * a.y}; }
double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y; }
double cross(Vec a, Vec b) { return a.x * b.y - a.y * b.x; }
double length(Vec a) { return std::sqrt(dot(a, a)); }
Vec at(const double* array, int64_t i) { return {array[2 * i], array[2 * i + 1]}; }

// Two people in exactly one place part along a direction that differs from pair to pair and is opposite for the two.
Vec parting(int64_t i, int64_t j) {
  const double angle = 2.399963 * static_cast<double>(std::min(i, j) + 7 * std::max(i, j));
  const double sign = i < j ? 1.0 : -1.0;
  return {sign * std::cos(angle), sign * std::sin(angle)};
}

// The smallest change u of the relative velocity that avoids a collision for `horizon` seconds, and the direction n
// outward at the border of the velocity obstacle there (van den Berg et al. 2011, eq. 4 and 5).
std::pair<Vec, Vec> escape(Vec offset, Vec relative, double radius, double horizon, double step, Vec otherwise) {
  const double gap2 = dot(offset, offset);
  const bool apart = gap2 > radius * radius;
  const double until = apart ? horizon : step;
  const Vec from = relative - (1.0 / until) * offset;  // from the centre of the cut-off disc
  const double along = dot(from, offset);
  if (!apart || (along < 0 && along * along > radius * radius * dot(from, from))) {
    const double size = length(from);
    const Vec n = size > kTiny ? (1.0 / size) * from : otherwise;
    return {(radius / until - size) * n, n};
  }
  const double leg = std::sqrt(gap2 - radius * radius);
  const double side = cross(offset, from) > 0 ? 1.0 : -1.0;  // the left or the right tangent
  const Vec d = {(offset.x * leg - side * offset.y * radius) / gap2, (side * offset.x * radius + offset.y * leg) / gap2};
  const Vec n = {-side * d.y, side * d.x};
  return {dot(relative, d) * d - relative, n};
}

Vec nearest_on(Vec p, Vec a, Vec b) {
  const Vec way = b - a;
  const double size = dot(way, way);
  const double share = size > 0 ? std::clamp(dot(p - a, way) / size, 0.0, 1.0) : 0.0;
  return a + share * way;
}

// On the border of plane `row`: the stretch [low, high] of t in least · n + t · (-ny, nx) that the disc and the planes
// before it leave. False where nothing is left.
bool stretch(const HalfPlane* planes, int row, double speed, double& low, double& high) {
  const HalfPlane& line = planes[row];
  const double room = speed * speed - line.least * line.least;
  if (room < 0) return false;
  high = std::sqrt(room);
  low = -high;
  for (int k = 0; k < row; ++k) {
    const HalfPlane& other = planes[k];
    const double slope = other.ny * line.nx - other.nx * line.ny;
    const double lacking = other.least - line.least * (other.nx * line.nx + other.ny * line.ny);
    if (std::abs(slope) < kTiny) {
      if (lacking > kTiny) return false;
    } else if (slope > 0) {
      low = std::max(low, lacking / slope);
    } else {
      high = std::min(high, lacking / slope);
    }
    if (low > high) return false;
  }
  return true;
}

// Incremental linear programme in two dimensions (de Berg et al., ch. 4): the point of the disc and the planes nearest to
// `wanted`, or, with `farthest`, farthest along it. Gives the first plane at which it fails, with v as before it.
int solve(const HalfPlane* planes, int count, double speed, Vec wanted, bool farthest, Vec& v) {
  const double size = length(wanted);
  v = farthest ? speed * wanted : (size > speed ? (speed / size) * wanted : wanted);
  for (int i = 0; i < count; ++i) {
    const HalfPlane& line = planes[i];
    if (line.nx * v.x + line.ny * v.y >= line.least) continue;
    double low, high;
    if (!stretch(planes, i, speed, low, high)) return i;
    const Vec along = {-line.ny, line.nx};
    const double goal = dot(wanted, along);
    const double t = farthest ? (goal > 0 ? high : low) : std::clamp(goal, low, high);
    v = {line.least * line.nx + t * along.x, line.least * line.ny + t * along.y};
  }
  return count;
}

// From plane `first` on, which cannot be kept: the velocity whose greatest violation of a person's plane is least.
void relax(const HalfPlane* planes, int walls, int count, int first, double speed, Vec& v,
           std::vector<HalfPlane>& projected) {
  double worst = 0;
  for (int i = std::max(first, walls); i < count; ++i) {
    const HalfPlane& line = planes[i];
    if (line.least - (line.nx * v.x + line.ny * v.y) <= worst) continue;
    projected.assign(planes, planes + walls);
    for (int k = walls; k < i; ++k) {  // where plane k is violated no more than plane i
      const Vec n = {planes[k].nx - line.nx, planes[k].ny - line.ny};
      const double size = length(n);
      if (size < kTiny) continue;
      projected.push_back({n.x / size, n.y / size, (planes[k].least - line.least) / size});
    }
    const Vec before = v;
    if (solve(projected.data(), static_cast<int>(projected.size()), speed, {line.nx, line.ny}, true, v) <
        static_cast<int>(projected.size()))
      v = before;  // by rounding only: the velocity so far satisfies all of them
    worst = line.least - (line.nx * v.x + line.ny * v.y);
  }
}

}  // namespace

void half_planes(const People& people, const double* segments, int64_t segment_count, const double* speeds,
                 const Horizons& horizons, double* planes, int64_t room, int32_t* walls, int32_t* counts) {
  std::vector<std::pair<double, int64_t>> near;
  for (int64_t i = 0; i < people.n; ++i) {
    auto* out = reinterpret_cast<HalfPlane*>(planes + 3 * i * room);
    int32_t count = 0;
    const Vec place = at(people.places, i), velocity = at(people.velocities, i);
    near.clear();
    for (int64_t s = 0; s < segment_count; ++s) {
      const Vec gap = nearest_on(place, at(segments, 2 * s), at(segments, 2 * s + 1)) - place;
      const double left = length(gap) - people.radii[i];
      if (left < speeds[i] * horizons.walls) near.emplace_back(left, s);
    }
    std::sort(near.begin(), near.end());
    for (const auto& [left, s] : near) {
      if (count >= room - horizons.most) break;
      const Vec gap = nearest_on(place, at(segments, 2 * s), at(segments, 2 * s + 1)) - place;
      const double size = length(gap);
      if (size < kTiny) continue;
      const double fastest = left >= 0 ? left / horizons.walls : std::max(left / horizons.step, -kPushOut);
      out[count++] = {-gap.x / size, -gap.y / size, -fastest};
    }
    walls[i] = count;
    near.clear();
    for (int64_t j = 0; j < people.n; ++j) {
      if (j == i || (people.yields[j] <= 0 && !people.sees[i])) continue;
      const double gap = length(at(people.places, j) - place);
      if (gap < horizons.reach) near.emplace_back(gap, j);
    }
    std::sort(near.begin(), near.end());
    for (const auto& [gap, j] : near) {
      if (count >= room || count - walls[i] >= horizons.most) break;
      const double sum = people.yields[i] + people.yields[j];
      const double share = sum > 0 ? people.yields[i] / sum : 0.5;
      const auto [u, n] = escape(at(people.places, j) - place, velocity - at(people.velocities, j),
                                 people.radii[i] + people.radii[j], horizons.people, horizons.step, parting(i, j));
      out[count++] = {n.x, n.y, dot(velocity + share * u, n)};
    }
    counts[i] = count;
  }
}

void choose_velocities(const double* planes, int64_t room, const int32_t* walls, const int32_t* counts,
                       const double* wanted, const double* speeds, int64_t n, double* velocities) {
  std::vector<HalfPlane> projected;
  for (int64_t i = 0; i < n; ++i) {
    const auto* mine = reinterpret_cast<const HalfPlane*>(planes + 3 * i * room);
    Vec v;
    const int failed = solve(mine, counts[i], speeds[i], at(wanted, i), false, v);
    if (failed < walls[i]) v = {0, 0};  // walls on all sides: stand
    if (failed < counts[i]) relax(mine, walls[i], counts[i], failed, speeds[i], v, projected);
    velocities[2 * i] = v.x;
    velocities[2 * i + 1] = v.y;
  }
}

void march(const uint8_t* free, int64_t rows, int64_t cols, double* distances) {
  using Entry = std::pair<double, int64_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> front;
  std::vector<uint8_t> done(static_cast<size_t>(rows * cols), 0);
  for (int64_t cell = 0; cell < rows * cols; ++cell)
    if (free[cell] && distances[cell] == 0) front.emplace(0.0, cell);
  const auto value = [&](int64_t row, int64_t col) {
    const bool inside = row >= 0 && col >= 0 && row < rows && col < cols && free[row * cols + col];
    return inside ? distances[row * cols + col] : std::numeric_limits<double>::infinity();
  };
  while (!front.empty()) {
    const auto [known, cell] = front.top();
    front.pop();
    if (done[cell]) continue;
    done[cell] = 1;
    const int64_t row = cell / cols, col = cell % cols;
    const int64_t beside[4][2] = {{row - 1, col}, {row + 1, col}, {row, col - 1}, {row, col + 1}};
    for (const auto& [r, c] : beside) {
      if (r < 0 || c < 0 || r >= rows || c >= cols || !free[r * cols + c] || done[r * cols + c]) continue;
      const double a = std::min(value(r - 1, c), value(r + 1, c)), b = std::min(value(r, c - 1), value(r, c + 1));
      const double low = std::min(a, b), gap = std::abs(a - b);
      const double through = gap < 1 ? 0.5 * (a + b + std::sqrt(2 - gap * gap)) : low + 1;
      if (through < distances[r * cols + c]) {
        distances[r * cols + c] = through;
        front.emplace(through, r * cols + c);
      }
    }
  }
}

}  // namespace splatsim
