// First contacts of moving discs with the cells of a map and with other moving discs, exactly.
#pragma once

#include <cstdint>

namespace splatsim {

// Squares of edge `resolution`; row 0 is north. What lies outside of the map is blocked where `walled` is set.
struct CellMap {
  const uint8_t* blocked;  // [rows cols]
  int rows, cols;
  double west, north, resolution;
  bool walled;
};

struct Discs {
  const double* places;  // [n 2]
  const double* moves;   // [n 2] from time 0 to time 1
  const double* radii;   // [n]
  int64_t n;
};

struct Contacts {
  double* times;    // [n] in [0, 1] where there is a contact, 1 where there is none
  double* normals;  // [n 2] unit vector from what was met to the disc; 0 where there is no contact
  int64_t* met;     // [n] -1 nothing, -2 a cell, otherwise the row of the other disc
};

// A disc that overlaps something already is in contact at time 0 where it moves further in, and free to leave.
// Disc i meets the others from row first[i] up to row first[i + 1]; an earlier contact wins, a cell at a tie.
void sweep(const CellMap&, const Discs& discs, const Discs& others, const int64_t* first, const Contacts& out,
           int threads);

// The distance from each point [n 2] to the nearest blocked cell, at most `reach`.
void gaps(const CellMap&, const double* points, int64_t n, double reach, double* out, int threads);

}  // namespace splatsim
