"""A small network from cameras and a LiDAR to occupancy, that the losses of this package can be tried on.

Every voxel takes the features of the pixel that shows it (Simple-BEV, Harley et al. 2023) and what the picture says of
its depth (Lift, Splat, Shoot, Philion and Fidler 2020); returns become features of voxels. Both meet in columns
seen from above, which makes 3D convolutions 2D ones (FlashOcc, Yu et al. 2023). The LiDAR branch and the depths have
outputs of their own, so that each sensor can be asked for what the other one measures (RenderFusion of UnsOcc, 2026).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from splatsim.cameras import Cameras
from splatsim.grids import VoxelFrame
from splatsim.occupancy.raycast import Rays, count_crossings
from splatsim.transforms import apply

POINT_FEATURES = 5
"""Channels that `point_features` makes."""


class Prediction(NamedTuple):
    """What `CameraLidarNet` says of a batch."""

    logits: Float[Tensor, "b k x y z"]
    """Of both sensors: what `gs_refinement_loss` takes."""
    lidar_logits: Float[Tensor, "b k x y z"]
    """Of the LiDAR alone: what `lidar_to_semantic_loss` takes."""
    depth_logits: Float[Tensor, "b c d h w"]
    """Of the cameras alone, over `bins`, in half the resolution of the pictures: for `camera_to_depth_loss`."""


def point_features(frame: VoxelFrame, rays: Rays, intensity: Float[Tensor, " n"]) -> Float[Tensor, "5 x y z"]:
    """LiDAR returns as voxels: how many, their mean height within the voxel, intensity, whether any, rays across.

    Args:
        rays: From the sensor to what it has met, of unit direction, with ranges as `reach`; in the frame of the grid.
    """
    assert rays.reach is not None
    index = frame.index_of(rays.at(rays.reach))
    inside = frame.contains(index)
    height = (rays.at(rays.reach)[inside, 2] - frame.centers(index[inside])[:, 2]) / frame.voxel_size
    _, ny, nz = frame.shape
    flat = (index[inside, 0] * ny + index[inside, 1]) * nz + index[inside, 2]
    features = torch.zeros(POINT_FEATURES, frame.shape[0] * ny * nz)
    for channel, values in enumerate((torch.ones(len(flat)), height.float(), intensity[inside].float())):
        features[channel].index_add_(0, flat, values)
    count = features[0].clone()
    features[1:3] /= count.clamp_min(1)
    features[0], features[3] = count.log1p(), (count > 0).float()
    features[4] = count_crossings(frame, rays).flatten().float().log1p()
    return features.view(POINT_FEATURES, *frame.shape)


class CameraLidarNet(nn.Module):
    """Occupancy in the frame of a vehicle from its cameras and its LiDAR, for one rig and one grid.

    Raises:
        ValueError: the size of the pictures is odd, or the depth bins do not rise.
    """

    pixel: Tensor
    bin: Tensor
    share: Tensor
    seen: Tensor

    def __init__(
        self,
        frame: VoxelFrame,
        cameras: Cameras,
        classes: int,
        *,
        bins: Float[Tensor, " d"],
        channels: int = 16,
        width: int = 64,
    ) -> None:
        """Make a network.

        Args:
            frame: In the frame of the vehicle, as are the cameras.
            cameras: Of the size of the pictures.
            classes: The free one among them.
            bins: z-depths that the cameras choose from, rising, metres.
            channels: Features of a voxel.
            width: Features of a column.
        """
        super().__init__()
        if cameras.width % 2 or cameras.height % 2:
            raise ValueError(f"the pictures are {cameras.width} × {cameras.height}; expected even numbers of pixels.")
        if len(bins) < 2 or not bool((bins.diff() > 0).all()):
            raise ValueError(f"bins is {bins.tolist()}; expected at least two depths in rising order.")
        self.shape, self.channels = frame.shape, channels
        for name, table in zip(("pixel", "bin", "share", "seen"), _lookup(frame, cameras, bins), strict=True):
            self.register_buffer(name, table, persistent=False)
        self.camera_branch = _CameraBranch(channels, len(bins))
        self.lidar_branch = nn.Sequential(nn.Conv3d(POINT_FEATURES, channels, 3, padding=1), nn.ReLU())
        column = channels * frame.shape[2]
        self.lidar_columns = nn.Sequential(
            *_block(column, width, 1), *_block(width, width, 3), _Pointwise(width, column)
        )
        self.lidar_head = _Pointwise(channels, classes)
        self.fuse = nn.Sequential(_Pointwise(2 * channels + 2, channels), nn.ReLU())
        self.columns = _ColumnNet(column, width)
        self.head = nn.Sequential(_Pointwise(2 * channels, 2 * channels), nn.ReLU(), _Pointwise(2 * channels, classes))

    def forward(self, pictures: Float[Tensor, "b c 3 h w"], points: Float[Tensor, "b 5 x y z"]) -> Prediction:
        """Logits of a batch.

        Args:
            pictures: In [0, 1].
            points: Of `point_features`.
        """
        features, depth_logits = self.camera_branch(pictures)
        seen = self._lift(features, depth_logits.softmax(dim=2))
        local = self.lidar_branch(points)
        heard = local + self._in_columns(self.lidar_columns, local)
        fused = self.fuse(torch.cat([heard, seen], dim=1))
        context = self._in_columns(self.columns, fused)
        return Prediction(self.head(torch.cat([fused, context], dim=1)), self.lidar_head(heard), depth_logits)

    def _lift(
        self, features: Float[Tensor, "b c f h w"], chances: Float[Tensor, "b c d h w"]
    ) -> Float[Tensor, "b g x y z"]:
        """Features of the pixel that shows each voxel, the chance that it is met there, and that it is beyond."""
        b, c, d, h, w = chances.shape
        flat = chances.movedim(2, 1).reshape(b, d * c * h * w)
        near, far = (flat[:, (self.bin + k) * (c * h * w) + self.pixel] for k in (0, 1))
        here = ((1 - self.share) * near + self.share * far) * self.seen
        beyond = (1 - chances.cumsum(dim=2)).movedim(2, 1).reshape(b, -1)[:, self.bin * (c * h * w) + self.pixel]
        values = features.movedim(2, 1).flatten(2)[:, :, self.pixel] * self.seen
        out: Tensor = torch.cat([values, here[:, None], (beyond * self.seen)[:, None]], dim=1).unflatten(2, self.shape)
        return out

    def _in_columns(self, net: nn.Module, voxels: Float[Tensor, "b f x y z"]) -> Float[Tensor, "b f x y z"]:
        """A 2D network over the ground, on columns of voxels."""
        b, f, x, y, z = voxels.shape
        columns = net(voxels.permute(0, 1, 4, 2, 3).reshape(b, f * z, x, y))
        out: Tensor = columns.view(b, f, z, x, y).permute(0, 1, 3, 4, 2)
        return out


class _Pointwise(nn.Linear):
    """A linear layer on the channels of each voxel or pixel: one matrix product, where a convolution copies first."""

    def forward(self, grid: Float[Tensor, "b f *size"]) -> Float[Tensor, "b g *size"]:
        assert self.bias is not None
        out: Tensor = (self.weight @ grid.flatten(2) + self.bias[:, None]).unflatten(2, grid.shape[2:])
        return out


class _CameraBranch(nn.Module):
    """Features and depth logits of each picture, in half its resolution."""

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.channels = channels
        self.fine = nn.Sequential(nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.ReLU(), *_block(24, 32, 3))
        self.coarse = nn.Sequential(*_block(32, 48, 3, stride=2), *_block(48, 48, 3), *_block(48, 48, 3))
        self.join = nn.Sequential(*_block(80, 48, 3), _Pointwise(48, channels + bins))

    def forward(
        self, pictures: Float[Tensor, "b c 3 h w"]
    ) -> tuple[Float[Tensor, "b c f h2 w2"], Float[Tensor, "b c d h2 w2"]]:
        b, c = pictures.shape[:2]
        fine = self.fine(4 * pictures.flatten(0, 1) - 2)
        coarse = nn.functional.interpolate(self.coarse(fine), size=fine.shape[-2:], mode="nearest")
        found = self.join(torch.cat([fine, coarse], dim=1)).unflatten(0, (b, c))
        return found[:, :, : self.channels], found[:, :, self.channels :]


class _ColumnNet(nn.Module):
    """A U of two levels over the ground."""

    def __init__(self, column: int, width: int) -> None:
        super().__init__()
        deep = width * 3 // 2
        self.first = nn.Sequential(*_block(column, width, 1), *_block(width, width, 3))
        self.down = nn.Sequential(*_block(width, deep, 3, stride=2), *_block(deep, deep, 3), *_block(deep, deep, 3))
        self.last = nn.Sequential(*_block(width + deep, width, 3), _Pointwise(width, column))

    def forward(self, columns: Float[Tensor, "b f x y"]) -> Float[Tensor, "b f x y"]:
        fine = self.first(columns)
        coarse = nn.functional.interpolate(self.down(fine), size=fine.shape[-2:], mode="nearest")
        out: Tensor = self.last(torch.cat([fine, coarse], dim=1))
        return out


def _block(wide: int, out: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(wide, out, size, stride=stride, padding=size // 2) if size > 1 else _Pointwise(wide, out),
        nn.GroupNorm(4, out),
        nn.ReLU(),
    ]


def _lookup(
    frame: VoxelFrame, cameras: Cameras, bins: Float[Tensor, " d"]
) -> tuple[Int[Tensor, " v"], Int[Tensor, " v"], Float[Tensor, " v"], Float[Tensor, " v"]]:
    """Of each voxel: the pixel (of all cameras, in half resolution) that shows it, its depth as a bin and the share of
    the next one, and whether any camera shows it. Of two cameras the one that has it nearer to its middle.
    """
    size = frame.shape
    centers = frame.centers(torch.cartesian_prod(*(torch.arange(n) for n in size)))
    best = torch.full((len(centers),), torch.inf, dtype=torch.float64)
    pixel, depth = torch.zeros(len(centers), dtype=torch.int64), torch.zeros(len(centers), dtype=torch.float64)
    h, w = cameras.height // 2, cameras.width // 2
    for c in range(len(cameras)):
        local = apply(cameras.viewmats[c].double(), centers)
        z = local[:, 2].clamp_min(1e-6)
        at = (local / z[:, None] @ cameras.Ks[c].double().T)[:, :2] / 2
        offset = (at[:, 0] / w - 0.5).abs()
        inside = (local[:, 2] > 0.1) & (at >= 0).all(-1) & (at[:, 0] < w) & (at[:, 1] < h) & (offset < best)
        column, row = at[inside].long().unbind(-1)
        pixel[inside], depth[inside], best[inside] = (c * h + row) * w + column, z[inside], offset[inside]
    seen = best.isfinite()
    upper = torch.searchsorted(bins.double(), depth.contiguous()).clamp(1, len(bins) - 1)
    low, high = bins.double()[upper - 1], bins.double()[upper]
    share = ((depth - low) / (high - low)).clamp(0, 1)
    return pixel, upper - 1, share.float(), seen.float()
