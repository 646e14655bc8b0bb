"""A tiny capture with a known truth: random Gaussians, their pictures, and their centres as points."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch

from splatsim import Cameras, Gaussians, render
from splatsim.reconstruction.capture import Capture
from splatsim.rendering import Backend
from tests.conftest import random_gaussians

WIDTH, HEIGHT = 72, 56


def truth() -> Gaussians:
    """120 opaque blobs around the origin."""
    gaussians = random_gaussians(120, seed=3, k=1, smallest=0.1, largest=0.3)
    return gaussians.replace(opacities=torch.full((120,), 0.95), sh=gaussians.sh.clamp(-1.2, 1.2))


def cameras(count: int) -> Cameras:
    """On a circle of 5 m around the origin, at two heights."""
    angles = torch.arange(count) * (2 * torch.pi / count)
    heights = torch.where(torch.arange(count) % 2 == 0, 0.5, 1.5)
    eyes = torch.stack([5 * angles.cos(), 5 * angles.sin(), heights], dim=-1)
    return Cameras.look_at(eyes, [0.0, 0.0, 0.0], fov_deg=50, width=WIDTH, height=HEIGHT)


def make_capture(
    folder: Path,
    count: int = 12,
    *,
    gains: torch.Tensor | None = None,
    spoil: slice | None = None,
    backend: Backend = "auto",
) -> Capture:
    """Pictures of the truth, each times its gain [c 3]; columns of `spoil` are white and masked."""
    views, scene = cameras(count), truth()
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    names = tuple(f"{i:03d}.png" for i in range(count))
    for i, name in enumerate(names):
        colors = render(scene, views[i], backend=backend).colors[0]
        colors = colors if gains is None else colors * gains[i]
        pixels = (255 * colors.clamp(0, 1)).round().byte().numpy()
        if spoil is not None:
            pixels[:, spoil] = 255
            mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
            mask[:, spoil] = 0
            iio.imwrite(folder / "masks" / f"{name}.png", mask)
        iio.imwrite(folder / "images" / name, pixels)
    n = len(scene)
    return Capture(
        folder=folder,
        names=names,
        sizes=((WIDTH, HEIGHT),) * count,
        viewmats=views.viewmats,
        Ks=views.Ks,
        times=torch.arange(count).float(),
        points=scene.means + 0.02 * torch.randn(n, 3, generator=torch.Generator().manual_seed(1)),
        point_colors=(255 * (0.2821 * scene.sh[:, 0] + 0.5).clamp(0, 1)).byte(),
        point_errors=torch.full((n,), 0.5),
        observations=torch.cartesian_prod(torch.arange(count), torch.arange(n)).int(),
    )
