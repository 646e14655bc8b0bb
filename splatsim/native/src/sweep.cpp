#include "sweep.hpp"

#include <algorithm>
#include <cmath>

#include "threads.hpp"

namespace splatsim {
namespace {

constexpr int64_t kDiscsPerTask = 64;

struct Vec {
  double x, y;
  Vec operator+(Vec o) const { return {x + o.x, y + o.y}; }
  Vec operator-(Vec o) const { return {x - o.x, y - o.y}; }
  Vec operator*(double s) const { return {x * s, y * s}; }
};

double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y; }

struct Contact {
  double time = 2;
  Vec normal{0, 0};
  int64_t met = -1;
};

// When a point at `p` that moves by `m` comes within `r` of the origin.
void meet_point(Vec p, Vec m, double r, int64_t met, Contact& best) {
  const double approach = dot(p, m), gap = dot(p, p) - r * r, speed = dot(m, m);
  if (!(approach < 0)) return;
  double time = 0;
  if (gap > 0) {
    const double root = approach * approach - speed * gap;
    if (root < 0) return;
    // The smaller root, by the form that does not cancel.
    time = gap / (-approach + std::sqrt(root));
  }
  if (time > 1 || time >= best.time) return;
  const Vec at = p + m * time;
  const double length = std::sqrt(dot(at, at));
  best = {time, length > 0 ? at * (1 / length) : Vec{1, 0}, met};
}

// When a coordinate that moves by `m` from `p` comes to the face `face` from the side `sign`, there.
void meet_face(double p, double m, double face, double sign, double across, double across_move, double low, double high,
               bool upright, Contact& best) {
  if (!(m * sign < 0)) return;
  const double time = (face - p) / m;
  if (!(time >= 0) || time > 1 || time >= best.time) return;
  const double there = across + across_move * time;
  if (there < low || there > high) return;
  best = {time, upright ? Vec{sign, 0} : Vec{0, sign}, -2};
}

Vec nearest_in(Vec p, double x0, double x1, double y0, double y1) {
  return {std::clamp(p.x, x0, x1), std::clamp(p.y, y0, y1)};
}

void meet_square(Vec p, Vec m, double r, double x0, double x1, double y0, double y1, Contact& best) {
  const Vec away = p - nearest_in(p, x0, x1, y0, y1);
  const double gap2 = dot(away, away);
  if (gap2 < r * r) {  // overlaps already
    Vec normal = away;
    if (gap2 == 0) {  // the centre itself is inside: out by the nearest face
      const double out[4] = {p.x - x0, x1 - p.x, p.y - y0, y1 - p.y};
      const Vec face[4] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
      normal = face[std::min_element(out, out + 4) - out];
    } else {
      normal = away * (1 / std::sqrt(gap2));
    }
    if (dot(normal, m) < 0 && best.time > 0) best = {0, normal, -2};
    return;
  }
  meet_face(p.x, m.x, x0 - r, -1, p.y, m.y, y0, y1, true, best);
  meet_face(p.x, m.x, x1 + r, 1, p.y, m.y, y0, y1, true, best);
  meet_face(p.y, m.y, y0 - r, -1, p.x, m.x, x0, x1, false, best);
  meet_face(p.y, m.y, y1 + r, 1, p.x, m.x, x0, x1, false, best);
  for (const double x : {x0, x1})
    for (const double y : {y0, y1}) meet_point(p - Vec{x, y}, m, r, -2, best);
}

struct Range {
  int first, last;
};

Range range_of(double low, double high, int count) {
  // One cell more on each side, so that rounding leaves none out; clamped in double, for far places overflow an int.
  const double a = std::clamp(std::floor(low) - 1, -1.0, double(count)),
               b = std::clamp(std::floor(high) + 1, -1.0, double(count));
  return {static_cast<int>(a), static_cast<int>(b)};
}

template <class Body>
void each_blocked(const CellMap& map, Vec low, Vec high, Body&& body) {
  const Range cols = range_of((low.x - map.west) / map.resolution, (high.x - map.west) / map.resolution, map.cols);
  const Range rows = range_of((map.north - high.y) / map.resolution, (map.north - low.y) / map.resolution, map.rows);
  for (int row = std::max(0, rows.first); row <= std::min(map.rows - 1, rows.last); ++row)
    for (int col = std::max(0, cols.first); col <= std::min(map.cols - 1, cols.last); ++col)
      if (map.blocked[int64_t{row} * map.cols + col]) {
        const double x0 = map.west + col * map.resolution, y1 = map.north - row * map.resolution;
        body(x0, map.west + (col + 1) * map.resolution, map.north - (row + 1) * map.resolution, y1);
      }
}

// The edges of the map, as four walls that are met from within.
void meet_border(const CellMap& map, Vec p, Vec m, double r, Contact& best) {
  const double east = map.west + map.cols * map.resolution, south = map.north - map.rows * map.resolution;
  const double room[4] = {p.x - map.west, east - p.x, p.y - south, map.north - p.y};
  const Vec normals[4] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  for (int side = 0; side < 4; ++side) {
    const double speed = -dot(normals[side], m);
    if (!(speed > 0)) continue;
    const double time = std::max(0.0, (room[side] - r) / speed);
    if (time <= 1 && time < best.time) best = {time, normals[side], -2};
  }
}

Vec at(const double* pairs, int64_t i) { return {pairs[2 * i], pairs[2 * i + 1]}; }

Contact first_contact(const CellMap& map, const Discs& discs, const Discs& others, int64_t i, int64_t from,
                      int64_t to) {
  Contact best;
  const Vec p = at(discs.places, i), m = at(discs.moves, i), end = p + m;
  const double r = discs.radii[i];
  if (map.walled) meet_border(map, p, m, r, best);
  const Vec low{std::min(p.x, end.x) - r, std::min(p.y, end.y) - r},
      high{std::max(p.x, end.x) + r, std::max(p.y, end.y) + r};
  each_blocked(map, low, high, [&](double x0, double x1, double y0, double y1) {
    meet_square(p, m, r, x0, x1, y0, y1, best);
  });
  for (int64_t k = from; k < to; ++k)
    meet_point(p - at(others.places, k), m - at(others.moves, k), r + others.radii[k], k, best);
  return best;
}

template <class Body>
void each(int64_t n, int threads, Body&& body) {
  parallel_for((n + kDiscsPerTask - 1) / kDiscsPerTask, threads, [&](int64_t task, int) {
    for (int64_t i = task * kDiscsPerTask; i < std::min(n, (task + 1) * kDiscsPerTask); ++i) body(i);
  });
}

}  // namespace

