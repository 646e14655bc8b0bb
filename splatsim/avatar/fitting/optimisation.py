"""One optimisation of an avatar: the state between two steps, and the step.

Each step draws one shot over a background of random colour. Chance is a function of seed and step.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.fitting.colours import tinted
from splatsim.avatar.fitting.evidence import below, information, weighed
from splatsim.avatar.fitting.posing import PoseRefinement
from splatsim.avatar.fitting.recipe import AvatarRecipe
from splatsim.avatar.fitting.shots import Shot, by_time
from splatsim.avatar.fitting.start import start_gaussians
from splatsim.avatar.fitting.template import Surface, Template
from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose, world_from_joints, world_from_rest
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import skin_gaussians
from splatsim.cameras import Cameras
from splatsim.fitting.corrections import Corrections
from splatsim.fitting.exposure import expose
from splatsim.fitting.losses import photometric_loss
from splatsim.fitting.schedules import decay, growth
from splatsim.fitting.splats import Splats
from splatsim.gaussians import Gaussians
from splatsim.rendering import Render, render
from splatsim.transforms import multiply_quats

ORDER, MOVES, BACKGROUND, NEIGHBOURS = 0, 1, 2, 3
"""What a number is drawn for."""


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
        gains: Float[np.ndarray, "c 3"] | None = None,
        recipe: AvatarRecipe = AvatarRecipe(),  # noqa: B008 - frozen
    ) -> None:
        self.template, self.shots, self.steps, self.seed = template, list(shots), steps, seed
        self.small_shots = [shot.halved() for shot in self.shots] if recipe.coarse_until > 0 else []
        self.refine_poses, self.recipe, self.fps = refine_poses, recipe, fps
        self.surface = Surface(template)
        start, self.skin = start_gaussians(template, recipe.gaussians, np.random.default_rng([seed, 99]))
        self.splats = Splats(start, recipe.rates, recipe.length)
        self.anchors = start.means
        roles = joint_roles(template.skeleton)
        self.poses = PoseRefinement(template.skeleton, pose, sorted(roles.values()), recipe.trust)
        self.poses.now = self.poses.now if refine_poses else pose
        self._below = below(template.skeleton, self.poses.joints)
        self._settling = {round(share * steps) for share in recipe.settling} | set(recipe.early_settling)
        cameras = 1 + max(shot.camera for shot in shots) if gains is None else len(gains)
        self.fitted = sorted({shot.camera for shot in shots})
        self.gains = torch.ones(cameras, 3) if gains is None else torch.from_numpy(gains).float()
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
        if self.refine_poses and self.step in self._settling:
            self.settle(self.small_shots if self.progress <= recipe.coarse_until else self.shots)
        coarse = self.progress < recipe.coarse_until
        shot = (self.small_shots if coarse else self.shots)[self._index()]
        generator = np.random.default_rng([self.seed, BACKGROUND, self.step])
        behind = torch.from_numpy(generator.random(3, dtype=np.float32))
        canonical = self.splats.gaussians()
        posed, _ = self.posed(canonical, self.poses.bones(shot.time))
        picture = self.draw(tinted(posed, self.gains[shot.camera]), self._camera(shot), behind)
        image, target, off = self.compared(picture, shot, behind)
        loss = photometric_loss(image, target, ssim_weight=recipe.ssim_weight)
        total = loss + recipe.mask_weight * off.abs().mean() + self._regularisers(canonical, posed)
        if self.cameras.fits_exposure:
            total = total + self.cameras.pull(shot.camera, recipe.exposure_pull)
        total.backward()
        self._step_parameters(shot, picture.visible[0])
        self.step += 1
        return float(loss.detach())

    def compared(
        self, picture: Render, shot: Shot, behind: Tensor
    ) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w 3"], Float[Tensor, "h w"]]:
        """What is shown, what should be, and how coverage is off; alike where nobody knows."""
        colors, coverage, known = shot.tensors()
        target = coverage[..., None] * colors + (1 - coverage[..., None]) * behind
        shown = picture.colors[0]
        if self.cameras.fits_exposure and shot.camera in self.fitted:  # of the person alone: the colour behind is ours
            bare = shown - (1 - picture.alphas[0][..., None]) * behind
            shown = self._exposed(bare, shot.camera) * coverage[..., None] + bare * (1 - coverage[..., None])
            shown = shown + (1 - picture.alphas[0][..., None]) * behind
        image = torch.where(known[..., None], shown, target)
        return image, target, torch.where(known, picture.alphas[0] - coverage, 0)

    def _exposed(self, image: Float[Tensor, "h w 3"], camera: int) -> Float[Tensor, "h w 3"]:
        """As a camera shows it; what the corrections of all cameras have in common belongs to the avatar."""
        rows = (self.cameras.parameters[name] for name in ("log_gains", "offsets"))
        log_gains, offsets = (table[camera] - table[self.fitted].detach().mean(0) for table in rows)
        return expose(image, log_gains, offsets)

    def settle(self, shots: Sequence[Shot]) -> float:
        """One step of all poses by what shots say, the Gaussians as they are; returns the mean turn, degrees."""
        t, n = len(self.poses.now.root), self.poses.parameters
        curvature, gradient = np.zeros((t, n, n)), np.zeros((t, n))
        canonical = self.gaussians()
        for time, group in by_time(shots).items():
            most = self.recipe.settling_views
            for shot in group[:: -(-len(group) // most)]:
                more, slope = self._evidence(shot, canonical)
                curvature[time] += more
                gradient[time] += slope
        return self.poses.settle(curvature, gradient)

    def _evidence(self, shot: Shot, canonical: Gaussians) -> tuple[np.ndarray, np.ndarray]:
        """Second and first derivatives of what a shot costs, by the parameters of its pose."""
        step = torch.zeros(self.poses.parameters, requires_grad=True)
        pose, skeleton, behind = self.poses.moved(shot.time, step), self.template.skeleton, torch.full((3,), 0.5)
        posed, _ = self.posed(canonical, world_from_rest(skeleton, pose)[0])
        hanging = self._weights(len(skeleton)) @ self._below
        features = torch.cat([posed.means.detach(), hanging], 1)
        with torch.no_grad():
            view = self._camera(shot)
        shown_posed = tinted(posed, self.gains[shot.camera])
        picture = render(shown_posed, view, background=behind, features=features, antialiased=True, depths=False)
        image, target, off = self.compared(picture, shot, behind)
        alphas = picture.alphas[0].detach()
        inside = alphas > 0.1
        weights = weighed((image - target).detach(), off.detach(), alphas > 0.5, self.recipe.evidence)
        cost = (weights[0] * (image - target).square().sum(-1) + weights[1] * off.square()).sum() / 2
        (slope,) = torch.autograd.grad(cost, step)
        assert picture.features is not None
        shown = picture.features[0].detach() / alphas.clamp(min=0.05)[..., None]
        with torch.no_grad():
            frames = world_from_joints(skeleton, pose)[0, self.poses.joints].detach()
            both = torch.cat([image, picture.alphas[0][..., None]], -1).detach()
            curvature = information(both, weights, shown[..., :3], shown[..., 3:], frames, view, inside)
        return curvature, slope.double().numpy()

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

    def predict(self, shot: Shot, behind: Tensor, *, as_camera: bool = True) -> Render:
        """What the camera of a shot sees at its time; or as if all cameras were alike."""
        with torch.no_grad():
            posed, _ = self.posed(self.gaussians(), self.poses.bones(shot.time))
            return self.draw(tinted(posed, self.gains[shot.camera]) if as_camera else posed, shot.view, behind)

    def _weights(self, joints: int) -> Float[Tensor, "n j"]:
        if self._dense is None or len(self._dense) != len(self.skin):
            self._dense = self.skin.dense(joints)
        return self._dense

    def _camera(self, shot: Shot) -> Cameras:
        if not self.cameras.fits_poses or self.progress < self.recipe.camera_start:
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

    def _step_parameters(self, shot: Shot, visible: Tensor) -> None:
        recipe = self.recipe
        rate = decay(self.progress, 1.0, 0.05)
        self.splats.step(torch.ones_like(visible), means=rate, others=decay(self.progress, 1.0, 0.2))
        if self.refine_poses and self.progress >= recipe.camera_start:
            fall = decay((self.progress - 0.4) / 0.6, 1.0, 0.1)
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
