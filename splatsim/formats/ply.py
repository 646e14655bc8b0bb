"""PLY files of Gaussians, as the original 3D Gaussian Splatting code writes them and nearly every tool reads them.

The file holds logarithms of scales, logits of opacities, wxyz quaternions, and the SH coefficients above the constant
one as `f_rest_*`, all of red, then all of green, then all of blue. Coordinates are taken as they stand.
"""

import os
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._ply_header import ANTIALIASED, BYTE_ORDERS, Element, PlyHeader, read_ply_header, shortened
from splatsim.formats._values import FloatArray, exp, logit, refuse_numbers, sigmoid, to_gaussians, to_numpy
from splatsim.formats.compressed_ply import is_compressed_ply, read_compressed_ply
from splatsim.gaussians import Gaussians

POSITION = ["x", "y", "z"]
NORMAL = ["nx", "ny", "nz"]
COLOR = ["f_dc_0", "f_dc_1", "f_dc_2"]
OPACITY = ["opacity"]
SCALE = ["scale_0", "scale_1", "scale_2"]
ROTATION = ["rot_0", "rot_1", "rot_2", "rot_3"]
REQUIRED = [*POSITION, *ROTATION, *SCALE, *OPACITY, *COLOR]

REST_COUNTS = (0, 9, 24, 45)

MAX_ASCII_LINE = 1 << 20

ANTIALIASED_COMMENTS = (ANTIALIASED, "antialiased 1")
"""The comment of Brush for Gaussians that were fitted with antialiasing, and that of Postshot."""


