// The only file that knows Python. Arrays arrive with their dtype, rank and order checked; sizes are checked here.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "crowd.hpp"
#include "foresee.hpp"
#include "kernels/kernels.hpp"
#include "march.hpp"
#include "raycast.hpp"
#include "stereo.hpp"
#include "sweep.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace splatsim;

namespace {

template <class T, size_t Rank>
using In = nb::ndarray<const T, nb::ndim<Rank>, nb::c_contig, nb::device::cpu>;
template <class T, size_t Rank>
using Out = nb::ndarray<T, nb::ndim<Rank>, nb::c_contig, nb::device::cpu>;

template <class A>
void expect(const A& array, std::initializer_list<size_t> shape, const char* name) {
  size_t axis = 0;
  for (const size_t size : shape) {
    if (array.shape(axis) != size)
      throw nb::value_error((std::string(name) + " has size " + std::to_string(array.shape(axis)) + " along axis " +
                             std::to_string(axis) + "; expected " + std::to_string(size) + ".").c_str());
    ++axis;
  }
}

struct TooManyTiles : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The Gaussians of one call, as the kernels see them.
struct Scene {
  In<float, 2> means, quats, scales;
  In<float, 1> opacities;
  In<float, 3> sh;
  GaussiansView view;

  Scene(In<float, 2> means_, In<float, 2> quats_, In<float, 2> scales_, In<float, 1> opacities_, In<float, 3> sh_)
      : means(means_), quats(quats_), scales(scales_), opacities(opacities_), sh(sh_) {
    const size_t n = means.shape(0), k = sh.shape(1);
    expect(means, {n, 3}, "means");
    expect(quats, {n, 4}, "quats");
    expect(scales, {n, 3}, "scales");
    expect(opacities, {n}, "opacities");
    expect(sh, {n, k, 3}, "sh");
    if (k != 1 && k != 4 && k != 9 && k != 16) throw nb::value_error("sh needs 1, 4, 9 or 16 coefficients.");
    if (n >= size_t{1} << 31) throw nb::value_error("more than 2^31 - 1 Gaussians.");
    view = {means.data(), quats.data(), scales.data(), opacities.data(), sh.data(), static_cast<int64_t>(n),
            static_cast<int>(k)};
  }
};

CameraView make_camera(const In<double, 2>& viewmat, const In<double, 2>& K, int width, int height, bool ortho,
                       bool antialiased) {
  expect(viewmat, {4, 4}, "viewmat");
  expect(K, {3, 3}, "K");
  CameraView c{};
  double position[3] = {0, 0, 0};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      c.rotation[3 * i + j] = static_cast<float>(viewmat.data()[4 * i + j]);
      position[j] -= viewmat.data()[4 * i + j] * viewmat.data()[4 * i + 3];
    }
    c.translation[i] = static_cast<float>(viewmat.data()[4 * i + 3]);
  }
  for (int i = 0; i < 3; ++i) c.position[i] = static_cast<float>(position[i]);
  c.fx = static_cast<float>(K.data()[0]);
  c.fy = static_cast<float>(K.data()[4]);
  c.cx = static_cast<float>(K.data()[2]);
  c.cy = static_cast<float>(K.data()[5]);
  c.width = width;
  c.height = height;
  c.ortho = ortho;
  c.antialiased = antialiased;
  return c;
}

void prepare(Frame& f, const CameraView& camera, int64_t n) {
  f.camera = camera;
  f.n = n;
  f.tiles_x = (camera.width + kTileWidth - 1) / kTileWidth;
  f.tiles_y = (camera.height + kTileHeight - 1) / kTileHeight;
  const auto tiles = static_cast<size_t>(f.tiles());
  f.shapes.resize(static_cast<size_t>(n));
  f.colors.resize(4 * static_cast<size_t>(n));
  f.first_slot.resize(static_cast<size_t>(n) + 1);
  f.used_slots.resize(static_cast<size_t>(n));
  f.tile_begin.resize(tiles + 1);
  f.tile_order.resize(tiles);
  f.transmittance.resize(tiles * kTilePixels);
}

// Where the instances of each Gaussian start.
void number_slots(Frame& f) {
  int64_t total = 0;
  for (int64_t i = 0; i < f.n; ++i) {
    f.first_slot[i] = static_cast<uint32_t>(total);
    total += f.shapes[i].tiles;
    if (total > kMaxSlots)
      throw TooManyTiles("the Gaussians cover more than " + std::to_string(kMaxSlots) + " (Gaussian, tile) pairs in " +
                         std::to_string(f.camera.width) + "x" + std::to_string(f.camera.height) +
                         " pixels; expected fewer or smaller Gaussians, or a smaller image.");
  }
  f.first_slot[f.n] = static_cast<uint32_t>(total);
  f.instances.resize(static_cast<size_t>(total));
}

std::unique_ptr<Frame> project(const Kernels& k, const Scene& scene, const CameraView& camera, int threads) {
  nb::gil_scoped_release release;
  auto frame = std::make_unique<Frame>();
  prepare(*frame, camera, scene.view.n);
  k.project(scene.view, *frame, threads);
  number_slots(*frame);
  k.bin(*frame, threads);
  return frame;
}

