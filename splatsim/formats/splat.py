"""`.splat` files, the 32 bytes per Gaussian of the antimatter15 viewer: no header, no directional colour.

A record is position and scale as three float32 each, then red, green, blue and opacity as bytes, then a wxyz
quaternion of which byte b means (b - 128) / 128. Coordinates are those of the PLY file, taken as they stand.
"""

import os

import numpy as np

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._values import from_bytes, to_bytes, to_gaussians, to_numpy, unit_quats
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0

RECORD = np.dtype(
    [("means", "<f4", 3), ("scales", "<f4", 3), ("colors", "u1", 3), ("opacities", "u1"), ("quats", "u1", 4)]
)


def read_splat(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians of SH degree 0 from a .splat file.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the size is not a whole number of records, or a number is not finite, or a scale is negative.
    """
    found = existing_file(path)
    data = found.read_bytes()
    if len(data) % RECORD.itemsize:
        raise FormatError(f"{found} has {len(data)} bytes; expected a multiple of 32, the size of one Gaussian.")
    records = np.frombuffer(data, RECORD)
    return to_gaussians(
        found,
        means=records["means"],
        quats=(records["quats"].astype(np.float32) - 128) / 128,
        scales=records["scales"],
        opacities=from_bytes(records["opacities"]),
        sh=(from_bytes(records["colors"])[:, None] - 0.5) / C0,
    )


def write_splat(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write Gaussians as a .splat file, the largest and most opaque first, as viewers expect that load it in part.

    Lost are the SH bands above the constant colour, the features, the order, the lengths of the quaternions, colours
    outside [0, 1], `antialiased`, and all but 8 bits of colours, opacities and quaternions. Positions and scales stay
    float32.

    Raises:
        ValueError: a number is not finite or out of range.
        FileNotFoundError: the folder does not exist.
    """
    arrays = to_numpy(gaussians)
    records = np.empty(len(gaussians), RECORD)
    records["means"] = arrays["means"]
    records["scales"] = arrays["scales"]
    records["colors"] = to_bytes((arrays["sh"][:, 0] * C0 + 0.5) * 255)
    records["opacities"] = to_bytes(arrays["opacities"] * 255)
    records["quats"] = to_bytes(unit_quats(arrays["quats"]) * 128 + 128)
    importance = arrays["scales"].astype(np.float64).prod(axis=1) * arrays["opacities"]
    order = np.argsort(-importance, kind="stable")
    with atomic_writer(path) as file:
        file.write(records[order].tobytes())
