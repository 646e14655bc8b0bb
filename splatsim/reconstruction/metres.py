"""Metres: the scale of poses, from a distance that is known or from the positions that photos carry."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from jaxtyping import Float

from splatsim.errors import ReconstructionError
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.evaluate import umeyama
from splatsim.reconstruction.frameset import FrameSet
from splatsim.reconstruction.poses import without_spaces

EARTH_RADIUS = 6_371_008.8
GPS_NOISE = 5.0
"""Metres, of a phone under open sky, per picture."""


def scale_from_distance(
    known: tuple[str, str, float], names: Sequence[str], centres: Float[np.ndarray, "c 3"]
) -> float:
    """Metres per unit of the poses, from the distance between the places of two named frames.

    Raises:
        ReconstructionError: a frame has no pose, or both were taken from nearly the same place.
    """
    stems = [_stem(name) for name in names]
    places = []
    for name in known[:2]:
        if name in names:
            places.append(names.index(name))
        elif _stem(name) in stems:
            places.append(stems.index(_stem(name)))
        else:
            raise ReconstructionError(
                f'--known-distance names the frame "{name}", which has no pose; expected one of '
                f"{names[0]} … {names[-1]}."
            )
    found = float(np.linalg.norm(centres[places[0]] - centres[places[1]]))
    extent = float(np.linalg.norm(np.ptp(centres, axis=0)))
    if found < 0.02 * extent:
        raise ReconstructionError(
            f"--known-distance: {known[0]} and {known[1]} were taken from nearly the same place ({found / extent:.1%} "
            "of the extent of the walk), so their distance says nothing of the scale; name two frames further apart."
        )
    return known[2] / found


def _stem(name: str) -> str:
    """What the names of a frame and of its picture in a Capture have in common."""
    return PurePath(without_spaces(name)).stem


def scale_from_gps(
    capture: Capture, frames: FrameSet, centres: Float[np.ndarray, "c 3"], notes: list[str]
) -> float | None:
    """Scale of the similarity that fits horizontal positions, refused where the noise could explain them."""
    by_stem = {_stem(frame.name): frame.gps for frame in frames.frames if frame.gps is not None}
    rows = [k for k, name in enumerate(capture.names) if _stem(name) in by_stem]
    if len(rows) < 4:
        return None
    gps = np.radians([by_stem[_stem(capture.names[k])][:2] for k in rows])
    middle = gps.mean(0)
    east = (gps[:, 1] - middle[1]) * np.cos(middle[0]) * EARTH_RADIUS
    north = (gps[:, 0] - middle[0]) * EARTH_RADIUS
    there = np.stack([east, north], axis=1)
    here = centres[rows, :2]
    spread = float(np.sqrt((there**2).sum(1).mean()))
    scale, rotation, shift = umeyama(here, there)
    residual = float(np.sqrt(((scale * here @ rotation.T + shift - there) ** 2).sum(1).mean()))
    # Errors of single positions average out over the pictures; what is common to them moves all and hurts no scale.
    if spread < 3 * GPS_NOISE or residual > 0.2 * spread:
        notes.append(
            f"GPS positions were not used for the scale: they spread by {spread:.1f} m and miss the poses by "
            f"{residual:.1f} m (expected at least {3 * GPS_NOISE:.0f} m, and a fifth of the spread)"
        )
        return None
    notes.append(f"scale from {len(rows)} GPS positions: spread {spread:.1f} m, residual {residual:.1f} m")
    return scale
