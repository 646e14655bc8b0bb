"""How well shots are predicted, and pictures of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.shots import Shot
from splatsim.avatar.skeleton import Pose
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.fitting.losses import ssim
from splatsim.fitting.splats import Splats
from splatsim.gaussians import Gaussians
from splatsim.video import to_bytes

GREY = torch.full((3,), 0.5)


@dataclass(frozen=True)
class ShotMetrics:
    """How one shot is predicted."""

    time: int
    camera: int
    psnr: float
    """dB, over the pixels of the mask; the camera's colours as its background tells them."""
    psnr_untinted: float
    """dB, as if all cameras had the same colours."""
    ssim: float
    """Of the person's box, the picture outside of the mask grey in both (window of 11 pixels, sigma 1.5)."""
    psnr_aligned: float
    """dB after the colours of the prediction were brought to the picture's by one affine map (least squares)."""
    overlap: float
    """Intersection over union of mask and predicted coverage, where the mask is known."""


def frozen(
    optimisation: AvatarOptimisation,
    *,
    pose: Pose | None = None,
    gaussians: Gaussians | None = None,
    skin: SkinWeights | None = None,
) -> AvatarOptimisation:
    """The same cameras and colours of cameras, with other poses or other Gaussians."""
    o = optimisation
    pose = o.poses.now if pose is None else pose
    other = AvatarOptimisation(o.template, pose, o.shots[:1], steps=1, fps=o.fps, refine_poses=False, recipe=o.recipe)
    other.gains, other.fitted, other.cameras = o.gains, o.fitted, o.cameras
    other.splats = o.splats if gaussians is None else Splats(gaussians, o.recipe.rates, o.recipe.length)
    other.skin = o.skin if skin is None else skin
    return other


def refined_on(optimisation: AvatarOptimisation, shots: Sequence[Shot], rounds: int = 4) -> AvatarOptimisation:
    """A copy whose poses are refined on the very shots that are to be judged, the Gaussians as they are."""
    other = frozen(optimisation)
    for _ in range(rounds):
        other.settle(shots)
    return other


def judged(optimisation: AvatarOptimisation, shots: Sequence[Shot]) -> tuple[ShotMetrics, ...]:
    """The prediction of each shot against its picture."""
    found = []
    for shot in shots:
        colors, coverage, known = shot.tensors()
        render = optimisation.predict(shot, GREY)
        image = render.colors[0].clamp(0, 1)
        target = torch.where(known[..., None], coverage[..., None] * colors + (1 - coverage[..., None]) * GREY, image)
        inside = (coverage > 0.5) & known
        if not bool(inside.any()):
            continue
        plain = optimisation.predict(shot, GREY, as_camera=False).colors[0].clamp(0, 1)
        covered = (render.alphas[0] > 0.5) & known
        union = int((covered | inside).sum())
        found.append(
            ShotMetrics(
                shot.time,
                shot.camera,
                _psnr((image - target)[inside]),
                _psnr((plain - target)[inside]),
                float(ssim(image, target)),
                _aligned_psnr(image[inside], target[inside]),
                int((covered & inside).sum()) / max(union, 1),
            )
        )
    return tuple(found)


def _psnr(errors: Float[Tensor, "n 3"]) -> float:
    return float(-10 * errors.square().mean().clamp(min=1e-10).log10())


def _aligned_psnr(image: Float[Tensor, "n 3"], target: Float[Tensor, "n 3"]) -> float:
    source = torch.cat([image, torch.ones_like(image[:, :1])], 1).double()
    solution = torch.linalg.lstsq(source, target.double()).solution
    return _psnr(((source @ solution).clamp(0, 1) - target).float())


def side_by_side(optimisation: AvatarOptimisation, shot: Shot) -> UInt8[np.ndarray, "h w 3"]:
    """The picture, the prediction over grey, and the prediction in the picture's place."""
    colors, _, _ = shot.tensors()
    render = optimisation.predict(shot, GREY)
    image, alpha = render.colors[0].clamp(0, 1), render.alphas[0][..., None]
    placed = (image - GREY * (1 - alpha)) + colors * (1 - alpha)
    return np.concatenate([to_bytes(colors), to_bytes(image), to_bytes(placed)], 1)
