"""The fit that runs inside nerfstudio's training loop: the recipe of `splatsim reconstruct`, step by step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.fitting.initialisation import gaussians_from_points
from splatsim.fitting.recipe import Recipe, penalised, redistribute
from splatsim.fitting.schedules import decay, growth, stage
from splatsim.fitting.splats import Splats
from splatsim.gaussians import Gaussians
from splatsim.transforms import apply


class SplatFit:
    """Gaussians between two steps, and what each step does to them.

    Args:
        points: Where they start.
        colors: Of the points, 0 to 255.
        most_gaussians: No more than this; of more than half as many points a part is drawn.
        sh_degree: The highest, 0 to 3.
        seed: Decides what is random.
    """

    def __init__(
        self,
        points: Float[Tensor, "p 3"],
        colors: UInt8[Tensor, "p 3"],
        *,
        most_gaussians: int,
        sh_degree: int,
        seed: int = 0,
        recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    ) -> None:
        self.recipe, self.most_gaussians, self.sh_degree, self.seed = recipe, most_gaussians, sh_degree, seed
        most = max(1, most_gaussians // 2)
        if len(points) > most:
            rows = torch.from_numpy(np.random.default_rng(seed).permutation(len(points))[:most])
            points, colors = points[rows], colors[rows]
        start = gaussians_from_points(points, colors, opacity=recipe.opacity, scale=recipe.scale)
        self.splats = Splats(start, recipe.rates, 1.0)
        self.first_count, self.step, self.steps = len(start), 0, 1

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return min(self.step / self.steps, 1.0)

    @property
    def level(self) -> int:
        """By what the sides of the pictures are divided now."""
        return stage(self.progress, self.recipe.levels)

    def begin(self, steps: int, cameras: Sequence[Cameras]) -> None:
        """Say how many steps there will be, and take the unit of length from what the cameras see."""
        self.steps = max(1, steps)
        self.splats.length = typical_depth(self.splats.parameters["means"].detach(), cameras)

    def prepare(self) -> None:
        """What comes before a step: more bands of colour, and Gaussians that are moved or added."""
        self.splats.raise_sh_degree(min(stage(self.progress, self.recipe.sh_degrees), self.sh_degree))
        if self.step < self.steps and self.recipe.moves_at(self.step, self.steps):
            count = growth(self.progress, self.first_count, self.most_gaussians, *self.recipe.growth)
            redistribute(self.splats, self.recipe, count, np.random.default_rng([self.seed, self.step]))

    def gaussians(self) -> Gaussians:
        """Those of this step, differentiable, with the recipe's penalties in their gradient."""
        return penalised(self.splats, self.recipe)

    def advance(self, visible: Bool[Tensor, " n"]) -> None:
        """What comes after the gradient: a step of the Gaussians that were visible."""
        means = decay(self.progress, 1.0, self.recipe.last_means_rate)
        self.splats.step(visible, means=means, others=self.recipe.other_rates(self.step, self.steps))
        self.step += 1

    def state(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        tensors = {name: tensor.detach() for name, tensor in self.splats.state().items()}
        numbers = {"step": self.step, "steps": self.steps, "first_count": self.first_count}
        return {"splats": tensors, "length": self.splats.length, **numbers}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        device = self.splats.parameters["means"].device
        tensors = {name: tensor.to(device) for name, tensor in state["splats"].items()}
        self.splats = Splats.restored(tensors, self.recipe.rates, float(state["length"]))
        self.step, self.steps, self.first_count = (int(state[name]) for name in ("step", "steps", "first_count"))


def typical_depth(points: Float[Tensor, "p 3"], cameras: Sequence[Cameras]) -> float:
    """The median depth of the points that the first camera of each batch has before it; 1 where there are none."""
    depths = []
    for camera in cameras:
        seen = apply(camera.viewmats[0].to(points), points)
        K, size = camera.Ks[0].to(points), torch.tensor([camera.width, camera.height]).to(points)
        pixels = seen[:, :2] / seen[:, 2:] * K[[0, 1], [0, 1]] + K[:2, 2]
        depths.append(seen[:, 2][(seen[:, 2] > 0) & (pixels >= 0).all(1) & (pixels < size).all(1)])
    before = torch.cat(depths) if depths else points[:0, 2]
    return float(before.median()) if len(before) else 1.0
