"""One optimisation: all that changes from step to step, and the step. What happens around it stands in fit.py.

Chance is a function of seed and step, so that nothing random has to be kept between them.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.errors import ReconstructionError
from splatsim.fitting.corrections import Corrections
from splatsim.fitting.exposure import between, expose
from splatsim.fitting.losses import depth_spread, photometric_loss
from splatsim.fitting.recipe import penalised, redistribute
from splatsim.fitting.schedules import decay, growth, stage
from splatsim.fitting.splats import Splats
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.filling import fill_thin_places
from splatsim.reconstruction.fit.holdout import split
from splatsim.reconstruction.fit.pictures import Pictures
from splatsim.reconstruction.fit.recipe import FitConfig, Recipe
from splatsim.reconstruction.fit.start import depth_targets, scene_length, start_gaussians
from splatsim.reconstruction.fit.stereo import Stereo
from splatsim.rendering import Backend, Render, render

ORDER, MOVES = 0, 1
"""What a number is drawn for."""
SPREAD_ALLOWED = 0.005
"""Of a depth: Gaussians need not lie closer together than this around what stereo found."""
FAR_OFF = 0.2
"""Of a depth by stereo: what is further from it counts as no more, for then it may be stereo that is wrong."""
NEAREST = 0.01
"""Of the scene's length: depths of Gaussians below it count as this."""
SEEN = 0.1
"""Opacity of a pixel from which on it shows where its Gaussians lie."""
SHOWN_PIXELS = 0.02
"""Light of a Gaussian, in pixels of half size summed over all fitted pictures, below which it is left away."""


