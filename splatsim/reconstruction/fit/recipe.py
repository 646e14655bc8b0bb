"""How a fit is done: what a user chooses; the numbers behind it are the recipe of `splatsim.fitting`."""

from dataclasses import dataclass
from typing import Literal

from splatsim.fitting.recipe import Recipe as Recipe
from splatsim.rendering import Backend

Quality = Literal["fast", "standard", "best"]
STEPS: dict[Quality, int] = {"fast": 1500, "standard": 5000, "best": 15000}
MAX_GAUSSIANS: dict[Quality, int] = {"fast": 60_000, "standard": 150_000, "best": 300_000}


@dataclass(frozen=True)
class FitConfig:
    """What a user chooses.

    Raises:
        ValueError: a number is out of range.
    """

    quality: Quality = "standard"
    """Sets steps and number of Gaussians where they are not given."""
    steps: int | None = None
    """Steps of the optimisation, one picture each."""
    budget: float | None = None
    """Seconds that the fit may take; turned into a number of steps by a short calibration. `steps` goes before it."""
    max_gaussians: int | None = None
    """No more Gaussians than this."""
    sh_degree: int = 2
    """Highest degree of the view-dependent colours, 0 to 3."""
    holdout: int = 8
    """Every so-manieth picture is kept out of the fit and only measured; 0: none."""
    antialiased: bool = True
    """Fit and render with Mip-Splatting's compensation."""
    exposure: bool = True
    """Fit a gain and an offset for each channel of each picture."""
    refine_poses: bool = False
    """Fit a small motion for each camera."""
    depth_weight: float = 0.5
    """Weight of known depths in the loss: by stereo, or of the triangulated points; 0: none."""
    stereo: bool | None = None
    """Look for depths by stereo before the fit, in about a second and a half a picture; by default where no budget is
    set and the quality is not fast."""
    seed: int = 0
    """Decides everything that is random."""
    backend: Backend = "auto"
    """Renderer: "cpu", "cuda" (gsplat), "reference", or "auto": CUDA where there is one."""

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float, float]] = {
            "steps": (1, 10_000_000),
            "budget": (1.0, 1e7),
            "max_gaussians": (1, 100_000_000),
            "sh_degree": (0, 3),
            "holdout": (0, 1_000_000),
            "depth_weight": (0.0, 1e6),
            "seed": (0, 2**63 - 1),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"FitConfig.{name} is {value}; expected {least} to {most}.")
        if self.quality not in STEPS:
            raise ValueError(f"FitConfig.quality is {self.quality!r}; expected one of {', '.join(STEPS)}.")
        if self.holdout == 1:
            raise ValueError("FitConfig.holdout is 1, which leaves no picture to fit; expected 0, or 2 and more.")

    @property
    def uses_stereo(self) -> bool:
        """What was asked for, or what budget and quality mean."""
        return self.budget is None and self.quality != "fast" if self.stereo is None else self.stereo

    @property
    def most_gaussians(self) -> int:
        """What was asked for, or what the quality means."""
        return self.max_gaussians or MAX_GAUSSIANS[self.quality]
