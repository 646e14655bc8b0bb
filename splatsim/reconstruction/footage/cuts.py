"""Cuts: where one place ends and another begins from one frame to the next."""

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from splatsim.reconstruction.footage.flow import Step

_REACH = 6
"""Frames before and after a suspected cut among which sharp ones are looked for."""
_UNTRACKED = 0.3
"""A step that follows fewer of the textured cells than this may be a cut."""
_TEXTURED = 0.15
_REPAINTED = 0.6
"""Bhattacharyya distance of brightness histograms from which on a step may be a cut."""
_ABRUPT = 2
"""Steps around a cut that could not be followed: a hand that whips round loses more of them."""
_SAME_PLACE = 15
"""Matches on one epipolar geometry that show the same place."""
_TELLING = 60
"""Features from which on the absence of matches says something."""

_Picture = UInt8[np.ndarray, "h w"]


@dataclass
class _Suspect:
    position: int
    before: list[tuple[float, _Picture]]
    after: list[tuple[float, _Picture]] = field(default_factory=list)


class CutDetector:
    """Takes the frames of a video one by one and says at which positions a new take begins."""

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self._recent: deque[tuple[float, _Picture]] = deque(maxlen=_REACH)
        self._suspects: list[_Suspect] = []
        self._tracked: list[bool] = []
        self._histogram: Float[np.ndarray, "64 1"] | None = None

    def add(self, position: int, image: _Picture, sharpness: float, step: Step | None) -> None:
        """The frame at this position, and the step that led to it."""
        histogram = cv2.calcHist([image], [0], None, [64], [0, 256])
        if step is not None and self._histogram is not None:
            repainted = cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_BHATTACHARYYA) > _REPAINTED
            lost = step.tracked < _UNTRACKED and step.textured > _TEXTURED
            self._tracked.append(not lost)
            if lost or repainted:
                self._suspects.append(_Suspect(position, list(self._recent)))
        self._histogram = histogram
        for suspect in self._suspects:
            suspect.after.append((sharpness, image))
        self._recent.append((sharpness, image))
        while self._suspects and len(self._suspects[0].after) >= _REACH:
            self._judge(self._suspects.pop(0))

    def finish(self) -> list[int]:
        """All cuts, once the last frame has been added."""
        while self._suspects:
            self._judge(self._suspects.pop(0))
        return self.cuts

    def _judge(self, suspect: _Suspect) -> None:
        around = self._tracked[max(0, suspect.position - 1 - _REACH) : suspect.position - 1 + _REACH]
        if around.count(False) > _ABRUPT:
            return
        sharp_before = max(suspect.before[::-1], key=lambda entry: entry[0])[1]
        sharp_after = max(suspect.after, key=lambda entry: entry[0])[1]
        pairs = [(suspect.before[-1][1], suspect.after[0][1]), (sharp_before, sharp_after)]
        if all(_differ(a, b) for a, b in pairs):
            self.cuts.append(suspect.position)


def _differ(a: _Picture, b: _Picture) -> bool:
    """Whether two pictures show different places, as far as features can tell."""
    sift = cv2.SIFT.create(nfeatures=1000, contrastThreshold=0.02)
    (points_a, features_a), (points_b, features_b) = (sift.detectAndCompute(image, None) for image in (a, b))
    if max(len(points_a), len(points_b)) < _TELLING:
        return False
    if min(len(points_a), len(points_b)) < _SAME_PLACE:
        return True
    matches = _mutual_matches(features_a, features_b)
    if len(matches) < _SAME_PLACE:
        return True
    from_a = np.array([points_a[match.queryIdx].pt for match in matches], np.float32)
    to_b = np.array([points_b[match.trainIdx].pt for match in matches], np.float32)
    _, inliers = cv2.findFundamentalMat(from_a, to_b, cv2.FM_RANSAC, 1.5, 0.999)
    count = 0 if inliers is None else int(inliers.sum())
    return count < max(_SAME_PLACE, 0.4 * len(matches))


def _mutual_matches(a: Float[np.ndarray, "m 128"], b: Float[np.ndarray, "n 128"]) -> list[cv2.DMatch]:
    """Features of two pictures that are each other's choice: repeated texture is much alike in one direction only."""
    there, back = _clear_matches(a, b), _clear_matches(b, a)
    chosen = {match.queryIdx: match.trainIdx for match in back}
    return [match for match in there if chosen.get(match.trainIdx) == match.queryIdx]


def _clear_matches(a: Float[np.ndarray, "m 128"], b: Float[np.ndarray, "n 128"]) -> list[cv2.DMatch]:
    pairs = cv2.BFMatcher().knnMatch(a, b, k=2)
    return [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance]
