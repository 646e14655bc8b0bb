"""SPZ files of every version: bytes made by hand, real files, another reader, and hostile claims."""

import contextlib
import gzip
import math
import struct
import tracemalloc

import gsply.spz
import numpy as np
import pytest
import torch
import zstandard

from splatsim import Gaussians
from splatsim.errors import FormatError
from splatsim.formats import read_spz, write_spz
from splatsim.spherical_harmonics import rotate_sh
from splatsim.transforms import rotmat_from_quat

HALF_TURN_ABOUT_X = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])

# One Gaussian at (1, -2, 3) in the file's axes with 8 fractional bits: opacity 51/255, colours 0, 255, 128, scales
# e^-10, e^-9, e^0.
VALUES = [b"\0\1\0\0\xfe\xff\0\3\0", b"\x33", b"\0\xff\x80", b"\0\x10\xa0"]
FIRST_THREE = b"\xff\x80\x80"  # x = 1
# The largest of x, y, z, w is w (3); x = 511 steps, that is sqrt(1/2); y = 0; z = minus 256 steps.
SMALLEST_THREE = struct.pack("<I", 3 << 30 | 511 << 20 | 0 << 10 | 512 | 256)
SH_4 = bytes(range(100, 172))


def legacy(version=3, count=1, degree=0, bits=8, flags=0, body=b"", magic=b"NGSP"):
    return struct.pack("<4sIIBBBB", magic, version, count, degree, bits, flags, 0) + body


def zstd(streams, version=4, count=1, degree=0, bits=8, flags=0, extensions=b"", sizes=None, toc=None):
    frames = [zstandard.compress(stream) for stream in streams]
    sizes = [len(stream) for stream in streams] if sizes is None else sizes
    toc = 32 + len(extensions) if toc is None else toc
    header = struct.pack("<4sIIBBBBI12x", b"NGSP", version, count, degree, bits, flags, len(frames), toc)
    entries = [struct.pack("<QQ", len(frame), size) for frame, size in zip(frames, sizes, strict=True)]
    return header + extensions + b"".join(entries) + b"".join(frames)


def read(tmp_path, data: bytes) -> Gaussians:
    (tmp_path / "a.spz").write_bytes(data)
    return read_spz(tmp_path / "a.spz")


def covariances(gaussians: Gaussians) -> torch.Tensor:
    axes = rotmat_from_quat(gaussians.quats) * gaussians.scales[:, None]
    return axes @ axes.mT


def check_plain(gaussians: Gaussians) -> None:
    assert gaussians.means.tolist() == [[1, 2, -3]]
    assert gaussians.opacities.tolist() == [np.float32(0.2)]
    torch.testing.assert_close(gaussians.scales, torch.tensor([[-10.0, -9, 0]]).exp())
    torch.testing.assert_close(gaussians.sh[:, 0], torch.tensor([[-10 / 3, 10 / 3, 0.5 / 255 / 0.15]]))


