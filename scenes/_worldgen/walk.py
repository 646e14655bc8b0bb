"""A walk with a camera through the free space of a map, the way a person films: smooth, swaying, looking about."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra


@dataclass
class Walk:
    """Poses over time."""

    world_from_cam: np.ndarray
    """[t 4 4], OpenCV axes."""
    seconds: np.ndarray
    """[t]."""


class Ground:
    """A map's free space as a graph whose edges are cheap far from obstacles."""

    def __init__(self, nav, radius):
        self.nav = nav
        self.clearance = distance_transform_edt(nav.free.numpy()) * nav.frame.resolution
        self.allowed = self.clearance > radius
        self.number = np.full(self.allowed.shape, -1)
        self.number[self.allowed] = np.arange(self.allowed.sum())
        self.cells = np.argwhere(self.allowed)
        self.graph = self._graph()

    def _graph(self):
        rows, columns, costs = [], [], []
        for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
            there = self.cells + np.array([dr, dc])
            ok = ((there >= 0) & (there < self.allowed.shape)).all(axis=1)
            ok[ok] = self.allowed[tuple(there[ok].T)]
            here, there = self.cells[ok], there[ok]
            if dr and dc:
                straight = self.allowed[here[:, 0] + dr, here[:, 1]] & self.allowed[here[:, 0], here[:, 1] + dc]
                here, there = here[straight], there[straight]
            room = self.clearance[tuple(here.T)]
            rows.append(self.number[tuple(here.T)])
            columns.append(self.number[tuple(there.T)])
            costs.append(
                np.hypot(dr, dc) * self.nav.frame.resolution * (1 + (0.45 / np.maximum(room, 0.05)) ** 2 * 0.5)
            )
        count = len(self.cells)
        half = coo_matrix(
            (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
        )
        return (half + half.T).tocsr()

    def world(self, cells):
        """x, y of cells [n 2]."""
        west, north = self.nav.frame.north_west
        offset = (np.asarray(cells) + 0.5) * self.nav.frame.resolution
        return np.stack([west + offset[:, 1], north - offset[:, 0]], -1)

    def cell(self, x, y):
        """Row and column of a point."""
        west, north = self.nav.frame.north_west
        step = self.nav.frame.resolution
        rows = np.clip(np.floor((north - np.asarray(y)) / step).astype(int), 0, self.allowed.shape[0] - 1)
        return rows, np.clip(np.floor((np.asarray(x) - west) / step).astype(int), 0, self.allowed.shape[1] - 1)

    def nearest(self, x, y):
        """The node nearest to a point."""
        return int(np.argmin(((self.world(self.cells) - (x, y)) ** 2).sum(axis=1)))

    def distances(self, node):
        """Cost from one node to all."""
        return dijkstra(self.graph, indices=node)

    def route(self, start, end):
        """World points from node to node.

        Raises:
            ValueError: there is no way.
        """
        cost, before = dijkstra(self.graph, indices=end, return_predecessors=True)
        if not np.isfinite(cost[start]):
            raise ValueError(
                "two places of the walk are not connected by free space; expected furniture to leave a way."
            )
        nodes = [start]
        while nodes[-1] != end:
            nodes.append(before[nodes[-1]])
        return self.world(self.cells[nodes])

    def far_points(self, node, inside, count):
        """Reachable nodes within a region, far from `node` and from one another, with room around them."""
        cost = self.distances(node)
        place = self.world(self.cells)
        candidates = np.flatnonzero(np.isfinite(cost) & inside(place[:, 0], place[:, 1]))
        if not len(candidates):
            return []
        chosen = [node]
        room = np.minimum(self.clearance[tuple(self.cells[candidates].T)], 0.7)
        for _ in range(count):
            gap = np.min([np.linalg.norm(place[candidates] - place[c], axis=1) for c in chosen], axis=0)
            chosen.append(int(candidates[np.argmax(np.minimum(gap, 1.6) + 3 * room)]))
        return chosen[1:]


def smooth_route(ground, points, least, step=0.03, sigma=0.28):
    """A route resampled every `step` metres and rounded, nowhere nearer to obstacles than `least`."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(length) > 1e-9])
    at = np.arange(0, length[-1], step)
    line = np.stack([np.interp(at, length[keep], points[keep, k]) for k in (0, 1)], -1)
    smooth = gaussian_filter1d(line, sigma / step, axis=0, mode="nearest")
    weight = np.ones(len(line))
    for _ in range(12):
        mixed = line + (smooth - line) * weight[:, None]
        near = ground.clearance[ground.cell(mixed[:, 0], mixed[:, 1])] < least
        if not near.any():
            break
        weight = gaussian_filter1d(np.where(near, weight * 0.4, weight), 4)
    return gaussian_filter1d(mixed, 2.5, axis=0, mode="nearest")


@dataclass(frozen=True)
class Manner:
    """How somebody films on the move."""

    speed: float = 1.0
    """Metres per second where nothing turns."""
    turn: float = 0.9
    """Fastest turning, radians per second; the walker slows down for more."""
    scan: float = 0.35
    """How far the view swings to the sides, radians."""
    height: float = 1.5
    """Metres above the ground."""
    tilt: float = -0.16
    """Mean pitch, radians, upwards."""
    stride: float = 1.0
    """How much larger than a walk the motion is: view ahead and swings are as much longer."""
    fps: int = 15
    """Frames per second."""


def film(points, rng, manner=None, ground=None, outlook=None):
    """Poses of a camera carried along points that stand 3 cm times the stride apart.

    Args:
        ground: heights at x, y; 0 everywhere if None.
        outlook: turns headings [n] at points [n 2] towards where there is something to see.
    """
    m = manner or Manner()
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    ahead = np.roll(points, -30, axis=0)
    ahead[-30:] = points[-1] + (points[-1] - points[-40])
    yaw = np.unwrap(np.arctan2(*(ahead - points).T[::-1]))
    s = np.concatenate([[0], np.cumsum(step)])
    if outlook is not None:
        yaw = np.unwrap(outlook(points, gaussian_filter1d(yaw, 18, mode="nearest")))
    phase = rng.uniform(0, 2 * np.pi, 4)
    yaw += m.scan * (
        0.65 * np.sin(2 * np.pi * s / (5.3 * m.stride) + phase[0])
        + 0.35 * np.sin(2 * np.pi * s / (2.9 * m.stride) + phase[1])
    )
    yaw = gaussian_filter1d(yaw, 18, mode="nearest")
    pitch = m.tilt + 0.09 * np.sin(2 * np.pi * s / (4.1 * m.stride) + phase[2])
    pace = np.maximum(step / m.speed, np.abs(np.diff(yaw)) / m.turn)
    pace = gaussian_filter1d(pace, 10, mode="nearest")
    clock = np.concatenate([[0], np.cumsum(pace)])
    seconds = np.arange(0, clock[-1], 1 / m.fps)
    x, y, yaw, pitch = (np.interp(seconds, clock, c) for c in (points[:, 0], points[:, 1], yaw, pitch))
    sway = _sway(seconds, rng)
    side = np.stack([-np.sin(yaw), np.cos(yaw)], -1)
    x, y = np.stack([x, y], 0) + 0.012 * sway[0] * side.T
    steps = np.sin(2 * np.pi * 1.75 * seconds + phase[3])
    below = 0.0 if ground is None else gaussian_filter1d(ground(x, y), 3, mode="nearest")
    z = below + m.height + 0.012 * steps + 0.01 * sway[1]
    poses = np.stack(
        [
            camera(*row)
            for row in zip(
                x, y, z, yaw + 0.012 * sway[2], pitch + 0.010 * sway[3] + 0.004 * steps, 0.012 * sway[4], strict=True
            )
        ]
    )
    return Walk(poses, seconds)


def open_view(tracer, height):
    """An outlook: people look where it goes on, not at the wall before their nose."""
    offsets = np.radians(np.linspace(-75, 75, 31))

    def turn(points, yaw):
        total, weights = np.zeros(len(yaw)), np.zeros(len(yaw))
        start = np.concatenate([points, np.full((len(points), 1), height)], axis=1)
        for offset in offsets:
            ray = np.stack([np.cos(yaw + offset), np.sin(yaw + offset), np.zeros(len(yaw))], -1)
            reach = np.clip(tracer.first(start, ray).distance, 0, 5) ** 1.5
            weight = reach * np.exp(-((offset / 0.9) ** 2))
            total += weight * offset
            weights += weight
        return yaw + total / weights

    return turn


def _sway(seconds, rng):
    """Five slow random swings of about unit size: what a hand does."""
    waves = rng.uniform(0.25, 1.3, (5, 3, 1)), rng.uniform(0, 2 * np.pi, (5, 3, 1))
    return np.sin(2 * np.pi * waves[0] * seconds + waves[1]).mean(axis=1) * 1.4


def camera(x, y, z, yaw, pitch=0.0, roll=0.0):
    """world_from_cam of a camera that looks along yaw (counter-clockwise from +x) and pitch (upwards)."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    turned = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([*turned, forward], axis=1)
    pose[:3, 3] = x, y, z
    return pose
