"""What every back end takes and gives: the seam between `render()` and the rasterisers."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians

# The constants of the rasteriser. The native kernels (native/src/frame.hpp) and gsplat hold the same values.
MIN_ALPHA = 1 / 255
"""A smaller contribution is skipped."""
MAX_ALPHA = 0.999
"""No Gaussian hides more than this of what lies behind it."""
MIN_TRANSMITTANCE = 1e-4
"""A pixel is finished before its transmittance falls to this."""
BLUR = 0.3
"""Variance, in square pixels, that is added to every footprint."""
NEAR_PLANE = 0.01
"""Metres; what lies nearer is not drawn."""


class Raster(NamedTuple):
    """Composited channels, before anything is normalised."""

    colors: Float[Tensor, "c h w 3"]
    alphas: Float[Tensor, "c h w"]
    depth_sums: Float[Tensor, "c h w"] | None
    """Sum of weight times z-depth, metres."""
    features: Float[Tensor, "c h w f"] | None
    visible: Bool[Tensor, "c n"]
    """Which Gaussians reach the image."""


@runtime_checkable
class Rasterize(Protocol):
    """The one function of a back end. `background` is [c 3]; `gaussians.features` are the feature channels."""

    def __call__(
        self,
        gaussians: Gaussians,
        cameras: Cameras,
        background: Float[Tensor, "c 3"],
        *,
        antialiased: bool,
        depths: bool,
    ) -> Raster: ...