// One pass: the frame's own colours (count 3, or 4 with depth), or `values` [n f] from column `first` on.
Channels channels_of(const Frame& f, const nb::object& values, int first, int count, size_t pixel_stride) {
  if (count < 1 || count > 16) throw nb::value_error("a pass composites 1 to 16 channels.");
  const auto stride = static_cast<int>(pixel_stride);
  if (values.is_none()) {
    if (count > 4) throw nb::value_error("the frame's own channels are red, green, blue and depth.");
    return {f.colors.data(), count, 4, stride};
  }
  const auto array = nb::cast<In<float, 2>>(values);
  if (static_cast<int64_t>(array.shape(0)) != f.n || first < 0 || first + count > static_cast<int>(array.shape(1)))
    throw nb::value_error("values must have one row for each Gaussian and columns first … first + count.");
  return {array.data() + first, count, static_cast<int>(array.shape(1)), stride};
}

void check_picture(const Frame& f, size_t height, size_t width, const char* name) {
  if (static_cast<int>(height) != f.camera.height || static_cast<int>(width) != f.camera.width)
    throw nb::value_error((std::string(name) + " has another size than the frame's picture.").c_str());
}

void rasterize(const Kernels& k, Frame& f, const nb::object& values, int first, int count,
               std::optional<In<float, 1>> background, Out<float, 3> out, std::optional<Out<float, 2>> alpha,
               int threads) {
  check_picture(f, out.shape(0), out.shape(1), "out");
  if (alpha) check_picture(f, alpha->shape(0), alpha->shape(1), "alpha");
  if (background) expect(*background, {static_cast<size_t>(count)}, "background");
  const int column = values.is_none() ? 0 : first;
  if (column + count > static_cast<int>(out.shape(2))) throw nb::value_error("out has too few channels.");
  const Channels channels = channels_of(f, values, first, count, out.shape(2));
  const float* bg = background ? background->data() : nullptr;
  float* to = out.data() + column;
  float* to_alpha = alpha ? alpha->data() : nullptr;
  nb::gil_scoped_release release;
  k.rasterize(f, channels, bg, to, to_alpha, threads);
}

void rasterize_backward(const Kernels& k, const Frame& f, const nb::object& values, int first, int count,
                        In<float, 3> out, In<float, 3> d_out, std::optional<In<float, 2>> d_alpha,
                        Out<float, 2> moments, bool add_moments, Out<float, 2> d_values, bool add_values, int threads) {
  check_picture(f, out.shape(0), out.shape(1), "out");
  expect(d_out, {out.shape(0), out.shape(1), out.shape(2)}, "d_out");
  if (d_alpha) check_picture(f, d_alpha->shape(0), d_alpha->shape(1), "d_alpha");
  const auto n = static_cast<size_t>(f.n);
  expect(moments, {n, 6}, "moments");
  const int column = values.is_none() ? 0 : first;
  if (column + count > static_cast<int>(out.shape(2))) throw nb::value_error("out has too few channels.");
  const Channels channels = channels_of(f, values, first, count, out.shape(2));
  expect(d_values, {n, static_cast<size_t>(channels.stride)}, "d_values");
  const float *picture = out.data() + column, *d_picture = d_out.data() + column;
  const float* d_coverage = d_alpha ? d_alpha->data() : nullptr;
  float *to = moments.data(), *to_values = d_values.data() + column;
  nb::gil_scoped_release release;
  k.rasterize_backward(f, channels, picture, d_picture, d_coverage, to, add_moments, to_values, add_values, threads);
}

void project_backward(const Kernels& k, const Frame& f, const Scene& scene, In<float, 2> moments, In<float, 2> d_colors,
                      Out<float, 2> means, Out<float, 2> quats, Out<float, 2> scales, Out<float, 1> opacities,
                      Out<float, 3> sh, bool add, std::optional<Out<double, 1>> d_camera, int threads) {
  const auto n = static_cast<size_t>(f.n), coefficients = static_cast<size_t>(scene.view.k);
  if (scene.view.n != f.n) throw nb::value_error("the frame was made from another number of Gaussians.");
  expect(moments, {n, 6}, "moments");
  expect(d_colors, {n, 4}, "d_colors");
  expect(means, {n, 3}, "d_means");
  expect(quats, {n, 4}, "d_quats");
  expect(scales, {n, 3}, "d_scales");
  expect(opacities, {n}, "d_opacities");
  expect(sh, {n, coefficients, 3}, "d_sh");
  if (d_camera) expect(*d_camera, {15}, "d_camera");
  const GaussiansGradient out{means.data(), quats.data(), scales.data(), opacities.data(), sh.data()};
  double* camera = d_camera ? d_camera->data() : nullptr;
  nb::gil_scoped_release release;
  k.project_backward(scene.view, f, moments.data(), d_colors.data(), out, add, camera, threads);
}

nb::tuple photometric(const Kernels& k, In<float, 3> image, In<float, 3> target, float l1_weight, float ssim_weight,
                      std::optional<Out<float, 3>> d_image, int threads) {
  expect(image, {image.shape(0), image.shape(1), 3}, "image");
  expect(target, {image.shape(0), image.shape(1), 3}, "target");
  if (d_image) expect(*d_image, {image.shape(0), image.shape(1), 3}, "d_image");
  float* out = d_image ? d_image->data() : nullptr;
  PhotometricResult result;
  {
    nb::gil_scoped_release release;
    result = k.photometric(image.data(), target.data(), static_cast<int>(image.shape(0)),
                           static_cast<int>(image.shape(1)), l1_weight, ssim_weight, out, threads);
  }
  return nb::make_tuple(result.l1, result.ssim);
}

