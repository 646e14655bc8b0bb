"""How fast the navigation simulator is: steps without pictures, and pictures by Gaussians, people and size.

Run `python bench/nav_speed.py`: the bars first, then the matrix of {0.1, 0.5, 1, 3} M Gaussians × {0, 1, 4, 16} people
× {128², 256², 480 × 360}, colours alone and colours, depth and the view from above. `--bars` measures the bars alone,
`--quick` a part of the matrix. Places beyond the apartment are the apartment with more, smaller Gaussians, or fewer.
A figure of the matrix is the mean over at least 0.4 s and a look of two robots each; a row knows the
greatest memory that the process held until then. Writes bench/results/nav_speed.json.
"""

import argparse
import json
import os
import platform
import resource
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from field_speed import field_times

from splatsim.assets import shelf_file
from splatsim.gaussians import Gaussians
from splatsim.nav import Episode, Humans, Sensors, Setup
from splatsim.nav.simulator import Simulator
from splatsim.nav.world import World
from splatsim.scene import Scene

LANES = 64
SIZES = ((128, 128), (256, 256), (480, 360))
COUNTS = (100_000, 500_000, 1_000_000, 3_000_000)
PEOPLE = (0, 1, 4, 16)
STEPS_BAR, FRAMES_BAR, FIELD_BAR = 20_000, 30, 60
"""Steps per second of 64 lanes together, without people or pictures; pictures of 128² of the apartment per second;
milliseconds for a distance field of 1024² cells."""
ROBOTS, SECONDS = 2, 0.4
"""Of a figure in the matrix."""
QUIET = 0.9
"""Share of the wall time that the process must have had a core for, for a figure to count as undisturbed."""


def apartment() -> World:
    """The shelf's."""
    return World.of(Scene.load(shelf_file("scenes/apartment/scene.toml").parent))