void sweep(const CellMap& map, const Discs& discs, const Discs& others, const int64_t* first, const Contacts& out,
           int threads) {
  each(discs.n, threads, [&](int64_t i) {
    const Contact found = first_contact(map, discs, others, i, first[i], first[i + 1]);
    out.times[i] = std::min(found.time, 1.0);
    out.normals[2 * i] = found.normal.x;
    out.normals[2 * i + 1] = found.normal.y;
    out.met[i] = found.met;
  });
}

void gaps(const CellMap& map, const double* points, int64_t n, double reach, double* out, int threads) {
  each(n, threads, [&](int64_t i) {
    const Vec p = at(points, i);
    double nearest = reach * reach;
    if (map.walled) {
      const double east = map.west + map.cols * map.resolution, south = map.north - map.rows * map.resolution;
      const double room = std::max(0.0, std::min({p.x - map.west, east - p.x, p.y - south, map.north - p.y}));
      nearest = std::min(nearest, room * room);
    }
    each_blocked(map, p - Vec{reach, reach}, p + Vec{reach, reach}, [&](double x0, double x1, double y0, double y1) {
      const Vec away = p - nearest_in(p, x0, x1, y0, y1);
      nearest = std::min(nearest, dot(away, away));
    });
    out[i] = std::sqrt(nearest);
  });
}

}  // namespace splatsim
