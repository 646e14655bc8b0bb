"""report.html: what was found in a capture, how well it is predicted, and what to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from splatsim.cameras import Cameras
from splatsim.rendering import render
from splatsim.report import Page
from splatsim.video import to_bytes

if TYPE_CHECKING:
    from splatsim.avatar.fitting.results import AvatarFit


def write_page(path: Path, fit: "AvatarFit", figures: dict[str, Any]) -> None:
    """Write the report.

    Raises:
        OSError: the disk refuses.
    """
    page = Page(
        "An avatar fitted to a capture", f"{len(fit.avatar)} Gaussians, {fit.steps} steps, {fit.seconds:.0f} s."
    )
    page.section("How well it is predicted")
    held = "cameras that were held out" if fit.metrics_refined else "shots that were fitted"
    page.text(
        f"Over the {held}; PSNR inside the mask. Each camera has the colours that its background tells: the floor that "
        "several cameras see."
    )
    rows: list[list[object]] = [["as fitted", len(fit.metrics), *_means(fit.metrics)]]
    if fit.metrics_refined:
        rows.append(["poses refined on the judged shots", len(fit.metrics_refined), *_means(fit.metrics_refined)])
    page.table(["", "shots", "PSNR, dB", "SSIM", "mask overlap"], rows)
    steps, psnrs = [float(point[0]) for point in fit.curve], [point[2] for point in fit.curve]
    page.curves({"PSNR": (steps, psnrs)}, x_label="step", y_label="dB")
    page.section("Alignment before the fit")
    if fit.person.keypoints is not None:
        after = fit.person.errors_of(fit.pose)
        page.table(
            ["median error of keypoints, pixels", "before the fit", "after it"],
            [
                ["triangulation, as calibrated", fit.person.before, ""],
                ["robust triangulation, cameras put right", fit.person.triangulated, ""],
                *(
                    [
                        f"the body in camera {name}",
                        float(np.nanmedian(fit.person.errors[:, c])),
                        float(np.nanmedian(after[:, c])),
                    ]
                    for c, name in enumerate(fit.person.views.names)
                    if np.isfinite(fit.person.errors[:, c]).any()
                ),
            ],
        )
    page.pictures(iter(fit.prepared.overlays), columns=min(4, len(fit.prepared.overlays)))
    page.section("The avatar")
    page.pictures(iter(_turntable(fit)), columns=4)
    page.text(
        f"No camera saw {sum(fit.unseen):.1%} of the Gaussians: {fit.unseen[0]:.1%} are mirror images of the other "
        f"side, {fit.unseen[1]:.1%} have the colours of their neighbours."
    )
    page.write(path)


def _means(metrics: Any) -> list[float]:
    return [float(np.mean([getattr(m, name) for m in metrics])) for name in ("psnr", "ssim", "overlap")]


def _turntable(fit: "AvatarFit") -> list[tuple[np.ndarray, str]]:
    """The rest pose from four sides."""
    tall = float(fit.avatar.gaussians.means[:, 2].max())
    pictures = []
    for name, (x, y) in {"front": (1, 0), "left": (0, 1), "back": (-1, 0), "right": (0, -1)}.items():
        camera = Cameras.look_at(
            (2.4 * x, 2.4 * y, 0.6 * tall), (0.0, 0.0, 0.5 * tall), fov_deg=45, width=320, height=400
        )
        with torch.no_grad():
            seen = render(fit.avatar.gaussians, camera, background=(0.9, 0.9, 0.9), antialiased=True, depths=False)
        pictures.append((to_bytes(seen.colors[0]), name))
    return pictures
