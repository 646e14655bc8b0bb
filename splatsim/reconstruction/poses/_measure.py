"""The figures of a PoseReport, measured on COLMAP's models and database."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from splatsim.reconstruction.frameset import FrameSet
from splatsim.reconstruction.poses._database import Lens, Links
from splatsim.reconstruction.poses._report import FrameReport, ModelReport

ANGLE_SAMPLES = 3000
"""Points that the median angle is taken over."""
FEW_KEYPOINTS = 150
"""Below, a frame has too little texture to be placed."""


def report_model(model: Any, frames: FrameSet, lenses: Sequence[Lens]) -> ModelReport:
    """How good a model is."""
    order = _positions(model, frames)
    times = np.array([frame.time for frame in frames.frames])
    jump, when = _largest_jump(model, frames, order) if frames.kind == "video" else (None, None)
    return ModelReport(
        frames=len(order),
        stretches=_stretches(sorted(order), times),
        points=model.num_points3D(),
        mean_track_length=float(model.compute_mean_track_length()) if model.num_points3D() else 0.0,
        median_reprojection_error=_median_reprojection(model),
        median_triangulation_angle_deg=_median_angle(model),
        focals=tuple(
            (_focal(lens), float(camera.mean_focal_length()), lens.known_focal)
            for lens, camera in ((lenses[number - 1], model.cameras[number]) for number in sorted(model.cameras))
        ),
        lenses=tuple(f"{camera.model_name} {camera.params_to_string()}" for _, camera in sorted(model.cameras.items())),
        largest_jump=jump,
        largest_jump_time=when,
        loops=_loops(model, order) if frames.kind == "video" else 0,
    )


def _positions(model: Any, frames: FrameSet) -> dict[int, Any]:
    """The registered images by their place among the frames."""
    by_name = {model.images[number].name: model.images[number] for number in model.reg_image_ids()}
    return {place: by_name[frame.name] for place, frame in enumerate(frames.frames) if frame.name in by_name}


def _focal(lens: Lens) -> float:
    from splatsim.reconstruction.poses._database import camera_of

    return float(camera_of(lens).mean_focal_length())


def _stretches(places: Sequence[int], times: Float[np.ndarray, " n"]) -> tuple[tuple[float, float], ...]:
    """Runs of frames, as seconds; up to two missing frames in between do not end one."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place - runs[-1][1] <= 3:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return tuple((float(times[first]), float(times[last])) for first, last in runs)


def _median_reprojection(model: Any) -> float:
    errors = [np.zeros(0)]
    for number in model.reg_image_ids():
        image = model.images[number]
        seen = [point for point in image.points2D if point.has_point3D()]
        if not seen:
            continue
        xyz = np.array([model.points3D[point.point3D_id].xyz for point in seen])
        pose = image.cam_from_world().matrix()
        inside = xyz @ pose[:, :3].T + pose[:, 3]
        pixels = np.asarray(model.cameras[image.camera_id].img_from_cam(inside))
        errors.append(np.linalg.norm(pixels - np.array([point.xy for point in seen]), axis=1))
    found = np.concatenate(errors)
    found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else 0.0


def _median_angle(model: Any) -> float:
    """Of the widest angle between two rays to each point, degrees."""
    centres = {number: model.images[number].projection_center() for number in model.reg_image_ids()}
    numbers = sorted(model.point3D_ids())
    angles = []
    for number in numbers[:: max(1, len(numbers) // ANGLE_SAMPLES)]:
        point = model.points3D[number]
        rays = np.array([centres[element.image_id] for element in point.track.elements]) - point.xyz
        rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-12)
        angles.append(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1))))
    return float(np.median(angles)) if angles else 0.0


def _largest_jump(model: Any, frames: FrameSet, order: dict[int, Any]) -> tuple[float | None, float | None]:
    """The longest step between neighbours over the median of the ten steps around it, and its time."""
    places = sorted(order)
    pairs = [
        (a, b)
        for a, b in itertools.pairwise(places)
        if b - a <= 2 and frames.frames[a].segment == frames.frames[b].segment
    ]
    if len(pairs) < 5:
        return None, None
    centre = {place: np.asarray(order[place].projection_center()) for place in places}
    steps = np.array([np.linalg.norm(centre[b] - centre[a]) for a, b in pairs])
    around = np.array([np.median(steps[max(0, i - 5) : i + 6]) for i in range(len(steps))])
    # A camera that nearly stands still makes small steps large in proportion, so half of the overall median counts too.
    ratio = steps / np.maximum(np.maximum(around, 0.5 * np.median(steps)), 1e-12)
    worst = int(ratio.argmax())
    return float(ratio[worst]), float(frames.frames[pairs[worst][0]].time)


