"""The bars of people in motion: feet, paths, capsules and crowds. One command: python bench/avatars_motion.py

Bodies are the shelf's, dressed and drawn by seeds, a child and a tall man besides. Speeds of the crowd are given as
multiples of real time, and against the same rules written plainly in Python, pair by pair, on the same crowd.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from splatsim.avatar.body import Body
from splatsim.avatar.capsules import fit_capsules, held, surface_volume
from splatsim.avatar.crowd import Crowd, OrcaOptions, Others, SocialForceOptions, Walls, overlap, run, ways_to_each
from splatsim.avatar.motion_metrics import motion_quality
from splatsim.avatar.people import make_person
from splatsim.avatar.walking import walk_along
from splatsim.grids import FREE, OCCUPIED, GridFrame, NavMap

ANGLES = np.linspace(0, 2 * np.pi, 90)
PATHS = {
    "straight": {"path": [[0.0, 0], [6, 0]]},
    "curved": {"path": np.stack([2.5 * np.sin(ANGLES), 1.5 * np.sin(2 * ANGLES)], axis=-1)},
    "stop and go": {"path": [[0.0, 0], [2, 0], [4, 0.5], [6, 0.5]], "pauses": {1: 1.5, 2: 1.0}},
    "corners": {"path": [[0.0, 0], [2, 0], [2, 2], [0, 2]]},
    "run": {"path": [[0.0, 0], [15, 0]], "speed": 3.3},
}
DT = 0.1
PEOPLE = (*range(1, 13), 18, 20, 22, 36)
"""Seeds of the people whom capsules are fitted to: 2, 11, 18, 20 and 22 wear skirts, 3 and 36 long ones."""


def measure_motion() -> list[tuple[str, bool]]:
    """Skate, penetration of the skin or the soles, path and jumps, for bodies of several sizes."""
    bodies = {
        "child 1.20 m": Body.load().shape(0.5, 8, 1.20).only("body"),
        "adult 1.70 m": Body.load().shape(0.5, 30, 1.70).only("body"),
        "tall 2.00 m": Body.load().shape(1.0, 30, 2.00).only("body"),
        "dressed, seed 2": make_person(2).mesh,
    }
    print(
        "\n| body | path | skate % | slide cm/s | below floor cm | path RMSE cm | jump m/s | turn ° |\n|" + "---|" * 8
    )
    bars = []
    for name, body in bodies.items():
        for path, way in PATHS.items():
            walk = walk_along(body.skeleton, **way)  # type: ignore[arg-type]
            q = motion_quality(walk, way["path"], surface=body.pose)
            print(
                f"| {name} | {path} | {100 * q.skate_ratio:.1f} | {100 * q.skate_speed:.1f} | "
                f"{100 * q.penetration:.2f} | {100 * q.path_rmse:.2f} | {q.jump:.2f} | {math.degrees(q.turn):.1f} |",
                flush=True,
            )
            good = q.skate_ratio < 0.02 and q.penetration < 0.01 and q.path_rmse < 0.02
            bars.append((f"{name}, {path}: skate < 2 %, below floor < 1 cm, path RMSE < 2 cm", good))
    return bars


def measure_capsules(seeds: Sequence[int]) -> list[tuple[str, bool]]:
    """Share held and volume against the clothed body's."""
    print(
        "\n| seed | capsules | held at rest % | held walking, least % | volume against the body's | fit s |\n|"
        + "---|" * 6
    )
    bars = []
    for seed in seeds:
        person = make_person(seed)
        avatar = person.to_avatar(16_000)
        started = time.perf_counter()
        capsules = fit_capsules(avatar)
        seconds = time.perf_counter() - started
        walk = walk_along(avatar.skeleton, [[0.0, 0], [3, 0]])
        walking = min(held(avatar, capsules, walk.at(float(t))) for t in np.linspace(0, walk.duration, 9))
        ratio = capsules.volume() / surface_volume(person.mesh.vertices, person.mesh.faces)
        rest = held(avatar, capsules)
        print(
            f"| {seed} | {len(capsules)} | {100 * rest:.2f} | {100 * walking:.2f} | {ratio:.2f} | {seconds:.1f} |",
            flush=True,
        )
        bars.append(
            (
                f"seed {seed}: held >= 98 %, walking too, in <= 1.6 times the clothed body's volume",
                min(rest, walking) >= 0.98 and ratio <= 1.6,
            )
        )
    return bars


def nav_map(width: float, height: float, blocks: list[tuple[float, float, float, float]]) -> NavMap:
    """A floor with blocks x0 y0 x1 y1 on it."""
    frame = GridFrame.covering((-width / 2, -height / 2), (width / 2, height / 2), 0.1)
    cells = torch.full(frame.shape, FREE, dtype=torch.uint8)
    index = torch.stack(torch.meshgrid(*map(torch.arange, frame.shape), indexing="ij"), dim=-1)
    x, y = frame.centers(index).unbind(-1)
    for x0, y0, x1, y1 in blocks:
        cells[(x > x0) & (x < x1) & (y > y0) & (y < y1)] = OCCUPIED
    return NavMap(frame, cells, (0.1, 1.8))


