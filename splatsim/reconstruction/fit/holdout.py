"""Held-out pictures: which they are, and how well they are predicted."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.fitting.losses import psnr, ssim


@dataclass(frozen=True)
class ViewMetrics:
    """How one held-out picture is predicted."""

    index: int
    """Of the picture in the capture."""
    name: str
    """Its file name."""
    psnr: float
    """dB."""
    ssim: float
    """Mean structural similarity."""
    psnr_aligned: float
    """dB after the colours of the prediction were brought to the picture by an affine map (least squares)."""
    ssim_aligned: float
    """Mean structural similarity after the same."""


def split(count: int, every: int, *, filmed: bool = False) -> tuple[list[int], list[int]]:
    """Pictures that are fitted and pictures that are held out: every `every`-th, none for 0.

    Of photos the first is held out, as is the custom in the field. Of a video the middle of each run is: every held-out
    frame then has fitted ones before and after it, between which its exposure is interpolated, and what only the first
    moments show is not lost to the scene.
    """
    first = every // 2 if filmed else 0
    held_out = [i for i in range(count) if every > 0 and i % every == first]
    return [i for i in range(count) if i not in set(held_out)], held_out


def align_colors(
    image: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"] | None = None
) -> Float[Tensor, "h w 3"]:
    """The image with its colours brought nearest to the target's by one affine map, clamped to [0, 1]."""
    counted = torch.ones(image.shape[:2], dtype=torch.bool) if mask is None else mask
    source = torch.cat([image, torch.ones_like(image[..., :1])], dim=-1).double()
    solution = torch.linalg.lstsq(source[counted], target[counted].double()).solution
    aligned: Tensor = (source @ solution).to(image.dtype).clamp(0, 1)
    return aligned


def measure(
    index: int,
    name: str,
    image: Float[Tensor, "h w 3"],
    target: Float[Tensor, "h w 3"],
    mask: Bool[Tensor, "h w"] | None = None,
) -> ViewMetrics:
    """Compare a prediction with its picture, over the pixels of the mask."""
    image, target = image.detach().cpu().clamp(0, 1), target.cpu()
    mask = None if mask is None else mask.cpu()
    aligned = align_colors(image, target, mask)
    return ViewMetrics(index, name, *_psnr_and_ssim(image, target, mask), *_psnr_and_ssim(aligned, target, mask))


def _psnr_and_ssim(image: Tensor, target: Tensor, mask: Tensor | None) -> tuple[float, float]:
    if mask is None:
        return float(psnr(image, target)), float(ssim(image, target))
    if not bool(mask.any()):
        return float("nan"), float("nan")
    # Pixels outside count as perfect in SSIM, whose windows reach across: its mean is taken over those inside.
    filled = torch.where(mask[..., None], image, target)
    share = float(mask.float().mean())
    return float(psnr(image[mask][None], target[mask][None])), 1 - (1 - float(ssim(filled, target))) / share
