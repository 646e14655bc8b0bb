"""How well and how fast a capture is fitted: PSNR and SSIM of held-out pictures over time.

python bench/reconstruction_fit.py CAPTURE --budget 60 --max-gaussians 60000
"""

import argparse
from pathlib import Path

from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit import fit
from splatsim.reconstruction.fit_result import FitResult
from splatsim.reconstruction.recipe import FitConfig


def summary(result: FitResult) -> dict[str, float]:
    """Means over the held-out pictures, and what they cost."""
    views = result.held_out
    names = ("psnr", "ssim", "psnr_aligned", "ssim_aligned")
    means = {name: sum(getattr(view, name) for view in views) / max(len(views), 1) for name in names}
    return means | {
        "seconds": result.seconds,
        "steps": result.done,
        "gaussians": len(result.gaussians),
        "peak_mib": result.peak_memory / 2**20,
    }


def show(result: FitResult) -> None:
    """Print the training curve, then the summary."""
    print(f"{'seconds':>8} {'step':>6} {'gaussians':>9} {'loss':>7} {'PSNR':>6}")
    for point in result.curve:
        psnr = "" if point.psnr is None else f"{point.psnr:6.2f}"
        print(f"{point.seconds:8.1f} {point.step:6d} {point.gaussians:9d} {point.loss:7.4f} {psnr}")
    print("  ".join(f"{name} {value:.3f}" for name, value in summary(result).items()))


def main() -> None:
    """Fit once."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("capture", type=Path, help="folder that Capture.save wrote")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds")
    parser.add_argument("--steps", type=int, help="steps; goes before the budget")
    parser.add_argument("--max-gaussians", type=int)
    options = parser.parse_args()
    config = FitConfig(steps=options.steps, budget=options.budget, max_gaussians=options.max_gaussians)
    show(fit(Capture.load(options.capture), config))


if __name__ == "__main__":
    main()