def door(options: OrcaOptions | SocialForceOptions, seed: int) -> Crowd:
    """Fifty people go through a door of 2 m."""
    place = nav_map(20, 12, [(-0.15, -12, 0.15, -1), (-0.15, 1, 0.15, 12)])
    rng = np.random.default_rng(seed)
    left = np.array([(x, y) for x in np.linspace(-9, -2.5, 10) for y in np.linspace(-4.8, 4.8, 5)])
    goals = rng.permutation(left * [-1, 1])
    return Crowd(
        left + rng.uniform(-0.2, 0.2, left.shape),
        ways_to_each(place, list(goals), radius=0.3),
        walls=Walls.around(place),
        seed=seed,
        options=options,
    )


def crossing(options: OrcaOptions | SocialForceOptions, seed: int) -> Crowd:
    """Fifty people cross from four corridors of 4 m, each to the opposite one."""
    place = nav_map(30, 30, [(2, 2, 20, 20), (-20, 2, -2, 20), (2, -20, 20, -2), (-20, -20, -2, -2)])
    rng = np.random.default_rng(seed)
    starts, goals = [], []
    for person in range(50):
        row, across = 1.5 * (person // 4 // 3), (-1.2, 0.0, 1.2)[person // 4 % 3]
        way = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)][person % 4])
        side = np.array([-way[1], way[0]])
        starts.append(-(5 + row) * way + across * side)
        goals.append((14 - row) * way + across * side)
    places = np.array(starts) + rng.uniform(-0.15, 0.15, (50, 2))
    ways = ways_to_each(place, goals, radius=0.3)
    return Crowd(places, ways, walls=Walls.around(place), seed=seed, options=options)


def measure_crowds(seeds: range) -> list[tuple[str, bool]]:
    """Overlaps, arrivals and speed of both models, and a plain loop's speed."""
    print(
        "\n| model | scene | seed | deepest overlap cm | into walls cm | arrived | all there s | × real time |\n|"
        + "---|" * 8
    )
    bars = []
    scenes: dict[str, Callable[[OrcaOptions | SocialForceOptions, int], Crowd]] = {"door": door, "crossing": crossing}
    for options in (OrcaOptions(), SocialForceOptions()):
        for name, scene in scenes.items():
            for seed in seeds:
                crowd, worst, there = scene(options, seed), [0.0, 0.0], [math.inf]

                def watch(crowd: Crowd, worst: list[float] = worst, there: list[float] = there) -> None:
                    worst[:] = map(max, worst, overlap(crowd))
                    if crowd.arrived.all():
                        there[0] = min(there[0], crowd.time)

                run(crowd, 60, DT, watch)
                timed = scene(options, seed)
                started = time.perf_counter()
                run(timed, 60, DT)
                factor = 60 / (time.perf_counter() - started)
                model = "ORCA" if isinstance(options, OrcaOptions) else "social force"
                print(
                    f"| {model} | {name} | {seed} | {100 * worst[0]:.2f} | {100 * worst[1]:.2f} | "
                    f"{int(crowd.arrived.sum())} | {there[0]:.1f} | {factor:.0f} |",
                    flush=True,
                )
                if model == "ORCA":
                    good = worst[0] <= 0.02 and worst[1] <= 0.02 and bool(crowd.arrived.all()) and factor >= 20
                    bars.append(
                        (f"ORCA {name}, seed {seed}: overlap <= 2 cm, all arrive in 60 s, >= 20x real time", good)
                    )
    loop, ours = plain_pairs(door(OrcaOptions(), 0))
    print(f"\nA step of ORCA for 50 people takes {ours:.0f} us; a loop over all pairs in plain Python that measures")
    print(f"no more than distances takes {loop:.0f} us, {loop / ours:.1f} times as long.")
    return bars


def plain_pairs(crowd: Crowd) -> tuple[float, float]:
    """Microseconds of a loop over pairs in Python, and of the whole native step, medians of 20."""
    places = crowd.places.tolist()
    loops, steps = [], []
    for _ in range(20):
        started = time.perf_counter()
        for x, y in places:
            sum(math.hypot(x - a, y - b) < 5 for a, b in places)
        loops.append(time.perf_counter() - started)
        started = time.perf_counter()
        crowd._step_orca(np.ones((50, 2)), 1e-6, _nobody(), OrcaOptions())
        steps.append(time.perf_counter() - started)
    return 1e6 * float(np.median(loops)), 1e6 * float(np.median(steps))


def _nobody() -> Others:
    return Others(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))


def main() -> int:
    """Measure what was asked for and print the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=["motion", "capsules", "crowd"], help="motion, capsules, crowd")
    parser.add_argument("--seeds", type=int, default=3, help="runs of the crowds")
    parser.add_argument("--people", type=int, nargs="*", default=PEOPLE, help="seeds of the people of the capsules")
    options = parser.parse_args()
    bars: list[tuple[str, bool]] = []
    if "motion" in options.sections:
        bars += measure_motion()
    if "capsules" in options.sections:
        bars += measure_capsules(options.people)
    if "crowd" in options.sections:
        bars += measure_crowds(range(options.seeds))
    print("\n### Bars\n")
    for bar, met in bars:
        print(f"- {'met   ' if met else 'MISSED'} {bar}")
    return 0 if all(met for _, met in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
