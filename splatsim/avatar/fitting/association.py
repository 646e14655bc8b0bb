"""Which detection in which view is the same person: by agreement between cameras, and from frame to frame."""

from itertools import product

import numpy as np
from jaxtyping import Float, Int

from splatsim.avatar.fitting.keypoints import Keypoints
from splatsim.avatar.fitting.triangulation import LEAST_SCORE, nearest_points
from splatsim.avatar.fitting.views import Views, project

FEWEST_POINTS = 5
SWITCH_METRES = 0.5
"""Someone whose middle has moved farther between two frames is somebody else."""


def associate_person(views: Views, keypoints: Keypoints, *, tolerance: float = 0.03) -> Int[np.ndarray, "t c"]:
    """The detection of each view that shows the person whom most cameras see over most frames; -1 for none.

    Every pair of detections in two cameras is triangulated; the other cameras join with the detection that lies nearest
    to it. Hypotheses are ranked by how well the keypoints agree, and chained over time by where they are.

    Args:
        tolerance: A keypoint agrees when it lies within so much of the picture's long side.
    """
    t, c, _, _ = keypoints.scores.shape
    if c == 1:
        return _largest(keypoints)
    frames = _hypotheses(views, keypoints, tolerance)
    chosen = np.full((t, c), -1)
    for time, pick in enumerate(_best_chain(frames)):
        if pick >= 0:
            chosen[time] = frames[time][pick][0]
    return chosen


def _largest(keypoints: Keypoints) -> Int[np.ndarray, "t 1"]:
    """One camera alone: the person with the most score in each frame, near the one of the frame before."""
    weight = keypoints.scores.sum(-1)[:, 0]
    chosen = weight.argmax(1)
    middle = (keypoints.places * keypoints.scores[..., None]).sum(3) / np.maximum(keypoints.scores.sum(3), 1e-9)[
        ..., None
    ]
    for time in range(1, len(chosen)):
        last = middle[time - 1, 0, chosen[time - 1]]
        cost = np.linalg.norm(middle[time, 0] - last, axis=-1) + 1e9 * (weight[time] <= 0)
        chosen[time] = int(cost.argmin())
    return np.where(weight[np.arange(len(chosen)), chosen] > 0, chosen, -1)[:, None]


Hypothesis = tuple[Int[np.ndarray, " c"], float, np.ndarray]
"""Detections, how well they agree, and the middle of the person in metres."""


def _hypotheses(views: Views, keypoints: Keypoints, tolerance: float) -> list[list[Hypothesis]]:
    """People of each frame, best first, no detection in two of them."""
    t, c, p, _ = keypoints.scores.shape
    present = (keypoints.scores >= LEAST_SCORE).sum(-1) >= FEWEST_POINTS
    limits = tolerance * np.array([max(size) for size in views.sizes])
    found: list[list[Hypothesis]] = [[] for _ in range(t)]
    pairs = [(a, b) for a in range(c) for b in range(a + 1, c)]
    for (a, b), m, n in product(pairs, range(p), range(p)):
        if not (present[:, a, m] & present[:, b, n]).any():
            continue
        picks = np.full((t, c), -1)
        picks[:, a], picks[:, b] = m, n
        pair = keypoints.person(picks)
        sure = np.where(pair.scores >= LEAST_SCORE, pair.scores, 0.0)[:, :, 0]
        points = nearest_points(views, pair.places[:, :, 0], sure)
        support = _support(views, keypoints, points, limits) * present  # t c p
        sums = support.max(-1)
        joined = np.where(sums > 0, support.argmax(-1), -1)
        for time in np.flatnonzero((joined[:, a] == m) & (joined[:, b] == n)):
            middle = np.nanmedian(points[time], axis=0)
            found[time].append((joined[time], float(sums[time].sum()), middle))
    return [_disjoint(hypotheses) for hypotheses in found]


def _support(views: Views, keypoints: Keypoints, points: np.ndarray, limits: np.ndarray) -> Float[np.ndarray, "t c p"]:
    """How many keypoints of each detection lie at the points, near ones more; 0 where it is less than half of them."""
    pixels = project(views, points)[:, :, None]
    distance = np.linalg.norm(pixels - keypoints.places, axis=-1) / limits[:, None, None]
    known = (keypoints.scores >= LEAST_SCORE) & np.isfinite(distance)
    closeness = np.where(known, np.maximum(0.0, 1 - np.nan_to_num(distance, nan=9.0)), 0.0)
    agreeing = (closeness > 0).sum(-1) > 0.5 * np.maximum(known.sum(-1), FEWEST_POINTS)
    support: Float[np.ndarray, "t c p"] = closeness.sum(-1) * agreeing
    return support


def _disjoint(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    kept: list[Hypothesis] = []
    for hypothesis in sorted(hypotheses, key=lambda one: -one[1]):
        if not any(((hypothesis[0] == other[0]) & (hypothesis[0] >= 0)).any() for other in kept):
            kept.append(hypothesis)
    return kept


def _best_chain(frames: list[list[Hypothesis]]) -> list[int]:
    """The hypothesis of each frame on the chain with the most support; -1 where it is interrupted."""
    scores: list[list[float]] = []
    before: list[list[tuple[int, int] | None]] = []
    for time, hypotheses in enumerate(frames):
        scores.append([])
        before.append([])
        for _, support, middle in hypotheses:
            best, back = support, None
            for past in range(max(0, time - 10), time):
                for k, (_, _, there) in enumerate(frames[past]):
                    near = np.linalg.norm(middle - there) < SWITCH_METRES * (1 + 0.2 * (time - past - 1))
                    if near and scores[past][k] + support > best:
                        best, back = scores[past][k] + support, (past, k)
            scores[-1].append(best)
            before[-1].append(back)
    chain = [-1] * len(frames)
    ends = [(score, time, k) for time, row in enumerate(scores) for k, score in enumerate(row)]
    if not ends:
        return chain
    _, time, k = max(ends)
    link: tuple[int, int] | None = (time, k)
    while link is not None:
        chain[link[0]] = link[1]
        link = before[link[0]][link[1]]
    return chain