def read_ply(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from a 3DGS PLY file: binary of either byte order or ascii, SH degree 0 to 3, properties in any order.

    `feature_0`, `feature_1`, … become `features`; further properties and elements are passed over. Infinity is taken
    as a logit only, of an opacity of 0 or 1: converters from SPZ write it. A compressed file is told by its header.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not such a file, or is cut short, or holds NaN or infinity.
    """
    found = existing_file(path)
    with open(found, "rb") as file:
        header = read_ply_header(file, found)
        if is_compressed_ply(header):
            return read_compressed_ply(found)
        vertex = _vertex(header, found)
        rest = _numbered(vertex, "f_rest", found)
        if len(rest) not in REST_COUNTS:
            raise FormatError(
                f"{found} has {len(rest)} f_rest_* properties; expected 0, 9, 24 or 45 (SH degree 0 to 3)."
            )
        features = _numbered(vertex, "feature", found)
        names = [*REQUIRED, *rest, *features]
        _skip_to_vertices(file, header, found)
        read_table = _read_ascii if header.encoding == "ascii" else _read_binary
        table = read_table(file, header, names, found)
    finite = np.isfinite(table)
    finite[:, names.index("opacity")] |= np.isinf(table[:, names.index("opacity")])
    if not finite.all():
        column = int(np.argwhere(~finite)[0, 1])
        refuse_numbers(found, names[column], table[:, column], ~finite[:, column], "a finite number")
    return _to_gaussians(found, table, len(rest), len(features))


def write_ply(
    path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False, comments: Sequence[str] = ()
) -> None:
    """Write Gaussians as a binary 3DGS PLY file in float32; `features` become the properties `feature_0`, ….

    Opacities of exactly 0 and 1 come back exactly; normals are written as zeros, since some readers want them.

    Args:
        antialiased: Say in the header that they are to be rendered so, as Brush does.
        comments: Further lines for the header, such as the source of the scene; printable ASCII.

    Raises:
        ValueError: a number is not finite or out of range, or a comment is not one line of printable ASCII.
        FileNotFoundError: the folder does not exist.
    """
    for comment in comments:
        if not (comment.isascii() and comment.isprintable()):
            raise ValueError(f"comment {comment!r} for {path} cannot stand in a PLY header; expected printable ASCII.")
    blocks = _blocks(to_numpy(gaussians))
    comments = [ANTIALIASED, *comments] if antialiased else comments
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {comment}" for comment in comments)]
    lines += [f"element vertex {len(gaussians)}"]
    lines += [f"property float {name}" for names, _ in blocks for name in names]
    table = np.concatenate([block for _, block in blocks], axis=1, dtype=np.dtype("<f4"))
    with atomic_writer(path) as file:
        file.write("\n".join([*lines, "end_header\n"]).encode("ascii"))
        file.write(table.data)


def is_antialiased_ply(path: str | os.PathLike[str]) -> bool:
    """Whether a comment says that the Gaussians are to be rendered with antialiasing.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not a PLY file.
    """
    found = existing_file(path)
    with open(found, "rb") as file:
        return any(comment in ANTIALIASED_COMMENTS for comment in read_ply_header(file, found).comments)


def _blocks(arrays: dict[str, FloatArray]) -> list[tuple[list[str], FloatArray]]:
    """The columns of the file in its customary order, with their names."""
    count, coefficients = arrays["sh"].shape[:2]
    rest = arrays["sh"][:, 1:].transpose(0, 2, 1).reshape(count, 3 * (coefficients - 1))
    features = arrays.get("features", np.empty((count, 0), np.float32))
    return [
        (POSITION, arrays["means"]),
        (NORMAL, np.zeros((count, 3), np.float32)),
        (COLOR, arrays["sh"][:, 0]),
        ([f"f_rest_{i}" for i in range(rest.shape[1])], rest),
        (OPACITY, logit(arrays["opacities"])[:, None]),
        (SCALE, np.log(arrays["scales"])),
        (ROTATION, arrays["quats"]),
        ([f"feature_{i}" for i in range(features.shape[1])], features),
    ]


def _vertex(header: PlyHeader, path: Path) -> Element:
    vertex = header.elements.get("vertex")
    if vertex is None:
        names = shortened(", ".join(header.elements))
        raise FormatError(f'{path} has the elements {names}; expected one named "vertex" with the Gaussians.')
    if vertex.lists:
        raise FormatError(
            f"{path} has the list property {shortened(vertex.lists[0])} in its vertices; expected plain numbers."
        )
    missing = [name for name in REQUIRED if name not in vertex.scalars]
    if missing:
        raise FormatError(
            f"{path} lacks the vertex properties {', '.join(missing)}; expected a 3DGS PLY file with all of "
            f"{', '.join(REQUIRED)}."
        )
    return vertex


def _numbered(vertex: Element, stem: str, path: Path) -> list[str]:
    """The properties `stem_0`, `stem_1`, … in the order of their numbers."""
    found = [name for name in vertex.scalars if re.fullmatch(rf"{stem}_(0|[1-9][0-9]*)", name)]
    names = [f"{stem}_{i}" for i in range(len(found))]
    missing = set(names) - set(found)
    if missing:
        raise FormatError(
            f"{path} has {len(found)} {stem}_* properties without {min(missing)}; "
            f"expected {stem}_0 to {stem}_{len(found) - 1} without a gap."
        )
    return names


def _skip_to_vertices(file: BinaryIO, header: PlyHeader, path: Path) -> None:
    """Pass over the elements that stand before the vertices, and make sure that the promised vertices can follow."""
    size = path.stat().st_size
    position = header.size
    for element in header.elements.values():
        if element.name == "vertex":
            break
        if header.encoding == "ascii":
            lines = min(element.count, size)  # a line takes a byte at least, so a hostile count ends with the file
            position += sum(len(line) for line in islice(file, lines))
        elif element.lists:
            raise FormatError(
                f"{path} has the element {shortened(element.name)} with lists before its vertices; "
                "expected the vertices first."
            )
        else:
            position += element.count * element.record_bytes
    vertex = header.elements["vertex"]
    # An ascii number takes two bytes at least: a digit and a separator, of which the last may be missing.
    needed = vertex.count * (2 * len(vertex.scalars) if header.encoding == "ascii" else vertex.record_bytes)
    if needed > size - position + (header.encoding == "ascii"):
        raise FormatError(
            f"{path} has {max(size - position, 0)} bytes of vertices; expected at least {needed} bytes for the "
            f"{vertex.count} vertices that its header promises."
        )
    if header.encoding != "ascii":
        file.seek(position)


def _read_binary(file: BinaryIO, header: PlyHeader, names: list[str], path: Path) -> FloatArray:
    vertex = header.elements["vertex"]
    order = BYTE_ORDERS[header.encoding]
    data = file.read(vertex.count * vertex.record_bytes)
    codes = set(vertex.scalars.values())
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite and is refused
        if len(codes) == 1:
            numbers = np.frombuffer(data, order + codes.pop()).reshape(vertex.count, len(vertex.scalars))
            columns = list(vertex.scalars)
            return numbers[:, [columns.index(name) for name in names]].astype(np.float32)
        records = np.frombuffer(data, np.dtype([(name, order + code) for name, code in vertex.scalars.items()]))
        table = np.empty((vertex.count, len(names)), np.float32)
        for column, name in enumerate(names):
            table[:, column] = records[name]
    return table


def _read_ascii(file: BinaryIO, header: PlyHeader, names: list[str], path: Path) -> FloatArray:
    vertex = header.elements["vertex"]
    columns = [list(vertex.scalars).index(name) for name in names]
    table = np.empty((vertex.count, len(names)), np.float32)
    with np.errstate(over="ignore"):
        for row in range(vertex.count):
            words = file.readline(MAX_ASCII_LINE).split()
            if len(words) != len(vertex.scalars):
                raise FormatError(
                    f"{path} has {len(words)} numbers in the line of vertex {row}; expected {len(vertex.scalars)}."
                )
            for target, column in enumerate(columns):
                table[row, target] = _number(words[column], names[target], row, path)
    return table


def _number(word: bytes, name: str, row: int, path: Path) -> float:
    try:
        return float(word)
    except ValueError as error:
        text = shortened(word.decode("latin-1"))
        raise FormatError(f"{path} has {text} as {name} of Gaussian {row}; expected a number.") from error


def _to_gaussians(path: Path, table: FloatArray, rest_count: int, feature_count: int) -> Gaussians:
    means, quats, log_scales, logit_opacities, constant, rest, features = np.split(
        table, np.cumsum([3, 4, 3, 1, 3, rest_count]), axis=1
    )
    higher = rest.reshape(len(table), 3, rest_count // 3).transpose(0, 2, 1)
    return to_gaussians(
        path,
        means=means,
        quats=quats,
        scales=exp(log_scales),
        opacities=sigmoid(logit_opacities[:, 0]),
        sh=np.concatenate([constant[:, None], higher], axis=1),
        **({"features": features} if feature_count else {}),
    )
