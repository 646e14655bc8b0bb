"""Damaged files of all formats: either Gaussians come out, or a FormatError, and never much memory goes in."""

import gzip
import random
import re
import struct
import tracemalloc
from pathlib import Path

import pytest
import torch

from splatsim import Gaussians
from splatsim.errors import FormatError
from splatsim.formats import load_gaussians, save_gaussians
from tests.formats.test_ksplat import ksplat, section
from tests.formats.test_sog import bundle, members
from tests.formats.usd_text import usdz

TRIALS = 150
MEMORY = 32 << 20  # bytes, for files of a few kilobytes

ASCII_PLY = b"""ply
format ascii 1.0
comment made by hand
element camera 1
property list uchar float pose
element vertex 2
property float x
property float y
property double z
property float f_dc_0
property float f_dc_1
property float f_dc_2
property float opacity
property float scale_0
property float scale_1
property float scale_2
property float rot_0
property float rot_1
property float rot_2
property float rot_3
end_header
2 1.5 2.5
1 2 3 0.1 0.2 0.3 -1 -2 -3 -4 1 0 0 0
4 5 6 0.1 0.2 0.3 -1 -2 -3 -4 1 0 0 0
"""


KINDS = ["binary.ply", "ascii.ply", "a.splat", "new.spz", "old.spz", "plain.spz", "a.compressed.ply", "a.sog"]
KINDS += ["a.ksplat", "a.glb", "a.gltf", "a.usda", "a.usdc", "a.usdz"]
POISON = [struct.pack("<f", number) for number in (float("nan"), float("inf"), -float("inf"), 3e38, -1, 1e-45)]
POISON += [struct.pack("<e", number) for number in (float("nan"), float("inf"), -1)]
WORDS = [b"nan", b"NaN", b"inf", b"Infinity", b"-1", b"0", b"1e39", b"1e-50", b"1e400", b"9" * 400]


@pytest.fixture(params=KINDS)
def valid(request, tmp_path, cloud) -> Path:
    """A valid file, of another format or variant each time."""
    path = tmp_path / request.param
    if request.param == "ascii.ply":
        path.write_bytes(ASCII_PLY)
    elif request.param in ("old.spz", "plain.spz"):
        body = bytes(random.Random(3).randbytes(5 * (20 + 24)))
        data = b"NGSP\3\0\0\0\5\0\0\0\2\x0c\0\0" + body
        path.write_bytes(gzip.compress(data, mtime=0) if request.param == "old.spz" else data)
    elif request.param == "a.sog":
        bundle(path, members(sh=True))
    elif request.param == "a.ksplat":
        body = struct.pack("<I3f", 2, 1, 2, 3) + 2 * struct.pack(
            "<3H3e4e4B9e", *range(3), *[0.5] * 7, *range(4), *[0] * 9
        )
        path.write_bytes(ksplat([section(2, 2, 256, 1, 5.0, 12, 0, 0, 1, 1)], body, 2, precision=1))
    else:
        if path.suffix.startswith(".usd"):
            pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
        made = path.with_suffix(".usdc") if path.suffix == ".usdz" else path
        save_gaussians(made, cloud(2, count=5, features=1))
        if path != made:
            usdz(path, made)
    return path


def trials(path: Path) -> int:
    """Fewer for the formats that take long to open."""
    return TRIALS // 50 if path.suffix.startswith(".usd") else TRIALS


def check(path: Path, data: bytes) -> bool:
    """Whether the bytes are still a file of Gaussians; anything but those or a FormatError fails the test."""
    path.write_bytes(data)
    tracemalloc.start()
    outcome = attempt(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY
    if isinstance(outcome, str):
        assert str(path) in outcome
        assert len(outcome) < 2000
        return False
    check_sound(outcome)
    return True


def attempt(path: Path) -> Gaussians | str:
    try:
        return load_gaussians(path)
    except FormatError as error:
        return str(error)


def check_sound(gaussians: Gaussians) -> None:
    assert all(bool(tensor.isfinite().all()) for tensor in gaussians.tensors().values())
    assert bool((gaussians.scales > 0).all())
    assert bool(((gaussians.opacities >= 0) & (gaussians.opacities <= 1)).all())
    assert bool((gaussians.quats.norm(dim=1) > 0).all())


def test_the_valid_file_is_valid(valid):
    assert check(valid, valid.read_bytes())


def test_every_cut_is_survived(valid):
    data = valid.read_bytes()
    for length in sorted({*range(0, len(data), 1 + len(data) // trials(valid)), len(data) - 1}):
        whole = check(valid, data[:length])
        # A .splat file has no header, a text file may lose its last line break, and a .usdz archive its table.
        assert not whole or valid.suffix in (".splat", ".usda", ".usdz") or valid.name == "ascii.ply"


def test_changed_bytes_are_survived(valid):
    data = valid.read_bytes()
    rng = random.Random(1)
    for _ in range(trials(valid)):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
            changed[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        check(valid, bytes(changed))


def test_changed_headers_are_survived(valid):
    data = valid.read_bytes()
    rng = random.Random(2)
    head = data.find(b"end_header") + 1 or 32
    for _ in range(trials(valid)):
        changed = bytearray(data)
        start = rng.randrange(min(head, len(data)))
        piece = rng.choice((b"\xff" * 4, b"\0" * 8, b"9" * 18, b"9" * 5000, b"\n", b" ", b"-1", rng.randbytes(3)))
        changed[start : start + rng.choice((0, 1, len(piece)))] = piece
        check(valid, bytes(changed))


def test_numbers_that_are_none_or_extreme_are_survived(valid):
    data = valid.read_bytes()
    numbers = [found.span() for found in re.finditer(rb"(?<![\w.])-?\d[\d.e+-]*", data)]
    text = data.isascii()
    rng = random.Random(6)
    for _ in range(trials(valid)):
        changed = bytearray(data)
        for start, end in sorted(rng.sample(numbers, rng.choice((1, 2))), reverse=True) if text else ():
            changed[start:end] = rng.choice(WORDS)
        for _ in () if text else range(rng.choice((1, 1, 5))):
            number = rng.choice(POISON)
            start = rng.randrange(len(data) - len(number))
            changed[start : start + len(number)] = number
        check(valid, bytes(changed))


def test_pieces_doubled_dropped_and_swapped_are_survived(valid):
    data = valid.read_bytes()
    rng = random.Random(4)
    for _ in range(trials(valid)):
        first, second, third = sorted(rng.randrange(len(data)) for _ in range(3))
        a, b, c, d = data[:first], data[first:second], data[second:third], data[third:]
        check(valid, rng.choice((a + c + d, a + b + b + c + d, a + c + b + d, data + b)))


def test_noise_is_survived(tmp_path):
    rng = random.Random(5)
    starts = {".ply": [b"", b"ply\n"], ".splat": [b""], ".spz": [b"", b"NGSP", b"NGSP\4\0\0\0", b"\x1f\x8b\x08\0"]}
    for suffix, beginnings in starts.items():
        for _ in range(TRIALS // 3):
            check(tmp_path / f"noise{suffix}", rng.choice(beginnings) + rng.randbytes(rng.randrange(400)))


def test_torch_and_numpy_share_no_read_only_memory(valid):
    gaussians = load_gaussians(valid)
    for tensor in gaussians.tensors().values():
        tensor.add_(0.0)
    torch.stack([gaussians.means, gaussians.scales]).sum()