void adam(const Kernels& k, Out<float, 2> parameter, In<float, 2> gradient, Out<float, 2> first, Out<float, 2> second,
          In<float, 1> learning_rates, std::optional<In<uint8_t, 1>> visible, float beta1, float beta2, float epsilon,
          float correction1, float correction2, int threads) {
  const size_t rows = parameter.shape(0), columns = parameter.shape(1);
  expect(gradient, {rows, columns}, "gradient");
  expect(first, {rows, columns}, "first");
  expect(second, {rows, columns}, "second");
  expect(learning_rates, {columns}, "learning_rates");
  if (visible) expect(*visible, {rows}, "visible");
  if (rows == 0 || columns == 0) return;
  const AdamStep step{static_cast<int64_t>(rows), static_cast<int64_t>(columns), visible ? visible->data() : nullptr,
                      learning_rates.data(), beta1, beta2, epsilon, correction1, correction2};
  nb::gil_scoped_release release;
  k.adam(step, parameter.data(), gradient.data(), first.data(), second.data(), threads);
}

void activate(const Kernels& k, In<float, 2> log_scales, In<float, 1> logit_opacities, Out<float, 2> scales,
              Out<float, 1> opacities, int threads) {
  const size_t n = logit_opacities.shape(0);
  expect(log_scales, {n, 3}, "log_scales");
  expect(scales, {n, 3}, "scales");
  expect(opacities, {n}, "opacities");
  nb::gil_scoped_release release;
  k.activate(static_cast<int64_t>(n), log_scales.data(), logit_opacities.data(), scales.data(), opacities.data(),
             threads);
}

void activate_backward(const Kernels& k, In<float, 2> scales, In<float, 1> opacities, In<float, 2> d_scales,
                       In<float, 1> d_opacities, float scale_penalty, float opacity_penalty, Out<float, 2> d_log,
                       Out<float, 1> d_logit, int threads) {
  const size_t n = opacities.shape(0);
  expect(scales, {n, 3}, "scales");
  expect(d_scales, {n, 3}, "d_scales");
  expect(d_opacities, {n}, "d_opacities");
  expect(d_log, {n, 3}, "d_log");
  expect(d_logit, {n}, "d_logit");
  nb::gil_scoped_release release;
  k.activate_backward(static_cast<int64_t>(n), scales.data(), opacities.data(), d_scales.data(), d_opacities.data(),
                      scale_penalty, opacity_penalty, d_log.data(), d_logit.data(), threads);
}

void expose(const Kernels& k, In<float, 3> image, In<float, 1> gains, In<float, 1> offsets, Out<float, 3> out,
            int threads) {
  expect(image, {image.shape(0), image.shape(1), 3}, "image");
  expect(gains, {3}, "gains");
  expect(offsets, {3}, "offsets");
  expect(out, {image.shape(0), image.shape(1), 3}, "out");
  const auto pixels = static_cast<int64_t>(image.shape(0) * image.shape(1));
  nb::gil_scoped_release release;
  k.expose(pixels, image.data(), gains.data(), offsets.data(), out.data(), threads);
}

void expose_backward(const Kernels& k, In<float, 3> image, In<float, 1> gains, In<float, 3> d_out,
                     Out<float, 3> d_image, Out<double, 1> sums, int threads) {
  expect(image, {image.shape(0), image.shape(1), 3}, "image");
  expect(gains, {3}, "gains");
  expect(d_out, {image.shape(0), image.shape(1), 3}, "d_out");
  expect(d_image, {image.shape(0), image.shape(1), 3}, "d_image");
  expect(sums, {6}, "sums");
  const auto pixels = static_cast<int64_t>(image.shape(0) * image.shape(1));
  nb::gil_scoped_release release;
  k.expose_backward(pixels, image.data(), gains.data(), d_out.data(), d_image.data(), sums.data(), threads);
}

void skin(const Kernels& k, int mode, In<int32_t, 2> joints, In<float, 2> weights, In<float, 2> bones,
          In<float, 2> means, In<float, 2> quats, Out<float, 2> out_means, Out<float, 2> out_quats,
          std::optional<Out<float, 2>> out_turns, int threads) {
  const size_t n = means.shape(0), influences = joints.shape(1);
  expect(joints, {n, influences}, "joints");
  expect(weights, {n, influences}, "weights");
  expect(bones, {bones.shape(0), size_t{kBoneFloats}}, "bones");
  expect(means, {n, 3}, "means");
  expect(quats, {n, 4}, "quats");
  expect(out_means, {n, 3}, "out_means");
  expect(out_quats, {n, 4}, "out_quats");
  if (out_turns) expect(*out_turns, {n, 4}, "out_turns");
  if (mode < 0 || mode > 2 || influences == 0) throw nb::value_error("unknown mode, or no weights.");
  const auto count = static_cast<int32_t>(bones.shape(0));
  for (size_t i = 0; i < n * influences; ++i)
    if (joints.data()[i] < 0 || joints.data()[i] >= count) throw nb::value_error("a weight names no joint.");
  const Skin skin{joints.data(), weights.data(), bones.data(), static_cast<int>(influences),
                  static_cast<SkinMode>(mode)};
  const SkinOutput out{out_means.data(), out_quats.data(), out_turns ? out_turns->data() : nullptr};
  nb::gil_scoped_release release;
  k.skin(skin, static_cast<int64_t>(n), means.data(), quats.data(), out, threads);
}

void rotate_sh(const Kernels& k, In<float, 3> sh, In<float, 2> turns, Out<float, 3> out, int threads) {
  const size_t n = sh.shape(0), coefficients = sh.shape(1);
  expect(sh, {n, coefficients, 3}, "sh");
  expect(turns, {n, 4}, "turns");
  expect(out, {n, coefficients, 3}, "out");
  if (coefficients != 4 && coefficients != 9 && coefficients != 16)
    throw nb::value_error("sh needs 4, 9 or 16 coefficients.");
  nb::gil_scoped_release release;
  k.rotate_sh(static_cast<int64_t>(n), static_cast<int>(coefficients), sh.data(), turns.data(), out.data(), threads);
}

