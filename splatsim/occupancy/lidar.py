"""LiDAR rays through voxels: range, class and whether a return comes back, differentiable."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.grids import OccupancyGrid
from splatsim.occupancy.logits import LogitGrid, field_of
from splatsim.occupancy.raycast import Rays, composite
from splatsim.tensors import TensorDataclass


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class LidarScan(TensorDataclass):
    """What n rays bring back, as expectations over what the grid may be."""

    hits: Float[Tensor, " n"]
    """Probability that the ray meets something before it ends."""
    returns: Float[Tensor, " n"]
    """Probability that the sensor hears of it: hits times the return rate of what is met. The rest is ray-drop."""
    ranges: Float[Tensor, " n"]
    """Expected t of the first surface where something is met; 0 where nothing is."""
    classes: Float[Tensor, "n k"]
    """Probability of each class, if something is met."""

    def sample(self, seed: int) -> Bool[Tensor, " n"]:
        """Which rays return, drawn by chance. Those that do not say nothing about free space."""
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(len(self.returns), generator=generator).to(self.returns) < self.returns


def lidar_rays(
    world_from_lidar: Float[Tensor, "4 4"], pitches: Sequence[float], columns: int, *, reach: float = 100.0
) -> Rays:
    """One turn of a spinning sensor: for each pitch, rays around its z axis, counter-clockwise from its x axis.

    Args:
        pitches: Upwards, radians.
        reach: Metres.

    Raises:
        ValueError: there are no rays, or the reach is not positive.
    """
    if columns < 1 or not pitches:
        raise ValueError(f"lidar_rays got {len(pitches)} pitches and {columns} columns; expected at least one of each.")
    if not reach > 0:
        raise ValueError(f"reach is {reach}; expected a positive length in metres.")
    pose = world_from_lidar.double()
    pitch = torch.tensor(pitches, dtype=torch.float64)[:, None]
    azimuth = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns * 2 * torch.pi
    flat = pitch.cos()
    local = torch.stack([flat * azimuth.cos(), flat * azimuth.sin(), pitch.sin() + 0 * azimuth], dim=-1).view(-1, 3)
    n = len(local)
    return Rays(pose[:3, 3].expand(n, 3), local @ pose[:3, :3].T, torch.full((n,), reach, dtype=torch.float64))


def rays_to_points(origins: Float[Tensor, "n 3"], points: Float[Tensor, "n 3"]) -> Rays:
    """Rays of unit direction from sensors to what they have measured; `reach` is the range.

    Raises:
        ValueError: a point lies on its origin, or a number is not finite.
    """
    offsets = points.double() - origins.double()
    ranges = offsets.norm(dim=-1)
    return Rays(origins.double(), offsets / ranges[:, None].clamp_min(1e-300), ranges)


def scan(
    source: OccupancyGrid | LogitGrid, rays: Rays, *, return_rates: Float[Tensor, " k"] | None = None
) -> LidarScan:
    """What a LiDAR would measure in a grid: exact for a grid of labels, an expectation with gradients for logits.

    Args:
        return_rates: For each class but the free one, the share of its hits that come back; all, if None.

    Raises:
        ValueError: there is not one rate for each class, or a rate is not within [0, 1].
    """
    occupied, classes = field_of(source)
    check_return_rates(return_rates, classes.shape[-1])
    seen = composite(source.frame, occupied, classes, rays)
    met = seen.alphas > 0
    safe = torch.where(met, seen.alphas, 1)
    rates = torch.ones(classes.shape[-1]) if return_rates is None else return_rates
    return LidarScan(
        hits=seen.alphas,
        returns=(seen.values @ rates.to(seen.values)).clamp(0, 1),
        ranges=torch.where(met, seen.ranges / safe, 0),
        classes=torch.where(met[:, None], seen.values / safe[:, None], 0),
    )


def check_return_rates(return_rates: Float[Tensor, " k"] | None, classes: int) -> None:
    """Raise unless there is a share for each class.

    Raises:
        ValueError: there is not one rate for each class, or a rate is not within [0, 1].
    """
    if return_rates is None:
        return
    if len(return_rates) != classes:
        raise ValueError(f"{len(return_rates)} return rates for {classes} classes; expected one each.")
    if not bool(((return_rates >= 0) & (return_rates <= 1)).all()):
        raise ValueError(f"return_rates is {return_rates.tolist()}; expected shares within [0, 1].")


def scan_labels(scan: LidarScan, solid_labels: Int[Tensor, " k"], free_label: int) -> Int[Tensor, " n"]:
    """The likeliest label that each ray meets; the free one where it more likely meets nothing."""
    return torch.where(scan.hits >= 0.5, solid_labels[scan.classes.argmax(dim=-1)], free_label)
