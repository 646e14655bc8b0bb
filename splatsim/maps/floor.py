"""The floor of a scene, from its Gaussians: a plane below the cameras that holds many level ones."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim import native
from splatsim.cameras import Cameras
from splatsim.depth_pictures import DepthPictures
from splatsim.errors import MapError
from splatsim.gaussians import Gaussians
from splatsim.maps.views import Views, at_width
from splatsim.transforms import rotmat_from_quat

LEVEL_COS = math.cos(math.radians(25))
"""Gaussians whose shortest axis is within 25° of upright are level."""
BIN = 0.02
"""Metres of height that one level spans."""
SHARE = 0.5
"""Of the strongest level, what the lowest must have to be the floor."""
FLOOR_WIDTH, MOST_VIEWS = 96, 48
"""Pixels and number of the pictures in which the floor is looked for."""
SLAB = 0.4
"""Metres within which two strong levels, unseen by any camera, are the sides of one slab: the upper is the floor."""
LEAST_AREA = 0.25
"""Square metres of level Gaussians without which there is no floor."""
STEEPEST_DEG = 10.0
"""A plane that is steeper is no floor."""
TILT_GAIN = 1.2
"""How much more area must lie on a tilted plane than on a level one for the floor to be tilted."""
BANDS = (0.12, 0.08, 0.06, 0.05, 0.04, 0.04)
"""Metres around the plane in which Gaussians count, round by round."""


@dataclass(frozen=True)
class Floor:
    """A plane z = height + slope_x · x + slope_y · y."""

    height: float
    """At x = y = 0, metres."""
    slope_x: float = 0.0
    """Metres per metre."""
    slope_y: float = 0.0
    """Metres per metre."""
    area: float = 0.0
    """Of the Gaussians on it, square metres."""
    thickness: float = 0.0
    """Their root mean square distance from it, metres."""

    def heights(self, points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
        """z of the floor below points (x, y), metres."""
        return self.height + self.slope_x * points[..., 0] + self.slope_y * points[..., 1]

    @property
    def tilt_deg(self) -> float:
        """Between the plane and the horizontal, degrees."""
        return math.degrees(math.atan(math.hypot(self.slope_x, self.slope_y)))


def fit_floor(
    gaussians: Gaussians,
    cameras: Cameras | None = None,
    *,
    depths: DepthPictures | None = None,
    antialiased: bool = False,
) -> Floor:
    """The lowest level with much area, as a plane, by reweighted least squares.

    With cameras, of the level surfaces that they see below them, by the area that each pixel shows: undersides and
    what reflections put below a floor are seen by none, or thinly. Without, of the level Gaussians, by opacity times
    the area of their largest cross-section.

    Args:
        depths: Measured in the pictures of the cameras; they go before those of the Gaussians.
        antialiased: As the Gaussians were fitted.

    Raises:
        MapError: no level surface of at least a quarter of a square metre is found.
    """
    with native.torch_on_one_thread():
        points, weights = _level(gaussians) if cameras is None else _seen(gaussians, cameras, depths, antialiased)
    total = float(weights.sum())
    if total < LEAST_AREA:
        where = "" if cameras is None else "below the cameras and in their view "
        raise MapError(
            f"the {len(gaussians)} Gaussians have {total:.3f} m² of level surface {where}(of at least {LEAST_AREA}); "
            "expected a floor in metres with z up: check the scale and the direction of up."
        )
    return _fit_plane(points, weights, _lowest_peak(points[:, 2], weights))


def _seen(
    gaussians: Gaussians, cameras: Cameras, depths: DepthPictures | None, antialiased: bool
) -> tuple[Float[Tensor, "m 3"], Float[Tensor, " m"]]:
    """Level places that cameras see below them, and the area that each pixel shows there."""
    rows = torch.linspace(0, len(cameras) - 1, min(len(cameras), MOST_VIEWS)).round().long()
    small = at_width(cameras[rows], FLOOR_WIDTH)
    measured = None if depths is None else depths[rows]
    points, weights = [], []
    for index, (rays, normals) in enumerate(Views(gaussians, small, antialiased, measured=measured)):
        assert rays.reach is not None
        ends = rays.at(rays.reach)
        level = (normals[:, 2] > LEVEL_COS) & (ends[:, 2] < rays.origins[:, 2])
        slant = -(normals * rays.directions).sum(-1)
        focal = float(small.Ks[index, 0, 0] * small.Ks[index, 1, 1])
        area = rays.reach.square() / (focal * slant.clamp_min(0.05))
        points.append(ends[level])
        weights.append(area[level] / len(rows))
    return torch.cat(points), torch.cat(weights)


def _level(gaussians: Gaussians) -> tuple[Float[Tensor, "m 3"], Float[Tensor, " m"]]:
    """Means and weighted areas of the Gaussians that lie flat."""
    with torch.no_grad():
        ordered, axes = gaussians.scales.double().sort(dim=-1)
        normals = rotmat_from_quat(gaussians.quats.double()).gather(2, axes[:, None, :1].expand(-1, 3, 1))[..., 0]
        flat = (ordered[:, 0] < 0.5 * ordered[:, 1]) & (normals[:, 2].abs() > LEVEL_COS)
        # A Gaussian hides as much as a disc of its opacity with an area of 2π σ₁ σ₂; huge ones are haze.
        flat &= (ordered[:, 2] < 2.0) & gaussians.means.isfinite().all(-1)
        area = 2 * math.pi * ordered[:, 1] * ordered[:, 2] * gaussians.opacities.double()
        return gaussians.means.double()[flat], area[flat]


def _lowest_peak(heights: Float[Tensor, " m"], weights: Float[Tensor, " m"]) -> float:
    """The height of the lowest level that has enough of the area of the strongest one."""
    first = float(heights.min())
    count = min(int((float(heights.max()) - first) / BIN) + 1, 1_000_000)
    bins = ((heights - first) / BIN).long().clamp_max(count - 1)
    level = torch.zeros(count, dtype=torch.float64).index_add_(0, bins, weights)
    smooth = torch.nn.functional.conv1d(level[None, None], torch.tensor([[[0.5, 1.0, 0.5]]]).double(), padding=1)[0, 0]
    padded = torch.nn.functional.pad(smooth, (1, 1))
    peaks = (smooth >= padded[:-2]) & (smooth >= padded[2:]) & (smooth >= SHARE * smooth.max())
    found = peaks.nonzero()[:, 0]
    lowest = int(found[0])
    twin = [int(k) for k in found if (k - lowest) * BIN < SLAB and smooth[k] > 0.7 * smooth[lowest]]
    return first + (twin[-1] + 0.5) * BIN


def _fit_plane(means: Float[Tensor, "m 3"], weights: Float[Tensor, " m"], height: float) -> Floor:
    """The level plane near a height, or a tilted one where clearly more lies on it: floors are level, noise is not."""
    level, tilted = (_reweighted(means, weights, height, tilts) for tilts in (False, True))
    near = [_near(means, plane) for plane in (level, tilted)]
    areas = [float(weights[mask].sum()) for mask in near]
    plane, mask, area = (tilted, near[1], areas[1]) if areas[1] > TILT_GAIN * areas[0] else (level, near[0], areas[0])
    apart = _apart(means, plane)[mask]
    spread = float((weights[mask] * apart.square()).sum() / max(area, 1e-12)) ** 0.5
    return Floor(float(plane[2]), float(plane[0]), float(plane[1]), area, spread)


def _reweighted(
    means: Float[Tensor, "m 3"], weights: Float[Tensor, " m"], height: float, tilts: bool
) -> Float[Tensor, "3"]:
    """Slopes and height by least squares in shrinking bands."""
    plane = torch.tensor([0.0, 0.0, height], dtype=torch.float64)
    design = torch.cat([means[:, :2] * float(tilts), torch.ones(len(means), 1, dtype=torch.float64)], dim=-1)
    for band in BANDS:
        apart = _apart(means, plane)
        w = weights * (1 - (apart / band).square()).clamp_min(0).square()
        # A ridge of a square centimetre keeps the slope of a strip, which nothing fixes, at zero.
        normal = design.T @ (design * w[:, None]) + 1e-4 * torch.diag(torch.tensor([1.0, 1.0, 0.0])).double()
        candidate = torch.linalg.solve(normal, design.T @ (w * means[:, 2]))
        if float(candidate[:2].norm()) > math.tan(math.radians(STEEPEST_DEG)):
            break
        plane = candidate
    return plane


def _apart(means: Float[Tensor, "m 3"], plane: Float[Tensor, "3"]) -> Float[Tensor, " m"]:
    return means[:, 2] - means[:, :2] @ plane[:2] - plane[2]


def _near(means: Float[Tensor, "m 3"], plane: Float[Tensor, "3"]) -> Bool[Tensor, " m"]:
    return _apart(means, plane).abs() < BANDS[-1]
