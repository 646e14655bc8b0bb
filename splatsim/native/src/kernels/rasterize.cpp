// Front-to-back compositing (Kerbl et al. 2023, eq. 3) and its adjoint. One thread owns a tile; its planes stay in the
// L1 cache, ordered by blocks of 4 × 2 pixels, so that a vector is one block. All passes (forward, adjoint, first surface,
// count of work) are visitors of one walk over a tile, which is why they stand in one file.

#include "kernels.hpp"
#include "../threads.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

// Pixel centres within a tile, by block column and by strip.
struct Centers {
  alignas(32) float x[kTileCols][kBlock];
  alignas(32) float y[kTileRows][kBlock];
  constexpr Centers() : x(), y() {
    for (int i = 0; i < kTileCols; ++i)
      for (int l = 0; l < kBlock; ++l) x[i][l] = static_cast<float>(i * kBlockWidth + l % kBlockWidth) + 0.5f;
    for (int i = 0; i < kTileRows; ++i)
      for (int l = 0; l < kBlock; ++l) y[i][l] = static_cast<float>(i * kBlockHeight + l / kBlockWidth) + 0.5f;
  }
};
constexpr Centers kCenters;

// Where a tile lies, and how a place in its planes maps to a pixel.
struct Tile {
  int x0, y0, width, height;  // of the image
  explicit Tile(const Frame& f, int64_t index)
      : x0(static_cast<int>(index % f.tiles_x) * kTileWidth),
        y0(static_cast<int>(index / f.tiles_x) * kTileHeight),
        width(f.camera.width),
        height(f.camera.height) {}

  bool whole() const { return x0 + kTileWidth <= width && y0 + kTileHeight <= height; }

  // Calls visit(place, pixel) for all pixels that lie in the image.
  template <class Visit>
  inline void each_pixel(Visit visit) const {
    const int rows = height - y0 < kTileHeight ? height - y0 : kTileHeight;
    const int columns = width - x0 < kTileWidth ? width - x0 : kTileWidth;
    for (int y = 0; y < rows; ++y) {
      int place = (y / kBlockHeight) * kTileCols * kBlock + (y % kBlockHeight) * kBlockWidth;
      int64_t pixel = int64_t{y0 + y} * width + x0;
      for (int left = columns; left > 0; left -= kBlockWidth, place += kBlock, pixel += kBlockWidth) {
        const int count = left < kBlockWidth ? left : kBlockWidth;
        for (int i = 0; i < count; ++i) visit(place + i, pixel + i);
      }
    }
  }
};

// Which pixels still take light: a transmittance of 0 in `t` marks a finished pixel, its true value is in `final_t`.
struct Transmittance {
  alignas(32) float t[kTilePixels];
  alignas(32) float final_t[kTilePixels];
  uint8_t done[kTileCols * kTileRows];  // one bit for each pixel of a block
  uint64_t alive = 0;                   // blocks with an unfinished pixel

  explicit Transmittance(const Tile& tile) {
    std::memset(final_t, 0, sizeof final_t);
    if (tile.whole()) {
      for (float& value : t) value = 1.0f;
      std::memset(done, 0, sizeof done);
      alive = ~uint64_t{0};
      return;
    }
    std::memset(t, 0, sizeof t);
    std::memset(done, 0xFF, sizeof done);
    tile.each_pixel([&](int place, int64_t) {
      t[place] = 1.0f;
      done[place / kBlock] &= static_cast<uint8_t>(~(1u << place % kBlock));
      alive |= uint64_t{1} << place / kBlock;
    });
  }

  // Some pixels of block `b` would fall to the minimum with this Gaussian: they end without it.
  [[gnu::noinline]] void finish(int b, int place, unsigned newly, int lane) {
    const Mask ends = mask_of(newly);
    const Float now = load(t + place);
    store(final_t + place, select(ends, now, load(final_t + place)));
    store(t + place, select(ends, Float(0.0f), now));
    done[b] |= static_cast<uint8_t>(newly << lane);
    if (done[b] == 0xFF) alive &= ~(uint64_t{1} << b);
  }

  // A finished pixel has t = 0, another one has final_t = 0.
  float at(int place) const { return t[place] + final_t[place]; }
};

// A Gaussian with its values spread over the lanes, relative to a tile.
struct Splat {
  Float x, y, l11, l21, l22, log_opacity;
  Splat(const Shape& s, const Tile& tile)
      : x(s.x - static_cast<float>(tile.x0)),
        y(s.y - static_cast<float>(tile.y0)),
        l11(s.l11),
        l21(s.l21),
        l22(s.l22),
        log_opacity(s.log_opacity) {}
};

