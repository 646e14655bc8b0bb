"""Does gs_refinement_loss help training? `python bench/occupancy_training.py FRAMES` trains, judges and prints.

FRAMES is a folder made by scenes/quarry/frames.py (200 frames of four pits to learn from, 40 of a fifth to be judged
by). Every arm is the same network (`CameraLidarNet`), with the same steps, order of frames and seeds; runs that are
there already are not made again. `python bench/occupancy.py training` prints the table of what was measured last.

What each arm is taught, besides the depth of returns in the pictures (`camera_to_depth_loss`):

scan               voxel labels: of the returns of the sparse sweep, free where its rays cross; cross-entropy and Lovász
rendered           the same, and gs_refinement_loss by exact rays against the label images and the depth of returns
splatted           the same by Gaussians
directions         rendered, and the LiDAR branch alone against the label images (`lidar_to_semantic_loss`)
lifted             as scan, with voxel labels from the label images as well, lifted to guessed depths without rendering
lifted_rendered    lifted and rendered together

Weights and rates were chosen on pit 14 (`--held 14`) without a look at the test.
"""

import argparse
import json
import os
import platform
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any

import torch
from occupancy_frames import (
    FRAME,
    UNKNOWN,
    Rig,
    Sample,
    guessed_depths,
    lifted_labels,
    load,
    picture_labels,
    scan_labels,
    truth,
)
from occupancy_scores import judge, table
from torch import Tensor
from tqdm import tqdm

from splatsim.formats.arrays import read_occupancy
from splatsim.grids import OccupancyGrid
from splatsim.occupancy import (
    LossOptions,
    Targets,
    VoxelShape,
    camera_to_depth_loss,
    class_weights,
    gs_refinement_loss,
    lidar_to_semantic_loss,
    targets_of_points,
)
from splatsim.occupancy.reference_model import CameraLidarNet, point_features

RESULTS = Path(__file__).resolve().parent / "results" / "occupancy_training.json"
STEPS = 500
RATE = 4e-3
LOVASZ = 10_000
"""Voxels that are drawn for the Lovász loss of a step: it sorts them for each class."""
BINS = torch.logspace(0, 1.5, 24)
"""z-depths that the cameras choose from, 1 to 32 m."""


@dataclass(frozen=True)
class Arm:
    """What a network is taught."""

    lifted: bool = False
    directions: bool = False
    options: LossOptions | None = None


RAYS = LossOptions(renderer="rays", pixels=12_000, semantic=0.3, silhouette=0.1, depth=0.02)
GAUSSIANS = replace(RAYS, renderer="splat", shape=VoxelShape("isotropic", "occupied", threshold=0.05))
"""A low threshold, so that places that are likely empty have Gaussians too and can be filled."""
ARMS = {
    "scan": Arm(),
    "rendered": Arm(options=RAYS),
    "lifted": Arm(lifted=True),
    "splatted": Arm(options=GAUSSIANS),
    "directions": Arm(options=RAYS, directions=True),
    "lifted_rendered": Arm(lifted=True, options=RAYS),
}


@dataclass(frozen=True)
class Lesson:
    """A frame with what it teaches."""

    sample: Sample
    scan: Tensor
    lifted: Tensor
    targets: Targets
    """Label images, and the depth of returns."""


def prepare(samples: list[Sample], rig: Rig) -> list[Lesson]:
    """All targets, made once."""
    lessons = []
    for sample in samples:
        guessed = guessed_depths(sample, rig)
        scan = scan_labels(sample, rig)
        sparse = targets_of_points(sample.points, sample.point_labels, rig.cameras)
        assert sparse.depths is not None
        depths = torch.where(sparse.depths < rig.ends, sparse.depths, 0)
        pictures = Targets(labels=picture_labels(sample, rig, guessed), depths=depths)
        lessons.append(Lesson(sample, scan, lifted_labels(sample, rig, scan, guessed), pictures))
    return lessons


