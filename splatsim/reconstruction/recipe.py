"""How a fit is done: what a user chooses, and the numbers behind it, each of which was chosen by measurement."""

from dataclasses import dataclass, field
from typing import Literal

from splatsim.fitting.splats import Rates
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
    """Weight of the triangulated points' depths in the loss; 0: none."""
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
    def most_gaussians(self) -> int:
        """What was asked for, or what the quality means."""
        return self.max_gaussians or MAX_GAUSSIANS[self.quality]


@dataclass(frozen=True)
class Recipe:
    """The numbers behind a fit. Places in time are shares of all steps."""

    levels: tuple[tuple[float, int], ...] = ((0.0, 4), (0.2, 2), (0.5, 1))
    """From when on the sides of the pictures are divided by how much."""
    sh_degrees: tuple[tuple[float, int], ...] = ((0.0, 0), (0.3, 1), (0.6, 2), (0.8, 3))
    """From when on colours have which degree."""
    growth: tuple[float, float] = (0.03, 0.5)
    """When the number of Gaussians grows."""
    redistributions: int = 60
    """How often Gaussians are added and moved, while it grows and until `last_move`."""
    last_move: float = 0.6
    """After it no Gaussian is moved any more."""
    min_opacity: float = 0.005
    """Gaussians below it are dead."""
    spread: float = 0.5
    """Copies lie apart by so many standard deviations."""
    error_power: float = 1.0
    """Gaussians are copied in proportion to opacity · (rate of change of their place)^this."""
    rates: Rates = field(default_factory=Rates)
    """Learning rates at the start."""
    last_means_rate: float = 0.01
    """Learning rate of the means at the end, of that at the start."""
    settling_steps: float = 400.0
    """The others fall to this divided by the number of steps: a longer fit can be finer. In a short one they stay."""
    least_rate: float = 0.05
    """But not below this share of what they were."""
    settling: float = 0.3
    """From when on the others fall."""
    ssim_weight: float = 0.2
    """Of the loss; L1 has the rest."""
    opacity_penalty: float = 0.005
    """Of the mean opacity."""
    scale_penalty: float = 0.005
    """Of the mean scale, in units of the scene's length."""
    patches: int = 32
    """Patches along a picture's long side that get a point where there is none."""
    opacity: float = 0.5
    """At the start."""
    scale: float = 1.0
    """At the start, times the mean distance to three neighbours."""
    exposure_rate: float = 2e-3
    """Learning rate of gains and offsets."""
    exposure_pull: float = 0.02
    """Weight of the squares of log gains and offsets."""
    pose_rate: float = 3e-4
    """Learning rate of the cameras' motions, radians and units of the scene's length."""
    pose_start: float = 0.3
    """Cameras stay where they are before."""
    depth_until: float = 1.0
    """Depths count until then."""
    depth_every: int = 2
    """They are looked at in every so-manieth step."""
