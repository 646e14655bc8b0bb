"""Makes the apartment: a furnished flat with its light, a filmed walk through all rooms, and the exact truth about it.

python scenes/apartment/make.py --seed 7 --out out/worlds/apartment-7
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import itertools

import numpy as np

import outside
from _worldgen.produce import World, main
from _worldgen.shapes import Builder
from _worldgen.tracer import Tracer
from _worldgen.voxels import nav_map, occupancy_grid, voxel_frame
from _worldgen.walk import Ground, Manner, camera, film, open_view, smooth_route
from furnish import furnish
from looks import Looks
from shell import HEIGHT, build_shell, draw_plan

CLASSES = (
    *(
        "free",
        "wall",
        "floor",
        "ceiling",
        "door",
        "window",
        "cabinet",
        "table",
        "chair",
        "sofa",
        "bed",
        "shelf",
        "book",
    ),
    *("lamp", "plant", "rug", "picture", "appliance", "sanitary", "textile", "tv", "crockery", "clutter", "sky"),
)
VOXEL = 0.05
BAND = (0.1, 1.8)
"""Heights in which things block the way, metres."""
BODY = 0.24
"""Radius that the walker keeps clear, metres."""


def design(seed):
    """A flat whose rooms can all be reached; chance decides again until it is so.

    Raises:
        RuntimeError: no such flat was found.
    """
    for attempt in range(40):
        rng = np.random.default_rng([seed, attempt])
        builder, looks = Builder(CLASSES), Looks(rng)
        plan = draw_plan(rng)
        windows = build_shell(builder, plan, looks)
        lamps = furnish(builder, plan, looks)
        model = builder.model()
        grid = occupancy_grid(model, voxel_frame(model, VOXEL), lambda x, y, plan=plan: _indoors(plan, x, y, 0.07))
        nav = nav_map(grid, BAND)
        ground = Ground(nav, BODY)
        if _all_reached(plan, ground):
            return plan, model, windows, lamps, grid, nav, ground
    raise RuntimeError(f"seed {seed} gave no flat with a way to all rooms in 40 attempts; expected another seed to.")


def _indoors(plan, x, y, margin=0.0):
    rooms = [(r.x0 - margin, r.x1 + margin, r.y0 - margin, r.y1 + margin) for r in plan.rooms]
    return np.any([(x > x0) & (x < x1) & (y > y0) & (y < y1) for x0, x1, y0, y1 in rooms], axis=0)


def _within(room):
    return lambda x, y: (x > room.x0) & (x < room.x1) & (y > room.y0) & (y < room.y1)


def _corridor(plan):
    return next(room for room in plan.rooms if room.kind == "corridor")


def _all_reached(plan, ground, least=1.4):
    """Whether every room has this many square metres that a walker reaches from the corridor."""
    reached = np.isfinite(ground.distances(ground.nearest(*_corridor(plan).center)))
    place = ground.world(ground.cells)[reached]
    cell = ground.nav.frame.resolution**2
    return all(_within(room)(*place.T).sum() * cell > least for room in plan.rooms)


def tour(plan, ground, tracer, rng):
    """A walk of 40 to 60 seconds through all rooms, first along one side of the corridor, then back along the other."""
    corridor = _corridor(plan)
    home = ground.nearest(*corridor.center)
    rooms = [room for room in plan.rooms if room.kind != "corridor"]
    south = sorted((room for room in rooms if room.center[1] < corridor.center[1]), key=lambda room: room.center[0])
    north = sorted((room for room in rooms if room.center[1] > corridor.center[1]), key=lambda room: -room.center[0])
    walks = []
    paces = ((3, 0.9, 0.7), (2, 0.9, 0.7), (2, 1.0, 0.8), (1, 0.9, 0.7), (1, 1.1, 0.8), (1, 1.3, 1.0))
    for count, speed, turn in paces:
        stops = []
        for room in south + north:
            stops += ground.far_points(home, _within(room), count if room.kind != "bathroom" else 1)
        legs = [ground.route(a, b) for a, b in itertools.pairwise(stops)]
        points = smooth_route(ground, np.concatenate(legs), BODY - 0.04)
        way = np.random.default_rng(rng.integers(2**32))
        manner = Manner(speed, turn, scan=0.25)
        walks.append(film(points, way, manner, outlook=open_view(tracer, manner.height)))
        if walks[-1].seconds[-1] <= 59:
            break
    return walks[-1]


def viewpoints(ground, rng, count=260):
    """Poses all over the free space, as a robot or a person may look."""
    cells = ground.world(ground.cells[rng.integers(len(ground.cells), size=count)])
    heights = rng.uniform(0.3, 1.75, count)
    angles = rng.uniform(0, 2 * np.pi, count)
    tilts = rng.uniform(-0.5, 0.2, count)
    return np.stack([camera(x, y, z, a, t) for (x, y), z, a, t in zip(cells, heights, angles, tilts, strict=True)])


def beside(ground):
    """A function that moves a pose 0.3 to 0.6 m aside and turns it, within the free space."""

    def move(pose, rng, tracer):
        x, y, z = pose[:3, 3]
        yaw = np.arctan2(pose[1, 2], pose[0, 2])
        for attempt in range(60):
            angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.6)
            step = reach * np.array([np.cos(angle), np.sin(angle), 0.0])
            clear = ground.clearance[ground.cell(x + step[0], y + step[1])]
            if clear > (0.12 if attempt < 40 else 0.05) and not tracer.blocked(pose[None, :3, 3], step[None], 1.0)[0]:
                break
        turn = rng.choice([-1, 1]) * rng.uniform(0.15, 0.6)
        height = z + rng.uniform(-0.2, 0.12)
        return camera(x + step[0], y + step[1], height, yaw + turn, rng.uniform(-0.25, 0.02), rng.uniform(-0.04, 0.04))

    return move


def sunlight(plan, rng):
    """A low sun that shines through the windows of the long side."""
    side = 1 if any("north" in room.outer and room.kind in ("living", "bedroom") for room in plan.rooms) else -1
    direction = np.array([rng.uniform(-0.6, 0.6), side * 0.75, rng.uniform(0.5, 0.65)])
    return direction, 0.006, np.array([13.0, 11.5, 9.0], np.float32)


def world(seed):
    """The whole apartment, ready to be lit and filmed."""
    plan, model, windows, lamps, grid, nav, ground = design(seed)
    rng = np.random.default_rng([seed, 1000])
    facts = {
        "generator": "scenes/apartment/make.py",
        "area_m2": round(plan.area, 2),
        "height_m": HEIGHT,
        "rooms": [f"{room.kind} {room.size[0]:.2f} x {room.size[1]:.2f} m" for room in plan.rooms],
        "class_names": list(CLASSES),
        "instances": len(model.instance_names),
    }
    return World(
        name="apartment",
        model=model,
        sky=outside.view,
        lights=windows + lamps,
        sun=sunlight(plan, rng),
        walk=tour(plan, ground, Tracer(model), rng),
        viewpoints=viewpoints(ground, rng),
        off_path=beside(ground),
        occupancy=grid,
        nav_map=nav,
        fov_deg=78.0,
        luxel=0.03,
        truth_every=30,
        sky_radius=20.0,
        facts=facts,
    )


if __name__ == "__main__":
    main("apartment", world)
