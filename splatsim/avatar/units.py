"""Units and axes of foreign bodies: found by the size of a person, and said."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
UNITS = {
    "metres": (1.0, 0.5, 2.6),
    "centimetres": (0.01, 0.9, 2.6),
    "millimetres": (0.001, 0.9, 2.6),
    "decimetres": (0.1, 1.2, 2.2),
    "inches": (0.0254, 1.2, 2.2),
}
"""Metres, and the heights in metres that tell the unit, narrower for the rarer ones; tried in this order."""
TALLEST_AXIS = 1.15
"""A body whose depth or width is this much more than its height lies down."""


def unit_of(height: float, what: str) -> tuple[str, float]:
    """The unit in which a height is that of a person, and its metres.

    Raises:
        ValueError: there is none.
    """
    for name, (metres, least, most) in UNITS.items():
        if least <= height * metres <= most:
            return name, metres
    raise ValueError(
        f"{what} is {height:.4g} units tall; expected a person of 0.5 to 2.6 m, in metres, centimetres, "
        "decimetres, inches or millimetres: scale the model."
    )


@dataclass
class Placement:
    """How a foreign body was brought upright, into metres, and on the floor."""

    turn: Array
    """Rotation about z that makes it look along +x."""
    metres: float
    """Of one unit."""
    floor: float
    """Height of the soles before, units."""
    notes: list[str]
    """What was assumed."""

    def __call__(self, points: Array) -> Array:
        """Points or joints in the frame of the body."""
        moved: Array = (points - [0.0, 0.0, self.floor]) @ self.turn.T * self.metres
        return moved


def place(points: Array, path: Path) -> Placement:
    """How a body whose z is up stands in metres on z = 0 and looks along +x.

    Raises:
        ValueError: the size is that of no person, or the body lies down.
    """
    extents = points.max(0) - points.min(0)
    low, height = float(points[:, 2].min()), float(extents[2])
    if min(extents[0], extents[1]) > TALLEST_AXIS * height:
        raise ValueError(
            f"{path} is {extents[0]:.3g} deep, {extents[1]:.3g} wide and {height:.3g} tall: it lies on its face or "
            "back; expected y up and z forward, as glTF says: turn the model and export again."
        )
    name, metres = unit_of(height, str(path))
    notes = [] if name == "metres" else [f"the model is {height:.3g} units tall; it was read as {name}"]
    if abs(low) * metres > 0.05:
        notes.append(f"the soles were {low * metres:.2f} m above the floor; the rest pose was put on it")
    ahead = _ahead(points, low, height)
    turn = np.eye(3)
    if ahead is not None and ahead[0] < 1:
        turn[:2, :2] = [[ahead[0], ahead[1]], [-ahead[1], ahead[0]]]
        axis = {(0, 1): "x", (0, -1): "-x", (-1, 0): "-z"}[(int(ahead[0]), int(ahead[1]))]
        notes.append(f"the feet point along the file's {axis}, not z; the model was turned to look ahead")
    return Placement(turn, metres, low, notes)


def _ahead(points: Array, low: float, height: float) -> Array | None:
    """Where the feet point, as one of four axes: what is at the floor is further ahead than what is at the shins."""
    share = (points[:, 2] - low) / height
    feet, shins = points[share < 0.04, :2], points[(share > 0.08) & (share < 0.33), :2]
    if not len(feet) or not len(shins):
        return None
    step = (feet.max(0) + feet.min(0)) / 2 - (shins.max(0) + shins.min(0)) / 2
    main = int(np.abs(step).argmax())
    if abs(step[main]) < 0.01 * height or abs(step[1 - main]) > 0.6 * abs(step[main]):
        return None
    axis = np.zeros(2)
    axis[main] = np.sign(step[main])
    return axis
