"""Masks of a person in front of a camera that stands still: the background is what stays, the body says where to look.

The background of a pixel is its median over the times at which the posed body is not near it. The person is where the
picture differs from it, near the body; well inside of the body nothing needs to differ.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from splatsim.avatar.fitting.shots import UNSURE

FEWEST_TIMES = 3
"""Fewer views of a bare pixel than that say nothing about it."""
DIFFERENCE = 22
"""Of 255, in the channel that differs most: more is not noise."""
MEDIAN_FRAMES = 31
EDGE = 2
"""Pixels on both sides of an outline that count neither as person nor as background."""


@dataclass(frozen=True, eq=False)
class Background:
    """What a camera sees without the person."""

    picture: UInt8[np.ndarray, "h w 3"]
    known: Bool[np.ndarray, "h w"]
    """Where it was seen bare often enough."""


def median_background(frames: UInt8[np.ndarray, "t h w 3"], near: Bool[np.ndarray, "t h w"]) -> Background:
    """The median of each pixel over the frames in which no body is near it."""
    rows = np.unique(np.linspace(0, len(frames) - 1, min(MEDIAN_FRAMES, len(frames))).astype(int))
    frames, near = frames[rows], near[rows]
    picture = np.zeros(frames.shape[1:], np.uint8)
    counts = len(rows) - near.sum(0)
    for row in range(frames.shape[1]):  # one row at a time: the whole would not fit into the caches
        values = np.where(near[:, row, :, None], 256, frames[:, row].astype(np.int16))
        values.sort(axis=0)
        middle = np.maximum((counts[row] - 1) // 2, 0)
        picture[row] = np.take_along_axis(values, middle[None, :, None], 0)[0].clip(0, 255)
    return Background(picture, counts >= FEWEST_TIMES)


def person_mask(
    frame: UInt8[np.ndarray, "h w 3"], background: Background, body: Bool[np.ndarray, "h w"], reach: int
) -> UInt8[np.ndarray, "h w"]:
    """255 on the person, 0 beside, UNSURE where neither picture nor body can tell.

    Args:
        body: Where the posed body is.
        reach: How far beside it the person may be, pixels.
    """
    import cv2

    near = grown(body, reach)
    core = ~grown(~body, max(reach // 2, 1))
    difference = cv2.absdiff(frame, background.picture).max(-1)
    difference = cv2.GaussianBlur(difference, (0, 0), 1.0)
    differs = difference > DIFFERENCE
    inside = core | (near & differs & background.known) | (body & ~background.known)
    inside = _opened(inside, core)
    inside = _filled(inside)
    mask = np.where(inside, 255, 0).astype(np.uint8)
    doubtful = near & ~core & ~background.known
    doubtful |= body & ~inside & (difference > DIFFERENCE // 3)
    edge = grown(inside, EDGE) & grown(~inside, EDGE)
    mask[doubtful | edge] = UNSURE
    return mask


def against_scene(
    frame: UInt8[np.ndarray, "h w 3"], rendered: UInt8[np.ndarray, "h w 3"], body: Bool[np.ndarray, "h w"], reach: int
) -> UInt8[np.ndarray, "h w"]:
    """As `person_mask`, with the background rendered from a scene: its overall brightness is brought to the frame's."""
    away = ~grown(body, 2 * reach)
    gain = (
        (np.median(frame[away].astype(np.float32), 0) + 1) / (np.median(rendered[away].astype(np.float32), 0) + 1)
        if away.any()
        else np.ones(3)
    )
    picture = (rendered * np.clip(gain, 0.5, 2.0)).clip(0, 255).astype(np.uint8)
    return person_mask(frame, Background(picture, np.ones(frame.shape[:2], bool)), body, reach)


def grown(region: Bool[np.ndarray, "h w"], pixels: int) -> Bool[np.ndarray, "h w"]:
    """With everything that is at most so far away."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(region.astype(np.uint8), kernel) > 0)


def overlap(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    """Intersection over union."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else float("nan")


def _opened(inside: Bool[np.ndarray, "h w"], core: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Without specks, and only what hangs together with the core of the body."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, kernel) | core.astype(np.uint8)
    _, parts = cv2.connectedComponents(opened)
    wanted = np.unique(parts[core])
    return np.asarray(np.isin(parts, wanted[wanted > 0]))


def _filled(inside: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """With small gaps closed."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0)
