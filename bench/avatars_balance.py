"""The real person on the balance beam: three cameras are fitted, the fourth one judges."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.avatar.fitting import AvatarFitConfig, Dials, fit_avatar
from splatsim.avatar.fitting.results import AvatarFit


def balance(
    capture: Path, work: Path, *, steps: int = 1200, side: int = 720, held_out: str = "cam_02"
) -> dict[str, Any]:
    """Figures of one fit."""
    config = AvatarFitConfig(steps=steps, side=side, hold_out=(held_out,), gaussians=12_000)
    began, worked = time.perf_counter(), time.process_time()
    fit = fit_avatar(capture, work / f"balance_{held_out}", config, Dials(sex=1.0, age=30.0), overwrite=True)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
    row = {"held_out": held_out, "seconds": seconds, "cpu_seconds": cpu_seconds, "steps": steps, "side": side}
    return {**row, **figures(fit)}


def figures(fit: AvatarFit) -> dict[str, Any]:
    """PSNR inside the mask and reprojection errors."""
    held = {metrics.camera for metrics in fit.metrics}
    fitted = [c for c in range(len(fit.person.views.names)) if c not in held]
    return {
        "psnr": float(np.mean([m.psnr for m in fit.metrics])),
        "psnr_untinted": float(np.mean([m.psnr_untinted for m in fit.metrics])),
        "psnr_aligned": float(np.mean([m.psnr_aligned for m in fit.metrics])),
        "ssim": float(np.mean([m.ssim for m in fit.metrics])),
        "overlap": float(np.mean([m.overlap for m in fit.metrics])),
        "psnr_test_poses_refined": float(np.mean([m.psnr for m in fit.metrics_refined])),
        "triangulation_plain_px": fit.person.before,
        "triangulation_px": fit.person.triangulated,
        "body_px_fitted_cameras": float(np.nanmedian(fit.person.errors[:, fitted])),
        "body_px_held_out": float(np.nanmedian(fit.person.errors[:, sorted(held)])),
        "body_px_held_out_after_fit": float(np.nanmedian(fit.person.errors_of(fit.pose)[:, sorted(held)])),
        "overlap_before": [float(np.nanmedian(column)) for column in fit.prepared.alignment.overlaps.T],
        "unseen": fit.unseen,
    }