def resized(gaussians: Gaussians, count: int) -> Gaussians:
    """As many Gaussians as asked for: some left out, or split up into several smaller ones in the place of each."""
    generator = torch.Generator().manual_seed(0)
    times = -(-count // len(gaussians))
    if times == 1:
        return gaussians.select(torch.randperm(len(gaussians), generator=generator)[:count].sort().values)
    parts = []
    for _ in range(times):
        off = torch.randn(gaussians.means.shape, generator=generator) * 0.5 * gaussians.scales.mean(-1, keepdim=True)
        parts.append(gaussians.replace(means=gaussians.means + off, scales=gaussians.scales * times**-0.5))
    return Gaussians.concat(parts).select(slice(0, count))


def episodes(world: World, count: int) -> list[Episode]:
    """Starts all over the free cells with room; where they lead does not matter here."""
    inflated = world.inflated(0.3)
    cells = inflated.free.nonzero()
    chosen = cells[torch.randperm(len(cells), generator=torch.Generator().manual_seed(1))[:count]]
    made = []
    for number, (x, y) in enumerate(inflated.frame.centers(chosen).tolist()):
        start, goal = (x, y, 0.7 * number), (x + 1.0, y)
        way = torch.tensor([start[:2], goal], dtype=torch.float64)
        made.append(Episode(f"{number}", world.name, start, goal, 1.0, way, max_steps=10**9, seed=number))
    return made


def started(world: World, setup: Setup, lanes: int = LANES) -> Simulator:
    """Robots in all lanes."""
    simulator = Simulator(world, setup, lanes)
    simulator.reset(range(lanes), episodes(world, lanes))
    return simulator


def steps_per_second(simulator: Simulator, steps: int) -> tuple[float, float]:
    """Of all lanes together, by wall time, and the share of it in which the process had a core."""
    actions = torch.randint(1, 4, (steps + 5, simulator.count), generator=torch.Generator().manual_seed(2))
    for row in actions[:5]:
        simulator.step(row)
    wall, cpu = perf_counter(), process_time()
    for row in actions[5:]:
        simulator.step(row)
    spent = perf_counter() - wall
    return steps * simulator.count / spent, (process_time() - cpu) / spent


def frames_per_second(simulator: Simulator, lanes: int, seconds: float = 2.0) -> tuple[float, float]:
    """Steps and looks in turn: pictures per second, and the share of wall time with a core."""
    simulator.observe(range(1))
    wall, cpu, frames = perf_counter(), process_time(), 0
    while frames < lanes or perf_counter() - wall < seconds:
        simulator.step(torch.full((simulator.count,), 2))
        simulator.observe(range(lanes))
        frames += lanes
    spent = perf_counter() - wall
    return frames / spent, (process_time() - cpu) / spent


def field_milliseconds() -> tuple[float, float]:
    """A distance field over 1024² cells of which a tenth is closed, the best of five; the share with a core."""
    wall, cpu = perf_counter(), process_time()
    times = field_times(0.1, 5)
    return min(times), (process_time() - cpu) / (perf_counter() - wall)


def peak_mib() -> float:
    """The greatest memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bars(world: World) -> list[list[Any]]:
    """What the simulator has to reach."""
    rows: list[list[Any]] = []
    rate, share = steps_per_second(started(world, Setup()), 300)
    rows.append(["64 lanes, no people, no pictures", "steps/s", rate, STEPS_BAR, share])
    for people in (1, 4):
        rate, share = steps_per_second(started(world, Setup(humans=Humans(people))), 20)
        rows.append([f"64 lanes, {people} people each (ORCA), no pictures", "steps/s", rate, None, share])
    rate, share = frames_per_second(started(world, Setup(sensors=Sensors(rgb=True)), 16), 16)
    rows.append(["apartment, RGB of 128 × 128", "frames/s", rate, FRAMES_BAR, share])
    sensors = Sensors(rgb=True, depth=True, bev="ego", bev_colors=True)
    rate, share = frames_per_second(started(world, Setup(sensors=sensors), 16), 16)
    rows.append(["apartment, RGB-D of 128 × 128 and BEV", "frames/s", rate, None, share])
    rate, share = field_milliseconds()
    rows.append(["distance field of 1024² cells", "ms", rate, FIELD_BAR, share])
    return rows


def matrix(world: World, quick: bool) -> list[dict[str, Any]]:
    """Frames per second of one lane after the other, by Gaussians, people and size."""
    found = []
    for count in COUNTS[1:2] if quick else COUNTS:
        assert world.gaussians is not None
        place = World(world.name, world.nav_map, world.floor, resized(world.gaussians, count), content_hash="speed")
        for people in PEOPLE[::2] if quick else PEOPLE:
            for width, height in SIZES[:2] if quick else SIZES:
                for bev in (False, True):
                    sensors = Sensors(
                        rgb=True, depth=bev, width=width, height=height, bev="ego" if bev else "none", bev_colors=bev
                    )
                    simulator = started(place, Setup(sensors=sensors, humans=Humans(people)), ROBOTS)
                    rate, share = frames_per_second(simulator, ROBOTS, SECONDS)
                    kind = "RGB-D + BEV" if bev else "RGB"
                    row = {"gaussians": count, "people": people, "size": f"{width}×{height}", "sensors": kind}
                    found.append(row | {"frames_per_second": rate, "core_share": share, "peak_mib": peak_mib()})
                    told = f"{rate:.1f} | {peak_mib():,.0f} | {share:.2f}"
                    print(f"| {count:,} | {people} | {width}×{height} | {kind} | {told} |", flush=True)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", action="store_true", help="measure the bars alone")
    parser.add_argument("--quick", action="store_true", help="a part of the matrix")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results" / "nav_speed.json")
    options = parser.parse_args()
    world = apartment()
    assert world.gaussians is not None
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {len(world.gaussians):,} Gaussians\n")
    print("| what | unit | measured | bar | met | cores |\n|---|---|---:|---:|---|---:|")
    judged = bars(world)
    for what, unit, rate, bar, share in judged:
        reached = bar is not None and (rate <= bar if unit == "ms" else rate >= bar)
        met = "–" if bar is None else "yes" if reached else "NO" if share >= QUIET else "NO (disturbed)"
        print(
            f"| {what} | {unit} | {rate:,.0f} | {'–' if bar is None else f'{bar:,}'} | {met} | {share:.2f} |",
            flush=True,
        )
    rows = []
    if not options.bars:
        print("\n| Gaussians | people | size | sensors | frames/s | MiB | cores |\n|---:|---:|---|---|---:|---:|---:|")
        rows = matrix(world, options.quick)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "bars": judged,
        "matrix": rows,
        "peak_mib": peak_mib(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nPeak memory {peak_mib():,.0f} MiB. Written to {options.out}")


if __name__ == "__main__":
    main()
