"""Does a reconstruction survive being killed? It is killed at random moments, resumed, and compared bit by bit.

Run `python bench/kill_and_resume.py [FOOTAGE] [--kills 20]`. The footage is reconstructed once without a break from
stored poses on, and once with kills (SIGKILL) spread over all stages; after each kill the folder must be no scene or a
whole one. At the end both must hold the same Gaussians.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from splatsim.scene import Scene

HERE = Path(__file__).resolve().parent


def command(footage: Path, out: Path, steps: int) -> list[str]:
    options = ["--steps", str(steps), "--max-gaussians", "8000", "--max-size", "320", "--frames", "40", "--resume"]
    return [sys.executable, "-m", "splatsim", "reconstruct", str(footage), "--out", str(out), *options]


def look(out: Path) -> str:
    """What stands in the folder after a kill; a damaged scene raises."""
    try:
        scene = Scene.load(out)
    except FileNotFoundError:
        return "no scene yet"
    return f"a whole scene of {len(scene.gaussians or [])} Gaussians"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("footage", type=Path, nargs="?", default=HERE.parent / "scenes" / "apartment" / "apartment.mp4")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/kill"))
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    whole, killed = options.out / "whole", options.out / "killed"
    started = time.perf_counter()
    subprocess.run(command(options.footage, whole, options.steps), check=True, stderr=subprocess.DEVNULL)
    length = time.perf_counter() - started
    print(f"without a break: {length:.0f} s", flush=True)
    generator = np.random.default_rng(options.seed)
    done = 0
    while done < options.kills:
        process = subprocess.Popen(command(options.footage, killed, options.steps), stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=generator.uniform(0.05, 1.0) * length)
            shutil.rmtree(killed / "work" / "fit", ignore_errors=True)  # finished: fit again, to be killed again
            continue
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        done += 1
        stages = sorted(path.name for path in (killed / "work").iterdir()) if (killed / "work").exists() else []
        print(f"kill {done}: {look(killed)}; {', '.join(stages)}", flush=True)
    # Poses may differ in their last digits from run to run; what follows from the stored ones must not.
    for stage in ("frames", "poses"):
        if not (killed / "work" / stage).exists():
            subprocess.run(command(options.footage, killed, options.steps), check=True, stderr=subprocess.DEVNULL)
    subprocess.run(command(options.footage, killed, options.steps), check=True, stderr=subprocess.DEVNULL)
    again = options.out / "again"
    shutil.copytree(killed, again)
    shutil.rmtree(again / "work" / "fit")
    subprocess.run(command(options.footage, again, options.steps), check=True, stderr=subprocess.DEVNULL)
    a, b = Scene.load(killed).gaussians, Scene.load(again).gaussians
    assert a is not None
    assert b is not None
    same = all(torch.equal(tensor, getattr(b, name)) for name, tensor in a.tensors().items())
    print(
        f"killed {done} times and resumed, against one fit from the same poses: {'the same bits' if same else 'DIFFER'}"
    )
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