void surface_ids(const Kernels& k, const Frame& f, Out<int32_t, 2> ids, int threads) {
  check_picture(f, ids.shape(0), ids.shape(1), "ids");
  nb::gil_scoped_release release;
  k.surface_ids(f, ids.data(), threads);
}

void visible(const Frame& f, Out<bool, 1> out) {
  expect(out, {static_cast<size_t>(f.n)}, "out");
  for (int64_t i = 0; i < f.n; ++i) out.data()[i] = f.used_slots[i] > 0;
}

// A tensor whose memory comes from the pool: pages that were touched before are not faulted in again at every step.
nb::ndarray<nb::pytorch, float> empty(const std::vector<size_t>& shape) {
  struct Block {
    void* data;
    size_t capacity;
  };
  size_t count = 1;
  for (const size_t size : shape) count *= size;
  auto block = std::make_unique<Block>();
  block->data = take_block(count * sizeof(float), block->capacity);
  Block* kept = block.release();
  nb::capsule owner(kept, [](void* p) noexcept {
    auto* b = static_cast<Block*>(p);
    give_block(b->data, b->capacity);
    delete b;
  });
  return nb::ndarray<nb::pytorch, float>(kept->data, shape.size(), shape.data(), owner);
}

// What this machine can run, the best one last.
std::vector<const Kernels*> usable_kernels() {
  std::vector<const Kernels*> usable = {&scalar::kernels()};
#if defined(SPLATSIM_WITH_avx2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) usable.push_back(&avx2::kernels());
#endif
#if defined(SPLATSIM_WITH_neon)
  usable.push_back(&neon::kernels());
#endif
  return usable;
}

// ---- rays through voxels

VoxelBox make_box(nb::tuple shape, nb::tuple origin, double voxel_size) {
  VoxelBox box{};
  for (int a = 0; a < 3; ++a) {
    box.shape[a] = nb::cast<int>(shape[a]);
    box.origin[a] = nb::cast<double>(origin[a]);
    if (box.shape[a] < 1) throw nb::value_error("a grid has at least one voxel along every axis.");
  }
  box.voxel_size = voxel_size;
  if (!(voxel_size > 0)) throw nb::value_error("voxel_size must be positive.");
  return box;
}

Rays make_rays(const In<double, 2>& origins, const In<double, 2>& directions, const In<double, 1>& reach) {
  const size_t n = reach.shape(0);
  expect(origins, {n, 3}, "origins");
  expect(directions, {n, 3}, "directions");
  return {origins.data(), directions.data(), reach.data(), static_cast<int64_t>(n)};
}

void bind_first_hits(const VoxelBox& box, In<uint8_t, 3> states, In<double, 2> origins, In<double, 2> directions,
                     In<double, 1> reach, Out<int64_t, 1> index, Out<double, 1> entry, Out<double, 1> exit,
                     Out<int8_t, 1> face, Out<double, 1> unknown, int threads) {
  const Rays rays = make_rays(origins, directions, reach);
  const auto n = static_cast<size_t>(rays.n);
  for (size_t a = 0; a < 3; ++a)
    if (states.shape(a) != static_cast<size_t>(box.shape[a])) throw nb::value_error("states do not fit the grid.");
  expect(index, {n}, "index");
  expect(entry, {n}, "entry");
  expect(exit, {n}, "exit");
  expect(face, {n}, "face");
  expect(unknown, {n}, "unknown");
  const Hits hits{index.data(), entry.data(), exit.data(), face.data(), unknown.data()};
  nb::gil_scoped_release release;
  first_hits(box, states.data(), rays, hits, threads);
}

void bind_count_crossings(const VoxelBox& box, In<double, 2> origins, In<double, 2> directions, In<double, 1> reach,
                          Out<int32_t, 1> counts, int threads) {
  const Rays rays = make_rays(origins, directions, reach);
  expect(counts, {static_cast<size_t>(box.count())}, "counts");
  nb::gil_scoped_release release;
  count_crossings(box, rays, counts.data(), threads);
}

// Pictures, references, others and, for a sweep, ranges and levels, checked.
std::vector<StereoTask> make_stereo_tasks(const In<float, 3>& grey, const In<int64_t, 1>& references,
                                          const In<int64_t, 2>& others) {
  const size_t m = references.shape(0), k = others.shape(1);
  expect(others, {m, k}, "others");
  const auto most = static_cast<int64_t>(grey.shape(0));
  std::vector<StereoTask> tasks;
  for (size_t i = 0; i < m; ++i) {
    const int64_t reference = references.data()[i];
    if (reference < 0 || reference >= most) throw nb::value_error("a reference is no picture.");
    for (size_t j = 0; j < k; ++j)
      if (others.data()[k * i + j] >= most) throw nb::value_error("one of the others is no picture.");
    tasks.push_back({reference, others.data() + k * i, static_cast<int>(k), 0, 0, 0});
  }
  return tasks;
}

