"""Makes the quarry: an open pit with its light, a filmed drive up the ramp, and the exact truth about it.

python scenes/quarry/make.py --seed 7 --out out/worlds/quarry-7
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

import machines
import things
from _worldgen.finish import Finish
from _worldgen.produce import World, main
from _worldgen.shapes import Builder
from _worldgen.walk import Manner, camera, film
from grounds import with_ground
from paint import Paint
from sky import view
from terrain import BOTTOM, SIZE, build_ground, make_terrain
from truth import drive_map, pit_grid

CLASSES = (
    *("free", "barrier", "truck", "widebody", "car", "excavator", "machinery", "pedestrian", "traffic_cone", "muddy"),
    *("terrain", "driveable", "sign", "rock", "sky"),
)
VOXEL = 0.3
CLEAR = 2.6
"""Metres on either side of the drive that stay free."""


def route(terrain, rng):
    """Points 10 cm apart: half around the floor, then up the ramp."""
    ramp, loop = terrain.ramp, terrain.loop[:-1]
    joint = int(np.argmin(np.linalg.norm(loop[:, :2] - ramp[0, :2], axis=1)))
    # Around the floor in the sense of the ramp, so that the road runs into it without a sharp bend.
    sense = ramp[0, 0] * ramp[40, 1] - ramp[0, 1] * ramp[40, 0]
    arc = np.roll(loop if sense > 0 else loop[::-1], -(joint if sense > 0 else len(loop) - 1 - joint), axis=0)
    share = rng.uniform(0.55, 0.65)
    approach = arc[int(len(arc) * (1 - share)) : -12]
    line = np.concatenate([approach, ramp[18 : int(len(ramp) * 0.72)]])[:, :2]
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0, length[-1], 0.1)
    points = np.stack([np.interp(at, length, line[:, k]) for k in (0, 1)], -1)
    return gaussian_filter1d(points, 25, axis=0, mode="nearest")


class Site:
    """The pit while it is being filled: knows the drive and what stands where."""

    def __init__(self, builder, terrain, path, rng):
        self.b, self.terrain, self.rng, self.paint = builder, terrain, rng, Paint(rng)
        # What is driven, and the rest of the ramp, which the drive looks up at its end.
        self.path, self.tree, self.taken = path, cKDTree(np.concatenate([path, terrain.ramp[:, :2]])), []
        self.slope = terrain.slope()

    def free(self, x, y, radius):
        """Whether a disc is off the drive, off the ramp and off everything else."""
        if self.tree.query([x, y])[0] <= radius + CLEAR:
            return False
        turn = np.arange(8) * np.pi / 4
        ring = self.terrain.z(x + radius * np.cos(turn), y + radius * np.sin(turn))
        # Large machines stand on level ground; a stone may lie on a slope.
        if np.ptp(ring) > (0.28 * radius if radius > 2 else 1.2 * radius):
            return False
        return all(np.hypot(x - a, y - b) > radius + r + 0.3 for a, b, r in self.taken)

    def stand(self, make, x, y, radius, yaw=None, sink=0.05):
        """Put a thing on the ground, tilted as the ground is."""
        z, yaw = self.terrain.z(x, y)[0], self.rng.uniform(0, 2 * np.pi) if yaw is None else yaw
        reach = max(radius * 0.6, 0.2)
        ahead = self.terrain.z(x + reach * np.cos(yaw), y + reach * np.sin(yaw))
        behind = self.terrain.z(x - reach * np.cos(yaw), y - reach * np.sin(yaw))
        left = self.terrain.z(x - reach * np.sin(yaw), y + reach * np.cos(yaw))
        right = self.terrain.z(x + reach * np.sin(yaw), y - reach * np.cos(yaw))
        pitch, roll = np.arctan2(behind - ahead, 2 * reach)[0], np.arctan2(left - right, 2 * reach)[0]
        with self.b.place(x, y, z - sink, yaw, float(np.clip(pitch, -0.3, 0.3)), float(np.clip(roll, -0.3, 0.3))):
            make(self.b, self.paint)
        self.taken.append((x, y, radius))

    def scatter(self, make, count, radius, near=None, flat=0.35, tries=400):
        """Put things at free places; `near` is the largest distance to the drive."""
        for _ in range(count):
            for _ in range(tries):
                if near:
                    k = int(self.rng.integers(len(self.path)))
                    angle, reach = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(CLEAR + radius, near)
                    x, y = self.path[k] + reach * np.array([np.cos(angle), np.sin(angle)])
                else:
                    x, y = self.rng.uniform(-SIZE / 2 + 6, SIZE / 2 - 6, 2)
                inside = max(abs(x), abs(y)) < SIZE / 2 - 4
                if inside and self.terrain.at(self.slope, x, y) < flat and self.free(x, y, radius):
                    self.stand(make, float(x), float(y), radius)
                    break


def fill(site):
    """Machines, people, cones, barriers, rocks."""
    rng, m = site.rng, machines
    site.scatter(m.haul_truck, 3, 4.6, near=16)
    site.scatter(lambda b, p: m.haul_truck(b, p, 0.8, "widebody"), 3, 3.8, near=18)
    site.scatter(m.excavator, 3, 5.2, near=20)
    site.scatter(m.bulldozer, 2, 3.0, near=18)
    site.scatter(m.pickup, 4, 2.8, near=14)
    site.scatter(m.container, 2, 3.3, near=22)
    site.scatter(m.light_tower, 4, 1.2, near=12)
    _lines(site)
    site.scatter(things.sign, 8, 0.8, near=7)
    site.scatter(things.tyres, 10, 0.9, near=9)
    site.scatter(things.barrel, 12, 0.4, near=9)
    site.scatter(things.person, 14, 0.4, near=11)
    site.scatter(things.cone, 16, 0.3, near=6)
    for low, high, count, near in (
        (0.9, 1.9, 26, 26),
        (0.35, 0.9, 120, 18),
        (0.12, 0.35, 420, 12),
        (0.5, 1.6, 70, None),
    ):
        for _ in range(count):
            size = float(rng.uniform(low, high))
            site.scatter(lambda b, p, size=size: things.boulder(b, p, size), 1, size * 0.9, near, 0.7, 40)
    _piles(site)


def _lines(site):
    """Rows of cones and of barriers beside the drive."""
    path = site.path
    for make, gap, count, aside, radius in ((things.cone, 3.0, 12, 3.3, 0.3), (things.barrier, 2.15, 11, 4.0, 1.0)):
        for _ in range(3):
            start, side = int(site.rng.integers(len(path) - count * gap * 10 - 20)), site.rng.choice([-1, 1])
            for k in range(count):
                i = int(start + k * gap * 10)
                ahead = path[i + 5] - path[i]
                yaw = float(np.arctan2(ahead[1], ahead[0]))
                x, y = path[i] + side * aside * np.array([-np.sin(yaw), np.cos(yaw)])
                clear = site.tree.query([x, y])[0] > 2.7 and all(
                    np.hypot(x - a, y - b) > r + 0.3 for a, b, r in site.taken
                )
                if clear and site.terrain.at(site.slope, x, y) < 0.5:
                    site.stand(make, float(x), float(y), radius * 0.8, yaw)


def _piles(site):
    """Heaps of broken rock: boulders over a mound."""
    for _ in range(9):
        for _ in range(200):
            k = int(site.rng.integers(len(site.path)))
            angle, reach = site.rng.uniform(0, 2 * np.pi), site.rng.uniform(6.5, 17)
            x, y = site.path[k] + reach * np.array([np.cos(angle), np.sin(angle)])
            if max(abs(x), abs(y)) < 66 and site.terrain.at(site.slope, x, y) < 0.3 and site.free(x, y, 3.2):
                break
        else:
            continue
        half = site.rng.uniform(1.6, 3.0, 2)

        def heap(b, paint, half=half):
            with b.part("rock", "heap"):
                things.heap(b, paint, (0, 0, -0.3), (half[0], half[1], 1.7))
            for _ in range(22):
                spread, turn = np.sqrt(paint.rng.uniform(0.05, 1)), paint.rng.uniform(0, 2 * np.pi)
                at = spread * half * np.array([np.cos(turn), np.sin(turn)])
                with b.place(at[0], at[1], 1.3 * (1 - spread**1.5), paint.rng.uniform(0, 6)):
                    things.boulder(b, paint, paint.rng.uniform(0.15, 0.5))

        site.stand(heap, float(x), float(y), 3.2)


def build(seed):
    """The pit with everything in it, and the line of the drive."""
    rng = np.random.default_rng([seed, 77])
    terrain = make_terrain(rng)
    builder = Builder(CLASSES)
    tone = rng.uniform(0.9, 1.1)
    earth, stone = (0.34 * tone, 0.265 * tone, 0.19 * tone), (0.37, 0.345, 0.315)
    finishes = {
        "ground": Finish("ground", earth, stone, seed=int(rng.integers(1, 60_000))),
        "face": Finish(
            "rock_face", (0.40 * tone, 0.30 * tone, 0.20 * tone), (0.30, 0.275, 0.25), seed=int(rng.integers(1, 60_000))
        ),
    }
    build_ground(builder, terrain, finishes)
    path = route(terrain, rng)
    fill(Site(builder, terrain, path, rng))
    return terrain, builder.model(), path


def beside(terrain, model):
    """A function that moves a pose 0.3 to 0.6 m aside and turns it."""

    def move(pose, rng, tracer):
        yaw = np.arctan2(pose[1, 2], pose[0, 2])
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.6)
        x, y = pose[0, 3] + reach * np.cos(angle), pose[1, 3] + reach * np.sin(angle)
        turn = rng.choice([-1, 1]) * rng.uniform(0.1, 0.5)
        z = pose[2, 3] + rng.uniform(-0.3, 0.2)
        return camera(x, y, z, yaw + turn, rng.uniform(-0.15, 0.05), rng.uniform(-0.04, 0.04))

    return move


def viewpoints(terrain, path, rng, count=260):
    """Poses along the drive and around it, looking everywhere."""
    spots = path[rng.integers(len(path), size=count)] + rng.normal(0, 2.0, (count, 2))
    heights = terrain.z(spots[:, 0], spots[:, 1]) + rng.uniform(1.0, 3.0, count)
    angles, tilts = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.3, 0.15, count)
    return np.stack([camera(x, y, z, a, t) for (x, y), z, a, t in zip(spots, heights, angles, tilts, strict=True)])


def world(seed):
    """The whole quarry, ready to be lit and filmed."""
    terrain, model, path = build(seed)
    rng = np.random.default_rng([seed, 2000])
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 0.85)
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    speed = 0.1 * len(path) / 47
    manner = Manner(speed, 0.5, scan=0.28, height=2.4, tilt=-0.07, stride=4.5)
    walk = film(path, rng, manner, ground=terrain.z)
    grid = pit_grid(model, VOXEL)
    facts = {
        "generator": "scenes/quarry/make.py",
        "size_m": SIZE,
        "bottom_m": BOTTOM,
        "class_names": list(CLASSES),
        "instances": len(model.instance_names),
        "sun": [round(float(c), 4) for c in sun],
    }
    return World(
        name="quarry",
        model=model,
        sky=lambda directions: view(directions, sun),
        lights=[],
        sun=(sun, 0.006, np.array([9.0, 8.2, 6.9], np.float32)),
        walk=walk,
        viewpoints=viewpoints(terrain, path, rng),
        off_path=beside(terrain, model),
        occupancy=grid,
        nav_map=drive_map(model, terrain),
        fov_deg=82.0,
        luxel=0.17,
        truth_every=45,
        sky_radius=220.0,
        longest=3.0,
        depth_unit=0.005,
        facts=facts,
        patterns=with_ground(terrain),
        tone=0.42,
    )


if __name__ == "__main__":
    main("quarry", world)
