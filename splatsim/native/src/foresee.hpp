// What is still to come for a robot, from every place, heading and moment nearby.
#pragma once

#include <cstdint>

namespace splatsim {

// A grid of places and headings around a robot that steps forward and turns, and the ticks of a clock.
struct Prospect {
  int ticks, headings, rows, cols;
  int border;                     // cells at the edge of the grid that keep their final values
  int forward_ticks, turn_ticks;  // how long a step forward and a turn last
  float tick;                     // seconds
  const float* moves;             // [headings 2] of a step forward, in cells; no longer than the border is wide
  const float* risks;             // [ticks+1 rows cols] what a second there counts beyond itself, seconds
  const uint8_t* open;            // [headings rows cols] whether a step forward from there is free
  const uint8_t* settled;         // [rows cols] places that keep their final values: the goal, and what is closed
  const int32_t* stand_in;        // [rows cols] the place whose values a closed one has; itself elsewhere
  const float* finals;            // [headings rows cols] seconds to go at the last tick, and beyond the grid
};

// values [ticks+1 headings rows cols]: seconds to go, and what they count beyond themselves, if every step is the best
// (Bellman 1957). A step forward leads between four places, whose values are interpolated linearly.
void foresee(const Prospect& prospect, float* values);

}  // namespace splatsim
