"""Compressed PLY files of PlayCanvas, usually named `.compressed.ply`: chunks of 256 Gaussians in 16 bytes each.

A chunk holds the least and greatest coordinates, logarithms of scales, and colours of its Gaussians, as float32. A
Gaussian is four 32-bit numbers within them: position and scale in 11, 10 and 11 bits, the three smallest components of
its quaternion in 10 bits each, and colour and opacity in 8 bits each. The higher SH coefficients are bytes within
[-4, 4], all of red, then green, then blue. Layout and rounding are those of
https://github.com/playcanvas/splat-transform, commit 8d6b801. Coordinates are those of the PLY file, as they stand.
"""

import math
import os
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped, UInt32

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._ply_header import ANTIALIASED, BYTE_ORDERS, Element, PlyHeader, read_ply_header, shortened
from splatsim.formats._values import (
    OTHERS,
    exp,
    from_bytes,
    quats_of_smallest_three,
    to_bytes,
    to_gaussians,
    to_numpy,
    unit_quats,
)
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0

Table = Shaped[np.ndarray, " rows"]

CHUNK = 256
AXES = ("x", "y", "z")
BOUNDS = [f"{end}_{axis}" for end in ("min", "max") for axis in AXES]
SCALE_BOUNDS = [f"{end}_scale_{axis}" for end in ("min", "max") for axis in AXES]
COLOR_BOUNDS = [f"{end}_{channel}" for end in ("min", "max") for channel in "rgb"]
PACKED = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
REST_COUNTS = (9, 24, 45)

NARROWEST = 1e-5  # a range that is smaller is stored as its least value
LEAST_LOG_SCALE, GREATEST_LOG_SCALE = -20, 20
SH_REACH = 4.0
MORTON_BITS = 10


def is_compressed_ply(header: PlyHeader) -> bool:
    """Whether the vertices are packed."""
    return "vertex" in header.elements and PACKED[0] in header.elements["vertex"].scalars


