"""Solids from quads: boxes, lathes, cushions, sheets. Every solid is closed, so that "inside" has a meaning.

A quad has its corners counter-clockwise seen from outside, texture coordinates in metres, and a finish (what it looks
like). Triangles are quads whose last two corners coincide.
"""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from _worldgen.finish import Finish
from _worldgen.products import inverse_of_frame, length, times


@dataclass
class Model:
    """All quads of a world as arrays."""

    corners: np.ndarray
    """[q 4 3] metres."""
    normals: np.ndarray
    """[q 4 3] unit, smooth over round shapes."""
    uvs: np.ndarray
    """[q 4 2] metres along the surface."""
    finishes: np.ndarray
    """[q] index into `finish_table`."""
    instances: np.ndarray
    """[q] index into `instance_classes`."""
    solid: np.ndarray
    """[q] whether the quad bounds a closed solid; height fields do not."""
    finish_table: list[Finish]
    instance_names: list[str]
    instance_classes: np.ndarray
    """[i] index into `class_names`."""
    class_names: tuple[str, ...]

    @property
    def face_normals(self):
        """[q 3] unit normals of the quads as planes."""
        cross = np.cross(self.corners[:, 2] - self.corners[:, 0], self.corners[:, 3] - self.corners[:, 1])
        return cross / np.maximum(np.linalg.norm(cross, axis=-1, keepdims=True), 1e-12)