class Optimisation:
    """The state between two steps.

    Raises:
        ReconstructionError: there are no points or no pictures to fit.
    """

    def __init__(
        self,
        capture: Capture,
        pictures: Pictures,
        config: FitConfig,
        recipe: Recipe,
        steps: int,
        stereo: Stereo | None = None,
    ) -> None:
        self.capture, self.pictures, self.config, self.recipe, self.steps = capture, pictures, config, recipe, steps
        self.stereo = stereo
        self.train, self.held_out = split(len(capture), config.holdout, filmed=capture.filmed)
        if not self.train or not len(capture.points):
            raise ReconstructionError(
                f"{capture.folder} has {len(self.train)} pictures to fit and {len(capture.points)} points; "
                "expected at least one of each."
            )
        self.device = pictures.device
        self.backend: Backend = "cuda" if self.device.type == "cuda" else config.backend
        self.length = scene_length(capture)
        most = max(0, config.most_gaussians // 2 - len(capture.points))
        more = fill_thin_places(capture, pictures, self.train, patches=recipe.patches, most=most, stereo=stereo)
        start = start_gaussians(capture, *more, opacity=recipe.opacity, scale=recipe.scale).to(str(self.device))
        self.splats = Splats(start, recipe.rates, self.length)
        self.first_count = len(self.splats)
        self.corrections = Corrections(
            len(capture), self.length, exposure=config.exposure, poses=config.refine_poses, device=self.device
        )
        self.step = 0
        self._depths: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self.step / self.steps

    def advance(self, level: int | None = None) -> float:
        """One step; returns its loss.

        Args:
            level: By what the picture's sides are divided; by default as the recipe has it.
        """
        self.splats.raise_sh_degree(min(stage(self.progress, self.recipe.sh_degrees), self.config.sh_degree))
        if self.recipe.moves_at(self.step, self.steps):
            count = growth(self.progress, self.first_count, self.config.most_gaussians, *self.recipe.growth)
            redistribute(self.splats, self.recipe, count, self._chance(MOVES, self.step))
        index, level = self._view(), level or stage(self.progress, self.recipe.levels)
        picture = self._render(index, level, depths=self._wants_depths())
        target = self.pictures.picture(index, level)
        image = self.corrections.exposed(picture.colors[0], index)
        mask = self.pictures.mask(index, level)
        if mask is not None:  # elsewhere the prediction counts as right, and no gradient goes there
            image = torch.where(mask[..., None], image, target)
        loss = photometric_loss(image, target, ssim_weight=self.recipe.ssim_weight)
        total = loss + self._other_losses(picture, index, level)
        total.backward()
        self._step_parameters(picture, index)
        self.step += 1
        return float(loss.detach())

    def _render(self, index: int, level: int, *, depths: bool) -> Render:
        """Differentiable."""
        gaussians, camera = penalised(self.splats, self.recipe), self.camera(index, level)
        if depths and self.stereo is not None:
            gaussians = gaussians.replace(features=self._inverse_depths(gaussians, camera))
        return self.draw(gaussians, camera, depths=depths)

    def _inverse_depths(self, gaussians: Gaussians, camera: Cameras) -> Float[Tensor, "n 2"]:
        """Inverse depths and their squares, in units of the scene's length."""
        depths = gaussians.means @ camera.viewmats[0, 2, :3] + camera.viewmats[0, 2, 3]
        inverse = self.length / depths.clamp_min(NEAREST * self.length)
        return torch.stack([inverse, inverse.square()], -1)

    def draw(self, gaussians: Gaussians, camera: Cameras, *, depths: bool = False) -> Render:
        """As the fit sees it."""
        return render(gaussians, camera, antialiased=self.config.antialiased, depths=depths, backend=self.backend)

    def camera(self, index: int, level: int = 1) -> Cameras:
        """The camera of one picture after its correction."""
        camera = self.pictures.camera(index, level)
        if self.progress < self.recipe.pose_start:
            return camera
        return camera.replace(viewmats=self.corrections.moved(camera.viewmats, index))

    def _view(self) -> int:
        """Every picture once, in an order of chance, then again in another one."""
        epoch, place = divmod(self.step, len(self.train))
        return self.train[int(self._chance(ORDER, epoch).permutation(len(self.train))[place])]

    def _chance(self, purpose: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, purpose, number])

    def _wants_depths(self) -> bool:
        recipe = self.recipe
        return (
            self.config.depth_weight > 0 and self.progress < recipe.depth_until and self.step % recipe.depth_every == 0
        )

    def _other_losses(self, picture: Render, index: int, level: int) -> Float[Tensor, ""]:
        total = torch.zeros((), device=self.device)
        if self.config.exposure:
            total = total + self.corrections.pull(index, self.recipe.exposure_pull)
        if picture.depths is None:
            return total
        if (index, level) not in self._depths:
            self._depths[index, level] = self._targets(index, level)
        places, depths, sureness = (tensor.to(self.device) for tensor in self._depths[index, level])
        found = picture.depths[0].reshape(-1)[places]
        error = (found - depths).abs() / depths
        if self.stereo is not None:
            error = error.clamp_max(FAR_OFF)
        error = error * sureness * (found.detach() > 0)
        if self.stereo is not None:
            assert picture.features is not None
            moments, light = picture.features[0].reshape(-1, 2)[places], picture.alphas[0].reshape(-1)[places]
            spread = depth_spread(moments, light, depths / self.length)
            error = error + (spread + SPREAD_ALLOWED**2).sqrt().clamp_max(FAR_OFF) * (light.detach() > SEEN)
        return total + self.config.depth_weight * error.sum() / max(len(places), 1)

    def _targets(self, index: int, level: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels, depths and how sure they are: by stereo where it found any, otherwise of the points."""
        size = self.pictures.size(index, level)
        if self.stereo is not None:
            places, depths = self.stereo.targets(index, size)
            if len(places):
                return torch.from_numpy(places), torch.from_numpy(depths), torch.ones(len(places))
        return depth_targets(self.capture, index, level, size)

    def _step_parameters(self, picture: Render, index: int) -> None:
        recipe, progress = self.recipe, self.progress
        others = recipe.other_rates(self.step, self.steps)
        self.splats.step(picture.visible[0], means=decay(progress, 1.0, recipe.last_means_rate), others=others)
        if self.config.exposure or self.config.refine_poses:
            poses = decay(progress, recipe.pose_rate, 0.1 * recipe.pose_rate)
            self.corrections.step(index, exposure_rate=recipe.exposure_rate * others, pose_rate=poses)

    @torch.no_grad()
    def predict(self, index: int, gaussians: Gaussians | None = None) -> Float[Tensor, "h w 3"]:
        """One picture; of a held-out one the exposure is taken from its neighbours in time."""
        shown = self.draw(gaussians or self.splats.gaussians(), self.camera(index)).colors[0]
        return expose(shown, *self.exposure(index)) if self.config.exposure else shown

    def shown_gaussians(self) -> Gaussians:
        """Those of which some fitted picture shows more than a trace, detached."""
        gaussians = self.splats.gaussians().detach()
        weights = torch.zeros(len(gaussians), 1, device=self.device, requires_grad=True)
        light = weights.detach()[:, 0]
        for index in self.train:
            camera = self.camera(index, 2)
            shown = self.draw(gaussians.replace(features=weights), camera.detach())
            total = torch.zeros(()) if shown.features is None else shown.features.sum()
            light = light + torch.autograd.grad(total, weights)[0][:, 0]
        return gaussians.select(light > SHOWN_PIXELS)

    def exposure(self, index: int) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
        """Log gains and offsets of one picture."""
        rows = [self.corrections.parameters[name].detach() for name in ("log_gains", "offsets")]
        if index not in self.held_out:
            return rows[0][index], rows[1][index]
        times = self.capture.times
        gains, offsets = (between(row[self.train], times[self.train], float(times[index])) for row in rows)
        return gains, offsets

    def state(self) -> dict[str, Tensor]:
        """All tensors by name, for a checkpoint."""
        parts = {"splats": self.splats.state(), "corrections": self.corrections.state()}
        named = {f"{part}/{name}": tensor for part, state in parts.items() for name, tensor in state.items()}
        return {**named, "step": torch.tensor(self.step)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""

        def part(prefix: str) -> dict[str, Tensor]:
            names = [name for name in state if name.startswith(prefix)]
            return {name.removeprefix(prefix): state[name].to(self.device) for name in names}

        self.splats = Splats.restored(part("splats/"), self.recipe.rates, self.length)
        self.corrections.load(part("corrections/"))
        self.step = int(state["step"])