def read_compressed_ply(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from a compressed PLY file, with or without colours in its chunks, SH degree 0 to 3.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not such a file, or is cut short, or its counts do not agree.
    """
    found = existing_file(path)
    with open(found, "rb") as file:
        header = read_ply_header(file, found)
        _check(found, header)
        file.seek(header.size)
        order = BYTE_ORDERS[header.encoding]
        tables = {}
        for element in _filled(header).values():
            data = file.read(element.count * element.record_bytes)
            dtype = np.dtype([(name, order + code) for name, code in element.scalars.items()])
            tables[element.name] = np.frombuffer(data, dtype)
    return _unpack(found, tables)


def write_compressed_ply(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write Gaussians as a compressed PLY file, near ones one after the other.

    Lost are the features, the order and the lengths of the quaternions, and precision: positions become one of 2048,
    1024 and 2048 places along the axes of their chunk's box, logarithms of scales likewise, constant colours one of 256
    within their chunk's, opacities 8 bits, quaternions 10 bits, higher SH coefficients steps of 1/32 within [-4, 4].

    Args:
        antialiased: Say in the header that they are to be rendered so, as Brush does.

    Raises:
        ValueError: a number is not finite or out of range.
        FileNotFoundError: the folder does not exist.
    """
    arrays = to_numpy(gaussians)
    order = _morton_order(arrays["means"])
    arrays = {name: array[order] for name, array in arrays.items()}
    count, coefficients = arrays["sh"].shape[:2]
    rest = arrays["sh"][:, 1:].transpose(0, 2, 1).reshape(count, 3 * (coefficients - 1))
    low_high, fractions = _fractions(arrays["means"])
    log_scales = np.clip(np.log(arrays["scales"]), LEAST_LOG_SCALE, GREATEST_LOG_SCALE)
    scale_low_high, scale_fractions = _fractions(log_scales)
    color_low_high, colors = _fractions(arrays["sh"][:, 0] * np.float32(C0) + np.float32(0.5))
    bytes_ = np.concatenate([to_bytes(colors * 255), to_bytes(arrays["opacities"] * 255)[:, None]], axis=1)
    packed = np.stack(
        [
            _pack_11_10_11(fractions),
            _pack_quats(unit_quats(arrays["quats"])),
            _pack_11_10_11(scale_fractions),
            bytes_[:, ::-1].copy().view("<u4")[:, 0],
        ],
        axis=1,
    )
    sh = np.clip(np.trunc((rest / (2 * SH_REACH) + 0.5) * 256), 0, 255).astype(np.uint8)
    chunks = np.concatenate([low_high, scale_low_high, color_low_high], axis=1, dtype=np.dtype("<f4"))
    lines = ["ply", "format binary_little_endian 1.0", *([f"comment {ANTIALIASED}"] if antialiased else [])]
    lines += [f"element chunk {len(chunks)}"]
    lines += [f"property float {name}" for name in (*BOUNDS, *SCALE_BOUNDS, *COLOR_BOUNDS)]
    lines += [f"element vertex {count}", *(f"property uint {name}" for name in PACKED)]
    if rest.shape[1]:
        lines += [f"element sh {count}", *(f"property uchar f_rest_{i}" for i in range(rest.shape[1]))]
    with atomic_writer(path) as file:
        file.write("\n".join([*lines, "end_header\n"]).encode("ascii"))
        file.writelines([chunks.tobytes(), packed.astype("<u4").tobytes(), sh.tobytes()])


def _filled(header: PlyHeader) -> dict[str, Element]:
    """The elements that have properties; gsplat writes an empty one where there is no SH above degree 0."""
    return {name: element for name, element in header.elements.items() if element.scalars or element.lists}


def _check(path: Path, header: PlyHeader) -> None:
    """The elements are those of the format, and the file is as long as they need."""
    elements = _filled(header)
    if header.encoding == "ascii" or not {"chunk", "vertex"} <= set(elements) <= {"chunk", "vertex", "sh"}:
        raise FormatError(
            f"{path} has the elements {shortened(', '.join(elements))} in {header.encoding}; "
            "expected chunk, vertex and at most sh in binary, as in a compressed PLY file."
        )
    chunk, vertex = elements["chunk"], elements["vertex"]
    bounds = [*BOUNDS, *SCALE_BOUNDS, *(COLOR_BOUNDS if "min_r" in chunk.scalars else [])]
    _check_properties(path, chunk, bounds, "f4")
    _check_properties(path, vertex, PACKED, "u4")
    needed = math.ceil(vertex.count / CHUNK)
    if chunk.count != needed:
        raise FormatError(f"{path} has {chunk.count} chunks; expected {needed} for {vertex.count} Gaussians.")
    if "sh" in elements:
        sh = elements["sh"]
        if len(sh.scalars) not in REST_COUNTS or sh.count != vertex.count:
            raise FormatError(
                f"{path} has {len(sh.scalars)} SH properties for {sh.count} Gaussians; expected 9, 24 or 45 for "
                f"{vertex.count}."
            )
        _check_properties(path, sh, [f"f_rest_{i}" for i in range(len(sh.scalars))], "u1")
    needed = sum(element.count * element.record_bytes for element in elements.values())
    size = path.stat().st_size - header.size
    if size < needed:
        raise FormatError(f"{path} has {size} bytes after its header; expected {needed} for {vertex.count} Gaussians.")


def _check_properties(path: Path, element: Element, names: list[str], code: str) -> None:
    if element.lists or set(element.scalars) != set(names) or set(element.scalars.values()) != {code}:
        found = shortened(", ".join([*element.scalars, *element.lists]))
        raise FormatError(
            f"{path} has the properties {found} in its element {element.name}; "
            f"expected {names[0]} to {names[-1]}, all of type {code}."
        )


def _unpack(path: Path, tables: dict[str, Table]) -> Gaussians:
    vertex, chunks = tables["vertex"], tables["chunk"]
    for name in chunks.dtype.names or ():
        bad = ~np.isfinite(chunks[name])
        if bad.any():
            first = int(bad.argmax())
            raise FormatError(f"{path} has {chunks[name][first]} in {name} of chunk {first}; expected a finite number.")
    which = np.arange(len(vertex)) // CHUNK
    position = _unpack_11_10_11(vertex["packed_position"])
    scale = _unpack_11_10_11(vertex["packed_scale"])
    color = vertex["packed_color"].astype("<u4")[:, None].view(np.uint8)[:, ::-1]
    constant = from_bytes(color[:, :3])
    if "min_r" in (chunks.dtype.names or ()):
        constant = _between(chunks, COLOR_BOUNDS, which, constant)
    sh = [((constant - np.float32(0.5)) / np.float32(C0))[:, None]]
    if "sh" in tables:
        names = tables["sh"].dtype.names or ()
        stored = np.stack([tables["sh"][f"f_rest_{i}"] for i in range(len(names))], axis=1)
        fractions = np.where(stored == 0, 0, np.where(stored == 255, 1, (stored + np.float32(0.5)) / 256))
        rest = ((fractions - 0.5) * (2 * SH_REACH)).reshape(len(vertex), 3, len(names) // 3)
        sh.append(rest.transpose(0, 2, 1))
    return to_gaussians(
        path,
        means=_between(chunks, BOUNDS, which, position),
        quats=_unpack_quats(vertex["packed_rotation"].astype(np.uint32)),
        scales=exp(_between(chunks, SCALE_BOUNDS, which, scale)),
        opacities=from_bytes(color[:, 3]),
        sh=np.concatenate(sh, axis=1),
    )


def _between(
    chunks: Table, names: list[str], which: Int[np.ndarray, " n"], fractions: Float32[np.ndarray, "n 3"]
) -> Float32[np.ndarray, "n 3"]:
    """Fractions of the range of each Gaussian's chunk."""
    low = np.stack([chunks[name] for name in names[:3]], axis=1).astype(np.float32)[which]
    high = np.stack([chunks[name] for name in names[3:]], axis=1).astype(np.float32)[which]
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is refused with the other numbers
        values: Float32[np.ndarray, "n 3"] = low * (1 - fractions) + high * fractions
    return values


def _fractions(
    values: Float32[np.ndarray, "n 3"],
) -> tuple[Float32[np.ndarray, "m 6"], Float32[np.ndarray, "n 3"]]:
    """Least and greatest values of each chunk, and where between them the values lie."""
    count = len(values)
    whole = np.pad(values, ((0, -count % CHUNK), (0, 0)), mode="edge") if count else values
    rows = whole.reshape(-1, CHUNK, 3)
    low, high = (rows.min(axis=1), rows.max(axis=1)) if count else (values, values)
    span = (high - low).repeat(CHUNK, axis=0)[:count]
    offset = values - low.repeat(CHUNK, axis=0)[:count]
    narrow = span < NARROWEST
    fractions = np.where(narrow, 0, offset / np.where(narrow, 1, span)).astype(np.float32)
    return np.concatenate([low, high], axis=1), fractions


def _pack_11_10_11(fractions: Float32[np.ndarray, "n 3"]) -> UInt32[np.ndarray, " n"]:
    steps = np.array([2047, 1023, 2047])
    x, y, z = np.floor(fractions * steps + 0.5).clip(0, steps).astype(np.uint32).T
    packed: UInt32[np.ndarray, " n"] = x << 21 | y << 11 | z
    return packed


def _unpack_11_10_11(packed: UInt32[np.ndarray, " n"]) -> Float32[np.ndarray, "n 3"]:
    fields = np.stack([packed >> 21, packed >> 11 & 1023, packed & 2047], axis=1)
    fractions: Float32[np.ndarray, "n 3"] = fields.astype(np.float32) / np.array([2047, 1023, 2047], np.float32)
    return fractions


def _pack_quats(quats: Float[np.ndarray, "n 4"]) -> UInt32[np.ndarray, " n"]:
    rows = np.arange(len(quats))
    largest = np.abs(quats).argmax(axis=1)
    signed = quats * np.where(quats[rows, largest] < 0, -1, 1)[:, None]
    stored = signed[rows[:, None], OTHERS[largest]]
    fields = np.floor((stored * math.sqrt(0.5) + 0.5) * 1023 + 0.5).clip(0, 1023).astype(np.uint32)
    packed: UInt32[np.ndarray, " n"] = (
        largest.astype(np.uint32) << 30 | fields[:, 0] << 20 | fields[:, 1] << 10 | fields[:, 2]
    )
    return packed


def _unpack_quats(packed: UInt32[np.ndarray, " n"]) -> Float32[np.ndarray, "n 4"]:
    fields = np.stack([packed >> 20 & 1023, packed >> 10 & 1023, packed & 1023], axis=1).astype(np.float32)
    stored = (fields / 1023 - 0.5) * np.float32(math.sqrt(2))
    return quats_of_smallest_three(stored, packed >> 30)


def _morton_order(means: Float32[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """The order along a Z-curve through the box of all."""
    if not len(means):
        return np.arange(0)
    low = means.min(axis=0).astype(np.float64)
    span = np.maximum(means.max(axis=0) - low, 1e-30)
    cells = np.minimum((means - low) / span * (1 << MORTON_BITS), (1 << MORTON_BITS) - 1).astype(np.int64)
    code = np.zeros(len(means), np.int64)
    for bit in range(MORTON_BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")