def balance(pictures: list[Tensor], classes: int) -> Tensor:
    """Weights by class, 1 / √n, at most 30 to 1."""
    counts = sum(torch.bincount(p[p != UNKNOWN].flatten().long(), minlength=classes) for p in pictures)
    assert isinstance(counts, Tensor)
    weights = class_weights(counts, "sqrt")
    return weights.clamp(float(weights.min()), 30 * float(weights.min())) / float(weights.min())


def lovasz(chances: Tensor, labels: Tensor) -> Tensor:
    """Lovász-softmax (Berman et al. 2018, alg. 1), mean over the classes that occur."""
    losses = []
    for c in labels.unique().tolist():
        own = (labels == c).float()
        errors, order = (own - chances[:, c]).abs().sort(descending=True)
        own = own[order]
        union = own.sum() + (1 - own).cumsum(0)
        jaccard = 1 - (own.sum() - own.cumsum(0)) / union
        losses.append(errors @ torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]]))
    return torch.stack(losses).mean()


def label_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy where a label is known."""
    known = (labels != UNKNOWN).flatten()
    rows = logits.flatten(1)[:, known].T
    return torch.nn.functional.cross_entropy(rows, labels.flatten()[known].long(), weights)


def voxel_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy and Lovász where a label is known."""
    known = (labels != UNKNOWN).flatten()
    rows, wanted = logits.flatten(1)[:, known].T, labels.flatten()[known].long()
    some = torch.randperm(len(wanted))[:LOVASZ]
    return torch.nn.functional.cross_entropy(rows, wanted, weights) + lovasz(rows[some].softmax(-1), wanted[some])