StereoPictures make_stereo_pictures(const In<float, 3>& grey, const In<uint8_t, 3>& counted,
                                    const In<double, 3>& viewmats, const In<double, 3>& Ks) {
  const size_t n = grey.shape(0), h = grey.shape(1), w = grey.shape(2);
  expect(counted, {n, h, w}, "counted");
  expect(viewmats, {n, 4, 4}, "viewmats");
  expect(Ks, {n, 3, 3}, "Ks");
  return {grey.data(), counted.data(), viewmats.data(), Ks.data(), static_cast<int>(h), static_cast<int>(w)};
}

void bind_stereo(In<float, 3> grey, In<uint8_t, 3> counted, In<double, 3> viewmats, In<double, 3> Ks,
                 In<int64_t, 1> references, In<int64_t, 2> others, In<double, 2> ranges, In<int64_t, 1> levels,
                 Out<float, 3> depths, int threads) {
  const StereoPictures all = make_stereo_pictures(grey, counted, viewmats, Ks);
  std::vector<StereoTask> tasks = make_stereo_tasks(grey, references, others);
  expect(ranges, {tasks.size(), 2}, "ranges");
  expect(levels, {tasks.size()}, "levels");
  expect(depths, {tasks.size(), grey.shape(1), grey.shape(2)}, "depths");
  for (size_t i = 0; i < tasks.size(); ++i) {
    const double nearest = ranges.data()[2 * i], farthest = ranges.data()[2 * i + 1];
    const int64_t steps = levels.data()[i];
    if (!(nearest > 0 && farthest > nearest)) throw nb::value_error("a range does not grow from above 0.");
    if (steps < 2 || steps > 4096) throw nb::value_error("levels must be 2 to 4096.");
    tasks[i].nearest = nearest, tasks[i].farthest = farthest, tasks[i].levels = static_cast<int>(steps);
  }
  nb::gil_scoped_release release;
  stereo(all, tasks.data(), static_cast<int64_t>(tasks.size()), depths.data(), threads);
}

void bind_refine_stereo(In<float, 3> grey, In<uint8_t, 3> counted, In<double, 3> viewmats, In<double, 3> Ks,
                        In<int64_t, 1> references, In<int64_t, 2> others, In<float, 3> first, In<float, 3> known,
                        Out<float, 3> depths, int threads) {
  const StereoPictures all = make_stereo_pictures(grey, counted, viewmats, Ks);
  const std::vector<StereoTask> tasks = make_stereo_tasks(grey, references, others);
  const size_t n = grey.shape(0), h = grey.shape(1), w = grey.shape(2);
  expect(first, {n, h, w}, "first");
  expect(known, {n, h, w}, "known");
  expect(depths, {tasks.size(), h, w}, "depths");
  for (const StereoTask& task : tasks)
    for (size_t p = 0; p < h * w; ++p)
      if (!(first.data()[task.reference * h * w + p] > 0)) throw nb::value_error("a first depth is not positive.");
  nb::gil_scoped_release release;
  refine_stereo(all, tasks.data(), static_cast<int64_t>(tasks.size()), first.data(), known.data(), depths.data(),
                threads);
}

template <class T>
Expectation<T> make_expectation(const VoxelBox& box, const In<T, 1>& probabilities, const In<T, 2>& values) {
  const auto voxels = static_cast<size_t>(box.count());
  expect(probabilities, {voxels}, "probabilities");
  expect(values, {voxels, values.shape(1)}, "values");
  return {probabilities.data(), values.data(), static_cast<int>(values.shape(1))};
}

template <class T>
void bind_composite(const VoxelBox& box, In<T, 1> probabilities, In<T, 2> values, In<double, 2> origins,
                    In<double, 2> directions, In<double, 1> reach, Out<T, 1> alphas, Out<T, 1> ranges,
                    Out<T, 1> squares, Out<T, 2> composited, int threads) {
  const Rays rays = make_rays(origins, directions, reach);
  const auto n = static_cast<size_t>(rays.n);
  const Expectation<T> grid = make_expectation<T>(box, probabilities, values);
  expect(alphas, {n}, "alphas");
  expect(ranges, {n}, "ranges");
  expect(squares, {n}, "squares");
  expect(composited, {n, values.shape(1)}, "composited");
  const Composite<T> out{alphas.data(), ranges.data(), squares.data(), composited.data()};
  nb::gil_scoped_release release;
  composite<T>(box, grid, rays, out, threads);
}

template <class T>
void bind_composite_backward(const VoxelBox& box, In<T, 1> probabilities, In<T, 2> values, In<double, 2> origins,
                             In<double, 2> directions, In<double, 1> reach, In<T, 1> d_alphas, In<T, 1> d_ranges,
                             In<T, 1> d_squares, In<T, 2> d_composited, Out<T, 1> d_probabilities, Out<T, 2> d_values,
                             int threads) {
  const Rays rays = make_rays(origins, directions, reach);
  const auto n = static_cast<size_t>(rays.n), voxels = static_cast<size_t>(box.count());
  const Expectation<T> grid = make_expectation<T>(box, probabilities, values);
  expect(d_alphas, {n}, "d_alphas");
  expect(d_ranges, {n}, "d_ranges");
  expect(d_squares, {n}, "d_squares");
  expect(d_composited, {n, values.shape(1)}, "d_composited");
  expect(d_probabilities, {voxels}, "d_probabilities");
  expect(d_values, {voxels, values.shape(1)}, "d_values");
  const Composite<const T> d_out{d_alphas.data(), d_ranges.data(), d_squares.data(), d_composited.data()};
  nb::gil_scoped_release release;
  composite_backward<T>(box, grid, rays, d_out, d_probabilities.data(), d_values.data(), threads);
}

// ---- maps

