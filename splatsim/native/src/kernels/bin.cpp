// Which Gaussians touch which tile, nearest first: exact block masks, one radix sort by depth, one counting sort by tile.

#include "kernels.hpp"
#include "../threads.hpp"
#include "simd.hpp"

namespace splatsim::SPLATSIM_ISA {
namespace {

constexpr int64_t kChunk = 2048;  // Gaussians in one task
constexpr float kSlack = 1e-3f;   // pixels: masks are a little wide, the rasteriser decides

// ---- block masks

// For each of the eight strips (pairs of rows) of a row of tiles: the first and last block column that holds a pixel
// centre with alpha >= 1/255, over the whole image; first > last where there is none.
struct Spans {
  int32_t first[kTileRows], last[kTileRows];
};

// One Gaussian's ellipse alpha >= 1/255 as the spans need it.
struct Ellipse {
  Float x, y, l21, l22, reach, inverse_l11;
  float left, right, top, bottom;  // pixels whose centres it may hold; none if left > right or top > bottom

  Ellipse(const Shape& s, const CameraView& c)
      : x(s.x), y(s.y), l21(s.l21), l22(s.l22), reach(s.log_opacity - kLog2MinAlpha), inverse_l11(1.0f / s.l11) {
    const float extent = __builtin_sqrtf(s.log_opacity - kLog2MinAlpha), slope = s.l21 / s.l22;
    const float half_x = extent * __builtin_sqrtf(1.0f + slope * slope) / s.l11 + kSlack, half_y = extent / s.l22 + kSlack;
    left = __builtin_ceilf(s.x - half_x - 0.5f);
    right = __builtin_floorf(s.x + half_x - 0.5f);
    top = __builtin_ceilf(s.y - half_y - 0.5f);
    bottom = __builtin_floorf(s.y + half_y - 0.5f);
    left = left < 0.0f ? 0.0f : left;
    top = top < 0.0f ? 0.0f : top;
    const float last_x = static_cast<float>(c.width - 1), last_y = static_cast<float>(c.height - 1);
    right = right > last_x ? last_x : right;
    bottom = bottom > last_y ? last_y : bottom;
  }
};

inline void row_extent(const Ellipse& e, Float row, Float height, Float* left, Float* right) {
  const Float dy = row - e.y;
  const Float v = dy * e.l22;
  const Float room = fnma(v, v, e.reach);
  const Mask inside = (room >= Float(0.0f)) & (row < height);
  const Float half = sqrt(max(room, Float(0.0f))), shift = dy * e.l21;
  const Float slack(kSlack);
  *left = select(inside, fnma(half + shift, e.inverse_l11, e.x - slack), Float(1e30f));
  *right = select(inside, fma(half - shift, e.inverse_l11, e.x + slack), Float(-1e30f));
}

inline void find_spans(const Ellipse& e, const CameraView& c, int tile_y, Spans* out) {
  alignas(32) static const float offsets[kTileRows] = {0.5f, 2.5f, 4.5f, 6.5f, 8.5f, 10.5f, 12.5f, 14.5f};
  const Float height(static_cast<float>(c.height)), top(static_cast<float>(tile_y * kTileHeight));
  const Float last_column(static_cast<float>(c.width - 1));
  for (int l = 0; l < kTileRows; l += kLanes) {
    Float left, right, left1, right1;
    const Float row = load(offsets + l) + top;
    row_extent(e, row, height, &left, &right);
    row_extent(e, row + 1.0f, height, &left1, &right1);
    left = max(ceil(min(left, left1) - 0.5f), Float(0.0f));
    right = min(floor(max(right, right1) - 0.5f), last_column);
    // An empty span becomes columns 1 … 0, so that nothing overflows an integer.
    const Mask some = left <= right;
    store_int(out->first + l, select(some, left * (1.0f / kBlockWidth), Float(1.0f)));
    store_int(out->last + l, select(some, right * (1.0f / kBlockWidth), Float(0.0f)));
  }
}

// Writes the instances of one Gaussian, at most as many as its bounding box has tiles; returns how many.
inline uint32_t make_instances(const Shape& s, const Frame& f, Instance* out) {
  const Ellipse ellipse(s, f.camera);
  if (!(ellipse.left <= ellipse.right && ellipse.top <= ellipse.bottom)) return 0;
  const int first_x = static_cast<int>(ellipse.left) / kTileWidth, last_x = static_cast<int>(ellipse.right) / kTileWidth;
  const int first_y = static_cast<int>(ellipse.top) / kTileHeight, last_y = static_cast<int>(ellipse.bottom) / kTileHeight;
  uint32_t count = 0;
  for (int ty = first_y; ty <= last_y; ++ty) {
    Spans spans;
    find_spans(ellipse, f.camera, ty, &spans);
    for (int tx = first_x; tx <= last_x && count < s.tiles; ++tx) {
      const uint64_t blocks = row_masks(spans.first, spans.last, tx * kTileCols);
      if (blocks) out[count++] = {blocks, static_cast<uint32_t>(ty * f.tiles_x + tx)};
    }
  }
  return count;
}

void make_all_instances(Frame& f, int threads) {
  const int64_t chunks = (f.n + kChunk - 1) / kChunk;
  parallel_for(chunks, threads, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * kChunk < f.n ? (chunk + 1) * kChunk : f.n;
    for (int64_t i = chunk * kChunk; i < end; ++i) {
      const Shape& s = f.shapes[i];
      f.used_slots[i] = s.tiles ? make_instances(s, f, &f.instances[f.first_slot[i]]) : 0;
    }
  });
}

// ---- depth order

struct Key {
  uint32_t depth, gaussian;
};

inline uint32_t depth_bits(float depth) {  // depths are positive, so their bits are in order
  uint32_t bits;
  std::memcpy(&bits, &depth, 4);
  return bits;
}

// Stable sort by the low `kDigits` bits after `shift`, in `parts` chunks of the input.
constexpr int kDigits = 11, kBuckets = 1 << kDigits;

void radix_pass(const Key* in, Key* out, int64_t n, int shift, int parts, uint32_t* counts, int threads) {
  const int64_t size = (n + parts - 1) / parts;
  parallel_for(parts, threads, [&](int64_t part, int) {
    uint32_t* count = counts + part * kBuckets;
    std::memset(count, 0, kBuckets * sizeof(uint32_t));
    for (int64_t i = part * size; i < (part + 1) * size && i < n; ++i) ++count[in[i].depth >> shift & (kBuckets - 1)];
  });
  uint32_t total = 0;
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    for (int part = 0; part < parts; ++part) {
      uint32_t& count = counts[part * kBuckets + bucket];
      const uint32_t here = count;
      count = total;
      total += here;
    }
  }
  parallel_for(parts, threads, [&](int64_t part, int) {
    uint32_t* next = counts + part * kBuckets;
    for (int64_t i = part * size; i < (part + 1) * size && i < n; ++i)
      out[next[in[i].depth >> shift & (kBuckets - 1)]++] = in[i];
  });
}

