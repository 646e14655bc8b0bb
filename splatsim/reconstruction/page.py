"""The report of a reconstruction as a page: what was used, what was found, how good it is, and what went wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import TypeVar

import imageio.v3 as iio
import numpy as np
import torch

from splatsim import video
from splatsim.fitting.exposure import expose
from splatsim.reconstruction.diagnosis import Diagnosis
from splatsim.reconstruction.drawing import Picture, beside, path_from_above, thumbnail
from splatsim.reconstruction.frameset import IMAGES, FrameSet
from splatsim.reconstruction.outcome import Outcome
from splatsim.reconstruction.poses import PoseReport
from splatsim.rendering import render
from splatsim.report import Page
from splatsim.semantics import Semantics, label_colors, render_labels

REPORT = "report.html"
SHOWN_FRAMES, SHOWN_VIEWS = 48, 12
T = TypeVar("T")


def write_report(outcome: Outcome, path: Path) -> None:
    """The page of a reconstruction that gave a scene."""
    page = Page(outcome.origin.name, _lead(outcome))
    if outcome.fitted.interrupted:
        steps = f"{outcome.fitted.done:,} of {outcome.fitted.steps:,} steps"
        page.text(f"The fit was interrupted after {steps}; --resume goes on with it.", alarm=True)
    if outcome.diagnosis is not None and outcome.diagnosis.sentence:
        page.text(outcome.diagnosis.sentence, alarm=outcome.diagnosis.cause is not None or _has_places(outcome))
    _add_fit(page, outcome)
    if outcome.semantics is not None:
        _add_classes(page, outcome, outcome.semantics)
    _add_cameras(page, outcome)
    if outcome.frames is not None:
        _add_footage(page, outcome.frames)
    page.section("How it was made")
    page.table(["stage", "seconds"], outcome.origin.seconds.items())
    page.table(["setting", "value"], _flat(outcome.origin.configuration))
    page.write(path)


def write_failure(out: Path, frames: FrameSet, report: PoseReport, diagnosis: Diagnosis) -> None:
    """The page of footage that could not be reconstructed."""
    page = Page("No scene", f"{report.registered} of {report.given} chosen pictures found a pose.")
    page.text(diagnosis.sentence, alarm=True)
    if diagnosis.next_command:
        page.text("What to try next:")
        page.command(diagnosis.next_command)
    _add_poses(page, report)
    _add_footage(page, frames)
    page.write(out / REPORT)


def _lead(outcome: Outcome) -> str:
    fitted = outcome.fitted
    sentences = [f"{len(fitted.gaussians):,} Gaussians fitted to {len(fitted.train)} pictures."]
    if fitted.held_out:
        score = mean(view.psnr for view in fitted.held_out)
        sentences.append(
            f"{len(fitted.held_out)} others, never used in the fit, are predicted with {score:.2f} dB PSNR."
        )
    if outcome.alignment.scale_source == "arbitrary":
        sentences.append("The scale is arbitrary: lengths are not metres.")
    return " ".join(sentences)


def _has_places(outcome: Outcome) -> bool:
    return outcome.report is not None and len(outcome.report.models) > 1


def _add_fit(page: Page, outcome: Outcome) -> None:
    """The pictures that the fit never saw, and its curve."""
    fitted, names = outcome.fitted, outcome.capture.names
    page.section("Held-out pictures")
    if fitted.held_out:
        page.text("Left the photo, right the scene from the same place. None of these pictures was used in the fit.")
        captions = (
            (_pair(outcome, view.index), f"{view.name}: {view.psnr:.2f} dB, SSIM {view.ssim:.3f}")
            for view in _spread(fitted.held_out, SHOWN_VIEWS)
        )
        page.pictures(captions, columns=2)
        header = ["picture", "PSNR, dB", "SSIM", "PSNR after a colour match, dB", "SSIM after it"]
        rows = [(names[v.index], v.psnr, v.ssim, v.psnr_aligned, v.ssim_aligned) for v in fitted.held_out]
        columns = zip(*(row[1:] for row in rows), strict=True)
        page.table(header, [*rows, ("mean", *(mean(column) for column in columns))])
    else:
        page.text("No picture was held out, so nothing measures how good the scene is from other places.")
    page.section("Fit")
    points = [point for point in fitted.curve if point.psnr is not None]
    page.curves(
        {"PSNR of held-out pictures": ([p.seconds for p in points], [float(p.psnr or 0) for p in points])},
        x_label="seconds",
        y_label="dB",
        caption="While fitting, on some of the held-out pictures.",
    )


def _pair(outcome: Outcome, index: int) -> Picture:
    """A photo beside the scene from the same place, with the exposure that was predicted for it."""
    fitted = outcome.fitted
    with torch.no_grad():
        shown = render(
            fitted.gaussians, outcome.refined.camera(index), antialiased=outcome.antialiased, depths=False
        ).colors[0]
        shown = expose(shown, fitted.log_gains[index], fitted.offsets[index])
    return beside(outcome.capture.picture(index), video.to_bytes(shown))


def _add_classes(page: Page, outcome: Outcome, semantics: Semantics) -> None:
    """What the classes look like, and how well they predict label images that were not used."""
    page.section("Classes")
    count, shots = len(semantics.class_names), []
    indices = [view.index for view in outcome.fitted.held_out] or list(outcome.fitted.train)
    for index in _spread(indices, 4):
        camera, gaussians = outcome.refined.camera(index), outcome.fitted.gaussians
        labels = render_labels(gaussians, semantics, camera, antialiased=outcome.antialiased).labels[0].numpy()
        picture = beside(outcome.capture.picture(index), label_colors(labels, count))
        shots.append((picture, outcome.capture.names[index]))
    page.pictures(shots, columns=2)
    if outcome.label_ious:
        mean_iou = mean(outcome.label_ious.values())
        page.table(["class", "IoU in held-out pictures"], [*outcome.label_ious.items(), ("mean", mean_iou)])


def _add_cameras(page: Page, outcome: Outcome) -> None:
    """Where the cameras stood, and how well that is known."""
    page.section("Cameras")
    unit = "units" if outcome.alignment.scale_source == "arbitrary" else "m"
    page.pictures([(path_from_above(outcome.refined, unit=unit), "Points and cameras from above, blue to orange.")])
    if outcome.report is not None:
        _add_poses(page, outcome.report)
    page.table(["alignment", ""], _alignment_rows(outcome))


def _alignment_rows(outcome: Outcome) -> list[tuple[str, object]]:
    found = outcome.alignment
    rows: list[tuple[str, object]] = [
        ("scale from", found.scale_source),
        ("up from", found.up_source),
        ("roll of the cameras, median, °", found.gravity_spread_deg),
        ("points on the floor", found.floor_inliers),
    ]
    if found.camera_height is not None:
        rows.append(("height of the cameras, median", found.camera_height))
    return rows + [("note", note) for note in found.notes]


def _add_poses(page: Page, report: PoseReport) -> None:
    rows: list[tuple[str, object]] = [
        ("pictures given", report.given),
        ("pictures with a pose in the largest model", report.registered),
        ("pairs that match", report.verified_pairs),
        ("features per picture, median", report.median_keypoints),
        *((f"tried {number}", attempt) for number, attempt in enumerate(report.attempts, start=1)),
    ]
    page.table(["poses", ""], rows)
    header = ["place", "pictures", "when", "points", "pictures per point", "error, px", "angle, °", "lens"]
    page.table(
        header,
        [
            (
                number,
                model.frames,
                ", ".join(f"{start:.1f}–{end:.1f}" for start, end in model.stretches),
                model.points,
                model.mean_track_length,
                model.median_reprojection_error,
                model.median_triangulation_angle_deg,
                "; ".join(model.lenses),
            )
            for number, model in enumerate(report.models, start=1)
        ],
    )
    left = [(frame.name, frame.time, frame.reason) for frame in report.frames if frame.reason]
    if left:
        page.table(["picture left out", "when", "why"], left)


def _add_footage(page: Page, frames: FrameSet) -> None:
    """Which pictures were taken and which were not, and what is wrong with the footage."""
    page.section("Footage")
    source = f"{frames.seconds:.1f} s of video" if frames.kind == "video" else "a folder of photos"
    page.text(f"{frames.decoded} pictures of {source} were read, {len(frames)} chosen.")
    reasons = Counter(dropped.reason for dropped in frames.dropped)
    if reasons:
        page.table(["not chosen because of", "pictures"], sorted(reasons.items()))
    if frames.findings:
        rows = [(f.cause, f"{f.start:.1f}–{f.end:.1f}", f.detail) for f in frames.findings]
        page.table(["found", "seconds" if frames.kind == "video" else "photos", "what shows it"], rows)
    page.pictures(_contact_sheet(frames), columns=8)


def _contact_sheet(frames: FrameSet) -> Iterator[tuple[Picture, str]]:
    for frame in _spread(frames.frames, SHOWN_FRAMES):
        picture = iio.imread(frames.folder / IMAGES / frame.name)
        yield thumbnail(picture, 160), f"{frame.time:.1f} s" if frames.kind == "video" else frame.name


def _spread(things: Sequence[T], count: int) -> list[T]:
    """At most `count` of them, evenly spread."""
    picks = np.linspace(0, len(things) - 1, min(count, len(things))).round().astype(int)
    return [things[k] for k in picks]


def _flat(settings: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