void bind_march(In<uint8_t, 2> open, Out<float, 2> distances) {
  expect(distances, {open.shape(0), open.shape(1)}, "distances");
  // Cells are counted in 32 bits, with a border around them.
  if ((open.shape(0) + 2) * (open.shape(1) + 2) >= size_t{1} << 31) throw nb::value_error("the map has too many cells.");
  nb::gil_scoped_release release;
  march(open.data(), static_cast<int>(open.shape(0)), static_cast<int>(open.shape(1)), distances.data());
}

void bind_foresee(In<float, 3> risks, In<uint8_t, 3> open, In<uint8_t, 2> settled, In<int32_t, 2> stand_in,
                  In<float, 3> finals, In<float, 2> moves, int border, int forward_ticks, int turn_ticks, float tick,
                  Out<float, 4> values) {
  const size_t headings = finals.shape(0), rows = finals.shape(1), cols = finals.shape(2);
  if (risks.shape(0) < 1) throw nb::value_error("risks must hold one moment at least.");
  expect(risks, {risks.shape(0), rows, cols}, "risks");
  expect(open, {headings, rows, cols}, "open");
  expect(settled, {rows, cols}, "settled");
  expect(stand_in, {rows, cols}, "stand_in");
  expect(moves, {headings, 2}, "moves");
  expect(values, {risks.shape(0), headings, rows, cols}, "values");
  if (forward_ticks < 1 || turn_ticks < 1) throw nb::value_error("a step must last one tick at least.");
  for (size_t i = 0; i < 2 * headings; ++i)
    if (!(std::abs(moves.data()[i]) < border)) throw nb::value_error("moves must be shorter than the border is wide.");
  for (size_t i = 0; i < rows * cols; ++i)
    if (stand_in.data()[i] < 0 || size_t(stand_in.data()[i]) >= rows * cols)
      throw nb::value_error("stand_in must hold places of the grid.");
  const Prospect prospect{static_cast<int>(risks.shape(0)) - 1, static_cast<int>(headings), static_cast<int>(rows),
                          static_cast<int>(cols), border, forward_ticks, turn_ticks, tick, moves.data(), risks.data(),
                          open.data(), settled.data(), stand_in.data(), finals.data()};
  nb::gil_scoped_release release;
  foresee(prospect, values.data());
}

CellMap make_map(const In<uint8_t, 2>& blocked, double west, double north, double resolution, bool walled) {
  if (!(resolution > 0)) throw nb::value_error("resolution must be positive.");
  if (blocked.shape(0) * blocked.shape(1) >= size_t{1} << 31) throw nb::value_error("the map has too many cells.");
  return {blocked.data(), static_cast<int>(blocked.shape(0)), static_cast<int>(blocked.shape(1)), west, north,
          resolution, walled};
}

Discs make_discs(const In<double, 2>& places, const In<double, 2>& moves, const In<double, 1>& radii) {
  const size_t n = radii.shape(0);
  expect(places, {n, 2}, "places");
  expect(moves, {n, 2}, "moves");
  return {places.data(), moves.data(), radii.data(), static_cast<int64_t>(n)};
}

void bind_sweep(In<uint8_t, 2> blocked, double west, double north, double resolution, bool walled,
                In<double, 2> places, In<double, 2> moves, In<double, 1> radii, In<double, 2> other_places,
                In<double, 2> other_moves, In<double, 1> other_radii, In<int64_t, 1> first, Out<double, 1> times,
                Out<double, 2> normals, Out<int64_t, 1> met, int threads) {
  const CellMap map = make_map(blocked, west, north, resolution, walled);
  const Discs discs = make_discs(places, moves, radii), others = make_discs(other_places, other_moves, other_radii);
  const auto n = static_cast<size_t>(discs.n);
  expect(first, {n + 1}, "first");
  for (size_t i = 0; i <= n; ++i)
    if (first.data()[i] < (i ? first.data()[i - 1] : 0) || first.data()[i] > others.n)
      throw nb::value_error("first must rise within the rows of the other discs.");
  expect(times, {n}, "times");
  expect(normals, {n, 2}, "normals");
  expect(met, {n}, "met");
  const Contacts out{times.data(), normals.data(), met.data()};
  nb::gil_scoped_release release;
  sweep(map, discs, others, first.data(), out, threads);
}

void bind_gaps(In<uint8_t, 2> blocked, double west, double north, double resolution, bool walled, In<double, 2> points,
               double reach, Out<double, 1> out, int threads) {
  const CellMap map = make_map(blocked, west, north, resolution, walled);
  expect(points, {points.shape(0), 2}, "points");
  expect(out, {points.shape(0)}, "out");
  if (!(reach >= 0)) throw nb::value_error("reach must not be negative.");
  nb::gil_scoped_release release;
  gaps(map, points.data(), static_cast<int64_t>(points.shape(0)), reach, out.data(), threads);
}

template <class T>
void bind_rays(nb::module_& m) {
  m.def("composite_rays", &bind_composite<T>, "box"_a, "probabilities"_a, "values"_a, "origins"_a, "directions"_a,
        "reach"_a, "alphas"_a.noconvert(), "ranges"_a.noconvert(), "squares"_a.noconvert(), "composited"_a.noconvert(),
        "threads"_a);
  m.def("composite_rays_backward", &bind_composite_backward<T>, "box"_a, "probabilities"_a, "values"_a, "origins"_a,
        "directions"_a, "reach"_a, "d_alphas"_a, "d_ranges"_a, "d_squares"_a, "d_composited"_a,
        "d_probabilities"_a.noconvert(), "d_values"_a.noconvert(), "threads"_a);
}