// The Gaussians that have instances, nearest first; equal depths keep the order of their indices.
Key* sort_by_depth(Frame& f, Array<Key>& a, Array<Key>& b, int threads) {
  a.resize(static_cast<size_t>(f.n));
  int64_t visible = 0;
  for (int64_t i = 0; i < f.n; ++i)
    if (f.used_slots[i]) a[visible++] = {depth_bits(f.shapes[i].depth), static_cast<uint32_t>(i)};
  f.visible = visible;
  b.resize(static_cast<size_t>(visible));
  const int parts = visible < 50'000 ? 1 : 2 * threads;
  Array<uint32_t> counts;
  counts.resize(static_cast<size_t>(parts) * kBuckets);
  radix_pass(a.data(), b.data(), visible, 0, parts, counts.data(), threads);
  radix_pass(b.data(), a.data(), visible, kDigits, parts, counts.data(), threads);
  radix_pass(a.data(), b.data(), visible, 2 * kDigits, parts, counts.data(), threads);
  return b.data();
}

// ---- tiles

struct Parts {
  int64_t visible, size;
  const Key* keys;
  const Frame& f;

  template <class Visit>
  inline void each_instance(int64_t part, Visit visit) const {
    for (int64_t i = part * size; i < (part + 1) * size && i < visible; ++i) {
      const uint32_t gaussian = keys[i].gaussian;
      const uint32_t first = f.first_slot[gaussian], count = f.used_slots[gaussian];
      if (i + 8 < visible) __builtin_prefetch(&f.instances[f.first_slot[keys[i + 8].gaussian]]);
      for (uint32_t slot = first; slot < first + count; ++slot) visit(f.instances[slot], gaussian, slot);
    }
  }
};

// Counting sort into tiles; it is stable, so every tile's entries stay in depth order.
void fill_tiles(Frame& f, const Key* keys, int threads) {
  const int64_t tiles = f.tiles();
  const int64_t parts = f.visible < 20'000 ? 1 : 2 * threads;
  const Parts split{f.visible, (f.visible + parts - 1) / parts, keys, f};
  Array<uint32_t> counts;
  counts.resize(static_cast<size_t>(parts * tiles));
  parallel_for(parts, threads, [&](int64_t part, int) {
    uint32_t* count = &counts[part * tiles];
    std::memset(count, 0, static_cast<size_t>(tiles) * sizeof(uint32_t));
    split.each_instance(part, [&](const Instance& instance, uint32_t, uint32_t) { ++count[instance.tile]; });
  });
  uint32_t total = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    f.tile_begin[tile] = total;
    for (int64_t part = 0; part < parts; ++part) {
      uint32_t& count = counts[part * tiles + tile];
      const uint32_t here = count;
      count = total;
      total += here;
    }
  }
  f.tile_begin[tiles] = total;
  f.entries.resize(total);
  parallel_for(parts, threads, [&](int64_t part, int) {
    uint32_t* next = &counts[part * tiles];
    split.each_instance(part, [&](const Instance& instance, uint32_t gaussian, uint32_t slot) {
      f.entries[next[instance.tile]++] = {instance.blocks, gaussian, slot};
    });
  });
}

// Tiles by falling number of entries, so that the last task of a parallel loop is a small one.
void order_tiles(Frame& f) {
  const int64_t tiles = f.tiles();
  Array<Key> a, b;
  a.resize(static_cast<size_t>(tiles));
  b.resize(static_cast<size_t>(tiles));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const uint32_t count = f.tile_begin[tile + 1] - f.tile_begin[tile];
    a[tile] = {~count, static_cast<uint32_t>(tile)};
  }
  Array<uint32_t> counts;
  counts.resize(kBuckets);
  radix_pass(a.data(), b.data(), tiles, 0, 1, counts.data(), 1);
  radix_pass(b.data(), a.data(), tiles, kDigits, 1, counts.data(), 1);
  radix_pass(a.data(), b.data(), tiles, 2 * kDigits, 1, counts.data(), 1);
  for (int64_t i = 0; i < tiles; ++i) f.tile_order[i] = b[i].gaussian;
}

void bin(Frame& f, int threads) {
  make_all_instances(f, threads);
  Array<Key> a, b;
  const Key* keys = sort_by_depth(f, a, b, threads);
  fill_tiles(f, keys, threads);
  order_tiles(f);
  f.instances.release();  // the entries hold all of it
}

}  // namespace

void install_binning(Kernels& k) { k.bin = bin; }

}  // namespace splatsim::SPLATSIM_ISA
