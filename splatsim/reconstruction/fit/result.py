"""FitResult: what a fit gives."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.fitting.exposure import expose
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.budget import Calibration
from splatsim.reconstruction.fit.holdout import ViewMetrics
from splatsim.rendering import render


@dataclass(frozen=True)
class Point:
    """One point of the training curve."""

    step: int
    """Steps made."""
    seconds: float
    """Since the fit began, without pauses."""
    gaussians: int
    """How many there were."""
    loss: float
    """Of the step; in a curve the mean of the steps since the last point."""
    psnr: float | None = None
    """Of some held-out pictures, dB; None where there are none, or none were looked at."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A scene and how it came about."""

    gaussians: Gaussians
    """The scene, on the CPU."""
    antialiased: bool
    """How it is to be rendered."""
    depths: Float[Tensor, "c h w"] | None
    """z-depth by stereo in small pictures, 0 where it is not known or a picture was held out; None without stereo."""
    viewmats: Float[Tensor, "c 4 4"]
    """cam_from_world of all pictures of the capture, refined where that was asked for."""
    log_gains: Float[Tensor, "c 3"]
    """Exposure of all pictures: shown = colour · exp(log_gains) + offsets. Of held-out ones interpolated in time."""
    offsets: Float[Tensor, "c 3"]
    """The other half of it."""
    train: tuple[int, ...]
    """Pictures that were fitted."""
    held_out: tuple[ViewMetrics, ...]
    """Pictures that were not, and how well they are predicted."""
    curve: tuple[Point, ...]
    """How the fit went."""
    steps: int
    """Steps that were planned."""
    done: int
    """Steps that were made."""
    seconds: float
    """That they took, without pauses, with what was before the first and after the last."""
    calibration: Calibration | None
    """How the budget became a number of steps; None where steps were given."""
    peak_memory: int
    """Largest resident size of the process so far, bytes."""

    @property
    def interrupted(self) -> bool:
        """Whether it was ended before the last step."""
        return self.done < self.steps

    @torch.no_grad()
    def predict(self, capture: Capture, index: int) -> Float[Tensor, "h w 3"]:
        """One picture of the capture as the scene shows it, with its exposure, in [0, 1]."""
        width, height = capture.sizes[index]
        camera = Cameras(self.viewmats[index][None], capture.Ks[index][None], width, height)
        colors = render(self.gaussians, camera, antialiased=self.antialiased, depths=False).colors[0]
        return expose(colors, self.log_gains[index], self.offsets[index]).clamp(0, 1)