void bind_half_planes(In<double, 2> places, In<double, 2> velocities, In<double, 1> radii, In<double, 1> yields,
                      In<uint8_t, 1> sees, In<double, 3> segments, In<double, 1> speeds, nb::tuple horizons, int most,
                      Out<double, 3> planes, Out<int32_t, 1> walls, Out<int32_t, 1> counts) {
  const size_t n = places.shape(0);
  expect(places, {n, 2}, "places");
  expect(velocities, {n, 2}, "velocities");
  expect(radii, {n}, "radii");
  expect(yields, {n}, "yields");
  expect(sees, {n}, "sees");
  expect(segments, {segments.shape(0), 2, 2}, "segments");
  expect(speeds, {n}, "speeds");
  expect(planes, {n, planes.shape(1), 3}, "planes");
  expect(walls, {n}, "walls");
  expect(counts, {n}, "counts");
  if (most < 0 || static_cast<size_t>(most) > planes.shape(1)) throw nb::value_error("planes has no room for people.");
  const People people{places.data(), velocities.data(), radii.data(), yields.data(), sees.data(),
                      static_cast<int64_t>(n)};
  const Horizons limits{nb::cast<double>(horizons[0]), nb::cast<double>(horizons[1]), nb::cast<double>(horizons[2]),
                        nb::cast<double>(horizons[3]), most};
  nb::gil_scoped_release release;
  half_planes(people, segments.data(), static_cast<int64_t>(segments.shape(0)), speeds.data(), limits, planes.data(),
              static_cast<int64_t>(planes.shape(1)), walls.data(), counts.data());
}

void bind_choose_velocities(In<double, 3> planes, In<int32_t, 1> walls, In<int32_t, 1> counts, In<double, 2> wanted,
                            In<double, 1> speeds, Out<double, 2> velocities) {
  const size_t n = planes.shape(0), room = planes.shape(1);
  expect(planes, {n, room, 3}, "planes");
  expect(walls, {n}, "walls");
  expect(counts, {n}, "counts");
  expect(wanted, {n, 2}, "wanted");
  expect(speeds, {n}, "speeds");
  expect(velocities, {n, 2}, "velocities");
  for (size_t i = 0; i < n; ++i)
    if (walls.data()[i] < 0 || counts.data()[i] < walls.data()[i] || static_cast<size_t>(counts.data()[i]) > room)
      throw nb::value_error("walls and counts do not fit planes.");
  nb::gil_scoped_release release;
  choose_velocities(planes.data(), static_cast<int64_t>(room), walls.data(), counts.data(), wanted.data(),
                    speeds.data(), static_cast<int64_t>(n), velocities.data());
}

}  // namespace

