"""The alignment gate: whether body and pictures agree, before an hour is spent on fitting one to the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from splatsim.errors import ReconstructionError

LEAST_OVERLAP = 0.65
"""Median intersection over union of mask and body: a clothed person reaches 0.75 to 0.9."""
MOST_ERROR = 0.015
"""Median keypoint error, in units of the picture's long side."""
GREEN, RED = np.array([60, 220, 90]), np.array([235, 60, 60])


@dataclass(frozen=True, eq=False)
class Alignment:
    """How well the posed body lies on the person."""

    overlaps: Float[np.ndarray, "t c"]
    """Intersection over union of mask and body; nan where there is no mask."""
    errors: Float[np.ndarray, "t c"]
    """Median distance of keypoints, pixels; nan where there are none."""
    sides: tuple[int, ...]
    """Long sides of the cameras' pictures that the errors are measured in, pixels."""
    names: tuple[str, ...]
    """Of the cameras."""

    def complaint(self) -> str | None:
        """Why a fit would fail, and what to do; None where it would not."""
        overlap = np.array([_median(column) for column in self.overlaps.T])
        error = np.array([_median(column) for column in self.errors.T]) / np.array(self.sides)
        reasons = []
        if np.isfinite(overlap).any() and np.nanmedian(overlap) < LEAST_OVERLAP:
            worst = int(np.nanargmin(overlap))
            frame = int(np.nanargmin(self.overlaps[:, worst]))
            reasons.append(
                f"body and masks overlap by {np.nanmedian(overlap):.2f} (expected {LEAST_OVERLAP} or more), least in "
                f"camera {self.names[worst]!r} with {overlap[worst]:.2f}, in frame {frame}"
            )
        if np.isfinite(error).any() and np.nanmedian(error) > MOST_ERROR:
            worst = int(np.nanargmax(error))
            reasons.append(
                f"keypoints lie {np.nanmedian(error):.1%} of the picture's side beside the body's (expected "
                f"{MOST_ERROR:.1%} or less), most in camera {self.names[worst]!r} with {error[worst]:.1%}"
            )
        if not (np.isfinite(overlap).any() or np.isfinite(error).any()):
            reasons.append("there is neither a mask nor a keypoint to compare the body with")
        if not reasons:
            return None
        return f"{'; '.join(reasons)}. {self._advice(overlap, error)}"

    def _advice(self, overlap: np.ndarray, error: np.ndarray) -> str:
        """What most often is wrong, told from which cameras disagree."""
        bad = (np.nan_to_num(overlap, nan=1.0) < LEAST_OVERLAP) | (np.nan_to_num(error, nan=0.0) > MOST_ERROR)
        if 0 < bad.sum() < len(bad):
            listed = ", ".join(self.names[c] for c in np.flatnonzero(bad))
            return f"Check calibration and order of frames of {listed} alone, or leave them out: the others agree."
        if _median(overlap) < LEAST_OVERLAP and not _median(error) > MOST_ERROR:
            return "The keypoints agree: look at the masks, or give the body's --sex, --age and --weight."
        return "Check units (metres), axes (z up, cameras as OpenCV's) and whether keypoints and pictures are in step."

    def check(self, picture: str) -> None:
        """Raise unless a fit has a chance.

        Args:
            picture: Where the overlay lies, for the message.

        Raises:
            ReconstructionError: body and pictures disagree; names the cameras and what to do.
        """
        complaint = self.complaint()
        if complaint is not None:
            raise ReconstructionError(f"{complaint} Look at {picture}; --force fits in spite of it.")


def _median(values: np.ndarray) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def overlay(
    picture: UInt8[np.ndarray, "h w 3"],
    body: np.ndarray,
    mask: np.ndarray | None,
    bones: Sequence[tuple[np.ndarray, np.ndarray]],
    keypoints: np.ndarray,
) -> UInt8[np.ndarray, "h w 3"]:
    """A picture with the body in green, the mask's outline in red, bones as lines and keypoints as dots."""
    import cv2

    shown = picture.astype(np.float32)
    shown[body] = 0.6 * shown[body] + 0.4 * GREEN
    drawn = np.ascontiguousarray(shown.clip(0, 255).astype(np.uint8))
    if mask is not None:
        outlines, _ = cv2.findContours((mask == 255).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, RED.tolist(), 1)
    for start, end in bones:
        if np.isfinite(start).all() and np.isfinite(end).all():
            cv2.line(drawn, _pixel(start), _pixel(end), (255, 255, 255), 1, cv2.LINE_AA)
    for place in keypoints:
        cv2.circle(drawn, _pixel(place), 2, (255, 220, 40), -1, cv2.LINE_AA)
    return drawn


def _pixel(place: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.nan_to_num(place), -1e4, 1e4)
    return round(float(x)), round(float(y))