struct Sample {
  Float u, v;    // pixel minus centre, in units where the ellipse is a circle
  Float raw;     // opacity · exp(-sigma); garbage where it does not count
  Mask counts;   // raw >= 1/255
  Float alpha;   // 0 where it does not count
};

inline Sample sample(const Splat& s, int b, int lane) {
  Sample out;
  const Float dx = load(kCenters.x[b % kTileCols] + lane) - s.x, dy = load(kCenters.y[b / kTileCols] + lane) - s.y;
  out.u = fma(s.l21, dy, s.l11 * dx);
  out.v = s.l22 * dy;
  const Float power = fnma(out.u, out.u, fnma(out.v, out.v, s.log_opacity));
  out.counts = power >= Float(kLog2MinAlpha);
  out.raw = exp2(power);
  out.alpha = min(out.raw, Float(kMaxAlpha)) & out.counts;
  return out;
}

// Visits the vectors of a tile front to back, until no pixel takes light; returns the index where that was. The visitor
// is asked for a fresh `State` for each Gaussian (kept in registers), then sees each vector, then the end.
template <class Visitor>
inline uint32_t walk(const Frame& f, const Tile& tile, int64_t index, Transmittance& light, Visitor& visitor) {
  const uint32_t end = f.tile_begin[index + 1];
  for (uint32_t i = f.tile_begin[index]; i < end; ++i) {
    if (i + 4 < end) __builtin_prefetch(&f.shapes[f.entries[i + 4].gaussian]);
    const Entry& entry = f.entries[i];
    uint64_t blocks = entry.blocks & light.alive;
    typename Visitor::State state = visitor.begin(entry);
    if (blocks) {
      const Splat splat(f.shapes[entry.gaussian], tile);
      do {
        const int b = __builtin_ctzll(blocks);
        blocks &= blocks - 1;
        for (int lane = 0; lane < kBlock; lane += kLanes) {
          const int place = b * kBlock + lane;
          const Sample s = sample(splat, b, lane);
          Float before = load(light.t + place);
          Float after = fnma(s.alpha, before, before);
          const unsigned low = bits(after <= Float(kMinTransmittance));
          if (const unsigned newly = low & ~static_cast<unsigned>(light.done[b] >> lane)) [[unlikely]] {
            light.finish(b, place, newly, lane);
            before = load(light.t + place);
            after = fnma(s.alpha, before, before);
          }
          store(light.t + place, after);
          visitor.visit(state, place, s, before, after);
        }
      } while (blocks);
    }
    visitor.end(entry, state);
    if (!light.alive) return i + 1;
  }
  return end;
}

// ---- forward

template <int N>
inline void load_values(const Channels& channels, const Entry& entry, Float* out) {
  const float* values = channels.values + int64_t{entry.gaussian} * channels.stride;
#pragma GCC unroll 16
  for (int c = 0; c < N; ++c) out[c] = Float(c < channels.count ? values[c] : 0.0f);
}

template <int N>
struct Compositor {
  struct State {
    Float value[N];
  };
  const Channels& channels;
  alignas(32) float planes[N][kTilePixels];

  explicit Compositor(const Channels& c) : channels(c) { std::memset(planes, 0, sizeof planes); }

  State begin(const Entry& entry) const {
    State state;
    load_values<N>(channels, entry, state.value);
    return state;
  }
  void visit(State& state, int place, const Sample& s, Float before, Float) {
    const Float weight = s.alpha * before;
#pragma GCC unroll 16
    for (int c = 0; c < N; ++c) store(planes[c] + place, fma(weight, state.value[c], load(planes[c] + place)));
  }
  void end(const Entry&, const State&) const {}
};

template <int N>
void rasterize_tile(Frame& f, int64_t index, const Channels& channels, const float* background, float* out,
                    float* alpha) {
  const Tile tile(f, index);
  Transmittance light(tile);
  Compositor<N> compositor(channels);
  walk(f, tile, index, light, compositor);
  float* kept = &f.transmittance[index * kTilePixels];
  float behind[N] = {};
  for (int c = 0; background && c < N && c < channels.count; ++c) behind[c] = background[c];
  tile.each_pixel([&](int place, int64_t pixel) {
    const float t = light.at(place);
    kept[place] = t;
    if (alpha) alpha[pixel] = 1.0f - t;
    float* to = out + pixel * channels.pixel_stride;
    for (int c = 0; c < N && c < channels.count; ++c) to[c] = compositor.planes[c][place] + t * behind[c];
  });
}

