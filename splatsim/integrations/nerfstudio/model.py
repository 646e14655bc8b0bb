"""The model behind `ns-train splatsim`: our renderer and our fit, in the shape that nerfstudio asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model, ModelConfig
from torch import Tensor

from splatsim.fitting import photometric_loss, psnr, ssim
from splatsim.gaussians import Gaussians
from splatsim.integrations.nerfstudio.cameras import cameras_from_nerfstudio
from splatsim.integrations.nerfstudio.splat_fit import SplatFit
from splatsim.rendering import Backend, Render, render
from splatsim.scene import Scene
from splatsim.transforms import invert

FIRST_COLOR = 128
"""Grey of points that come without colour."""


@dataclass
class SplatsimModelConfig(ModelConfig):  # type: ignore[misc]
    """What a user of `ns-train splatsim` chooses about the Gaussians."""

    _target: type = field(default_factory=lambda: SplatsimModel)
    max_gaussians: int = 150_000
    """No more Gaussians than this."""
    sh_degree: int = 2
    """Highest degree of the view-dependent colours, 0 to 3."""
    antialiased: bool = True
    """Fit and render with Mip-Splatting's compensation."""
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Red, green and blue behind the Gaussians, each in [0, 1]."""
    random_points: int = 20_000
    """Where the data brings no points, so many are strewn in the scene's box."""
    seed: int = 0
    """Decides everything that is random."""
    backend: Backend = "auto"
    """Who renders; auto takes gsplat on a CUDA device, and our own kernels on a CPU."""
    save_scene: bool = True
    """Write the Gaussians beside the checkpoints when training ends: a scene of splatsim, in the data's own frame."""


