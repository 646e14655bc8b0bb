"""What a format does not keep of given Gaussians, in words for the user."""

import os
from dataclasses import dataclass

from splatsim.formats import COMPRESSED_PLY, extension_of
from splatsim.gaussians import Gaussians


@dataclass(frozen=True)
class _Kept:
    """What a format holds."""

    rounding: tuple[str, ...] = ()
    """What is rounded, and to what; nothing where all stays float32."""
    directional: bool = True
    """Whether there is room for SH above degree 0."""
    features: bool = False
    antialiased: bool = False
    order: bool = True


_USD_OR_GLTF = _Kept()
_KEPT = {
    ".ply": _Kept(features=True, antialiased=True),
    ".splat": _Kept(("colours, opacities and rotations are rounded to 8 bits",), directional=False, order=False),
    ".spz": _Kept(
        (
            "positions are rounded to 1/4096 m, or more beyond 2048 m from the origin",
            "scales are rounded to steps of 6 %, colours and opacities to 8 bits, rotations to 10 bits",
            "directional colour is rounded to 5 bits in band 1 and 4 bits above",
        ),
        antialiased=True,
    ),
    COMPRESSED_PLY: _Kept(
        (
            "positions and scales are rounded to 10 or 11 bits within each chunk of 256 Gaussians",
            "colours and opacities are rounded to 8 bits, rotations to 10 bits",
            "directional colour is rounded to steps of 1/32",
        ),
        antialiased=True,
        order=False,
    ),
    **dict.fromkeys((".glb", ".gltf", ".usd", ".usda", ".usdc"), _USD_OR_GLTF),
}


def band_names(first: int, last: int) -> str:
    """ "band 1", or "bands 1 to 3"."""
    return f"band {first}" if first == last else f"bands {first} to {last}"


def losses(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> list[str]:
    """What a file of this name would lose of the Gaussians, one sentence each; none if it holds them as they are.

    The lengths of quaternions are not counted: they mean nothing.

    Raises:
        FormatError: the extension is no format that is written.
    """
    kept = _KEPT[extension_of(path, to_write=True)]
    found = []
    if gaussians.sh_degree and not kept.directional:
        found.append(f"colour that changes with the direction is dropped (SH {band_names(1, gaussians.sh_degree)})")
    if gaussians.features is not None and not kept.features:
        found.append(f"features are dropped ({gaussians.features.shape[1]} channels)")
    if antialiased and not kept.antialiased:
        found.append("the note that they are to be rendered with antialiasing is dropped")
    found += [text for text in kept.rounding if gaussians.sh_degree or not text.startswith("directional")]
    if not kept.order:
        found.append("the order of the Gaussians changes")
    return found