def test_reads_version_1(tmp_path):
    position = np.array([1, -2, 3], "<f2").tobytes()
    data = legacy(1, body=b"".join([position, *VALUES[1:], FIRST_THREE]))
    gaussians = read(tmp_path, gzip.compress(data))
    check_plain(gaussians)
    torch.testing.assert_close(gaussians.quats, torch.tensor([[0, 1, -0.5 / 127.5, -0.5 / 127.5]]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzip", "plain"])
@pytest.mark.parametrize("version", [2, 3])
def test_reads_versions_2_and_3(tmp_path, version, pack):
    rotation = FIRST_THREE if version == 2 else SMALLEST_THREE
    gaussians = read(tmp_path, pack(legacy(version, body=b"".join([*VALUES, rotation]))))
    check_plain(gaussians)
    z = 256 / 511 * math.sqrt(0.5)
    smallest = [math.sqrt(0.5 - z * z), math.sqrt(0.5), 0, z]
    expected = [0, 1, -0.5 / 127.5, -0.5 / 127.5] if version == 2 else smallest
    torch.testing.assert_close(gaussians.quats, torch.tensor([expected]), rtol=0, atol=1e-6)


def test_reads_version_4_and_cuts_degree_4(tmp_path):
    gaussians = read(tmp_path, zstd([*VALUES, SMALLEST_THREE, SH_4], degree=4))
    check_plain(gaussians)
    stored = (torch.arange(100.0, 145).reshape(1, 15, 3) - 128) / 128
    signs = torch.tensor([-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1])
    assert torch.equal(gaussians.sh[:, 1:], stored * signs[:, None])


def test_sh_signs_are_half_a_turn_about_x(tmp_path):
    turned = read(tmp_path, zstd([*VALUES, SMALLEST_THREE, SH_4], degree=4)).sh
    stored = torch.cat([turned[:, :1], (torch.arange(100.0, 145).reshape(1, 15, 3) - 128) / 128], dim=1)
    torch.testing.assert_close(rotate_sh(stored, HALF_TURN_ABOUT_X), turned, rtol=0, atol=1e-5)


@pytest.mark.parametrize("system", range(17))
def test_turns_the_axes_that_a_record_names(tmp_path, system):
    # 9 and 15, and 10 and 16, change places: the reference library's arithmetic is not that of its names there.
    names = "RUB LDB RDB LUB RUB LDF RDF LUF RUF LBU RBU LFU RFU LBD RBD LFD RFD"
    letters = names.split()[system]
    toward = {"L": (0, -1), "R": (0, 1), "D": (1, 1), "U": (1, -1), "B": (2, -1), "F": (2, 1)}
    expected = [0.0, 0, 0]
    for letter, value in zip(letters, (1, -2, 3), strict=True):
        axis, sign = toward[letter]
        expected[axis] = sign * value
    record = struct.pack("<II3s", 0x12340001, 3, b"abc") + struct.pack("<III", 0xADBE0003, 4, system)
    plain = [*VALUES, SMALLEST_THREE, bytes(range(100, 145))]
    new = read(tmp_path, zstd(plain, degree=3, flags=2, extensions=record))
    old = read(tmp_path, gzip.compress(legacy(3, degree=3, flags=2, body=b"".join([*plain, record]))))
    assert new.means.tolist() == old.means.tolist() == [expected]
    assert torch.equal(new.sh, old.sh)
    assert torch.equal(new.quats, old.quats)


def test_a_record_of_axes_turns_everything_alike(tmp_path):
    """The right-handed system RFU (z up) is that of our worlds: one rotation must carry the rest along."""
    plain = [*VALUES, SMALLEST_THREE, bytes(range(100, 145))]
    stored = read(tmp_path, zstd(plain, degree=3, flags=2, extensions=struct.pack("<III", 0xADBE0003, 4, 6)))
    turned = read(tmp_path, zstd(plain, degree=3, flags=2, extensions=struct.pack("<III", 0xADBE0003, 4, 12)))
    rdf_from_rfu = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    expected = stored.transform(rdf_from_rfu)
    torch.testing.assert_close(turned.means, expected.means)
    torch.testing.assert_close(turned.sh, expected.sh, rtol=0, atol=1e-5)
    # The quaternions may differ by half a turn of the local axes, which changes no Gaussian.
    torch.testing.assert_close(covariances(turned), covariances(expected), rtol=0, atol=1e-6)


def test_writes_the_bytes_that_others_expect(tmp_path):
    gaussians = Gaussians(
        torch.tensor([[1.0, 2, -3]]),
        torch.tensor([[-1.0, -1, 0, -0.5]]) * 4,
        torch.tensor([[-10.0, -9, 9]]).exp(),
        torch.tensor([0.2]),
        torch.tensor([[[-10 / 3, 10 / 3, 0.5 / 255 / 0.15], [0.5, -2, 0.04], [0, 0, 2], [0.04, 0.05, -0.05]]]),
    )
    write_spz(tmp_path / "a.spz", gaussians)
    data = (tmp_path / "a.spz").read_bytes()
    assert data[:32] == struct.pack("<4sIIBBBBI12x", b"NGSP", 4, 1, 1, 12, 0, 6, 32)
    toc = list(struct.iter_unpack("<QQ", data[32:128]))
    assert [size for _, size in toc] == [9, 1, 3, 3, 4, 9]
    streams, start = [], 128
    for packed, _ in toc:
        streams.append(zstandard.decompress(data[start : start + packed]))
        start += packed
    assert start == len(data)
    # -w = -x = 2/3 of the length: w and x tie, and the first of x, y, z, w is left out; the quaternion is negated.
    steps = [0, round(1 / 3 * 511 * math.sqrt(2)), round(2 / 3 * 511 * math.sqrt(2))]
    assert streams == [
        b"\0\x10\0\0\xe0\xff\0\x30\0",
        b"\x33",
        b"\0\xff\x80",
        b"\0\x10\xff",
        # The half turn negates y and z, so z = +1/3 after the negation becomes -1/3, and so does 0 for its sign bit.
        struct.pack("<I", 0 << 30 | (512 | steps[0]) << 20 | (512 | steps[1]) << 10 | steps[2]),
        bytes([64, 255, 120, 128, 128, 0, 136, 136, 120]),
    ]


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip_keeps_what_the_bits_hold(tmp_path, cloud, degree):
    before = cloud(degree, features=2)
    write_spz(tmp_path / "a.spz", before)
    after = read_spz(tmp_path / "a.spz")
    torch.testing.assert_close(after.means, before.means, rtol=0, atol=0.51 / 4096)
    torch.testing.assert_close(after.scales.log(), before.scales.log(), rtol=0, atol=0.51 / 16)
    torch.testing.assert_close(after.opacities, before.opacities, rtol=0, atol=0.51 / 255)
    torch.testing.assert_close(after.sh[:, :1], before.sh[:, :1], rtol=0, atol=0.51 / 255 / 0.15)
    torch.testing.assert_close(after.sh[:, 1:4], before.sh[:, 1:4].clamp(-1, 127 / 128), rtol=0, atol=4.6 / 128)
    torch.testing.assert_close(after.sh[:, 4:], before.sh[:, 4:].clamp(-1, 127 / 128), rtol=0, atol=8.6 / 128)
    unit = torch.nn.functional.normalize(before.quats, dim=1)
    agreement = (torch.nn.functional.normalize(after.quats, dim=1) * unit).sum(dim=1).abs()
    assert agreement.min() > 1 - 1e-5
    write_spz(tmp_path / "b.spz", after)
    assert (tmp_path / "b.spz").read_bytes() == (tmp_path / "a.spz").read_bytes()


def test_round_trip_of_nothing_and_of_one_spot(tmp_path, cloud):
    write_spz(tmp_path / "a.spz", cloud(2, count=0))
    assert read_spz(tmp_path / "a.spz").sh.shape == (0, 9, 3)
    spot = cloud(3, count=1).select(torch.zeros(100_000, dtype=torch.int64))
    write_spz(tmp_path / "a.spz", spot)
    assert (tmp_path / "a.spz").stat().st_size < 10_000
    assert len(read_spz(tmp_path / "a.spz")) == 100_000


def test_far_coordinates_give_up_precision_and_too_far_ones_are_refused(tmp_path, cloud):
    for reach, step in ((2047.9, 1 / 4096), (2048.5, 1 / 2048), (8_388_607.0, 1.0)):
        gaussians = cloud(0, count=2).replace(means=torch.tensor([[reach, 0, -reach], [1, 2, 3]]))
        write_spz(tmp_path / "a.spz", gaussians)
        torch.testing.assert_close(read_spz(tmp_path / "a.spz").means, gaussians.means, rtol=0, atol=step / 2)
    with pytest.raises(ValueError, match=r"reach 8388608.0 m from the origin; expected at most 8388607 m in an SPZ"):
        write_spz(tmp_path / "a.spz", cloud(0, count=1).replace(means=torch.full((1, 3), 8_388_608.0)))


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("degree", [0, 3])
def test_gsply_agrees(tmp_path, monkeypatch, cloud, degree, version):
    """gsply keeps the file's axes, so its numbers are ours before the half turn."""
    # The uncompiled kernel does the same and spares the minute of compilation.
    monkeypatch.setattr(gsply.spz, "_decode_spz_kernel", gsply.spz._decode_spz_kernel.py_func)
    write_spz(tmp_path / "a.spz", cloud(degree))
    if version == 3:
        gsply.write_spz(tmp_path / "a.spz", gsply.read_spz(tmp_path / "a.spz"), version=3)
    ours, theirs = read_spz(tmp_path / "a.spz"), gsply.read_spz(tmp_path / "a.spz")
    np.testing.assert_allclose(theirs.means * (1, -1, -1), ours.means, atol=1e-7)
    np.testing.assert_allclose(theirs.scales, ours.scales.log(), atol=1e-6)
    np.testing.assert_allclose(theirs.sh0, ours.sh[:, 0], atol=1e-6)
    np.testing.assert_allclose(theirs.quats * (1, 1, -1, -1), ours.quats, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-theirs.opacities)), ours.opacities, atol=1e-5)
    if degree:
        shN = rotate_sh(torch.cat([ours.sh[:, :1], torch.from_numpy(theirs.shN)], dim=1), HALF_TURN_ABOUT_X)
        torch.testing.assert_close(shN, ours.sh, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["minimal-raw", "minimal-v2", "minimal-v3", "minimal-v4"])
