"""Recipe: the numbers behind a fit, each of which was chosen by measurement, and what they mean for its Splats."""

from dataclasses import dataclass, field

import numpy as np

from splatsim.fitting.schedules import decay
from splatsim.fitting.splats import Rates, Splats
from splatsim.gaussians import Gaussians


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

    def moves_at(self, step: int, steps: int) -> bool:
        """Whether Gaussians are added and moved before this step of so many."""
        every = max(1, round(steps / self.redistributions))
        return step % every == 0 and self.growth[0] <= step / steps <= self.last_move

    def other_rates(self, step: int, steps: int) -> float:
        """By what the learning rates of all but the means are multiplied in this step."""
        last = min(1.0, max(self.least_rate, self.settling_steps / steps))
        return decay((step / steps - self.settling) / (1 - self.settling), 1.0, last)


def penalised(splats: Splats, recipe: Recipe) -> Gaussians:
    """The Gaussians of one step, differentiable; what the recipe asks of opacities and scales is in their gradient."""
    count = len(splats)
    return splats.gaussians(
        scale_penalty=recipe.scale_penalty / (3 * count * splats.length),
        opacity_penalty=recipe.opacity_penalty / count,
    )


def redistribute(splats: Splats, recipe: Recipe, count: int, generator: np.random.Generator) -> None:
    """Move dead Gaussians, and add new ones up to `count`, to where others are opaque and pulled about."""
    parameters, moments = splats.parameters, splats.adam.second
    weights = 1 / (1 + np.exp(-parameters["logit_opacities"].detach().cpu().numpy().astype(np.float64)))
    if recipe.error_power:
        pull = moments["means"].cpu().numpy().astype(np.float64).sum(1) ** 0.5
        size = np.exp(parameters["log_scales"].detach().cpu().numpy().astype(np.float64)).max(1)
        weights *= (pull * size) ** recipe.error_power
    splats.redistribute(count, weights, generator, min_opacity=recipe.min_opacity, spread=recipe.spread)
