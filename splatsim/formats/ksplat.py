"""`.ksplat` files of the viewer GaussianSplats3D, read only: sections of Gaussians in one of three precisions.

A header of 4096 bytes and one of 1024 for each section stand first. A section holds the lengths of its partly filled
buckets, the centres of its buckets, and its Gaussians: position, scale, wxyz quaternion, colour and opacity bytes, SH
coefficients (bands one after the other, within a band all of red, then green, then blue). Precision 0 is float32;
1 and 2 store positions as 16-bit steps from the centre of their bucket and the rest as float16, 2 the SH as bytes.
Layout of https://github.com/mkkellogg/GaussianSplats3D, commit eb2fc45. Coordinates are those of the PLY file.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, Shaped

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file
from splatsim.formats._values import from_bytes, to_gaussians
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0

HEADER_BYTES, SECTION_BYTES = 4096, 1024
HEADER = struct.Struct("<BBxxIIIIHxx12xff")
SECTION = struct.Struct("<IIIIfHxxI4xIIH")
REST_COUNTS = (0, 9, 24, 45)
CENTERS = np.dtype(("<f4", 3))
SH_RANGE = 1.5
"""What the bytes of SH span either way where the header gives nothing."""
STEPS = 32767
"""Of a position from the centre of its bucket, where the section gives nothing."""


@dataclass(frozen=True)
class _Header:
    sections: int
    count: int
    precision: int
    sh_low: float
    sh_high: float


@dataclass(frozen=True)
class _Section:
    count: int
    room: int
    """Gaussians that there is space for."""
    bucket_size: int
    buckets: int
    block_size: float
    bucket_bytes: int
    steps: int
    full_buckets: int
    partial_buckets: int
    degree: int


def read_ksplat(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from a .ksplat file of version 0.1, SH degree 0 to 3; sections of lower degrees are filled with zeros.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not such a file, or is cut short, or its counts do not agree.
    """
    found = existing_file(path)
    data = found.read_bytes()
    header = _header(found, data)
    start = HEADER_BYTES + header.sections * SECTION_BYTES
    parts = []
    for index in range(header.sections):
        section = _section(found, data, index)
        records = _record(header.precision, section.degree)
        lengths_end = start + 4 * section.partial_buckets
        records_start = lengths_end + section.buckets * section.bucket_bytes
        end = records_start + section.room * records.itemsize
        if end > len(data):
            raise FormatError(
                f"{found} ends after {len(data)} bytes; expected {end} for section {index} of {section.room} Gaussians."
            )
        lengths = np.frombuffer(data, "<u4", section.partial_buckets, start)
        centers = np.frombuffer(data, CENTERS, section.buckets, lengths_end) if section.bucket_bytes else None
        table = np.frombuffer(data, records, section.count, records_start)
        means = table["means"].astype(np.float32)
        if header.precision:
            buckets = _bucket_of(found, index, section, lengths)
            if centers is None or (section.count and buckets[-1] >= section.buckets):
                raise FormatError(f"{found} has {section.buckets} buckets in section {index}; expected more.")
            with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is refused with the other numbers
                means = (means - section.steps) * np.float32(section.block_size / 2 / section.steps) + centers[buckets]
        parts.append(_gaussians(found, header, section, table, means))
        start = end
    total = sum(map(len, parts))
    if total != header.count or not parts:
        raise FormatError(
            f"{found} has {total} Gaussians in its sections; expected {header.count}, as its header says."
        )
    return Gaussians.concat(parts)


def _header(path: Path, data: bytes) -> _Header:
    if len(data) < HEADER_BYTES:
        raise FormatError(
            f"{path} has {len(data)} bytes; expected at least {HEADER_BYTES}, the header of a .ksplat file."
        )
    major, minor, sections, _, _, count, precision, low, high = HEADER.unpack_from(data)
    if (major, minor) != (0, 1):
        raise FormatError(f"{path} has .ksplat version {major}.{minor}; expected version 0.1.")
    if precision > 2:
        raise FormatError(f"{path} has the compression level {precision}; expected 0, 1 or 2.")
    if sections > (len(data) - HEADER_BYTES) // SECTION_BYTES:
        raise FormatError(f"{path} claims {sections} sections in {len(data)} bytes; expected {SECTION_BYTES} for each.")
    low, high = low or -SH_RANGE, high or SH_RANGE
    if not (np.isfinite(low) and np.isfinite(high)):
        raise FormatError(f"{path} has SH coefficients from {low} to {high}; expected finite numbers.")
    return _Header(sections, count, precision, low, high)


def _section(path: Path, data: bytes, index: int) -> _Section:
    count, room, size, buckets, block, stored, steps, full, partial, degree = SECTION.unpack_from(
        data, HEADER_BYTES + index * SECTION_BYTES
    )
    if count > room:
        raise FormatError(f"{path} has {count} Gaussians in section {index}; expected at most {room}, its room.")
    if degree >= len(REST_COUNTS):
        raise FormatError(f"{path} has SH degree {degree} in section {index}; expected 0 to 3.")
    if stored not in (0, CENTERS.itemsize):
        raise FormatError(f"{path} has {stored} bytes for each bucket of section {index}; expected {CENTERS.itemsize}.")
    return _Section(count, room, size, buckets, block, stored, steps or STEPS, full, partial, degree)


def _record(precision: int, degree: int) -> np.dtype[np.void]:
    """One Gaussian."""
    number = "<f2" if precision else "<f4"
    fields = [
        ("means", "<u2" if precision else "<f4", 3),
        ("scales", number, 3),
        ("quats", number, 4),
        ("colors", "u1", 4),
        ("rest", "u1" if precision == 2 else number, REST_COUNTS[degree]),
    ]
    return np.dtype(fields)


def _bucket_of(path: Path, index: int, section: _Section, lengths: Shaped[np.ndarray, " b"]) -> Int[np.ndarray, " n"]:
    """The bucket of each Gaussian: full ones first, then the partly filled ones by their lengths."""
    in_full = min(section.full_buckets * section.bucket_size, section.count)
    first = np.arange(in_full) // max(section.bucket_size, 1)
    ends = np.cumsum(lengths.astype(np.int64))
    left = section.count - in_full
    if left > (ends[-1] if len(ends) else 0):
        raise FormatError(
            f"{path} has buckets for {in_full + (int(ends[-1]) if len(ends) else 0)} Gaussians in section {index}; "
            f"expected {section.count}."
        )
    return np.concatenate([first, section.full_buckets + np.searchsorted(ends, np.arange(left), side="right")])


def _gaussians(
    path: Path, header: _Header, section: _Section, table: Shaped[np.ndarray, " n"], means: Float32[np.ndarray, "n 3"]
) -> Gaussians:
    colors = from_bytes(table["colors"])
    rest = table["rest"].astype(np.float32)
    if header.precision == 2:
        with np.errstate(over="ignore"):
            rest = header.sh_low + rest / np.float32(255) * np.float32(header.sh_high - header.sh_low)
    sh = [((colors[:, :3] - np.float32(0.5)) / np.float32(C0))[:, None]]
    start = 0
    for band in range(1, section.degree + 1):
        size = 3 * (2 * band + 1)
        sh.append(rest[:, start : start + size].reshape(len(table), 3, 2 * band + 1).transpose(0, 2, 1))
        start += size
    return to_gaussians(
        path,
        means=means,
        quats=table["quats"].astype(np.float32),
        scales=table["scales"].astype(np.float32),
        opacities=colors[:, 3],
        sh=np.concatenate(sh, axis=1),
    )
