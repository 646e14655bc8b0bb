#include "foresee.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace splatsim {
namespace {

constexpr float kNever = 1e9f;

// Where a step forward leads: the first of four cells around it, as an offset, and their weights.
struct Landing {
  Landing(const float* move, int cols) {
    const float row = std::floor(move[0]), col = std::floor(move[1]);
    const float down = move[0] - row, right = move[1] - col;
    offset = static_cast<ptrdiff_t>(row) * cols + static_cast<ptrdiff_t>(col);
    weights[0] = (1 - down) * (1 - right);
    weights[1] = (1 - down) * right;
    weights[2] = down * (1 - right);
    weights[3] = down * right;
  }
  ptrdiff_t offset;
  float weights[4];
};

class Backward {
 public:
  explicit Backward(const Prospect& prospect)
      : p_(prospect), places_(size_t(p_.rows) * p_.cols), arrived_(places_) {}

  // All values at one tick, from those at later ones.
  void tick(int now, float* values) {
    const size_t layer = places_ * p_.headings;
    float* here = values + layer * now;
    std::copy_n(p_.finals, layer, here);
    const int gone = std::min(now + p_.forward_ticks, p_.ticks), turned = std::min(now + p_.turn_ticks, p_.ticks);
    for (int heading = 0; heading < p_.headings; ++heading) {
      arrive(values + layer * gone + places_ * heading, gone);
      const float* left = values + layer * turned + places_ * ((heading + 1) % p_.headings);
      const float* right = values + layer * turned + places_ * ((heading + p_.headings - 1) % p_.headings);
      float* out = here + places_ * heading;
      for (int row = p_.border; row < p_.rows - p_.border; ++row)
        choose(size_t(row) * p_.cols, heading, risks(now), risks(turned), left, right, out);
      for (size_t i = 0; i < places_; ++i) out[i] = out[p_.stand_in[i]];
    }
  }

 private:
  const float* risks(int tick) const { return p_.risks + places_ * tick; }

  // Values where a step forward ends, with the half of its risk that is met there.
  void arrive(const float* values, int tick) {
    const float half = 0.5f * p_.forward_ticks * p_.tick;
    const float* risk = risks(tick);
    for (size_t i = 0; i < places_; ++i) arrived_[i] = values[i] + half * risk[i];
  }

  void choose(size_t row, int heading, const float* risk, const float* later, const float* left, const float* right,
              float* out) const {
    const Landing landing(p_.moves + 2 * heading, p_.cols);
    const float going = p_.forward_ticks * p_.tick, turning = p_.turn_ticks * p_.tick;
    const uint8_t* open = p_.open + places_ * heading;
    const float* to = arrived_.data() + landing.offset;
    const float a = landing.weights[0], b = landing.weights[1], c = landing.weights[2], d = landing.weights[3];
    for (size_t i = row + p_.border; i < row + p_.cols - p_.border; ++i) {
      const float ahead = a * to[i] + b * to[i + 1] + c * to[i + p_.cols] + d * to[i + p_.cols + 1];
      const float go = open[i] ? ahead + going * (1 + 0.5f * risk[i]) : kNever;
      const float side = left[i] < right[i] ? left[i] : right[i];
      const float turn = side + turning * (1 + 0.5f * (risk[i] + later[i]));
      const float best = go < turn ? go : turn;
      out[i] = p_.settled[i] ? out[i] : best;
    }
  }

  const Prospect& p_;
  size_t places_;
  std::vector<float> arrived_;
};

}  // namespace

void foresee(const Prospect& prospect, float* values) {
  const size_t layer = size_t(prospect.rows) * prospect.cols * prospect.headings;
  std::copy_n(prospect.finals, layer, values + layer * prospect.ticks);
  Backward backward(prospect);
  for (int tick = prospect.ticks - 1; tick >= 0; --tick) backward.tick(tick, values);
}

}  // namespace splatsim
