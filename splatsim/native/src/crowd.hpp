// People who walk without running into each other, and the ways they take.
#pragma once

#include <cstdint>

namespace splatsim {

// A half-plane of velocities: nx · vx + ny · vy >= least; (nx, ny) has unit length.
struct HalfPlane {
  double nx, ny, least;
};

struct People {
  const double* places;      // [n 2]
  const double* velocities;  // [n 2]
  const double* radii;       // [n]
  const double* yields;      // [n] how readily one gives way: 0 for who never does
  const uint8_t* sees;       // [n] whether one takes notice of those who never give way
  int64_t n;
};

struct Horizons {
  double people, walls, step;  // seconds: of looking ahead to people and to walls, and of the simulation's step
  double reach;                // metres within which people take notice of each other
  int most;                    // of how many at most
};

// ORCA (van den Berg, Guy, Lin and Manocha 2011): what each person's velocity must satisfy. Walls come first.
// planes [n room 3]; walls, counts [n]: how many are due to walls, and how many there are.
void half_planes(const People&, const double* segments, int64_t segment_count, const double* speeds, const Horizons&,
                 double* planes, int64_t room, int32_t* walls, int32_t* counts);

// The velocity nearest to the wanted one within the half-planes and the greatest speed; if there is none, the one that
// breaks the half-planes of people least, those of walls not at all.
void choose_velocities(const double* planes, int64_t room, const int32_t* walls, const int32_t* counts,
                       const double* wanted, const double* speeds, int64_t n, double* velocities);

// Length of the shortest way through free cells to a source, in cells: the eikonal equation by fast marching
// (Sethian 1996). free [rows cols], distances [rows cols]: 0 at sources on entry, infinite elsewhere.
void march(const uint8_t* free, int64_t rows, int64_t cols, double* distances);

}  // namespace splatsim
