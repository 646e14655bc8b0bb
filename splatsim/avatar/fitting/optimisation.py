"""One optimisation of an avatar: the state between two steps, and the step.

Each step draws one shot over a background of random colour. Chance is a function of seed and step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.fitting.posing import PoseRefinement
from splatsim.avatar.fitting.shots import Shot
from splatsim.avatar.fitting.template import Surface, Template
from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import skin_gaussians
from splatsim.cameras import Cameras
from splatsim.fitting.corrections import Corrections
from splatsim.fitting.losses import photometric_loss
from splatsim.fitting.schedules import decay, growth
from splatsim.fitting.splats import Rates, Splats
from splatsim.gaussians import Gaussians
from splatsim.rendering import Render, render
from splatsim.transforms import multiply_quats

ORDER, MOVES, BACKGROUND, NEIGHBOURS = 0, 1, 2, 3
"""What a number is drawn for."""


RATES = Rates(means=1.6e-3, quats=2e-3, log_scales=1e-2, logit_opacities=3e-2, sh=8e-3)


@dataclass(frozen=True)
class AvatarRecipe:
    """The numbers behind a fit."""

    gaussians: int = 8_000
    """At the start."""
    most_gaussians: int = 16_000
    """At the end."""
    ssim_weight: float = 0.2
    mask_weight: float = 0.1
    """Of the mean difference between coverage and mask."""
    rates: Rates = RATES
    length: float = 0.1
    """Unit of the means' learning rate, metres."""
    growth: tuple[float, float] = (0.1, 0.7)
    move_every: int = 200
    least_opacity: float = 0.02
    largest_scale: float = 0.03
    """Metres; larger Gaussians are drawn together."""
    largest_ratio: float = 12.0
    """Of a Gaussian's longest to its shortest axis."""
    shape_weight: float = 1.0
    off_surface: float = 0.05
    """Metres from the body's surface that are free, or nearly."""
    off_surface_weight: float = 1.0
    pull: float = 2e-4
    """Of the mean distance from the surface, in units of what is free."""
    opacity_weight: float = 1e-2
    """Of what the mean opacity lacks to 1: nobody sees through a person."""
    flatness: float = 2e-4
    """Of the mean thickness, in units of 5 mm."""
    neighbour_weight: float = 2e-3
    """Of the differences in colour and opacity between neighbours."""
    isometry_weight: float = 0.1
    """Of changes of distance between neighbours when the body is posed."""
    neighbours: int = 5
    neighbour_sample: int = 2_000
    coarse_until: float = 0.5
    """Shots are fitted at half their size before: that is fast, and poses find their way from farther away."""
    pose_start: float = 0.04
    """Poses stay where they are before."""
    turn_rate: float = 4e-3
    """Radians, at the start of the refinement; falls to a tenth."""
    shift_rate: float = 1e-3
    """Metres."""
    smooth_weight: float = 1e-5
    """Of accelerations."""
    camera_rate: float = 0.0
    """Radians and metres; 0 leaves the cameras where they are."""
    exposure_rate: float = 0.0
    """Of the cameras' gains and offsets; 0 takes all cameras for alike."""
    exposure_pull: float = 0.02
    """Of the squares of log gains and offsets."""
    steps_of_weights: int = 400
    """After so many steps Gaussians look up their weights again, at the places to which they have moved."""


