// The table of this instruction set.

#include "kernels.hpp"

#define SPLATSIM_TEXT_(x) #x
#define SPLATSIM_TEXT(x) SPLATSIM_TEXT_(x)

namespace splatsim::SPLATSIM_ISA {

void install_projection(Kernels&);
void install_binning(Kernels&);
void install_rasterizer(Kernels&);
void install_photometric(Kernels&);
void install_activation(Kernels&);
void install_exposure(Kernels&);
void install_adam(Kernels&);
void install_skinning(Kernels&);
void install_ceiling(Kernels&);

const Kernels& kernels() {
  static const Kernels table = [] {
    Kernels k{};
    k.name = SPLATSIM_TEXT(SPLATSIM_ISA);
    install_projection(k);
    install_binning(k);
    install_rasterizer(k);
    install_photometric(k);
    install_activation(k);
    install_exposure(k);
    install_adam(k);
    install_skinning(k);
    install_ceiling(k);
    return k;
  }();
  return table;
}

}  // namespace splatsim::SPLATSIM_ISA
