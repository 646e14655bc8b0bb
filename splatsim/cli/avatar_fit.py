"""`splatsim avatar fit`: a calibrated capture of a person to an avatar, its poses and a report."""

from pathlib import Path
from typing import Annotated

import tyro

from splatsim.avatar.fitting import AvatarFitConfig, Dials, fit_avatar


def fit_capture(
    capture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CAPTURE")],
    out: Path | None = None,
    choices: Annotated[AvatarFitConfig, tyro.conf.arg(name="")] = AvatarFitConfig(),  # noqa: B008 - frozen
    body: Annotated[Dials, tyro.conf.arg(name="")] = Dials(),  # noqa: B008 - frozen
    poses: Path | None = None,
    scene: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Fit an avatar to pictures of a person from calibrated cameras.

    Args:
        capture: A folder with calibration.toml, transforms.json or sparse/0, a video or a folder of pictures for each
            camera, NAME_keypoints.json for each, and masks/NAME/*.png where there are some.
        out: Folder for the avatar, its poses and the report; NAME_avatar by default.
        choices: How it is fitted.
        body: What is known of the person.
        poses: Poses to begin with instead of keypoints: a poses.npz of another fit, BVH, AMASS, AIST++ or glTF.
        scene: A scene folder of `splatsim reconstruct` whose cameras took the pictures: they are found by their names.
        resume: Go on with what an interrupted run left in the folder.
        overwrite: Replace the avatar that the folder holds.
    """
    out = out or Path(f"{capture.resolve().name}_avatar")
    fit = fit_avatar(capture, out, choices, body, poses=poses, scene=scene, resume=resume, overwrite=overwrite)
    psnr = sum(metrics.psnr for metrics in fit.metrics) / max(len(fit.metrics), 1)
    print(f"{out}: {len(fit.avatar)} Gaussians, {len(fit.pose.root)} poses, {psnr:.1f} dB; see {out / 'report.html'}")