def _loops(model: Any, order: dict[int, Any]) -> int:
    """Groups of pairs of frames that see the same points while a frame between them sees none of these."""
    from scipy.ndimage import label

    places = sorted(order)
    index = {order[place].image_id: number for number, place in enumerate(places)}
    shared = np.zeros((len(places), len(places)), dtype=np.int64)
    for point in model.points3D.values():
        seen = np.unique([index[element.image_id] for element in point.track.elements if element.image_id in index])
        shared[np.ix_(seen, seen)] += 1
    between = np.full_like(shared, np.iinfo(np.int64).max)
    for row in range(len(places)):
        between[row, row + 2 :] = np.minimum.accumulate(shared[row, row + 1 : -1])
    return int(label(np.triu(shared >= 15, 2) & (between < 3), structure=np.ones((3, 3)))[1])


def report_frames(
    frames: FrameSet, models: Sequence[Any], keypoints: Integer[np.ndarray, " n"], links: Links
) -> tuple[FrameReport, ...]:
    """Where each frame stands, and why some do not."""
    count = len(frames)
    degree = np.bincount(links.pairs.ravel(), minlength=count)
    where: dict[int, tuple[int, Any]] = {}
    for number in reversed(range(len(models))):
        where |= {place: (number, image) for place, image in _positions(models[number], frames).items()}
    largest = {place for place, (number, _) in where.items() if number == 0}
    to_largest = np.zeros(count, np.int64)
    for first, second in links.pairs:
        to_largest[first] += second in largest
        to_largest[second] += first in largest
    reports = []
    for place, frame in enumerate(frames.frames):
        number, image = where.get(place, (-1, None))
        reason = (
            None if number == 0 else _reason(number, int(keypoints[place]), int(degree[place]), int(to_largest[place]))
        )
        points = int(image.num_points3D) if image is not None else 0
        reports.append(
            FrameReport(
                frame.name,
                frame.time,
                number if number >= 0 else None,
                int(keypoints[place]),
                int(degree[place]),
                points,
                reason,
            )
        )
    return tuple(reports)


def _reason(model: int, keypoints: int, links: int, to_largest: int) -> str:
    if model >= 0:
        return f"it stands in model {model}, which is not tied to the largest"
    if keypoints < FEW_KEYPOINTS:
        return f"low texture: {keypoints} features were found"
    if links == 0:
        return f"none of its {keypoints} features lead to another frame"
    if to_largest == 0:
        return f"it matches {links} frames, none of them in the largest model"
    return f"too few of the points that it shares with {to_largest} frames of the largest model agree on a pose"


def rotation_stretch(links: Links, lenses: Sequence[Lens], lens_of: Sequence[int]) -> tuple[float, float | None]:
    """The share of the pairs that a homography explains, and how far these stretch the view beyond a rotation.

    With H = K R K⁻¹ the matrix K⁻¹ H K of a pure rotation has equal singular values; parallax of a flat scene makes
    them differ by the baseline over the distance. The focal length is the one under which they differ least. Of the
    pairs, the half that moved the picture most counts: those that hardly moved show nothing.
    """
    flat = np.array([config in {"PLANAR", "PANORAMIC", "PLANAR_OR_PANORAMIC"} for config in links.configs], bool)
    if not len(flat):
        return 0.0, None
    usable = [
        number
        for number in np.flatnonzero(flat)
        if abs(np.linalg.det(links.homographies[number])) > 1e-12
        and lens_of[links.pairs[number, 0]] == lens_of[links.pairs[number, 1]]
    ]
    if len(usable) < 3:
        return float(flat.mean()), None
    used = [lenses[lens_of[links.pairs[number, 0]]] for number in usable]
    size = [(lens.width, lens.height) for lens in used]
    shift = np.array([_shift(links.homographies[number], *s) for number, s in zip(usable, size, strict=True)])
    moved = np.flatnonzero(shift >= np.median(shift))
    chosen = [(links.homographies[usable[i]], *size[i]) for i in moved]
    by_focal = [
        np.median([_stretch(H, factor * max(width, height), width, height) for H, width, height in chosen])
        for factor in np.geomspace(0.4, 3.0, 24)
    ]
    return float(flat.mean()), float(min(by_focal))


def _shift(H: Float[np.ndarray, "3 3"], width: int, height: int) -> float:
    """How far the centre of the picture moves, in widths."""
    centre = H @ (width / 2, height / 2, 1)
    if abs(centre[2]) < 1e-12:
        return 0.0
    return float(np.linalg.norm(centre[:2] / centre[2] - (width / 2, height / 2)) / width)


def _stretch(H: Float[np.ndarray, "3 3"], focal: float, width: int, height: int) -> float:
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    singular = np.linalg.svd(np.linalg.inv(K) @ H @ K, compute_uv=False)
    return float(singular[0] / max(singular[-1], 1e-12))
