"""The result folder: scene, compressed copy, cameras, COLMAP model, metrics, preview and report; the manifest last."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from tqdm import tqdm

from splatsim import native, video
from splatsim.camera_paths import fly_through
from splatsim.cameras import Cameras
from splatsim.depth_pictures import DepthPictures
from splatsim.formats import save_gaussians
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.result import FitResult
from splatsim.reconstruction.outcome import Outcome
from splatsim.reconstruction.page import REPORT, write_report
from splatsim.reconstruction.poses import write_model
from splatsim.reconstruction.stages import plain, write_json
from splatsim.rendering import render
from splatsim.scene import COMPRESSED, MANIFEST, Scene
from splatsim.transforms import invert

PREVIEW, CAMERAS, COLMAP, METRICS = "preview.mp4", "cameras.json", "colmap", "metrics.json"
PACKAGES = ("splatsim", "torch", "numpy", "pycolmap", "opencv-python-headless")


def write_outcome(outcome: Outcome, staging: Path) -> Scene:
    """Everything that a scene's folder holds, into a new folder."""
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    gaussians, capture = outcome.fitted.gaussians, outcome.refined
    scene = Scene(
        outcome.origin.name,
        gaussians,
        common_cameras(capture),
        semantics=outcome.semantics,
        world_scale=outcome.alignment.scale,
        scale_source=outcome.alignment.scale_source,
        provenance=_provenance(outcome),
        depths=None if outcome.fitted.depths is None else DepthPictures(outcome.fitted.depths),
    )
    scene.save(staging)
    save_gaussians(staging / COMPRESSED, gaussians)
    _write_cameras(staging / CAMERAS, capture, outcome.fitted)
    write_model(capture, outcome.alignment.b_from_a, outcome.alignment.scale, staging / COLMAP)
    write_json(staging / METRICS, _metrics(outcome))
    _write_preview(staging / PREVIEW, gaussians, capture, outcome.antialiased)
    write_report(outcome, staging / REPORT)
    return scene


def common_cameras(capture: Capture) -> Cameras:
    """All cameras as one value: pictures of several sizes share the largest canvas, their top left corners aligned."""
    width, height = (max(size[axis] for size in capture.sizes) for axis in (0, 1))
    return Cameras(capture.viewmats.float(), capture.Ks.float(), width, height)


def publish(staging: Path, out: Path) -> None:
    """Move a finished result into the scene's folder; what stood there under other names stays.

    The old manifest goes first and the new one comes last, so that a kill in between leaves a folder that is no scene
    rather than one that mixes two.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for entry in sorted(staging.iterdir(), key=lambda path: path.name == MANIFEST):
        target = out / entry.name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        os.replace(entry, target)
    staging.rmdir()


def _provenance(outcome: Outcome) -> dict[str, Any]:
    origin, fitted = outcome.origin, outcome.fitted
    facts = {
        "generator": "splatsim reconstruct",
        "input": {"name": origin.input_name, "sha256": origin.input_sha256},
        "pictures": {"posed": len(outcome.capture), "given": outcome.report and outcome.report.given},
        "alignment": plain(outcome.alignment),
        "fit": {
            "steps": fitted.steps,
            "steps_done": fitted.done,
            "interrupted": fitted.interrupted,
            "calibration": plain(fitted.calibration),
        },
        "render": {"antialiased": outcome.antialiased},
        "seconds": {name: round(seconds, 1) for name, seconds in origin.seconds.items()},
        "versions": {name: version(name) for name in PACKAGES},
        "machine": {"processor": platform.machine(), "threads": native.threads()},
        "configuration": origin.configuration,
    }
    return dict(_without_none(facts))


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """The figures of the report, for programs."""
    fitted = outcome.fitted
    names = ("psnr", "ssim", "psnr_aligned", "ssim_aligned")
    means = {name: mean(getattr(view, name) for view in fitted.held_out) for name in names} if fitted.held_out else {}
    return {
        "held_out_mean": means,
        "held_out": [asdict(view) for view in fitted.held_out],
        "curve": [asdict(point) for point in fitted.curve],
        "gaussians": len(fitted.gaussians),
        "fit_seconds": fitted.seconds,
        "peak_memory": fitted.peak_memory,
        "seconds": outcome.origin.seconds,
        "poses": None if outcome.report is None else plain(outcome.report),
        "alignment": plain(outcome.alignment),
        "label_ious": dict(outcome.label_ious),
    }


def _without_none(value: Any) -> Any:
    """TOML has no null: what is not set is left out."""
    if isinstance(value, dict):
        return {key: _without_none(entry) for key, entry in value.items() if entry is not None}
    return value


def _write_cameras(path: Path, capture: Capture, fitted: FitResult) -> None:
    """Every camera with its picture's name; the outer part is what `splatsim render --path` reads."""
    cameras = common_cameras(capture)
    held_out = {view.index for view in fitted.held_out}
    frames = [
        {
            "name": name,
            "seconds": float(time),
            "width": size[0],
            "height": size[1],
            "K": K.tolist(),
            "world_from_cam": pose.tolist(),
            "held_out": index in held_out,
            "log_gains": fitted.log_gains[index].tolist(),
            "offsets": fitted.offsets[index].tolist(),
        }
        for index, (name, time, size, K, pose) in enumerate(
            zip(capture.names, capture.times, capture.sizes, capture.Ks, invert(capture.viewmats), strict=True)
        )
    ]
    content = {
        "width": cameras.width,
        "height": cameras.height,
        "K": cameras.Ks[0].tolist(),
        "cam_from_world": cameras.viewmats.tolist(),
        "frames": frames,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_preview(
    path: Path, gaussians: Gaussians, capture: Capture, antialiased: bool, *, seconds: float = 8.0, fps: float = 25.0
) -> None:
    """A smooth flight past the cameras."""
    cameras = fly_through(common_cameras(capture), round(seconds * fps))

    def frames() -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        for index in tqdm(range(len(cameras)), desc="preview", unit="frame", disable=None, leave=False):
            with torch.no_grad():
                seen = render(gaussians, cameras[index], antialiased=antialiased, depths=False)
            yield video.to_bytes(seen.colors[0])

    video.write_video(path, frames(), fps=fps)
