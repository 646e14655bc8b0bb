"""Gaussians spread evenly over a skinned surface."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.meshes import face_normals, vertex_normals
from splatsim.avatar.skeleton import Skeleton
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0
from splatsim.transforms import quat_from_rotmat

Paint = Callable[[Tensor, Tensor], Tensor]
"""Colours [n 3] of points given by triangles [n] and barycentric shares [n 3]."""
CANDIDATES = 8
"""Points drawn for each that is kept."""
ROUNDS = 12
REACH = 0.80
"""Least distance between points, against the mean spacing."""
SIGMA, FLAT = 0.68, 0.15
"""Standard deviation along the surface against the mean distance of the four nearest, and across it against that."""
OPACITY = 0.99
APART = 10.0
"""Metres between layers, so that a garment's points and those of the skin beneath do not see each other."""


def sample_surface(
    vertices: Float[Tensor, "v 3"],
    faces: Int[Tensor, "m 3"],
    skin: SkinWeights,
    skeleton: Skeleton,
    paint: Paint,
    *,
    count: int = 30_000,
    density: Float[Tensor, " m"] | None = None,
    layers: Int[Tensor, " m"] | None = None,
    seed: int = 0,
    name: str = "avatar",
    licence: str = "",
) -> Avatar:
    """An avatar of about `count` flat Gaussians, evenly over the surface or by a relative density of each triangle.

    Triangles of different `layers` may lie close above each other, such as cloth and skin.

    Raises:
        ValueError: the surface has no area, or the count is not within 100 to 5,000,000.
    """
    if not 100 <= count <= 5_000_000:
        raise ValueError(f"{count} Gaussians were asked for; expected 100 to 5,000,000.")
    areas = face_normals(vertices, faces).norm(dim=1) / 2
    weights = areas if density is None else areas * density
    total = float(weights.double().sum())
    if not total > 0:
        raise ValueError(f'the surface of "{name}" has no area; expected triangles with one.')
    triangles, shares = _draw(weights, count * CANDIDATES, seed)
    corners = faces[triangles]
    points = (vertices[corners] * shares[..., None]).sum(1)
    per_triangle = torch.ones(len(faces)) if density is None else density
    spacing = (total / count / per_triangle[triangles]).sqrt()
    places = points if layers is None else torch.cat([points, APART * layers[triangles, None]], dim=1)
    kept = _spread(places, spacing, seed)
    # Where points lie sparser than planned the Gaussians are larger: no holes, also along density's borders.
    sigma = SIGMA * _mean_distance(places[kept]).clamp(max=1.6 * spacing[kept], min=0.3 * spacing[kept])
    triangles, shares, corners, points = triangles[kept], shares[kept], corners[kept], points[kept]
    normals = (vertex_normals(vertices, faces)[corners] * shares[..., None]).sum(1)
    flat = torch.nn.functional.normalize(face_normals(vertices, faces)[triangles], dim=1)
    normals = torch.where((normals.norm(dim=1) > 0.3)[:, None], normals, flat)
    colors = paint(triangles, shares)
    gaussians = Gaussians(
        means=points,
        quats=_quats(torch.nn.functional.normalize(normals, dim=1)),
        scales=torch.stack([sigma, sigma, FLAT * sigma], dim=1),
        opacities=torch.full((len(points),), OPACITY),
        sh=((colors - 0.5) / C0)[:, None],
    )
    dense = (skin.dense(len(skeleton))[corners] * shares[..., None]).sum(1)
    return Avatar(gaussians, skeleton, SkinWeights.from_dense(dense), name, licence)


def _draw(weights: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Triangles and barycentric shares of points, as many to each triangle as its weight asks, to within one."""
    generator = torch.Generator().manual_seed(seed)
    sums = weights.double().cumsum(0)
    steps = (torch.arange(count, dtype=torch.float64) + torch.rand(1, generator=generator).double()) / count
    triangles = torch.searchsorted(sums, steps * sums[-1]).clamp_max(len(weights) - 1)
    u, v = torch.rand(2, count, generator=generator)
    root = u.sqrt()
    return triangles, torch.stack([1 - root, root * (1 - v), root * v], dim=1)


def _spread(points: Tensor, spacing: Tensor, seed: int) -> Tensor:
    """Rows of points that keep their distance: of near ones the one drawn first stays (dart throwing, in rounds)."""
    from scipy.spatial import cKDTree

    count = len(points)
    rank = np.random.default_rng(seed).permutation(count)
    places = points.numpy().astype(np.float64)
    reach = REACH * spacing.numpy()
    distances, near = cKDTree(places).query(places, k=min(count, 3 * CANDIDATES), workers=1)
    close = (distances < reach[:, None]) & (near != np.arange(count)[:, None])
    kept, open_ = np.zeros(count, bool), np.ones(count, bool)
    for _ in range(ROUNDS):
        rivals = close & open_[near]
        first = open_ & ~(rivals & (rank[near] < rank[:, None])).any(1)
        kept |= first
        open_ &= ~first & ~(close & kept[near]).any(1)
        # A point may be near one that does not find it near (the spacing differs): both ways count.
        pairs = close[kept & first]
        open_[near[kept & first][pairs]] = False
        if not open_.any():
            break
    return torch.from_numpy(np.nonzero(kept)[0])


def _mean_distance(places: Tensor) -> Tensor:
    """To the four nearest others."""
    from scipy.spatial import cKDTree

    exact = places.numpy().astype(np.float64)
    distances, _ = cKDTree(exact).query(exact, k=min(len(exact), 5), workers=1)
    return torch.from_numpy(distances[:, 1:].mean(1)).float()


def _quats(normals: Tensor) -> Tensor:
    """Rotations whose third axis is the normal."""
    helper = torch.where((normals[:, 2:].abs() < 0.9), torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0]))
    first = torch.nn.functional.normalize(torch.linalg.cross(helper, normals), dim=1)
    return quat_from_rotmat(torch.stack([first, torch.linalg.cross(normals, first), normals], dim=-1))
