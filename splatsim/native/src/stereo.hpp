// Depth of posed pictures by sweeping a plane and semi-global matching.
#pragma once

#include <cstdint>

namespace splatsim {

struct StereoPictures {
  const float* grey;       // [n height width]
  const uint8_t* counted;  // [n height width] 0 where a picture says nothing
  const double* viewmats;  // [n 4 4] cam_from_world
  const double* Ks;        // [n 3 3]
  int height, width;
};

// One picture, and those that it is compared with.
struct StereoTask {
  int64_t reference;
  const int64_t* others;  // [most_others] rows of pictures; negative: none
  int most_others;
  double nearest, farthest;  // z-depths
  int levels;                // even steps of inverse depth from the farthest to the nearest
};

// Depths [count height width], 0 where the picture does not count or shows too little to tell.
void stereo(const StereoPictures&, const StereoTask*, int64_t count, float* depths, int threads);

// The same depths made finer, on planes that may lean. `first` [n height width] holds a depth for every pixel, to
// begin with, and `known` the same where others bear it out, otherwise 0. The results are 0 where nothing fits.
void refine_stereo(const StereoPictures&, const StereoTask*, int64_t count, const float* first, const float* known,
                   float* depths, int threads);

}  // namespace splatsim
