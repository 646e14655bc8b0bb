"""SPZ files, the compressed Gaussians of Niantic: all versions are read, version 4 is written.

Versions 1 to 3 are one gzip stream of a 16-byte header and the six attribute streams of `_spz_packing`. Version 4 has a
plain 32-byte header, optional extension records, a table of sizes and one zstd frame for each stream that is not empty.
The layout is that of https://github.com/nianticlabs/spz, commit 21715c3 of July 2026.

Axes: SPZ stores right-up-back (RUB), PLY files and this library's Gaussians hold right-down-front (RDF). Between them
lies half a turn about x. So y and z of positions change sign, y and z of quaternions (w and x stay), and the SH
coefficients l, m = (1,-1) (1,0) (2,-2) (2,1) (3,-3) (3,-1) (3,0) (3,2), whose functions are odd in y plus z. This is
what the reference library does with `from = RDF` and `to = RDF`, and so its web converter; the two small command-line
programs beside it name no axes and copy the numbers unturned. A file of other axes is turned as its
`SPZ_ADOBE_coordinate_system` record tells, by that library's arithmetic (which makes of LFD what LBU should be, and the
other way round, and so for RFD and RBU).
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import zstandard

from splatsim.errors import FormatError
from splatsim.formats import _spz_packing as packing
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._values import ByteArray, from_bytes, to_bytes, to_gaussians, to_numpy
from splatsim.gaussians import Gaussians

MAGIC = b"NGSP"
LEGACY_HEADER = struct.Struct("<4sIIBBBB")
HEADER = struct.Struct("<4sIIBBBBI12x")
TOC_ENTRY = struct.Struct("<QQ")
EXTENSION = struct.Struct("<II")
ANTIALIASED = 0x1
HAS_EXTENSIONS = 0x2
COORDINATE_SYSTEM = 0xADBE0003

MAX_GAUSSIANS = 1 << 28
MAX_DEGREE = 4
MAX_FRACTIONAL_BITS = 24
MAX_EXTENSION_BYTES = 1 << 20

# Deflate cannot shrink data to less than 1/1032. Zstd can, so a count that no measured file comes near is refused
# as the reference library does it: above 1024 bytes of positions for each byte of the file. Counts up to
# PLAUSIBLE_GAUSSIANS pass without, for then even the largest Gaussians fit into some 350 MB.
MAX_GZIP_RATIO = 1032
MAX_ZSTD_RATIO = 1024
PLAUSIBLE_GAUSSIANS = 1 << 20

ZSTD_LEVEL = 12
READ_BYTES = 1 << 20
MAX_GZIP_HEADER = 1 << 16


@dataclass(frozen=True)
class _Header:
    version: int
    count: int
    degree: int
    fractional_bits: int
    flags: int

    @property
    def sizes(self) -> list[int]:
        return packing.stream_sizes(self.version, self.count, self.degree)


def read_spz(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from an SPZ file of version 1 to 4, turned to the axes of PLY files. SH bands above 3 are left out.

    Memory is bounded by what the header claims, and claims beyond reason are refused before anything is unpacked.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not such a file, or is cut short, or claims more than it can hold.
    """
    found = existing_file(path)
    data = found.read_bytes()
    if data[:2] == b"\x1f\x8b":
        header, streams, extensions = _read_gzip(found, data)
    elif data[:4] == MAGIC and len(data) >= 8 and int.from_bytes(data[4:8], "little") < 4:
        header = _legacy_header(found, data)
        streams, extensions = _split(found, header, data[LEGACY_HEADER.size :])
    else:
        header, streams, extensions = _read_zstd(found, data)
    system = _coordinate_system(found, extensions) if header.flags & HAS_EXTENSIONS else packing.RUB
    return _unpack(found, header, [np.frombuffer(stream, np.uint8) for stream in streams], system)


def is_antialiased_spz(path: str | os.PathLike[str]) -> bool:
    """Whether the header says that the Gaussians are to be rendered with antialiasing.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not an SPZ file.
    """
    found = existing_file(path)
    with open(found, "rb") as file:
        start = file.read(MAX_GZIP_HEADER)
    if start[:2] == b"\x1f\x8b":
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, LEGACY_HEADER.size)
        except zlib.error as error:
            raise FormatError(f"{found} has a damaged gzip stream ({error}); expected an SPZ file.") from error
    if len(start) < LEGACY_HEADER.size or start[:4] != MAGIC:
        raise FormatError(f'{found} starts with {start[:4]!r}; expected "NGSP" or gzip (SPZ).')
    return bool(LEGACY_HEADER.unpack_from(start)[5] & ANTIALIASED)  # the flags have one place in all versions


