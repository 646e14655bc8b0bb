"""What a user chooses for a fit, what it gives, and how that is written."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.fitting.judging import ShotMetrics
from splatsim.avatar.fitting.page import write_page
from splatsim.avatar.fitting.person import Person
from splatsim.avatar.fitting.poses_file import write_poses
from splatsim.avatar.fitting.preparation import Prepared
from splatsim.avatar.skeleton import Pose
from splatsim.fitting.checkpoint import FILE
from splatsim.formats._files import atomic_writer

AVATAR, POSES, REPORT, FACTS, PREVIEW, ALIGNMENT = (
    "avatar.npz", "poses.npz", "report.html", "fit.json", "preview.png", "alignment.png",
)  # fmt: skip


@dataclass(frozen=True)
class AvatarFitConfig:
    """What a user chooses."""

    steps: int = 4000
    """Of the optimisation."""
    side: int = 720
    """Long side of the pictures that are fitted, pixels."""
    gaussians: int = 16_000
    """At the end; half as many at the start."""
    loose: float = 0.03
    """How far clothes and hair may stand off the body, metres."""
    hold_out: tuple[str, ...] = ()
    """Cameras that are not fitted, only judged by."""
    fps: float | None = None
    """Frames a second; by default what the videos say, or 30."""
    layout: str = "auto"
    """Order of the keypoints: coco, body_25, body_25b, or auto."""
    refine_poses: bool = True
    """Fit the poses to the pictures too."""
    refine_cameras: bool = True
    """Put cameras that stand still right, by the person's keypoints and then by the pictures."""
    force: bool = False
    """Fit although body and pictures do not agree."""
    seed: int = 0
    """Of all chance."""


@dataclass(frozen=True, eq=False)
class AvatarFit:
    """What a fit gives."""

    avatar: Avatar
    pose: Pose
    """One for each frame."""
    person: Person
    prepared: Prepared
    metrics: tuple[ShotMetrics, ...]
    """Of the cameras that were held out; of a sample of the fitted shots where there are none."""
    metrics_refined: tuple[ShotMetrics, ...]
    """The same after their poses were refined on the very shots that are judged."""
    curve: tuple[tuple[int, float, float], ...]
    """Step, loss, and PSNR of the sample."""
    unseen: tuple[float, float]
    """Shares of Gaussians that no camera saw: mirror images of what was seen, or with the colours of neighbours."""
    fps: float
    """Frames a second."""
    seconds: float
    steps: int


def write_result(fit: AvatarFit, out: Path, facts: dict[str, Any]) -> None:
    """The avatar, its poses, figures and the report, each whole or not at all."""
    fit.avatar.save(out / AVATAR)
    write_poses(out / POSES, fit.avatar.skeleton, fit.pose, fit.fps)
    figures = {
        **facts,
        "steps": fit.steps,
        "seconds": fit.seconds,
        "gaussians": len(fit.avatar),
        "psnr": _mean([m.psnr for m in fit.metrics]),
        "psnr_untinted": _mean([m.psnr_untinted for m in fit.metrics]),
        "ssim": _mean([m.ssim for m in fit.metrics]),
        "camera_gains": fit.prepared.gains.round(4).tolist(),
        "psnr_test_poses_refined": _mean([m.psnr for m in fit.metrics_refined]),
        "plain_triangulation_px": fit.person.before,
        "triangulation_px": fit.person.triangulated,
        "body_px": _median(fit.person.errors),
        "body_px_after_fit": _median(fit.person.errors_of(fit.pose)),
        "unseen_mirrored": fit.unseen[0],
        "unseen_neighbours": fit.unseen[1],
    }
    with atomic_writer(out / FACTS) as file:
        file.write(f"{json.dumps(figures, indent=1)}\n".encode())
    write_page(out / REPORT, fit, figures)
    (out / FILE).unlink(missing_ok=True)


def beside(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures side by side, the lower ones filled up."""
    tall = max(picture.shape[0] for picture in pictures)
    return np.concatenate([np.pad(p, ((0, tall - p.shape[0]), (0, 4), (0, 0))) for p in pictures], 1)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _median(values: np.ndarray) -> float | None:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else None
