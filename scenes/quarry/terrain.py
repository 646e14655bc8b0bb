"""The ground of the pit: a floor, benches that rise around it, a ramp with berms, roads, mud; all from one seed."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from _worldgen.noise import fbm

SIZE = 150.0
"""Edge of the world, metres; the middle is (0, 0)."""
STEP = 0.5
"""Metres between points of the ground."""
BOTTOM = -8.0
BENCH_HEIGHT, BENCH_WIDTH, FACE_RUN = 6.0, 8.0, 2.6


@dataclass
class Terrain:
    """Heights and what the ground is made of, on one grid: index [ix, iy]."""

    axis: np.ndarray
    """x of the first index, y of the second, metres."""
    height: np.ndarray
    road: np.ndarray
    """How much of a graded road, 0 to 1."""
    mud: np.ndarray
    """How wet, 0 to 1."""
    across: np.ndarray
    """Metres from the middle of the nearest road."""
    along: np.ndarray
    """Metres along that road."""
    ramp: np.ndarray
    """[k 3] middle of the ramp from the floor to the rim."""
    loop: np.ndarray
    """[k 3] middle of the road around the floor."""

    def at(self, field, x, y):
        """Bilinear value of a field at world points."""
        x, y = np.atleast_1d(x), np.atleast_1d(y)
        place = [(x + SIZE / 2) / STEP, (y + SIZE / 2) / STEP]
        return map_coordinates(field, place, order=1, mode="nearest")

    def z(self, x, y):
        """Height of the ground, as the quads have it to within centimetres."""
        return self.at(self.height, x, y)

    def slope(self):
        """Steepness, rise over run."""
        return np.hypot(*np.gradient(self.height, STEP))


def wave(x, y, seed, wavelength, octaves=3):
    """Noise of the terrain on grids."""
    shape = np.shape(x)
    flat = np.asarray(x, np.float32).ravel(), np.asarray(y, np.float32).ravel()
    return fbm(*flat, np.uint32(seed), wavelength, octaves, np.full(flat[0].size, 1e-3, np.float32)).reshape(shape)


def make_terrain(rng):
    """A pit of about 70 m across with three benches."""
    axis = np.arange(-SIZE / 2, SIZE / 2 + STEP / 2, STEP)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    seed = int(rng.integers(1, 50_000))
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    lobes = rng.uniform(0, 2 * np.pi, 3)

    def outline(theta):
        ring = 33 + 4.0 * np.cos(2 * theta + lobes[0]) + 2.2 * np.cos(3 * theta + lobes[1])
        return ring + 1.2 * np.cos(5 * theta + lobes[2])

    outside = radius - outline(angle) + 1.6 * wave(x, y, seed, 9.0) + 0.5 * wave(x, y, seed + 1, 2.5)
    height = np.zeros_like(x)
    for k in range(3):
        start = k * (BENCH_WIDTH + FACE_RUN)
        height += BENCH_HEIGHT * np.clip((outside - start) / FACE_RUN, 0, 1)
    height += np.clip(outside - 31, 0, 60) * 0.05
    ramp, floor_ring = _ramp(outline, rng), _floor_loop(rng)
    height, road = _lay_road(height, x, y, ramp, 5.2)
    across, along = _lanes(x, y, ramp, floor_ring)
    gap, _ = _distance(x, y, floor_ring)
    road = np.maximum(road, np.clip((5.0 - gap) / 1.5, 0, 1) * (height < 1.0))
    mud = np.clip(wave(x, y, seed + 5, 16.0, 3) * 3.2 - 0.55, 0, 1) * (height < 0.7)
    mud = np.maximum(mud, np.clip(wave(x, y, seed + 6, 11.0, 2) * 3 - 0.9, 0, 1) * (road > 0.3))
    rough = 0.30 * wave(x, y, seed + 2, 6.0, 4) + 0.10 * wave(x, y, seed + 3, 1.6, 2)
    steep = np.clip(np.hypot(*np.gradient(height, STEP)) - 0.4, 0, 1)
    height = height + rough * (1 - 0.85 * road) * (0.35 + 0.65 * steep) + 0.9 * steep * wave(x, y, seed + 4, 2.2, 2)
    height -= 0.10 * gaussian_filter(mud, 2)
    tracks = 0.05 * np.cos(2 * np.pi * np.minimum(gap, 4) / 1.9) * (road > 0.5) * (height < 1.0)
    return Terrain(axis, height + tracks, road, mud, across, along, ramp, floor_ring)


def _ramp(outline, rng):
    """A spiral from the floor to the rim along the walls: [k 3]."""
    t = np.linspace(0, 1, 400)
    theta = rng.uniform(0, 2 * np.pi) + rng.choice([-1, 1]) * 3.7 * t
    reach = outline(theta) - 6.0 + t * (3 * (BENCH_WIDTH + FACE_RUN) + 2)
    z = 3 * BENCH_HEIGHT * np.clip((t - 0.06) / 0.9, 0, 1)
    return np.stack([reach * np.cos(theta), reach * np.sin(theta), z], -1)


def _floor_loop(rng):
    """A road around the floor: [k 3]."""
    theta = np.linspace(0, 2 * np.pi, 400)
    radius = 21 + 3 * np.cos(2 * theta + rng.uniform(0, 6)) + 1.5 * np.cos(3 * theta + rng.uniform(0, 6))
    return np.stack([radius * np.cos(theta), radius * np.sin(theta), np.zeros_like(theta)], -1)


def _lanes(x, y, *lines):
    """Distance to the nearest of some lines, and the length along it."""
    best, place = np.full(x.shape, np.inf), np.zeros(x.shape)
    for line in lines:
        gap, nearest = cKDTree(line[:, :2]).query(np.stack([x.ravel(), y.ravel()], -1))
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1))])
        gap, nearest = gap.reshape(x.shape), length[nearest].reshape(x.shape)
        place = np.where(gap < best, nearest, place)
        best = np.minimum(best, gap)
    return best, place


def _distance(x, y, line):
    """Distance of grid points to a line of points, and the height of the nearest one."""
    gap, nearest = cKDTree(line[:, :2]).query(np.stack([x.ravel(), y.ravel()], -1))
    return gap.reshape(x.shape), line[nearest, 2].reshape(x.shape)


def _lay_road(height, x, y, ramp, half):
    """Cut the ramp into the slope, with a berm on either side where the ground falls away."""
    gap, level = _distance(x, y, ramp)
    flat = np.clip((half + 2.2 - gap) / 2.2, 0, 1)
    flat = flat * flat * (3 - 2 * flat)
    drop = np.clip((level - height) / 1.5, 0, 1)
    laid = height + (level - height) * flat
    berm = np.exp(-(((gap - half + 0.2) / 0.75) ** 2)) * 1.0 * drop * (level > 0.8)
    return laid + berm, np.clip((half - 0.5 - gap) / 1.0, 0, 1)


def build_ground(builder, terrain, finishes):
    """The ground as a closed solid, in three parts by class: terrain, driveable, muddy."""
    a = terrain.axis
    x, y = np.meshgrid(a, a, indexing="ij")
    points = np.stack([x, y, terrain.height], -1)
    slope_x, slope_y = np.gradient(terrain.height, STEP)
    normals = np.stack([-slope_x, -slope_y, np.ones_like(x)], -1)
    corners, corner_normals = _quads(points), _quads(normals)
    steep = np.linalg.norm(corner_normals[..., :2].mean(axis=1), axis=-1)
    center = corners.mean(axis=1)
    road = terrain.at(terrain.road, center[:, 0], center[:, 1])
    mud = terrain.at(terrain.mud, center[:, 0], center[:, 1])
    gentle = steep < 0.3
    kinds = np.where((mud > 0.35) & gentle, 2, np.where((road > 0.4) & gentle, 1, 0))
    kinds = np.where((kinds == 0) & gentle & (center[:, 2] < 1.2), 1, kinds)
    rocky = steep > 0.75
    theta = np.unwrap(np.arctan2(corners[..., 1], corners[..., 0]), axis=1)
    wall_uv = np.stack([theta * 45, corners[..., 2]], -1)
    for kind, name in enumerate(("terrain", "driveable", "muddy")):
        with builder.part(name):
            for rock in (False, True):
                rows = (kinds == kind) & (rocky == rock)
                if rows.any():
                    uvs = wall_uv[rows] if rock else corners[rows][..., :2]
                    builder.add(corners[rows], uvs, finishes["face" if rock else "ground"], corner_normals[rows])
    with builder.part("terrain", "underground"):
        _close(builder, points, finishes["face"])


def _quads(grid):
    """Cells of a grid indexed [ix, iy], counter-clockwise from above."""
    quads = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    return quads.reshape(-1, 4, grid.shape[-1])


def _close(builder, points, finish):
    """Sides and bottom."""
    half = SIZE / 2
    for edge in (points[:, 0], points[-1, :], points[::-1, -1], points[0, ::-1]):
        low = edge.copy()
        low[:, 2] = BOTTOM
        quads = np.stack([low[:-1], low[1:], edge[1:], edge[:-1]], axis=1)
        along = quads[..., 0] + quads[..., 1]
        builder.add(quads, np.stack([along, quads[..., 2]], -1), finish)
    square = np.array([[-half, half], [half, half], [half, -half], [-half, -half]])
    bottom = np.concatenate([square, np.full((4, 1), BOTTOM)], -1)[None]
    builder.add(bottom, bottom[..., :2], finish)
