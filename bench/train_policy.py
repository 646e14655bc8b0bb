"""Train the learned agent by imitation (DAgger, Ross et al. 2011): the expert knows the shortest way, the pupil drives.

    python bench/train_policy.py OUT.npz [--rounds N] [--steps N] [--seed N]

It trains in rooms made at random and never sees the apartment;
`bench/nav_agents.py learned --policy OUT.npz` measures it.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatsim import native
from splatsim.grids import FREE, OCCUPIED, GridFrame, NavMap
from splatsim.nav.agents.policy import CELLS, RESOLUTION, SKIP, Policy, save_policy
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors
from splatsim.nav.unicycle import Drive, Step, take_step

RADIUS, SUCCESS, SIZE = 0.2, 0.2, 200
DRIVE = Drive()
LANES, BATCH = 32, 64


def random_rooms(rng: np.random.Generator) -> NavMap:
    """10 m by 10 m, split by walls with doors, and furnished."""
    cells = np.full((SIZE, SIZE), FREE, np.uint8)

    def split(top: int, left: int, bottom: int, right: int) -> None:
        tall, wide = bottom - top, right - left
        if max(tall, wide) < rng.integers(70, 130):
            return
        along = tall >= wide
        cut = int(rng.integers(45, max(46, (tall if along else wide) - 45)))
        door = int(rng.integers(4, max(5, (wide if along else tall) - 24)))
        if along:
            cells[top + cut : top + cut + 3, left:right] = OCCUPIED
            split(top, left, top + cut, right)
            split(top + cut + 3, left, bottom, right)
            cells[top + cut : top + cut + 3, left + door : left + door + 19] = FREE
        else:
            cells[top:bottom, left + cut : left + cut + 3] = OCCUPIED
            split(top, left, bottom, left + cut)
            split(top, left + cut + 3, bottom, right)
            cells[top + door : top + door + 19, left + cut : left + cut + 3] = FREE

    split(0, 0, SIZE, SIZE)
    for _ in range(rng.integers(10, 30)):
        tall, wide = rng.integers(5, 28, 2)
        top, left = rng.integers(0, SIZE - 30, 2)
        cells[top : top + tall, left : left + wide] = OCCUPIED
    cells[[0, 1, -2, -1]], cells[:, [0, 1, -2, -1]] = OCCUPIED, OCCUPIED
    return NavMap(GridFrame((0.0, 10.0), RESOLUTION, (SIZE, SIZE)), torch.from_numpy(cells), (0.1, 1.8))


@dataclass(frozen=True)
class Errand:
    """A goal in some rooms, and where one can set out for it."""

    nav_map: NavMap
    terrain: Terrain
    starts: Tensor


def errands(rng: np.random.Generator, rooms: int, goals: int) -> list[Errand]:
    """Some goals in each of some rooms, made once."""
    found: list[Errand] = []
    for _ in range(rooms):
        nav_map = random_rooms(rng)
        centers = nav_map.frame.centers(nav_map.inflate(RADIUS + 0.02).free.nonzero())
        wanted = len(found) + goals
        while len(found) < wanted:
            x, y = centers[int(rng.integers(len(centers)))].tolist()
            terrain = Terrain(nav_map, (x, y), RADIUS)
            left = terrain.left(centers.numpy())
            starts = centers[torch.from_numpy((left > 0.5) & (left < 16.0))]
            if len(starts) > 1000:
                found.append(Errand(nav_map, terrain, starts))
    return found


@dataclass
class Lane:
    """One robot on an errand."""

    nav_map: NavMap
    terrain: Terrain
    visited: Tensor
    pose: Tensor
    last: int = 0
    failed: bool = False
    age: int = 0


def new_lane(rng: np.random.Generator, pool: list[Errand]) -> Lane:
    """A robot that sets out from anywhere."""
    errand = pool[int(rng.integers(len(pool)))]
    x, y = errand.starts[int(rng.integers(len(errand.starts)))].tolist()
    pose = torch.tensor([x, y, rng.uniform(-math.pi, math.pi)], dtype=torch.float64)
    return Lane(errand.nav_map, errand.terrain, torch.zeros_like(errand.nav_map.free), pose)


def expert(lane: Lane) -> int:
    """What leads to the goal by the shortest way: the heading from which a step gains most, or stop."""
    here = lane.pose[:2].numpy()[None]
    near = float(lane.terrain.ahead(here)[0]) < 2 * SUCCESS
    if near and float(lane.terrain.left(here)[0]) < 0.9 * SUCCESS:
        return int(Step.STOP)
    turns = np.arange(-12, 13)
    moves = heading_vectors(float(lane.pose[2]) + turns * DRIVE.turn, DRIVE.forward)
    gain = lane.terrain.ahead(here + moves) + 0.02 * np.abs(turns)
    open_ = _open(lane.terrain, here, moves)
    if not open_.any():
        return int(Step.LEFT)
    turn = int(turns[np.where(open_, gain, np.inf).argmin()])
    return int(Step.FORWARD if turn == 0 else Step.LEFT if turn > 0 else Step.RIGHT)


def _open(terrain: Terrain, here: Array, moves: Array) -> NDArray[np.bool_]:
    """Whether moves [n 2] seem to meet nothing: right to half a cell, which is enough to learn from."""
    return terrain.seems_open(here + moves / 2) & terrain.seems_open(here + moves)


def views(lanes: list[Lane]) -> list[Tensor]:
    """What `Policy` takes in: closed and visited cells of `Sensors(bev="ego")`, goals, last steps and what failed."""
    poses = torch.stack([lane.pose for lane in lanes]).float()
    middle = (torch.arange(0, CELLS, SKIP) + 0.5) * RESOLUTION - CELLS * RESOLUTION / 2
    ahead, left = -middle[:, None], -middle[None, :]
    cos, sin = poses[:, 2].cos()[:, None, None], poses[:, 2].sin()[:, None, None]
    points = poses[:, None, None, :2] + torch.stack([ahead * cos - left * sin, ahead * sin + left * cos], -1)
    frame = lanes[0].nav_map.frame
    cells = frame.cell_of(points)
    inside = frame.contains(cells)
    rows, columns = torch.where(inside[..., None], cells, 0).unbind(-1)
    number = torch.arange(len(lanes))[:, None, None]
    closed = torch.stack([~lane.nav_map.free for lane in lanes])[number, rows, columns] | ~inside
    visited = torch.stack([lane.visited for lane in lanes])[number, rows, columns] & inside
    way = torch.tensor([lane.terrain.goal for lane in lanes]) - poses[:, :2]
    bearing = torch.remainder(torch.atan2(way[:, 1], way[:, 0]) - poses[:, 2] + math.pi, 2 * math.pi) - math.pi
    last = torch.tensor([lane.last for lane in lanes])
    failed = torch.tensor([lane.failed for lane in lanes])
    return [closed, visited, torch.stack([way.norm(dim=-1), bearing], -1).float(), last, failed]


def drive(lane: Lane, step: int) -> None:
    """Take a step and mark where it led."""
    before = lane.pose
    move = heading_vectors(before[2].numpy(), DRIVE.forward)[None]
    if step == Step.FORWARD and bool(_open(lane.terrain, before[None, :2].numpy(), move)[0]):
        lane.pose = torch.cat([before[:2] + torch.from_numpy(move[0]), before[2:]])
    else:
        radii = torch.tensor([RADIUS], dtype=torch.float64)
        lane.pose = take_step(lane.terrain.space, before[None], torch.tensor([step]), radii, DRIVE)[0][0]
    lane.last, lane.age = step, lane.age + 1
    lane.failed = step == Step.FORWARD and bool((lane.pose - before)[:2].norm() < DRIVE.forward / 2)
    if step == Step.FORWARD:
        share = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
        cells = lane.nav_map.frame.cell_of(before[:2] + share * (lane.pose - before)[:2])
        lane.visited[cells[:, 0], cells[:, 1]] = True


def gather(
    policy: Policy | None, pool: list[Errand], rng: np.random.Generator, steps: int
) -> tuple[list[Tensor], float]:
    """What was seen and what the expert said, for `LANES` robots; and how many of those who stopped had arrived."""
    found: list[list[Tensor]] = []
    lanes = [new_lane(rng, pool) for _ in range(LANES)]
    share = 1.0 if policy is None else 0.15
    ended, arrived = 0, 0
    for _ in range(steps):
        seen, said = views(lanes), torch.tensor([expert(lane) for lane in lanes])
        found.append([*seen, said])
        done = said
        if policy is not None:
            with torch.no_grad():
                chosen = policy(*seen).argmax(-1)
            done = torch.where(torch.from_numpy(rng.random(LANES) < share), said, chosen)
        for number, lane in enumerate(lanes):
            step = int(done[number])
            if step == Step.STOP or lane.age >= 200:
                ended += 1
                arrived += int(step == Step.STOP and said[number] == Step.STOP)
                lanes[number] = new_lane(rng, pool)
            else:
                drive(lane, step)
    return [torch.cat(parts) for parts in zip(*found, strict=True)], arrived / max(1, ended)


def train(policy: Policy, data: list[Tensor], batches: int, rng: np.random.Generator, rate: float) -> float:
    """Some batches of gradient descent; the mean loss of the last half."""
    optimizer = torch.optim.Adam(policy.parameters(), lr=rate, weight_decay=1e-5)
    losses = []
    policy.train()
    for number in range(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - number / batches)
        rows = torch.from_numpy(rng.integers(len(data[0]), size=BATCH))
        closed, visited, goals, last, failed, said = (part[rows] for part in data)
        # What is mirrored is as good: left becomes right.
        if rng.random() < 0.5:
            closed, visited, goals = closed.flip(2), visited.flip(2), goals * torch.tensor([1.0, -1.0])
            swap = torch.tensor([0, 1, 3, 2])
            last, said = swap[last], swap[said]
        loss = torch.nn.functional.cross_entropy(policy(closed, visited, goals, last, failed), said)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    policy.eval()
    return float(np.mean(losses[batches // 2 :]))


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batches", type=int, default=120)
    parser.add_argument("--rooms", type=int, default=30)
    parser.add_argument("--goals", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # One thread: so small a network gains nothing from more, and sums depend on how many there are.
    with native.torch_on_one_thread():
        teach(options)


def teach(options: argparse.Namespace) -> None:
    """Gather, train, and let the pupil drive, in turns; what is written after a round is what so many rounds give."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    policy, data, begun, used = Policy(), None, time.perf_counter(), time.process_time()
    pool = errands(rng, options.rooms, options.goals)
    print(f"{len(pool)} errands in {time.process_time() - used:.0f} s of CPU", flush=True)
    for number in range(options.rounds):
        new, arrived = gather(None if number == 0 else policy, pool, rng, options.steps)
        data = new if data is None else [torch.cat(parts) for parts in zip(data, new, strict=True)]
        loss = train(policy, data, options.batches, rng, 2e-3)
        save_policy(options.out, policy)
        print(
            f"round {number}: {len(data[0])} samples, {arrived:.0%} of the rounds ended well, loss {loss:.3f}, "
            f"{time.perf_counter() - begun:.0f} s, "
            f"{time.process_time() - used:.0f} s of CPU",
            flush=True,
        )


if __name__ == "__main__":
    main()
