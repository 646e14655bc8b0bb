"""Units and axes of foreign bodies: found by the size of a person, and said."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
UNITS = {"metres": 1.0, "centimetres": 0.01, "decimetres": 0.1, "inches": 0.0254, "millimetres": 0.001}
"""Tried in this order."""
PERSON = (0.5, 2.6)
"""Metres that a person may be tall."""
TALLEST_AXIS = 1.15
"""A body whose depth or width is this much more than its height lies down."""


def unit_of(height: float, what: str) -> tuple[str, float]:
    """The unit in which a height is that of a person, and its metres.

    Raises:
        ValueError: there is none.
    """
    for name, metres in UNITS.items():
        if PERSON[0] <= height * metres <= PERSON[1]:
            return name, metres
    raise ValueError(
        f"{what} is {height:.4g} units tall; expected a person of {PERSON[0]} to {PERSON[1]} m, in metres, centimetres, "
        "decimetres, inches or millimetres: scale the model."
    )


def upright_metres(points: Array, joints: Array, path: Path) -> tuple[Array, Array, float, list[str]]:
    """Points and joints in metres with the soles on z = 0, the scale, and what was assumed.

    Raises:
        ValueError: the size is that of no person, or the body lies down.
    """
    extents = points.max(0) - points.min(0)
    if extents[0] > TALLEST_AXIS * extents[2] and extents[0] > TALLEST_AXIS * extents[1]:
        raise ValueError(
            f"{path} is {extents[0]:.3g} deep, {extents[1]:.3g} wide and {extents[2]:.3g} tall: it lies on its face or "
            "back; expected y up and z forward, as glTF says: turn the model and export again."
        )
    name, metres = unit_of(float(extents[2]), str(path))
    notes = [] if name == "metres" else [f"the model is {extents[2]:.3g} units tall; it was read as {name}"]
    floor = np.array([0.0, 0.0, points[:, 2].min()])
    lift = float(floor[2]) * metres
    if abs(lift) > 0.05:
        notes.append(f"the soles were {lift:.2f} m above the floor; the rest pose was put on it")
    return (points - floor) * metres, (joints - floor) * metres, metres, notes