class SplatsimModel(Model):  # type: ignore[misc]
    """Gaussians that are rendered and stepped by splatsim; nerfstudio's own optimisers have nothing to do."""

    config: SplatsimModelConfig

    def __init__(self, *args: Any, seed_points: tuple[Tensor, Tensor] | None = None, **kwargs: Any) -> None:
        self.seed_points = seed_points
        super().__init__(*args, **kwargs)

    def populate_modules(self) -> None:
        """Gaussians at the points of the data, or at random ones."""
        if self.seed_points is not None and len(self.seed_points[0]):
            points, colors = self.seed_points[0].float(), self.seed_points[1].to(torch.uint8)
        else:
            chance = torch.Generator().manual_seed(self.config.seed)
            low, high = self.scene_box.aabb.float().cpu()
            points = low + (high - low) * torch.rand(self.config.random_points, 3, generator=chance)
            colors = torch.full((len(points), 3), FIRST_COLOR, dtype=torch.uint8)
        device = self.kwargs.get("device", "cpu")
        self.fit = SplatFit(
            points.to(device),
            colors.to(device),
            most_gaussians=self.config.max_gaussians,
            sh_degree=self.config.sh_degree,
            seed=self.config.seed,
        )
        self.visible: Tensor | None = None

    def get_extra_state(self) -> dict[str, Any]:
        """The fit, for a checkpoint."""
        return self.fit.state()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.fit.load(state)

    def get_param_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        """None: the fit steps its own parameters."""
        return {}

    def get_training_callbacks(self, training_callback_attributes: TrainingCallbackAttributes) -> list[Any]:
        """What surrounds a step, and what follows the last one."""
        trainer, pipeline = training_callback_attributes.trainer, training_callback_attributes.pipeline
        if trainer is None or pipeline is None:
            return []
        outputs = pipeline.datamanager.train_dataparser_outputs
        steps = trainer.config.max_num_iterations

        def before(step: int) -> None:
            if self.fit.step == 0:
                count = len(outputs.cameras)
                self.fit.begin(steps, [cameras_from_nerfstudio(outputs.cameras[i : i + 1]) for i in range(count)])
            self.fit.steps = max(1, steps)
            self.fit.prepare()

        def after(step: int) -> None:
            if self.visible is not None:
                self.fit.advance(self.visible)
                self.visible = None

        def last(step: int) -> None:
            if self.config.save_scene:
                folder = Path(trainer.base_dir) / "splatsim"
                self.scene(outputs.dataparser_transform, outputs.dataparser_scale).save(folder, overwrite=True)

        places = TrainingCallbackLocation
        return [
            TrainingCallback([places.BEFORE_TRAIN_ITERATION], before),
            TrainingCallback([places.AFTER_TRAIN_ITERATION], after),
            TrainingCallback([places.AFTER_TRAIN], last),
        ]

    def scene(self, dataparser_transform: Tensor, dataparser_scale: float) -> Scene:
        """The Gaussians in the frame and the units that the data came in."""
        trained_from_data = torch.eye(4)
        trained_from_data[:3] = dataparser_transform[:3].float().cpu()
        gaussians = self.fit.splats.gaussians().detach().to("cpu")
        facts: dict[str, Any] = {
            "generator": "nerfstudio, method splatsim",
            "steps": self.fit.step,
            "render": {"antialiased": self.config.antialiased},
        }
        gaussians = gaussians.transform(invert(trained_from_data), 1 / float(dataparser_scale))
        return Scene("nerfstudio", gaussians, provenance=facts)

    def get_outputs(self, ray_bundle: Any) -> dict[str, Tensor]:
        """What one camera sees: colour, coverage and depth."""
        if not isinstance(ray_bundle, NerfstudioCameras):
            raise TypeError(
                f"the model splatsim got a {type(ray_bundle).__name__}; expected Cameras: it renders pictures."
            )
        if not self.training:
            return _named(self._render(self.fit.splats.gaussians().detach(), ray_bundle, 1))
        seen = self._render(self.fit.gaussians(), ray_bundle, self.fit.level, depths=False)
        self.visible = seen.visible[0]
        return _named(seen)

    @torch.no_grad()
    def get_outputs_for_camera(self, camera: Any, obb_box: Any = None) -> dict[str, Tensor]:
        """The same for the viewer and for `ns-eval`, cut to the viewer's box where there is one."""
        gaussians = self.fit.splats.gaussians().detach()
        if obb_box is not None:
            gaussians = gaussians.select(obb_box.within(gaussians.means).reshape(-1))
        return _named(self._render(gaussians, camera.to(self.device), 1))

    def _render(self, gaussians: Gaussians, camera: Any, level: int, *, depths: bool = True) -> Render:
        return render(
            gaussians,
            cameras_from_nerfstudio(camera, level).to(gaussians.means.device),
            background=self.config.background,
            antialiased=self.config.antialiased,
            depths=depths,
            backend=self.config.backend,
        )

    def get_loss_dict(self, outputs: Any, batch: Any, metrics_dict: Any = None) -> dict[str, Tensor]:
        """L1 and SSIM against the picture; where a mask is 0 the prediction counts as right."""
        shown, target = outputs["rgb"], self._target(batch, outputs["rgb"])
        mask = batch.get("mask")
        if mask is not None:
            counts = _resized(mask.to(shown.device).float().reshape(*mask.shape[:2], 1), shown.shape[:2]) > 0.999
            shown = torch.where(counts, shown, target)
        return {"photometric": photometric_loss(shown, target, ssim_weight=self.fit.recipe.ssim_weight)}

    def get_metrics_dict(self, outputs: Any, batch: Any) -> dict[str, Tensor]:
        """For the screen and the logs."""
        shown = outputs["rgb"].detach()
        return {"psnr": psnr(shown, self._target(batch, shown)), "gaussians": torch.tensor(float(len(self.fit.splats)))}

    @torch.no_grad()
    def get_image_metrics_and_images(self, outputs: Any, batch: Any) -> tuple[dict[str, float], dict[str, Tensor]]:
        """What `ns-eval` asks for. LPIPS is not among it: its weights would have to be fetched."""
        shown = outputs["rgb"].clamp(0, 1)
        target = self._target(batch, shown)
        figures = {"psnr": float(psnr(shown, target)), "ssim": float(ssim(shown, target))}
        return figures | {"gaussians": float(len(self.fit.splats))}, {"img": torch.cat([target, shown], dim=1)}

    def _target(self, batch: Any, shown: Tensor) -> Tensor:
        """The picture at the size that is rendered, over the background where it has an alpha channel."""
        image = batch["image"].to(shown.device)
        image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        if image.shape[-1] == 4:
            background = torch.tensor(self.config.background).to(image)
            image = image[..., :3] * image[..., 3:] + background * (1 - image[..., 3:])
        return _resized(image, shown.shape[:2])


def _named(seen: Render) -> dict[str, Tensor]:
    """The first picture under nerfstudio's names."""
    outputs = {"rgb": seen.colors[0], "accumulation": seen.alphas[0][..., None]}
    return outputs if seen.depths is None else outputs | {"depth": seen.depths[0][..., None]}


def _resized(picture: Tensor, sides: tuple[int, ...]) -> Tensor:
    if tuple(picture.shape[:2]) == tuple(sides):
        return picture.contiguous()
    smaller = torch.nn.functional.interpolate(picture.movedim(-1, 0)[None], tuple(sides), mode="area")
    return smaller[0].movedim(0, -1).contiguous()