void rasterize(Frame& f, const Channels& channels, const float* background, float* out, float* alpha, int threads) {
  parallel_for(f.tiles(), threads, [&](int64_t i, int) {
    const int64_t tile = f.tile_order[i];
    if (channels.count <= 3) rasterize_tile<3>(f, tile, channels, background, out, alpha);
    else if (channels.count == 4) rasterize_tile<4>(f, tile, channels, background, out, alpha);
    else if (channels.count <= 8) rasterize_tile<8>(f, tile, channels, background, out, alpha);
    else rasterize_tile<16>(f, tile, channels, background, out, alpha);
  });
}

// ---- backward

// Sums for one Gaussian in one tile: six moments and N channels, in a row of a multiple of four floats.
template <int N>
constexpr int kRow = 8 + (N > 2 ? (N + 1) / 4 * 4 : 0);

// Replays the tile front to back. With S = dL/dC · (light still to come), kept for each pixel,
// dL/dalpha = T (dL/dC · c) - S / (1 - alpha): nothing else has to be stored in the forward pass.
template <int N>
struct Adjoint {
  struct State {
    Float value[N];
    Float sums[kRow<N>];
  };
  const Channels& channels;
  float* rows;
  alignas(32) float d_out[N][kTilePixels];
  alignas(32) float to_come[kTilePixels];

  Adjoint(const Channels& c, float* slots) : channels(c), rows(slots) {
    std::memset(d_out, 0, sizeof d_out);
    std::memset(to_come, 0, sizeof to_come);
  }
  State begin(const Entry& entry) const {
    State state;
    load_values<N>(channels, entry, state.value);
#pragma GCC unroll 24
    for (Float& sum : state.sums) sum = Float(0.0f);
    return state;
  }
  void visit(State& state, int place, const Sample& s, Float before, Float) {
    Float* const sums = state.sums;
    const Float weight = s.alpha * before;
    Float along(0.0f);
#pragma GCC unroll 16
    for (int c = 0; c < N; ++c) {
      const Float d = load(d_out[c] + place);
      along = fma(d, state.value[c], along);
      sums[6 + c] = fma(weight, d, sums[6 + c]);
    }
    const Float rest = fnma(weight, along, load(to_come + place));
    store(to_come + place, rest);
    // A finished pixel has before = 0 and must not see `rest`.
    const Float d_alpha = fma(before, along, -(rest / (Float(1.0f) - s.alpha)));
    const Mask moves = s.counts & (s.raw <= Float(kMaxAlpha)) & (before > Float(0.0f));
    const Float h = (d_alpha * s.raw) & moves;
    const Float hu = h * s.u, hv = h * s.v;
    sums[0] = sums[0] + h;
    sums[1] = sums[1] + hu;
    sums[2] = sums[2] + hv;
    sums[3] = fma(hu, s.u, sums[3]);
    sums[4] = fma(hu, s.v, sums[4]);
    sums[5] = fma(hv, s.v, sums[5]);
  }
  void end(const Entry& entry, const State& state) {
    float* row = rows + int64_t{entry.slot} * kRow<N>;
    sum8(row, state.sums);
#pragma GCC unroll 4
    for (int i = 8; i < kRow<N>; i += 4) sum4(row + i, state.sums + i);
  }
};

template <int N>
void backward_tile(const Frame& f, int64_t index, const Channels& channels, const float* out, const float* d_out,
                   const float* d_alpha, float* slots) {
  const Tile tile(f, index);
  Transmittance light(tile);
  Adjoint<N> adjoint(channels, slots);
  const float* left = &f.transmittance[index * kTilePixels];
  tile.each_pixel([&](int place, int64_t pixel) {
    float rest = d_alpha ? -d_alpha[pixel] * left[place] : 0.0f;
    for (int c = 0; c < N && c < channels.count; ++c) {
      const float d = d_out[pixel * channels.pixel_stride + c];
      adjoint.d_out[c][place] = d;
      rest += d * out[pixel * channels.pixel_stride + c];
    }
    adjoint.to_come[place] = rest;
  });
  const uint32_t stopped = walk(f, tile, index, light, adjoint);
  for (uint32_t i = stopped; i < f.tile_begin[index + 1]; ++i)
    std::memset(slots + int64_t{f.entries[i].slot} * kRow<N>, 0, kRow<N> * sizeof(float));
}