@dataclass
class Builder:
    """Collects shapes; `place` moves what is built inside it, `part` names what it belongs to."""

    class_names: tuple[str, ...]
    parts: list = field(default_factory=list)
    finish_ids: dict = field(default_factory=dict)
    instance_names: list = field(default_factory=list)
    instance_classes: list = field(default_factory=list)
    frames: list = field(default_factory=lambda: [np.eye(4)])

    @contextmanager
    def place(self, x=0.0, y=0.0, z=0.0, yaw=0.0, pitch=0.0, roll=0.0, scale=1.0):
        """Build in a frame that stands at (x, y, z), turned by yaw, then pitch, then roll."""
        self.enter(pose(x, y, z, yaw, pitch, roll, scale))
        yield self
        self.frames.pop()

    @contextmanager
    def part(self, class_name, name=None):
        """Everything built inside belongs to one new instance of this class; nested parts are their own."""
        before = self.current if self.instance_names else None
        self.current = len(self.instance_names)
        self.instance_names.append(f"{name or class_name}.{self.current:04d}")
        self.instance_classes.append(self.class_names.index(class_name))
        yield self
        self.current = before

    def add(self, corners, uvs, finish, normals=None, solid=True):
        """Add quads [q 4 3] given in the present frame."""
        corners, uvs = np.asarray(corners, float), np.asarray(uvs, float)
        frame = self.frames[-1]
        if normals is None:
            cross = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
            normals = np.repeat(cross[:, None], 4, axis=1)
        normals = times(normals, inverse_of_frame(frame[:3, :3]))
        normals = normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        finish_id = self.finish_ids.setdefault(finish, len(self.finish_ids))
        row = np.full(len(corners), 1)
        moved = times(corners, frame[:3, :3].T) + frame[:3, 3]
        self.parts.append((moved, normals, uvs, finish_id * row, self.current * row, row * solid))

    def model(self):
        """What was built."""
        columns = [np.concatenate(column) for column in zip(*self.parts, strict=True)]
        corners, normals, uvs, finishes, instances, solid = columns
        return Model(
            corners.astype(np.float64),
            normals.astype(np.float32),
            uvs.astype(np.float32),
            finishes.astype(np.int32),
            instances.astype(np.int32),
            solid.astype(bool),
            list(self.finish_ids),
            self.instance_names,
            np.array(self.instance_classes, np.int32),
            self.class_names,
        )

    def box(self, low, high, finish, faces=None):
        """An axis-parallel box; `faces` may give other finishes to some of -x +x -y +y -z +z (by index)."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        p = np.array([[x, y, z] for z in (z0, z1) for y in (y0, y1) for x in (x0, x1)])
        sides = [(4, 6, 2, 0), (1, 3, 7, 5), (0, 1, 5, 4), (6, 7, 3, 2), (2, 3, 1, 0), (4, 5, 7, 6)]
        # Texture axes of each side: the long axis of floors and boards is u.
        axes = [(1, 2), (1, 2), (0, 2), (0, 2), (0, 1), (0, 1)]
        for side, (order, (a, b)) in enumerate(zip(sides, axes, strict=True)):
            quad = p[list(order)][None]
            self.add(quad, quad[..., [a, b]], (faces or {}).get(side, finish))

    def board(self, center, size, finish, faces=None):
        """A box by centre and size."""
        c, s = np.asarray(center, float), np.asarray(size, float) / 2
        self.box(c - s, c + s, finish, faces)

    def lathe(self, profile, finish, segments=20, smooth=True, arc=2 * np.pi):
        """A solid of revolution about z; `profile` lists (radius, z) from bottom to top and is closed at both ends."""
        profile = [(0.0, profile[0][1]), *profile, (0.0, profile[-1][1])]
        angles = np.linspace(0, arc, segments + 1)
        ring = np.stack([np.cos(angles), np.sin(angles)], -1)
        along = 0.0
        for (r0, z0), (r1, z1) in itertools.pairwise(profile):
            length = np.hypot(r1 - r0, z1 - z0)
            if length < 1e-9:
                continue
            low = np.concatenate([ring * r0, np.full((segments + 1, 1), z0)], -1)
            high = np.concatenate([ring * r1, np.full((segments + 1, 1), z1)], -1)
            quads = np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1)
            flat = abs(z1 - z0) < 1e-9
            radius = max(r0, r1)
            u = np.stack([angles[:-1], angles[1:], angles[1:], angles[:-1]], 1) * radius
            v = np.broadcast_to([along, along, along + length, along + length], u.shape)
            uvs = quads[..., :2] if flat else np.stack([u, v], -1)
            normals = None
            if smooth and not flat:
                slope = np.array([z1 - z0, r0 - r1]) / length
                side = np.concatenate([ring * slope[0], np.full((segments + 1, 1), slope[1])], -1)
                normals = np.stack([side[:-1], side[1:], side[1:], side[:-1]], axis=1)
            self.add(quads, uvs, finish, normals)
            along += length

    def cylinder(self, radius, z0, z1, finish, segments=20):
        """An upright cylinder about z."""
        self.lathe([(radius, z0), (radius, z1)], finish, segments)

    def enter(self, frame):
        """Go on in a frame [4 4] given in the present one, until it is popped."""
        self.frames.append(times(self.frames[-1], np.array(frame, float)))

    def rod(self, start, end, radius, finish, segments=8):
        """A round bar between two points."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        self.enter(along_z(start, end))
        self.cylinder(radius, 0.0, length(end - start), finish, segments)
        self.frames.pop()

    def cushion(self, center, size, finish, power=0.35, steps=(20, 10)):
        """A rounded block (a superellipsoid): power 1 is an ellipsoid, towards 0 a box."""
        a = np.linspace(-np.pi, np.pi, steps[0] + 1)
        b = np.linspace(-np.pi / 2, np.pi / 2, steps[1] + 1)
        grid_a, grid_b = np.meshgrid(a, b)

        def bent(wave, exponent):
            return np.sign(wave) * np.abs(wave) ** exponent

        def surface(exponent):
            ring = bent(np.cos(grid_b), exponent)
            return np.stack(
                [
                    ring * bent(np.cos(grid_a), exponent),
                    ring * bent(np.sin(grid_a), exponent),
                    bent(np.sin(grid_b), exponent),
                ],
                -1,
            )

        half = np.asarray(size, float) / 2
        points, normals = surface(power) * half + np.asarray(center, float), surface(2 - power) / half
        major = np.argmax(half)
        uv = {0: (0, 1), 1: (0, 1), 2: (0, 2)}[int(major)]
        uvs = points[..., list(uv)] + 0.5 * points[..., [3 - sum(uv)]]
        self.add(cells(points), cells(uvs), finish, cells(normals))

    def prism(self, outline, z0, z1, finish):
        """A convex outline in x, y (counter-clockwise) pulled up from z0 to z1."""
        outline = np.asarray(outline, float)
        following = np.roll(outline, -1, axis=0)
        length = np.linalg.norm(following - outline, axis=-1)
        start = np.concatenate([[0], np.cumsum(length)])
        for here, there, u in zip(outline, following, np.stack([start[:-1], start[1:]], -1), strict=True):
            quad = np.array([[*here, z0], [*there, z0], [*there, z1], [*here, z1]])[None]
            self.add(quad, [[[u[0], z0], [u[1], z0], [u[1], z1], [u[0], z1]]], finish)
        for z, order in ((z1, 1), (z0, -1)):
            ring = outline[::order]
            for k in range(1, len(ring) - 1, 2):
                fourth = min(k + 2, len(ring) - 1)
                quad = np.array([[*ring[i], z] for i in (0, k, k + 1, fourth)])[None]
                self.add(quad, quad[..., :2], finish)

    def slab(self, points, thickness, finish):
        """A bent sheet with a thickness: `points` [m n 3] is its middle."""
        points = np.asarray(points, float)
        du, dv = np.gradient(points, axis=1), np.gradient(points, axis=0)
        normal = np.cross(du, dv)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        front, back = points + normal * thickness / 2, points - normal * thickness / 2
        u = np.cumsum(np.linalg.norm(np.diff(points, axis=1, prepend=points[:, :1]), axis=-1), axis=1)
        v = np.cumsum(np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=-1), axis=0)
        uv = np.stack([u, v], -1)
        self.add(cells(front), cells(uv), finish, cells(normal))
        self.add(cells(back)[:, ::-1], cells(uv)[:, ::-1], finish, cells(-normal)[:, ::-1])
        rim = [(front[0], back[0], uv[0]), (back[-1], front[-1], uv[-1]), (back[:, 0], front[:, 0], uv[:, 0])]
        rim.append((front[:, -1], back[:, -1], uv[:, -1]))
        for a, b, w in rim:
            quads = np.stack([a[:-1], b[:-1], b[1:], a[1:]], axis=1)
            self.add(quads, np.stack([w[:-1], w[:-1] + 0.01, w[1:] + 0.01, w[1:]], axis=1), finish)


def cells(grid):
    """The quads [q 4 c] of a grid of points [m n c], counter-clockwise."""
    grid = np.asarray(grid)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)
    return quads.reshape(-1, 4, grid.shape[-1])


def pose(x=0.0, y=0.0, z=0.0, yaw=0.0, pitch=0.0, roll=0.0, scale=1.0):
    """parent_from_child as a 4x4 matrix: roll about x first, then pitch about y, then yaw about z."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    turn_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    turn_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    matrix = np.eye(4)
    matrix[:3, :3] = times(times(scale * turn_z, turn_y), turn_x)
    matrix[:3, 3] = x, y, z
    return matrix


def along_z(start, end):
    """A frame at `start` whose z axis points to `end`."""
    z = (end - start) / length(end - start)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= length(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    matrix[:3, 3] = start
    return matrix
