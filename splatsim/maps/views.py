"""Depth pictures from where a scene was seen: rays that end at the first surface."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.depth_pictures import DepthPictures
from splatsim.gaussians import Gaussians
from splatsim.occupancy.raycast import Rays, camera_rays
from splatsim.rendering import Backend, render_surface

WIDTH = 320
"""Pixels, of the depth pictures that carve: at 4 m a pixel is then about 2 cm wide."""


@dataclass(frozen=True, eq=False)
class Views:
    """Depth pictures to carve with, made one after the other."""

    gaussians: Gaussians
    """What is seen."""
    cameras: Cameras
    """From where."""
    antialiased: bool = False
    """As the Gaussians were fitted."""
    backend: Backend = "auto"
    """Who renders."""
    measured: DepthPictures | None = None
    """Depths that go before those of the Gaussians, where they are known."""

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[tuple[Rays, Float[Tensor, "p 3"]]]:
        """Rays that end at the first surface, and its normals there; rays that meet nothing are left out.

        Where a depth was measured, the rays end there; the normals are those of the Gaussians all the same.
        """
        measured = None
        if self.measured is not None:
            measured = self.measured.at_size(self.cameras.width, self.cameras.height).flatten(1).double()
        plain = self.gaussians.detach().replace(features=None).with_sh_degree(0)
        for index in range(len(self.cameras)):
            camera = self.cameras[index]
            with torch.no_grad():
                seen = render_surface(
                    plain,
                    camera.to(plain.means.device).to(plain.means.dtype),
                    antialiased=self.antialiased,
                    backend=self.backend,
                )
            reach = seen.depths.flatten().cpu().double()
            met = reach > 0
            if measured is not None:
                reach = torch.where(met & (measured[index] > 0), measured[index], reach)
            yield camera_rays(camera).select(met).until(reach[met]), seen.normals.reshape(-1, 3).cpu().double()[met]


def at_width(cameras: Cameras, width: int) -> Cameras:
    """The same views in pictures of this width, or as they are where they are smaller.

    Raises:
        ValueError: the width is not positive.
    """
    if width < 1:
        raise ValueError(f"width is {width}; expected a number of pixels, 1 or more.")
    if cameras.width <= width:
        return cameras
    share = width / cameras.width
    height = max(1, round(cameras.height * share))
    Ks = cameras.Ks.clone()
    Ks[:, 0] *= share
    Ks[:, 1] *= height / cameras.height
    return cameras.replace(Ks=Ks, width=width, height=height)