def write_spz(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write Gaussians as an SPZ file of version 4, with the precision that the reference library chooses.

    Lost are the features, the lengths of the quaternions, and precision: positions are rounded to 1/4096 m (more if a
    coordinate passes 2048 m), scales to steps of 6 % within 45 µm to 379 m, opacities and colours to 8 bits,
    quaternions to 10 bits, SH band 1 to 5 bits and bands 2 and 3 to 4 bits within [-1, 1].

    Args:
        antialiased: Set the flag that says that they are to be rendered so.

    Raises:
        ValueError: a number is not finite or out of range, or a coordinate passes 8388 km.
        FileNotFoundError: the folder does not exist.
    """
    arrays = to_numpy(gaussians)
    reach = float(np.abs(arrays["means"]).max(initial=0))
    bits = packing.fractional_bits_for(reach)
    if bits < 0:
        raise ValueError(f"Gaussians.means reach {reach} m from the origin; expected at most 8388607 m in an SPZ file.")
    axes = packing.axis_signs(packing.RUB)
    sh = arrays["sh"].copy()
    sh[:, 1:] *= packing.sh_signs(axes, sh.shape[1])[:, None]
    streams = [
        packing.pack_positions(arrays["means"] * axes, bits),
        to_bytes(arrays["opacities"] * 255),
        packing.pack_colors(sh),
        packing.pack_scales(arrays["scales"]),
        packing.pack_quats(arrays["quats"] * packing.quat_signs(axes)),
        packing.pack_sh(sh),
    ]
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    filled = [stream for stream in streams if stream.size]
    frames = [compressor.compress(stream.tobytes()) for stream in filled]
    flags = ANTIALIASED if antialiased else 0
    with atomic_writer(path) as file:
        file.write(
            HEADER.pack(MAGIC, 4, len(gaussians), gaussians.sh_degree, bits, flags, len(frames), HEADER.size)
            + b"".join(TOC_ENTRY.pack(len(frame), stream.size) for frame, stream in zip(frames, filled, strict=True))
        )
        file.writelines(frames)


def _unpack(path: Path, header: _Header, streams: list[ByteArray], system: int) -> Gaussians:
    positions, opacities, colors, scales, rotations, rest = streams
    turned = system > 8  # the second eight are the first eight turned by a quarter about x
    axes = packing.axis_signs(system - 8 if turned else system)
    sh = packing.unpack_sh(colors, rest, header.count, header.degree)
    sh[:, 1:] *= packing.sh_signs(axes, sh.shape[1])[:, None]
    gaussians = to_gaussians(
        path,
        means=packing.unpack_positions(positions, header.version, header.fractional_bits) * axes,
        quats=packing.unpack_quats(rotations, header.version) * packing.quat_signs(axes),
        scales=packing.unpack_scales(scales),
        opacities=from_bytes(opacities),
        sh=sh,
    )
    if not turned:
        return gaussians
    return gaussians.transform(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]))


def _read_gzip(path: Path, data: bytes) -> tuple[_Header, list[bytes], bytes]:
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        header = _legacy_header(path, inflater.decompress(data, LEGACY_HEADER.size))
        needed = sum(header.sizes)
        if needed > len(data) * MAX_GZIP_RATIO:
            raise _too_many(path, header, len(data))
        body = inflater.decompress(inflater.unconsumed_tail, needed + MAX_EXTENSION_BYTES)
    except zlib.error as error:
        raise FormatError(f"{path} has a damaged gzip stream: {error}; expected an SPZ file.") from error
    if not inflater.eof and len(body) < needed + MAX_EXTENSION_BYTES:
        raise FormatError(
            f"{path} ends within its gzip stream, after {len(body)} bytes of Gaussians; "
            f"expected {needed} bytes and the end of the stream."
        )
    streams, extensions = _split(path, header, body)
    return header, streams, extensions


def _legacy_header(path: Path, data: bytes) -> _Header:
    if len(data) < LEGACY_HEADER.size or data[:4] != MAGIC:
        raise FormatError(f'{path} has {data[:4]!r} in its gzip stream; expected a 16-byte SPZ header with "NGSP".')
    _, version, count, degree, fractional_bits, flags, _ = LEGACY_HEADER.unpack_from(data)
    if not 1 <= version <= 3:
        raise FormatError(f"{path} has SPZ version {version} in a gzip stream; expected version 1, 2 or 3.")
    return _checked(path, _Header(version, count, degree, fractional_bits, flags))


def _checked(path: Path, header: _Header) -> _Header:
    if header.degree > MAX_DEGREE:
        raise FormatError(f"{path} has SH degree {header.degree}; expected 0 to 4.")
    if header.fractional_bits > MAX_FRACTIONAL_BITS:
        raise FormatError(f"{path} has {header.fractional_bits} fractional bits of 24; expected 0 to 24.")
    if header.count > MAX_GAUSSIANS:
        raise FormatError(f"{path} claims {header.count} Gaussians; expected at most {MAX_GAUSSIANS}.")
    return header


def _split(path: Path, header: _Header, body: bytes) -> tuple[list[bytes], bytes]:
    """The streams that stand one after the other, and what follows them."""
    needed = sum(header.sizes)
    if len(body) < needed:
        raise FormatError(
            f"{path} has {len(body)} bytes of Gaussians; expected {needed} for the {header.count} that it claims."
        )
    streams, start = [], 0
    for size in header.sizes:
        streams.append(body[start : start + size])
        start += size
    return streams, body[start:]


def _read_zstd(path: Path, data: bytes) -> tuple[_Header, list[bytes], bytes]:
    if len(data) < HEADER.size or data[:4] != MAGIC:
        raise FormatError(f'{path} starts with {data[:4]!r} in {len(data)} bytes; expected "NGSP" or gzip (SPZ).')
    _, version, count, degree, fractional_bits, flags, stream_count, toc_start = HEADER.unpack_from(data)
    if version != 4:
        raise FormatError(f"{path} has SPZ version {version}; expected 1 to 4.")
    header = _checked(path, _Header(version, count, degree, fractional_bits, flags))
    if count > max(PLAUSIBLE_GAUSSIANS, len(data) * MAX_ZSTD_RATIO // 9):
        raise _too_many(path, header, len(data))
    expected = [size for size in header.sizes if size]
    start = toc_start + stream_count * TOC_ENTRY.size
    if stream_count != len(expected) or toc_start < HEADER.size or start > len(data):
        raise FormatError(
            f"{path} has {stream_count} streams listed at byte {toc_start} of {len(data)}; "
            f"expected {len(expected)} streams, listed between byte 32 and the end."
        )
    frames = _frames(path, expected, list(TOC_ENTRY.iter_unpack(data[toc_start:start])), data[start:])
    return header, [next(frames) if size else b"" for size in header.sizes], data[HEADER.size : toc_start]


def _frames(path: Path, expected: list[int], toc: list[tuple[int, int]], data: bytes) -> Iterator[bytes]:
    """The streams that are not empty, one after the other, unpacked."""
    if [unpacked for _, unpacked in toc] != expected or sum(packed for packed, _ in toc) != len(data):
        raise FormatError(
            f"{path} lists streams of (packed, unpacked) sizes {toc}; expected unpacked sizes {expected}, "
            f"and packed ones that sum to {len(data)}."
        )
    start = 0
    for packed, unpacked in toc:
        yield _decompress(path, data[start : start + packed], unpacked)
        start += packed


def _decompress(path: Path, frame: bytes, size: int) -> bytes:
    """What a zstd frame holds, never reading on past the size that it should have."""
    output = io.BytesIO()
    try:
        with zstandard.ZstdDecompressor().stream_reader(frame) as reader:
            while output.tell() <= size and (block := reader.read(READ_BYTES)):
                output.write(block)
    except zstandard.ZstdError as error:
        raise FormatError(f"{path} has a damaged zstd stream: {error}; expected {size} bytes of data.") from error
    if output.tell() != size:
        raise FormatError(f"{path} has a stream of {output.tell()} bytes or more; expected {size} bytes.")
    return output.getvalue()


def _coordinate_system(path: Path, records: bytes) -> int:
    """The axes that an extension record names, or the default."""
    start = 0
    while start + EXTENSION.size <= len(records):
        kind, size = EXTENSION.unpack_from(records, start)
        start += EXTENSION.size
        if size > len(records) - start:
            raise FormatError(f"{path} has an extension of {size} bytes; expected at most {len(records) - start}.")
        if kind == COORDINATE_SYSTEM:
            system = int.from_bytes(records[start : start + size], "little")
            if size != 4 or system > 16:
                raise FormatError(f"{path} names coordinate system {system} in {size} bytes; expected 0 to 16 in 4.")
            return system or packing.RUB
        start += size
    return packing.RUB


def _too_many(path: Path, header: _Header, size: int) -> FormatError:
    return FormatError(
        f"{path} claims {header.count} Gaussians in {size} bytes; expected a count that so small a file can hold."
    )