// Adds up the tiles of each Gaussian, in the order in which they were made.
template <int N>
void gather_slots(const Frame& f, const Channels& channels, const float* slots, float* moments, bool add_moments,
                  float* d_values, bool add_values, int threads) {
  constexpr int64_t kChunk = 4096;
  // Of the frame's own four channels, those that were not composited have no gradient.
  const int columns = channels.values == f.colors.data() ? 4 : channels.count;
  parallel_for((f.n + kChunk - 1) / kChunk, threads, [&](int64_t chunk, int) {
    const int64_t last = (chunk + 1) * kChunk < f.n ? (chunk + 1) * kChunk : f.n;
    for (int64_t i = chunk * kChunk; i < last; ++i) {
      float sums[kRow<N>] = {};
      const float* row = slots + int64_t{f.first_slot[i]} * kRow<N>;
      for (uint32_t s = 0; s < f.used_slots[i]; ++s, row += kRow<N>)
        for (int j = 0; j < kRow<N>; j += 4)
          for (int k = j; k < j + 4; ++k) sums[k] += row[k];
      for (int j = 0; j < 6; ++j) moments[6 * i + j] = sums[j] + (add_moments ? moments[6 * i + j] : 0.0f);
      float* d = d_values + i * channels.stride;
      for (int c = 0; c < channels.count && c < N; ++c) d[c] = sums[6 + c] + (add_values ? d[c] : 0.0f);
      for (int c = channels.count; c < columns; ++c) d[c] = 0.0f;
    }
  });
}

template <int N>
void backward_all(const Frame& f, const Channels& channels, const float* out, const float* d_out, const float* d_alpha,
                  float* moments, bool add_moments, float* d_values, bool add_values, int threads) {
  Array<float> slots;
  slots.resize(static_cast<size_t>(f.first_slot[f.n]) * kRow<N>);
  parallel_for(f.tiles(), threads, [&](int64_t i, int) {
    backward_tile<N>(f, f.tile_order[i], channels, out, d_out, d_alpha, slots.data());
  });
  gather_slots<N>(f, channels, slots.data(), moments, add_moments, d_values, add_values, threads);
}

void rasterize_backward(const Frame& f, const Channels& channels, const float* out, const float* d_out,
                        const float* d_alpha, float* moments, bool add_moments, float* d_values, bool add_values,
                        int threads) {
  const auto run = channels.count <= 3   ? backward_all<3>
                   : channels.count == 4 ? backward_all<4>
                   : channels.count <= 8 ? backward_all<8>
                                         : backward_all<16>;
  run(f, channels, out, d_out, d_alpha, moments, add_moments, d_values, add_values, threads);
}

// ---- first surface

struct HalfWay {
  struct State {
    uint32_t gaussian;
  };
  Transmittance& light;
  int32_t* ids;
  State begin(const Entry& entry) const { return {entry.gaussian}; }
  void visit(const State& state, int place, const Sample&, Float before, Float after) {
    const unsigned crossing = bits((before > Float(0.5f)) & (after <= Float(0.5f)));
    if (!crossing) return;
    for (int l = 0; l < kLanes; ++l)
      if (crossing >> l & 1) ids[place + l] = static_cast<int32_t>(state.gaussian);
    // Nothing behind it matters: the pixel is finished.
    light.finish(place / kBlock, place - place % kLanes, crossing, place % kBlock);
  }
  void end(const Entry&, const State&) const {}
};

void surface_ids(const Frame& f, int32_t* ids, int threads) {
  parallel_for(f.tiles(), threads, [&](int64_t i, int) {
    const int64_t index = f.tile_order[i];
    const Tile tile(f, index);
    Transmittance light(tile);
    int32_t found[kTilePixels];
    std::memset(found, 0xFF, sizeof found);
    HalfWay half_way{light, found};
    walk(f, tile, index, light, half_way);
    tile.each_pixel([&](int place, int64_t pixel) { ids[pixel] = found[place]; });
  });
}

// ---- work

struct Counter {
  struct State {};
  Work work{0, 0};
  State begin(const Entry&) const { return {}; }
  void visit(State&, int, const Sample& s, Float before, Float) {
    work.vectors += 1;
    work.pairs += __builtin_popcount(bits(s.counts & (before > Float(0.0f))));
  }
  void end(const Entry&, const State&) const {}
};

Work count_work(const Frame& f, int threads) {
  Array<Work> by_tile;
  by_tile.resize(static_cast<size_t>(f.tiles()));
  parallel_for(f.tiles(), threads, [&](int64_t i, int) {
    Transmittance light(Tile(f, i));
    Counter counter;
    walk(f, Tile(f, i), i, light, counter);
    by_tile[i] = counter.work;
  });
  Work total{0, 0};
  for (int64_t i = 0; i < f.tiles(); ++i) {
    total.vectors += by_tile[i].vectors * kLanes / kBlock;
    total.pairs += by_tile[i].pairs;
  }
  return total;
}

}  // namespace

void install_rasterizer(Kernels& k) {
  k.count_work = count_work;
  k.rasterize = rasterize;
  k.rasterize_backward = rasterize_backward;
  k.surface_ids = surface_ids;
}

}  // namespace splatsim::SPLATSIM_ISA