class AvatarOptimisation:
    """All that changes from step to step."""

    def __init__(
        self,
        template: Template,
        pose: Pose,
        shots: Sequence[Shot],
        *,
        steps: int,
        fps: float,
        seed: int = 0,
        refine_poses: bool = True,
        recipe: AvatarRecipe = AvatarRecipe(),
    ) -> None:
        self.template, self.shots, self.steps, self.seed = template, list(shots), steps, seed
        self.small_shots = [shot.halved() for shot in self.shots] if recipe.coarse_until > 0 else []
        self.refine_poses, self.recipe = refine_poses, recipe
        self.surface = Surface(template)
        start, self.skin = start_gaussians(template, recipe.gaussians, np.random.default_rng([seed, 99]))
        self.splats = Splats(start, recipe.rates, recipe.length)
        self.anchors = start.means
        roles = joint_roles(template.skeleton)
        self.poses = PoseRefinement(template.skeleton, pose, sorted(roles.values()), fps)
        cameras = 1 + max(shot.camera for shot in shots)
        self.cameras = Corrections(cameras, 1.0, exposure=recipe.exposure_rate > 0, poses=recipe.camera_rate > 0)
        self.step = 0
        self._neighbours: tuple[int, Tensor] | None = None
        self._dense: Tensor | None = None

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self.step / self.steps

    def advance(self) -> float:
        """One step; returns its loss."""
        recipe = self.recipe
        if self.step and self.step % recipe.move_every == 0 and self.progress < 0.85:
            self._redistribute()
        if self.step and self.step % recipe.steps_of_weights == 0:
            self._look_up()
        coarse = self.progress < recipe.coarse_until
        shot = (self.small_shots if coarse else self.shots)[self._index()]
        generator = np.random.default_rng([self.seed, BACKGROUND, self.step])
        behind = torch.from_numpy(generator.random(3, dtype=np.float32))
        refining = self.refine_poses and self.progress >= recipe.pose_start
        bones = self.poses.bones(shot.time) if refining else self._bones(shot.time)
        canonical = self.splats.gaussians()
        posed, _ = self.posed(canonical, bones)
        picture = self.draw(posed, self._camera(shot), behind)
        colors, coverage, known = shot.tensors()
        target = coverage[..., None] * colors + (1 - coverage[..., None]) * behind
        shown = picture.colors[0]
        if self.cameras.fits_exposure:  # of the person alone: the colour behind is ours
            bare = shown - (1 - picture.alphas[0][..., None]) * behind
            shown = self.cameras.exposed(bare, shot.camera) * coverage[..., None] + bare * (1 - coverage[..., None])
            shown = shown + (1 - picture.alphas[0][..., None]) * behind
        image = torch.where(known[..., None], shown, target)
        loss = photometric_loss(image, target, ssim_weight=recipe.ssim_weight)
        off = torch.where(known, picture.alphas[0] - coverage, 0)
        total = loss + recipe.mask_weight * off.abs().mean() + self._regularisers(canonical, posed)
        if self.cameras.fits_exposure:
            total = total + self.cameras.pull(shot.camera, recipe.exposure_pull)
        if refining:
            total = total + recipe.smooth_weight * self.poses.roughness(shot.time)
        total.backward()
        self._step_parameters(shot, picture.visible[0], refining)
        self.step += 1
        return float(loss.detach())

    def refine_pose(self, shot: Shot, *, turn_rate: float, shift_rate: float) -> float:
        """One step of the pose of a shot alone, the Gaussians as they are; returns its loss."""
        colors, coverage, known = shot.tensors()
        behind = torch.full((3,), 0.5)
        posed, _ = self.posed(self.gaussians(), self.poses.bones(shot.time))
        picture = self.draw(posed, shot.view, behind)
        target = coverage[..., None] * colors + (1 - coverage[..., None]) * behind
        image = torch.where(known[..., None], picture.colors[0], target)
        off = torch.where(known, picture.alphas[0] - coverage, 0)
        loss = photometric_loss(image, target, ssim_weight=self.recipe.ssim_weight)
        (loss + self.recipe.mask_weight * off.abs().mean()).backward()
        self.poses.step(shot.time, turn_rate=turn_rate, shift_rate=shift_rate)
        return float(loss.detach())

    def tested_on(self, shots: Sequence[Shot], rounds: int = 6) -> "AvatarOptimisation":
        """A copy whose poses are refined on the very shots that are to be judged, the Gaussians as they are."""
        other = AvatarOptimisation(
            self.template, self.poses.refined(), self.shots[:1], steps=1, fps=self.poses.fps, recipe=self.recipe
        )
        other.splats, other.skin, other.anchors = self.splats, self.skin, self.anchors
        for k in range(rounds):
            fall = 0.2 ** (k / rounds)
            for shot in shots:
                other.refine_pose(shot, turn_rate=3e-3 * fall, shift_rate=2e-3 * fall)
        return other

    def posed(self, canonical: Gaussians, bones: Float[Tensor, "j 4 4"]) -> tuple[Gaussians, Float[Tensor, "n 4"]]:
        """As `skin_gaussians` in the mode "polar", and the turns; poses are pulled by the centres alone."""
        dense = self._weights(len(bones))
        matrices = (dense @ bones[:, :3].flatten(1)).unflatten(1, (3, 4))
        means = (matrices[..., :3] @ canonical.means[..., None]).squeeze(-1) + matrices[..., 3]
        with torch.no_grad():
            unit = torch.zeros_like(canonical.quats)
            unit[:, 0] = 1.0
            bare = canonical.detach()
            turns = skin_gaussians(bare.replace(quats=unit, sh=bare.sh[:, :1]), self.skin, bones.detach()).quats
        return canonical.replace(means=means, quats=multiply_quats(turns, canonical.quats)), turns

    def draw(self, gaussians: Gaussians, camera: Cameras, behind: Tensor) -> Render:
        """As the fit sees it."""
        return render(gaussians, camera, background=behind, antialiased=True, depths=False)

    def gaussians(self) -> Gaussians:
        """As they are now, in the rest pose."""
        with torch.no_grad():
            return self.splats.gaussians().detach()

    def predict(self, time: int, camera: Cameras, behind: Tensor) -> Render:
        """What a camera sees at one time."""
        with torch.no_grad():
            posed, _ = self.posed(self.gaussians(), self._bones(time))
            return self.draw(posed, camera, behind)

    def _bones(self, time: int) -> Float[Tensor, "j 4 4"]:
        with torch.no_grad():
            return self.poses.bones(time)

    def _weights(self, joints: int) -> Float[Tensor, "n j"]:
        if self._dense is None or len(self._dense) != len(self.skin):
            self._dense = self.skin.dense(joints)
        return self._dense

    def _camera(self, shot: Shot) -> Cameras:
        if not self.cameras.fits_poses or self.progress < self.recipe.pose_start:
            return shot.view
        return shot.view.replace(viewmats=self.cameras.moved(shot.view.viewmats, shot.camera))

    def _index(self) -> int:
        """Every shot once, in an order of chance, then again in another one."""
        epoch, place = divmod(self.step, len(self.shots))
        return int(np.random.default_rng([self.seed, ORDER, epoch]).permutation(len(self.shots))[place])

    def _regularisers(self, canonical: Gaussians, posed: Gaussians) -> Float[Tensor, ""]:
        recipe = self.recipe
        scales = canonical.scales
        longest = scales.amax(1)
        too_large = (longest / recipe.largest_scale - 1).relu().mean()
        too_long = (longest / scales.amin(1) / recipe.largest_ratio - 1).relu().mean()
        apart = (canonical.means - self.anchors).square().sum(1).add(1e-8).sqrt() / recipe.off_surface
        total = recipe.shape_weight * (too_large + 0.1 * too_long)
        total = total + recipe.off_surface_weight * (apart - 1).relu().mean() + recipe.pull * apart.mean()
        total = total + recipe.opacity_weight * (1 - canonical.opacities).mean()
        total = total + recipe.flatness * scales.amin(1).mean() / 0.005
        rows, near = self._near()
        color = (canonical.sh[rows, 0][:, None] - canonical.sh[near, 0]).abs().mean()
        opacity = (canonical.opacities[rows][:, None] - canonical.opacities[near]).abs().mean()
        between = _distances(canonical.means, rows, near)
        isometry = (between - _distances(posed.means, rows, near)).abs().mean()
        return total + recipe.neighbour_weight * (color + opacity) + recipe.isometry_weight * isometry

    def _near(self) -> tuple[Tensor, Tensor]:
        """A sample of the Gaussians, and the nearest others of each."""
        from scipy.spatial import KDTree

        if self._neighbours is None or self._neighbours[0] != len(self.splats) or self.step % 200 == 0:
            places = self.splats.parameters["means"].detach().numpy()
            _, rows = KDTree(places).query(places, k=self.recipe.neighbours + 1)
            self._neighbours = (len(self.splats), torch.from_numpy(rows[:, 1:]))
        generator = np.random.default_rng([self.seed, NEIGHBOURS, self.step])
        count = min(self.recipe.neighbour_sample, len(self.splats))
        rows = torch.from_numpy(generator.choice(len(self.splats), count, replace=False))
        return rows, self._neighbours[1][rows]

    def _step_parameters(self, shot: Shot, visible: Tensor, refining: bool) -> None:
        recipe = self.recipe
        rate = decay(self.progress, 1.0, 0.05)
        self.splats.step(torch.ones_like(visible), means=rate, others=decay(self.progress, 1.0, 0.2))
        if refining:
            fall = decay((self.progress - 0.4) / 0.6, 1.0, 0.1)
            self.poses.step(shot.time, turn_rate=recipe.turn_rate * fall, shift_rate=recipe.shift_rate * fall)
            if self.cameras.fits_poses or self.cameras.fits_exposure:
                rates = {"exposure_rate": recipe.exposure_rate * fall, "pose_rate": recipe.camera_rate * fall}
                self.cameras.step(shot.camera, **rates)

    def _redistribute(self) -> None:
        recipe = self.recipe
        count = growth(self.progress, recipe.gaussians, recipe.most_gaussians, *recipe.growth)
        opacities = self.gaussians().opacities.numpy().astype(np.float64)
        self.splats.redistribute(
            max(count, len(self.splats)),
            opacities,
            np.random.default_rng([self.seed, MOVES, self.step]),
            min_opacity=recipe.least_opacity,
            spread=0.5,
        )
        self._look_up()

    def _look_up(self) -> None:
        """Weights and anchors of the places where the Gaussians are now."""
        self.anchors, self.skin = self.surface.at(self.splats.parameters["means"])
        self._dense = None

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        parts = {"splats": self.splats.state(), "poses": self.poses.state(), "cameras": self.cameras.state()}
        flat = {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
        near = {} if self._neighbours is None else {"neighbours": self._neighbours[1]}
        skin = {"anchors": self.anchors, "joints": self.skin.joints, "weights": self.skin.weights}
        return {**flat, **skin, **near, "step": torch.tensor(self.step)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""

        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(f"{name}/"): t for key, t in state.items() if key.startswith(f"{name}/")}

        self.splats = Splats.restored(part("splats"), self.recipe.rates, self.recipe.length)
        self.poses.load(part("poses"))
        self.cameras.load(part("cameras"))
        self.anchors, self.skin = state["anchors"], SkinWeights(state["joints"], state["weights"])
        self.step, self._dense, self._neighbours = int(state["step"]), None, None
        if "neighbours" in state:
            self._neighbours = (len(self.splats), state["neighbours"])


def _distances(places: Float[Tensor, "n 3"], rows: Tensor, near: Tensor) -> Float[Tensor, "m k"]:
    """From each of some points to its neighbours; differentiable where two coincide."""
    return (places[rows][:, None] - places[near]).square().sum(-1).add(1e-10).sqrt()


def start_gaussians(
    template: Template, count: int, generator: np.random.Generator, *, opacity: float = 0.9
) -> tuple[Gaussians, SkinWeights]:
    """Grey flat Gaussians on the surface, as large as the distance to their neighbours asks for."""
    from scipy.spatial import KDTree

    points, normals, skin = template.sample(count, generator)
    distances, _ = KDTree(points.numpy()).query(points.numpy(), k=4)
    spread = torch.from_numpy(distances[:, 1:].mean(1)).float().clamp(2e-3, 0.03)
    scales = torch.stack([0.3 * spread, 0.7 * spread, 0.7 * spread], 1)
    return Gaussians(points, _facing(normals), scales, torch.full((count,), opacity), torch.zeros(count, 1, 3)), skin


def _facing(normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    """Rotations that take the first axis to the normal, the shortest way."""
    half = torch.cat([1 + normals[:, :1], torch.zeros_like(normals[:, :1]), -normals[:, 2:], normals[:, 1:2]], 1)
    back = half.norm(dim=1, keepdim=True) < 1e-4
    around = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand_as(half)
    return torch.nn.functional.normalize(torch.where(back, around, half), dim=1)
