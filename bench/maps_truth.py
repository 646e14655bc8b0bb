"""What maps of the apartment are judged by: overlap, shift, and whether doors are open and walls closed."""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import shift as shifted

from splatsim.grids import NavMap
from splatsim.maps import distance_field
from splatsim.scene import Scene

RADIUS = 0.2
"""Of the robot that goes through the doors, metres."""
ASIDE = 0.5
"""Metres before and behind a door, between which it must find its way."""


def iou(found: torch.Tensor, true: torch.Tensor, counted: torch.Tensor) -> float:
    return float((found & true & counted).sum() / ((found | true) & counted).sum())


def best_shift(found: torch.Tensor, true: torch.Tensor, counted: torch.Tensor) -> tuple[float, float]:
    """Rows and columns, in quarter cells, by which the map must be moved to agree best."""
    f, t, mask = found.numpy().astype(np.float32), true.numpy().astype(np.float32), counted.numpy()
    best, at = np.inf, (0.0, 0.0)
    for rows in np.arange(-3, 3.01, 0.25):
        for columns in np.arange(-3, 3.01, 0.25):
            apart = np.abs(shifted(f, (rows, columns), order=1) - t)[mask].sum()
            if apart < best - 1e-6:
                best, at = apart, (float(rows), float(columns))
    return at


def plan_of(world: Path):
    """Rooms and doors as the generator drew them: the attempt whose rooms are those of the scene."""
    sys.path[:0] = [str(world), str(world.parent)]
    from shell import draw_plan, local_to_world

    provenance = Scene.load(world).provenance
    for attempt in range(40):
        plan = draw_plan(np.random.default_rng([provenance["seed"], attempt]))
        if [f"{r.kind} {r.size[0]:.2f} x {r.size[1]:.2f} m" for r in plan.rooms] == provenance["rooms"]:
            return plan, local_to_world
    raise ValueError(f"no plan of seed {provenance['seed']} has the rooms {provenance['rooms']}.")


def doors_and_walls(found: NavMap, true: NavMap, world: Path) -> dict[str, float]:
    """Doors through which a robot gets in the true map but not in this one, and places where a wall lets it through."""
    plan, local_to_world = plan_of(world)
    maps = {"true": true.inflate(RADIUS), "found": found.inflate(RADIUS)}
    passable, closed = 0, 0
    for room, side, centre, _, _ in plan.doors:
        ends = [local_to_world(room, side, centre, y) for y in (ASIDE, -ASIDE - 0.1)]
        if _passes(maps["true"], *ends):
            passable += 1
            closed += not _passes(maps["found"], *ends)
    open_places = 0
    for room in plan.rooms:
        for side in ("south", "east", "north", "west"):
            length = room.size[0] if side in ("south", "north") else room.size[1]
            for x in np.arange(0.05, length - 0.05, 0.025):
                line = np.array([local_to_world(room, side, x, y) for y in np.arange(0.06, -0.26, -0.02)])
                states = [m.at(torch.from_numpy(line)) == 0 for m in (true, found)]
                open_places += bool(states[1].all()) and not bool(states[0].all())
    return {
        "doors that the robot can pass": passable,
        "doors closed": closed,
        "places where a wall is open": open_places,
    }


def _passes(nav_map: NavMap, a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a way of at most 3 m leads from one side to the other."""
    a, b = (_nearest_free(nav_map, p) for p in (a, b))
    if a is None or b is None:
        return False
    return float(distance_field(nav_map, b).at(torch.tensor([a], dtype=torch.float64))[0]) < 3.0


def _nearest_free(nav_map: NavMap, point: tuple[float, float], reach: float = 0.45) -> tuple[float, float] | None:
    cells = nav_map.free.nonzero()
    centres = nav_map.frame.centers(cells)
    away = (centres - torch.tensor(point, dtype=torch.float64)).norm(dim=-1)
    return tuple(centres[int(away.argmin())].tolist()) if len(away) and float(away.min()) < reach else None
