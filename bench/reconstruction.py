"""How good and how fast `splatsim reconstruct` is, on real footage and on a world whose truth is known.

Run `python bench/reconstruction.py [CASE …]`; it prints a table and writes `bench/results/reconstruction.json`. Each
case is one command in a process of its own, as a user would give it. Real footage lies in $SPLATSIM_TEST_DATA.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from long_video import make_long_video
from reconstruction_truth import (
    judge_frame,
    judge_kitchen_depth,
    judge_off_path,
    judge_video_poses,
    scene_poses,
    similarity_of,
)

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("SPLATSIM_TEST_DATA", HERE.parents[1] / "shared" / "data"))
APARTMENT = HERE.parent / "scenes" / "apartment"
TRUTH = ("camera", "depth", "scale", "floor", "off-path")
"""How the names of figures begin that compare with the truth."""
RESULTS = HERE / "results" / "reconstruction.json"


@dataclass(frozen=True)
class Case:
    """One command, and what it is compared with."""

    footage: Path
    options: tuple[str, ...]
    judge: Callable[[Path], dict[str, float]]


def true_camera_height() -> float:
    """Median height of the camera in the apartment's video, as a person who filmed it would know it, metres."""
    poses = np.array(json.loads((APARTMENT / "trajectory.json").read_text(encoding="utf-8"))["world_from_cam"])
    return float(np.median(poses[:, 2, 3]))


def judge_fox(scene: Path) -> dict[str, float]:
    """Against the poses that come with the photos, which are COLMAP's and no independent truth."""
    given = json.loads((DATA / "fox" / "transforms.json").read_text(encoding="utf-8"))["frames"]
    by_stem = {Path(frame["file_path"]).stem: np.array(frame["transform_matrix"])[:3, 3] for frame in given}
    frames, poses = scene_poses(scene)
    stems = [Path(frame["name"]).stem for frame in frames]
    true = np.array([by_stem[stem] for stem in stems])
    similarity = similarity_of(poses[:, :3, 3], true)
    extent = float(np.linalg.norm(np.ptp(true, axis=0)))
    return {"camera RMSE, % of extent": 100 * similarity.rmse / extent}


def judge_kitchen(scene: Path) -> dict[str, float]:
    truth = json.loads((DATA / "kitchen" / "ground_truth.json").read_text(encoding="utf-8"))
    poses = np.array(truth["world_from_cam"])
    _, found = judge_video_poses(scene, poses, truth["fps"])
    return found | judge_kitchen_depth(scene, DATA / "kitchen", poses, truth["fps"])


def judge_apartment(scene: Path) -> dict[str, float]:
    truth = json.loads((APARTMENT / "trajectory.json").read_text(encoding="utf-8"))
    similarity, found = judge_video_poses(scene, np.array(truth["world_from_cam"]), truth["fps"])
    found |= judge_frame(scene, similarity)
    for width in (640, None):  # as the fit saw the video, and as it was filmed
        found |= judge_off_path(scene, APARTMENT, similarity, width)
    return found


def cases() -> dict[str, Case]:
    fox, kitchen = DATA / "fox", DATA / "kitchen" / "kitchen.mp4"
    height = ("--camera-height", f"{true_camera_height():.3f}")
    return {
        "fox, poses given, 1 min": Case(fox / "transforms.json", ("--budget", "58s"), judge_fox),
        "fox, poses given, 5 min": Case(fox / "transforms.json", ("--budget", "295s"), judge_fox),
        "fox, photos alone": Case(fox, ("--kind", "photos", "--budget", "60s"), judge_fox),
        "kitchen, 2 min": Case(kitchen, ("--budget", "118s"), judge_kitchen),
        "kitchen, whole": Case(kitchen, ("--budget", "5min"), judge_kitchen),
        "apartment": Case(APARTMENT / "apartment.mp4", ("--steps", "4500", *height), judge_apartment),
        LONG: Case(Path("out/four_k.mp4"), ("--steps", "4500", *height), lambda scene: {}),
    }


LONG = "4K, 3 minutes"
"""Only when it is named: the video is made first, and COLMAP takes long over its many returns to each place."""


def folder_of(name: str, out: Path) -> Path:
    return out / name.replace(", ", "_").replace(" ", "_")


def run(name: str, case: Case, out: Path) -> dict[str, object]:
    """One command, from start to end, and its figures."""
    if name == LONG and not case.footage.exists():
        make_long_video(APARTMENT / "apartment.mp4", case.footage)
    scene = folder_of(name, out)
    shutil.rmtree(scene, ignore_errors=True)
    command = [sys.executable, "-m", "splatsim", "reconstruct", str(case.footage), "--out", str(scene), *case.options]
    started = perf_counter()
    peak = peak_of(command)
    seconds = perf_counter() - started
    metrics = json.loads((scene / "metrics.json").read_text(encoding="utf-8"))
    given, posed = _counts(metrics, scene)
    return {
        "case": name,
        "pictures posed": f"{posed} of {given}",
        "places": len(metrics["poses"]["models"]) if metrics["poses"] else 1,
        "PSNR": metrics["held_out_mean"]["psnr"],
        "PSNR after a colour match": metrics["held_out_mean"]["psnr_aligned"],
        "SSIM": metrics["held_out_mean"]["ssim"],
        "Gaussians": metrics["gaussians"],
        "steps": metrics["curve"][-1]["step"],
        **{f"{stage}, s": value for stage, value in metrics["seconds"].items()},
        "fit proper, s": metrics["fit_seconds"],
        "whole command, s": seconds,
        "peak memory, GiB": peak / 2**20,
        **case.judge(scene),
    }


def peak_of(command: list[str]) -> int:
    """Run a command and give the peak memory of its largest process, KiB."""
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss


def _counts(metrics: dict, scene: Path) -> tuple[int, int]:
    posed = len(scene_poses(scene)[0])
    return (metrics["poses"]["given"] if metrics["poses"] else posed), posed


def table(rows: list[dict[str, object]]) -> str:
    """Markdown, one column for each case."""
    keys = list(dict.fromkeys(key for row in rows for key in row if key != "case"))
    lines = ["| | " + " | ".join(str(row["case"]) for row in rows) + " |", "|---|" + "---:|" * len(rows)]
    lines += [f"| {key} | " + " | ".join(_text(row.get(key)) for row in rows) + " |" for key in keys]
    return "\n".join(lines)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    known = cases()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"some of: {'; '.join(known)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="where the scenes go")
    parser.add_argument(
        "--judge", action="store_true", help="only compare the scenes that are there with the truth again"
    )
    options = parser.parse_args()
    chosen = options.case or [name for name, case in known.items() if case.footage.exists() and name != LONG]
    for name in set(known) - set(chosen):
        print(f"left out: {name}", file=sys.stderr)
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    rows = {row["case"]: row for row in stored}
    for name in chosen:
        if options.judge:
            kept = {key: value for key, value in rows[name].items() if not key.startswith(TRUTH)}
            rows[name] = kept | known[name].judge(folder_of(name, options.out))
        else:
            rows[name] = run(name, known[name], options.out)
        print(table([rows[name]]), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        machine = f"{os.cpu_count()} cores, {platform.machine()}"
        ordered = [rows[case] for case in known if case in rows]
        RESULTS.write_text(json.dumps({"machine": machine, "rows": ordered}, indent=1) + "\n", encoding="utf-8")
    print(table([rows[name] for name in known if name in rows]))


if __name__ == "__main__":
    main()
