"""From a capture and its person to what a fit needs: shots with masks, and how well pictures and body agree."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from tqdm import tqdm

from splatsim.avatar.fitting.capture import PersonCapture, decoded, read_mask
from splatsim.avatar.fitting.colours import floor_gains
from splatsim.avatar.fitting.gate import Alignment, overlay
from splatsim.avatar.fitting.masks import (
    DIFFERENCE,
    Background,
    against_scene,
    grown,
    median_background,
    overlap,
    person_mask,
)
from splatsim.avatar.fitting.person import Person
from splatsim.avatar.fitting.shots import Shot, cut
from splatsim.avatar.fitting.start import start_gaussians
from splatsim.avatar.fitting.views import Views, project
from splatsim.avatar.skeleton import world_from_joints, world_from_rest
from splatsim.avatar.skinning import skin_gaussians
from splatsim.errors import FormatError
from splatsim.gaussians import Gaussians
from splatsim.rendering import render

REACH = 0.03
"""How far clothes and hair may stand out from the body, in units of its height in the picture."""
OVERLAYS = 6


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a fit trains on and is judged by."""

    shots: list[Shot]
    """Of all cameras."""
    alignment: Alignment
    overlays: list[tuple[np.ndarray, str]]
    """Pictures with the body on them, with captions."""
    gains: Float[np.ndarray, "c 3"]
    """Of the cameras' colours, by the background that they share."""


