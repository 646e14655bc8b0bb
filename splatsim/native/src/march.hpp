// Distances over the cells of a map, around what cannot be passed.
#pragma once

#include <cstdint>

namespace splatsim {

// distances [rows cols] holds the distances of the cells to start from and infinity elsewhere, in cells; it leaves with
// the length of the shortest way from each cell centre, infinity where there is none.
//
// The way from a cell leads to a point between two of its neighbours, one beside it and one diagonal to it, between
// which distances are interpolated linearly (Sethian 1999, on the eight triangles around a cell; Ferguson and Stentz,
// "Field D*", 2005). It may touch the corner of a closed cell but not pass between two that touch at their corners.
void march(const uint8_t* open, int rows, int cols, float* distances);

}  // namespace splatsim