def inputs(sample: Sample, rig: Rig, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pictures and returns as the network takes them."""
    rays, intensity = sample.rays(rig.origin), sample.intensity
    if kept is not None:
        rays, intensity = rays.select(kept), intensity[kept]
    return sample.pictures[None].float() / 255, point_features(FRAME, rays, intensity)[None]


def train(arm: Arm, seed: int, lessons: list[Lesson], rig: Rig, steps: int, name: str = "") -> CameraLidarNet:
    """Adam with one frame a step; half of the returns are kept from the network, so that it learns to fill gaps."""
    classes = len(rig.names)
    by_voxel = balance([lesson.scan for lesson in lessons], classes)
    by_pixel = balance([t for lesson in lessons if (t := lesson.targets.labels) is not None], classes)
    options = None if arm.options is None else replace(arm.options, by_class=tuple(by_pixel.tolist()))
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = CameraLidarNet(FRAME, rig.cameras, classes, bins=BINS)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    order = torch.cat([torch.randperm(len(lessons), generator=generator) for _ in range(steps // len(lessons) + 1)])
    for step in tqdm(range(steps), desc=name, unit="step", disable=None):
        lesson = lessons[int(order[step])]
        kept = torch.rand(len(lesson.sample.points), generator=generator) < 0.5
        seen = network(*inputs(lesson.sample, rig, kept))
        labels = lesson.lifted if arm.lifted else lesson.scan
        depths = torch.nn.functional.max_pool2d(lesson.targets.depths, 2)
        loss = voxel_loss(seen.logits[0], labels, by_voxel)
        loss = loss + 0.5 * label_loss(seen.lidar_logits[0], labels, by_voxel)
        loss = loss + 0.2 * camera_to_depth_loss(seen.depth_logits[0], BINS, depths)
        given = FRAME, [rig.cameras], [lesson.targets]
        if options is not None:
            loss = loss + gs_refinement_loss(seen.logits, *given, free_label=0, options=options, seed=step).total
        if options is not None and arm.directions:
            only = replace(options, depth=0.0, returns=0.0, carve=0.0)
            loss = loss + 0.5 * lidar_to_semantic_loss(seen.lidar_logits, *given, free_label=0, options=only).total
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    return network


Frames = tuple[Rig, list[Lesson], list[tuple[Sample, OccupancyGrid]]]


@cache
def frames_of(frames: Path, out: Path, held: str) -> Frames:
    """What is learnt from, and what is judged by with its truth; made once."""
    rig, samples = load(frames / "train", out / "cache")
    tests = load(frames / "test", out / "cache")[1] if not held else [s for s in samples if s.seed == int(held)][::3]
    pits = {seed: read_occupancy(frames / "pits" / f"{seed:04d}.npz") for seed in {s.seed for s in tests}}
    lessons = prepare([s for s in samples if str(s.seed) != held], rig)
    return rig, lessons, [(s, truth(pits[s.seed], s)) for s in tests]


Job = tuple[str, int, Path, Path, int, str]
"""Arm, seed, folder of the frames, folder of the runs, steps, and the pit to judge on where it is not the test."""


def path_of(job: Job) -> Path:
    """Where the scores of a run stand."""
    name, seed, _, out, _, held = job
    return out / f"{name}-{seed}{held and '-held' + held}.json"


def run(job: Job) -> None:
    """Train and judge one arm with one seed; the scores go to a file of their own."""
    name, seed, frames, out, steps, held = job
    path = path_of(job)
    if path.exists():
        return
    rig, lessons, tests = frames_of(frames, out, held)
    started = process_time()
    network = train(ARMS[name], seed, lessons, rig, steps, f"{name} {seed}")
    seconds = process_time() - started
    scores = judge(network, tests, rig)
    part = path.with_suffix(".partial")
    part.write_text(json.dumps({"arm": name, "seed": seed, "steps": steps, "cpu_seconds": seconds, "scores": scores}))
    part.rename(path)


def machine_name() -> str:
    """Processor, cores and torch."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


def _others(jobs: list[Job]) -> list[dict[str, Any]]:
    """Runs of other arms and seeds that were kept before."""
    made = {(name, seed) for name, seed, *_ in jobs}
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"] if RESULTS.exists() else []
    return [one for one in kept if (one["arm"], one["seed"]) not in made]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the reference model with and without gs_refinement_loss.")
    parser.add_argument("frames", type=Path, help="folder made by scenes/quarry/frames.py")
    parser.add_argument(
        "--out", type=Path, default=Path("out/occupancy_training"), help="single runs, and what is read"
    )
    parser.add_argument("--arms", default=",".join(ARMS), help="which arms")
    parser.add_argument("--seeds", default="0,1,2", help="of the network, the order of frames and the returns kept")
    parser.add_argument("--steps", type=int, default=STEPS, help="frames that are learnt from")
    parser.add_argument("--workers", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument(
        "--held", default="", help="judge on this pit of the training set instead: for choosing options"
    )
    parser.add_argument("--keep", action="store_true", help="write these runs into the results of the project")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = [
        (arm, int(seed), options.frames, options.out, options.steps, options.held)
        for arm in options.arms.split(",")
        for seed in options.seeds.split(",")
    ]
    torch.set_num_threads(1)
    if not all(path_of(job).exists() for job in jobs):
        frames_of(options.frames, options.out, options.held)  # before the fork: all runs share it
        with ProcessPoolExecutor(options.workers, mp_context=get_context("fork")) as pool:
            for future in as_completed([pool.submit(run, job) for job in jobs]):
                future.result()
    runs = [json.loads(path_of(job).read_text()) for job in jobs]
    for job, one in zip(jobs, runs, strict=True):
        if one["steps"] != options.steps:
            raise SystemExit(f"{path_of(job)} is of {one['steps']} steps; expected {options.steps}, or another --out.")
    result = {"machine": machine_name(), "runs": runs}
    if options.keep:
        runs = sorted(_others(jobs) + runs, key=lambda one: (list(ARMS).index(one["arm"]), one["seed"]))
        result = {"machine": machine_name(), "runs": runs}
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