def prepare_shots(
    capture: PersonCapture, person: Person, *, side: int, scene: Gaussians | None = None, scene_antialiased: bool = True
) -> Prepared:
    """Decode the pictures, find the person's masks where none were given, and cut both to the person.

    Args:
        side: Long side of the pictures, pixels.
        scene: What the cameras see without the person.

    Raises:
        FormatError: a picture or a mask is damaged, missing or of another size.
    """
    scaled = replace(capture.scaled(side), viewmats=person.views.viewmats)
    shots: list[Shot] = []
    overlays: list[tuple[np.ndarray, str]] = []
    backgrounds: list[Background | None] = []
    overlaps = np.full((scaled.times, len(scaled.names)), np.nan)
    places = world_from_joints(person.template.skeleton, person.pose)[..., :3, 3].double().numpy()
    for camera in tqdm(range(len(scaled.names)), desc="masks", unit="camera", disable=None):
        frames = _frames(capture, camera, scaled)
        bodies = _silhouettes(person, scaled, camera)
        rendered = _scene_pictures(scene, scaled, camera, scene_antialiased)
        backgrounds.append(None)
        masks, independent, backgrounds[-1] = _masks_of(capture, camera, scaled, frames, bodies, rendered)
        for time, (frame, mask, body) in enumerate(zip(frames, masks, bodies, strict=True)):
            if independent[time] is not None:
                overlaps[time, camera] = overlap(body, independent[time])
            margin = max(4, side // 100)
            shot = cut(time, camera, frame, mask, scaled.camera(time, camera), margin=margin)
            if shot is not None:
                shots.append(shot)
        for time in _spread(scaled.times, max(1, OVERLAYS // len(scaled.names))):
            drawn = _drawn(person, scaled, places, camera, time, frames[time], bodies[time], masks[time], side)
            overlays.append((drawn, f"camera {scaled.names[camera]}, frame {time}"))
    errors = np.stack([[_nanmedian(row) for row in column] for column in np.swapaxes(person.errors, 0, 1)], 1)
    sides = tuple(max(size) for size in capture.views.sizes)
    still = bool(np.ptp(scaled.viewmats, axis=0).max() < 1e-9)
    gains = np.ones((len(scaled.names), 3))
    if still:
        gains = floor_gains(backgrounds, scaled, person.pose.root[:, :2].double().numpy().mean(0))
    return Prepared(shots, Alignment(overlaps, errors, sides, scaled.names), overlays, gains)


def _frames(capture: PersonCapture, camera: int, views: Views) -> UInt8[np.ndarray, "t h w 3"]:
    width, height = views.sizes[camera]
    frames = np.empty((views.times, height, width, 3), np.uint8)
    count = 0
    with decoded(capture, camera, views) as pictures:
        for count, frame in enumerate(pictures, start=1):
            frames[count - 1] = frame
    if count < views.times:
        raise FormatError(
            f"camera {views.names[camera]!r} ends after {count} frames; expected {views.times} as the others have."
        )
    return frames


def _silhouettes(person: Person, views: Views, camera: int) -> Bool[np.ndarray, "t h w"]:
    """Where the posed body is."""
    gaussians, skin = start_gaussians(person.template, 6_000, np.random.default_rng(0), opacity=0.95)
    bones = world_from_rest(person.template.skeleton, person.pose)
    pictures = []
    with torch.no_grad():
        for time in range(views.times):
            posed = skin_gaussians(gaussians, skin, bones[time])
            alphas = render(posed, views.camera(time, camera), depths=False).alphas[0]
            pictures.append(alphas.numpy() > 0.5)
    return np.stack(pictures)


def _scene_pictures(
    scene: Gaussians | None, views: Views, camera: int, antialiased: bool
) -> list[UInt8[np.ndarray, "h w 3"]] | None:
    if scene is None:
        return None
    from splatsim.video import to_bytes

    with torch.no_grad():
        pictures = [
            render(scene, views.camera(time, camera), antialiased=antialiased, depths=False).colors[0]
            for time in range(views.times)
        ]
    return [to_bytes(picture) for picture in pictures]


def _masks_of(
    capture: PersonCapture,
    camera: int,
    views: Views,
    frames: UInt8[np.ndarray, "t h w 3"],
    bodies: Bool[np.ndarray, "t h w"],
    rendered: list[UInt8[np.ndarray, "h w 3"]] | None,
) -> tuple[list[UInt8[np.ndarray, "h w"]], list[Any], Background | None]:
    """Masks, for the gate those that know nothing of the body (None where there are none), and what stays behind."""
    given = capture.masks[camera]
    if given is not None:
        masks = [read_mask(path, capture, camera, views) for path in given]
        masks = [np.where(mask > 127, 255, 0).astype(np.uint8) for mask in masks]
        return masks, [mask == 255 for mask in masks], None
    tall = int(np.median([np.ptp(np.flatnonzero(body.any(1))) if body.any() else 0 for body in bodies]))
    reach = max(3, round(REACH * max(tall, 1)))
    if rendered is not None:
        pairs = zip(frames, rendered, bodies, strict=True)
        masks = [against_scene(frame, behind, body, reach) for frame, behind, body in pairs]
        return (
            masks,
            [
                _moving(f, Background(b, np.ones(f.shape[:2], bool)), body, 4 * reach)
                for f, b, body in zip(frames, rendered, bodies, strict=True)
            ],
            None,
        )
    near = np.stack([grown(body, 2 * reach) for body in bodies])
    background = median_background(frames, near)
    masks = [person_mask(frame, background, body, reach) for frame, body in zip(frames, bodies, strict=True)]
    moving = [_moving(frame, background, body, 4 * reach) for frame, body in zip(frames, bodies, strict=True)]
    return masks, moving, background


def _moving(
    frame: UInt8[np.ndarray, "h w 3"], background: Background, body: Bool[np.ndarray, "h w"], reach: int
) -> Bool[np.ndarray, "h w"] | None:
    """What differs from the background anywhere around the body; None where the background is not known well enough."""
    import cv2

    around = grown(body, reach)
    if background.known[around].mean() < 0.7:
        return None
    difference = cv2.GaussianBlur(cv2.absdiff(frame, background.picture).max(-1), (0, 0), 1.0)
    differs = (difference > DIFFERENCE) & around
    closed = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)) > 0
    return np.asarray(closed | (body & ~background.known))


def _drawn(
    person: Person,
    views: Views,
    places: np.ndarray,
    camera: int,
    time: int,
    frame: np.ndarray,
    body: np.ndarray,
    mask: np.ndarray,
    side: int,
) -> UInt8[np.ndarray, "h w 3"]:
    pixels = project(views.at([time]), places[[time]])[0, camera]
    parents = person.template.skeleton.parents
    bones = [(pixels[joint], pixels[parent]) for joint, parent in enumerate(parents) if parent >= 0]
    dots = np.zeros((0, 2))
    if person.keypoints is not None:
        sure = person.keypoints.scores[time, camera, 0] > 0.1
        dots = person.keypoints.places[time, camera, 0][sure] * views.sizes[camera][0] / person.views.sizes[camera][0]
    drawn = overlay(frame, body, mask, bones, dots)
    rows, columns = np.flatnonzero(grown(body, 20).any(1)), np.flatnonzero(grown(body, 20).any(0))
    return drawn if not len(rows) else np.ascontiguousarray(drawn[rows[0] : rows[-1], columns[0] : columns[-1]])


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({int(x) for x in np.linspace(0, count - 1, wanted + 2)[1:-1]})


def _nanmedian(values: np.ndarray) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