NB_MODULE(_ext, m) {
  m.doc() = "splatsim's native kernels. Internal: the Python modules above are the interface.";
  nb::set_leak_warnings(false);
  nb::exception<TooManyTiles>(m, "TooManyTiles", PyExc_MemoryError);

  nb::class_<Frame>(m, "Frame", "What one camera's picture needs between its stages.")
      .def_prop_ro("visible", [](const Frame& f) { return f.visible; }, "Gaussians with at least one tile.")
      .def_prop_ro("instances", [](const Frame& f) { return f.entries.size(); }, "(Gaussian, tile) pairs.")
      .def("mark_visible", visible, "out"_a);

  nb::class_<Kernels>(m, "Kernels", "The kernels of one instruction set.")
      .def_prop_ro("name", [](const Kernels& k) { return std::string(k.name); })
      .def("project", [](const Kernels& k, In<float, 2> means, In<float, 2> quats, In<float, 2> scales,
                         In<float, 1> opacities, In<float, 3> sh, In<double, 2> viewmat, In<double, 2> K, int width,
                         int height, bool ortho, bool antialiased, int threads) {
        return project(k, Scene(means, quats, scales, opacities, sh),
                       make_camera(viewmat, K, width, height, ortho, antialiased), threads);
      })
      .def("rasterize", rasterize, "frame"_a, "values"_a.none(), "first"_a, "count"_a, "background"_a.none(),
           "out"_a.noconvert(), "alpha"_a.none().noconvert(), "threads"_a)
      .def("rasterize_backward", rasterize_backward, "frame"_a, "values"_a.none(), "first"_a, "count"_a, "out"_a,
           "d_out"_a, "d_alpha"_a.none(), "moments"_a.noconvert(), "add_moments"_a, "d_values"_a.noconvert(),
           "add_values"_a, "threads"_a)
      .def("project_backward",
           [](const Kernels& k, const Frame& f, In<float, 2> means, In<float, 2> quats, In<float, 2> scales,
              In<float, 1> opacities, In<float, 3> sh, In<float, 2> moments, In<float, 2> d_colors,
              Out<float, 2> d_means, Out<float, 2> d_quats, Out<float, 2> d_scales, Out<float, 1> d_opacities,
              Out<float, 3> d_sh, bool add, std::optional<Out<double, 1>> d_camera, int threads) {
             project_backward(k, f, Scene(means, quats, scales, opacities, sh), moments, d_colors, d_means, d_quats,
                              d_scales, d_opacities, d_sh, add, d_camera, threads);
           },
           "frame"_a, "means"_a, "quats"_a, "scales"_a, "opacities"_a, "sh"_a, "moments"_a, "d_colors"_a,
           "d_means"_a.noconvert(), "d_quats"_a.noconvert(), "d_scales"_a.noconvert(), "d_opacities"_a.noconvert(),
           "d_sh"_a.noconvert(), "add"_a, "d_camera"_a.none().noconvert(), "threads"_a)
      .def("surface_ids", surface_ids, "frame"_a, "ids"_a.noconvert(), "threads"_a)
      .def("count_work",
           [](const Kernels& k, const Frame& f, int threads) {
             const Work work = k.count_work(f, threads);
             return nb::make_tuple(work.vectors, work.pairs);
           })
      .def("measure_flops", [](const Kernels& k) { return k.measure_flops(); })
      .def("photometric", photometric, "image"_a, "target"_a, "l1_weight"_a, "ssim_weight"_a,
           "d_image"_a.none().noconvert(), "threads"_a)
      .def("activate", activate, "log_scales"_a, "logit_opacities"_a, "scales"_a.noconvert(), "opacities"_a.noconvert(),
           "threads"_a)
      .def("activate_backward", activate_backward, "scales"_a, "opacities"_a, "d_scales"_a, "d_opacities"_a,
           "scale_penalty"_a, "opacity_penalty"_a, "d_log"_a.noconvert(), "d_logit"_a.noconvert(), "threads"_a)
      .def("expose", expose, "image"_a, "gains"_a, "offsets"_a, "out"_a.noconvert(), "threads"_a)
      .def("expose_backward", expose_backward, "image"_a, "gains"_a, "d_out"_a, "d_image"_a.noconvert(),
           "sums"_a.noconvert(), "threads"_a)
      .def("skin", skin, "mode"_a, "joints"_a, "weights"_a, "bones"_a, "means"_a, "quats"_a, "out_means"_a.noconvert(),
           "out_quats"_a.noconvert(), "out_turns"_a.none().noconvert(), "threads"_a)
      .def("rotate_sh", rotate_sh, "sh"_a, "turns"_a, "out"_a.noconvert(), "threads"_a)
      .def("adam", adam, "parameter"_a.noconvert(), "gradient"_a, "first"_a.noconvert(), "second"_a.noconvert(),
           "learning_rates"_a, "visible"_a.none(), "beta1"_a, "beta2"_a, "epsilon"_a, "correction1"_a, "correction2"_a,
           "threads"_a);

  nb::class_<VoxelBox>(m, "VoxelBox", "Where the voxels of a grid stand.")
      .def("__init__", [](VoxelBox* box, nb::tuple shape, nb::tuple origin, double voxel_size) {
        new (box) VoxelBox(make_box(shape, origin, voxel_size));
      }, "shape"_a, "origin"_a, "voxel_size"_a);
  m.def("first_hits", &bind_first_hits, "box"_a, "states"_a, "origins"_a, "directions"_a, "reach"_a,
        "index"_a.noconvert(), "entry"_a.noconvert(), "exit"_a.noconvert(), "face"_a.noconvert(),
        "unknown"_a.noconvert(), "threads"_a);
  m.def("stereo", &bind_stereo, "grey"_a, "counted"_a, "viewmats"_a, "Ks"_a, "references"_a, "others"_a, "ranges"_a,
        "levels"_a, "depths"_a, "threads"_a);
  m.def("refine_stereo", &bind_refine_stereo, "grey"_a, "counted"_a, "viewmats"_a, "Ks"_a, "references"_a, "others"_a,
        "first"_a, "known"_a, "depths"_a, "threads"_a);
  m.def("count_crossings", &bind_count_crossings, "box"_a, "origins"_a, "directions"_a, "reach"_a,
        "counts"_a.noconvert(), "threads"_a);
  bind_rays<float>(m);
  bind_rays<double>(m);

  m.def("foresee", &bind_foresee, "risks"_a, "open"_a, "settled"_a, "stand_in"_a, "finals"_a, "moves"_a, "border"_a,
        "forward_ticks"_a, "turn_ticks"_a, "tick"_a, "values"_a.noconvert());
  m.def("march", &bind_march, "open"_a, "distances"_a.noconvert());
  m.def("sweep", &bind_sweep, "blocked"_a, "west"_a, "north"_a, "resolution"_a, "walled"_a, "places"_a, "moves"_a,
        "radii"_a, "other_places"_a, "other_moves"_a, "other_radii"_a, "first"_a, "times"_a.noconvert(),
        "normals"_a.noconvert(), "met"_a.noconvert(), "threads"_a);
  m.def("gaps", &bind_gaps, "blocked"_a, "west"_a, "north"_a, "resolution"_a, "walled"_a, "points"_a, "reach"_a,
        "out"_a.noconvert(), "threads"_a);

  m.def("empty", &empty, "shape"_a, "An uninitialised float32 tensor.");
  m.def("kernels", [](const std::string& name) -> const Kernels& {
    for (const Kernels* k : usable_kernels())
      if (name == k->name) return *k;
    throw nb::value_error(("this machine has no kernels named '" + name + "'.").c_str());
  }, nb::rv_policy::reference);
  m.def("instruction_sets", [] {
    nb::list names;
    for (const Kernels* k : usable_kernels()) names.append(k->name);
    return names;
  }, "The instruction sets that this machine can run, the best one last.");

  m.def("half_planes", &bind_half_planes, "places"_a, "velocities"_a, "radii"_a, "yields"_a, "sees"_a, "segments"_a,
        "speeds"_a, "horizons"_a, "most"_a, "planes"_a.noconvert(), "walls"_a.noconvert(), "counts"_a.noconvert());
  m.def("choose_velocities", &bind_choose_velocities, "planes"_a, "walls"_a, "counts"_a, "wanted"_a, "speeds"_a,
        "velocities"_a.noconvert());
}
