"""What every optimisation of Gaussians shares: losses and the optimiser, native on the CPU."""

from splatsim.fitting.activations import activate as activate
from splatsim.fitting.adam import Adam as Adam
from splatsim.fitting.adam import ParameterGroup as ParameterGroup
from splatsim.fitting.losses import photometric_loss as photometric_loss
from splatsim.fitting.losses import psnr as psnr
from splatsim.fitting.losses import ssim as ssim