def test_reads_the_fixtures(fixtures, name):
    gaussians = read_spz(fixtures / f"{name}.spz")
    z = 1 if name in ("minimal-raw", "minimal-v2") else -1  # the older ones hold the numbers of the PLY file unturned
    assert sorted(gaussians.means.tolist()) == sorted([[-1, 0, z], [0, 0, z], [-1, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(gaussians.scales, torch.full((4, 3), math.exp(123 / 16 - 10)))
    torch.testing.assert_close(gaussians.opacities, torch.full((4,), 230 / 255))
    torch.testing.assert_close(gaussians.quats[:, 0], torch.ones(4), rtol=0, atol=1e-4)


PLAIN = [*VALUES, SMALLEST_THREE]
HUGE = 1 << 27
BAD_FILES = [
    (b"", "a.spz starts with b'' in 0 bytes; expected \"NGSP\" or gzip (SPZ)."),
    (b"PK\3\4" + bytes(40), "a.spz starts with b'PK\\x03\\x04' in 44 bytes; expected \"NGSP\" or gzip (SPZ)."),
    (zstd(PLAIN, version=5), "a.spz has SPZ version 5; expected 1 to 4."),
    (zstd(PLAIN, degree=5), "a.spz has SH degree 5; expected 0 to 4."),
    (zstd(PLAIN, bits=25), "a.spz has 25 fractional bits of 24; expected 0 to 24."),
    (zstd(PLAIN, count=(1 << 28) + 1), "a.spz claims 268435457 Gaussians; expected at most 268435456."),
    (
        zstd(PLAIN, count=HUGE),
        "a.spz claims 134217728 Gaussians in 177 bytes; expected a count that so small a file can hold.",
    ),
    (
        zstd(PLAIN, toc=31),
        "a.spz has 5 streams listed at byte 31 of 177; expected 5 streams, listed between byte 32 and the end.",
    ),
    (
        zstd(PLAIN, degree=1),
        "a.spz has 5 streams listed at byte 32 of 177; expected 6 streams, listed between byte 32 and the end.",
    ),
    (
        zstd(PLAIN, count=2),
        "a.spz lists streams of (packed, unpacked) sizes [(18, 9), (10, 1), (12, 3), (12, 3), (13, 4)]; "
        "expected unpacked sizes [18, 2, 6, 6, 8], and packed ones that sum to 65.",
    ),
    (
        zstd(PLAIN)[:-1],
        "a.spz lists streams of (packed, unpacked) sizes [(18, 9), (10, 1), (12, 3), (12, 3), (13, 4)];",
    ),
    (zstd(PLAIN)[:-13] + b"x" * 13, "a.spz has a damaged zstd stream: "),
    (
        zstd([b"too many by far", *PLAIN[1:]], sizes=[9, 1, 3, 3, 4]),
        "a.spz has a stream of 15 bytes or more; expected 9 bytes.",
    ),
    (
        zstd([b"short", *PLAIN[1:]], sizes=[9, 1, 3, 3, 4]),
        "a.spz has a stream of 5 bytes or more; expected 9 bytes.",
    ),
    (
        zstd(PLAIN, flags=2, extensions=struct.pack("<II", 7, 9)),
        "a.spz has an extension of 9 bytes; expected at most 0.",
    ),
    (
        zstd(PLAIN, flags=2, extensions=struct.pack("<III", 0xADBE0003, 4, 17)),
        "a.spz names coordinate system 17 in 4 bytes; expected 0 to 16 in 4.",
    ),
    (b"\x1f\x8b rubbish", "a.spz has a damaged gzip stream: "),
    (
        gzip.compress(b"NGSP"),
        "a.spz has b'NGSP' in its gzip stream; expected a 16-byte SPZ header with \"NGSP\".",
    ),
    (gzip.compress(legacy(version=4)), "a.spz has SPZ version 4 in a gzip stream; expected version 1, 2 or 3."),
    (gzip.compress(legacy(count=HUGE)), "a.spz claims 134217728 Gaussians in "),
    (
        gzip.compress(legacy(count=2, body=b"".join(PLAIN))),
        "a.spz has 20 bytes of Gaussians; expected 40 for the 2 that it claims.",
    ),
    (
        gzip.compress(legacy(body=b"".join(PLAIN)))[:-4],
        "a.spz ends within its gzip stream, after 20 bytes of Gaussians; expected 20 bytes and the end of the stream.",
    ),
    (legacy(count=2, body=b"".join(PLAIN)), "a.spz has 20 bytes of Gaussians; expected 40 for the 2 that it claims."),
    (
        gzip.compress(legacy(1, body=b"".join([np.array([1, np.nan, 3], "<f2").tobytes(), *VALUES[1:], b"abc"]))),
        "a.spz has nan in means of Gaussian 0; expected a finite number.",
    ),
]


@pytest.mark.parametrize(("data", "sentence"), BAD_FILES)
def test_bad_files_are_refused_in_a_sentence(tmp_path, monkeypatch, data, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.spz").write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_spz("a.spz")
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


BOMB = 1 << 26
BOMBS = {
    "gzip": gzip.compress(legacy(body=bytes(BOMB))),
    "zstd": zstd([bytes(BOMB), *PLAIN[1:]], sizes=[9, 1, 3, 3, 4]),
    "gzip claim": gzip.compress(legacy(count=10**6, body=b"".join(PLAIN))),
    "zstd claim": zstd(PLAIN, count=10**6, sizes=[10**6 * size for size in (9, 1, 3, 3, 4)]),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_claims_cost_little_memory(tmp_path, name):
    (tmp_path / "a.spz").write_bytes(BOMBS[name])
    tracemalloc.start()
    with contextlib.suppress(FormatError):  # what follows the first Gaussian of a gzip stream is passed over
        read_spz(tmp_path / "a.spz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
