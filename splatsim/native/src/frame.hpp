// What one camera's picture needs between its stages: plain structs, filled by the kernels, owned by the caller.
#pragma once

#include <cstdint>

#include "memory.hpp"

namespace splatsim {

// A tile is 32 × 16 pixels: 64 blocks of 4 × 2, one bit each in a 64-bit mask, one AVX2 vector each.
constexpr int kBlockWidth = 4, kBlockHeight = 2, kBlock = kBlockWidth * kBlockHeight;
constexpr int kTileCols = 8, kTileRows = 8;  // blocks
constexpr int kTileWidth = kTileCols * kBlockWidth, kTileHeight = kTileRows * kBlockHeight;
constexpr int kTilePixels = kTileWidth * kTileHeight;

constexpr float kMinAlpha = 1.0f / 255.0f;      // a smaller contribution is skipped
constexpr float kLog2MinAlpha = -7.99435344f;   // log2(1 / 255)
constexpr float kMaxAlpha = 0.999f;             // so that some light always passes
constexpr float kMinTransmittance = 1e-4f;      // a pixel is finished before it falls to this
constexpr float kBlur = 0.3f;                   // variance in pixels² that is added to every footprint
constexpr float kNearPlane = 0.01f;             // metres

struct GaussiansView {
  const float* means;      // [n 3]
  const float* quats;      // [n 4] wxyz
  const float* scales;     // [n 3]
  const float* opacities;  // [n]
  const float* sh;         // [n k 3]
  int64_t n;
  int k;
};

struct CameraView {
  float rotation[9];     // of cam_from_world, row by row
  float translation[3];  // of cam_from_world
  float position[3];     // of the optical centre in the world
  float fx, fy, cx, cy;  // pixels, or pixels per metre
  int width, height;
  bool ortho;
  bool antialiased;
};

// Eight floats for each Gaussian, all that the rasteriser needs of its shape:
// alpha = 2^(log_opacity - u² - v²), u = l11 dx + l21 dy, v = l22 dy, with (dx, dy) from the centre to the pixel.
struct Shape {
  float x, y;           // centre, pixels
  float l11, l21, l22;  // Cholesky factor of the inverse covariance, times sqrt(log2(e) / 2)
  float log_opacity;    // log2 of the peak alpha
  float depth;          // metres along the optical axis
  uint32_t tiles;       // tiles that its bounding box meets; 0: not visible
};
constexpr int kShapeFloats = 8;
static_assert(sizeof(Shape) == kShapeFloats * sizeof(float));

// One Gaussian in one tile.
struct Entry {
  uint64_t blocks;    // bit 8 * row + column: the blocks that it may touch
  uint32_t gaussian;  // index
  uint32_t slot;      // where its share of the gradient goes
};

struct Instance {
  uint64_t blocks;
  uint32_t tile;
};

struct Frame {
  CameraView camera;
  int64_t n = 0;
  int tiles_x = 0, tiles_y = 0;
  int64_t tiles() const { return int64_t{tiles_x} * tiles_y; }

  Array<Shape> shapes;           // [n]
  Array<float> colors;           // [n 4] red, green, blue, depth
  Array<uint32_t> first_slot;    // [n + 1] sum of `tiles` before: the instances of Gaussian i start here
  Array<uint32_t> used_slots;    // [n] how many of them are used
  Array<Instance> instances;     // [slots]
  Array<Entry> entries;          // [used slots] by tile, then by depth
  Array<uint32_t> tile_begin;    // [tiles + 1] into entries
  Array<uint32_t> tile_order;    // [tiles] fullest first
  Array<float> transmittance;    // [tiles * kTilePixels] what is left behind the last Gaussian, block by block
  int64_t visible = 0;
};

// Up to this many (Gaussian, tile) pairs fit in one picture: 16 GiB of instances and gradient slots at most.
constexpr int64_t kMaxSlots = int64_t{1} << 28;

}  // namespace splatsim
