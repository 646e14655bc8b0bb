"""PLY files: bytes made by hand, round trips, files by and for programs that we did not write, and refusals."""

import struct
import tracemalloc

import gsplat
import gsply
import numpy as np
import pytest
import torch

from splatsim import Gaussians
from splatsim.errors import FormatError
from splatsim.formats import read_ply, write_ply
from tests.formats.nearest import assert_alike

NAMES = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"]
NAMES += ["rot_0", "rot_1", "rot_2", "rot_3"]
VALUES = [1, 2, 3, 0.1, 0.2, 0.3, 0, -1, -2, -3, 0.5, -0.5, 0.25, 1]
STRUCT = {"float": "f", "double": "d", "uchar": "B", "int": "i", "float32": "f", "int16": "h"}


def ply(properties, values, encoding="binary_little_endian", count=1, before="", after="", prefix=b"", suffix=b""):
    """A PLY file as bytes: properties are (type, name), values the numbers of one vertex."""
    lines = ["ply", f"format {encoding} 1.0", before, f"element vertex {count}"]
    lines += [f"property {kind} {name}" for kind, name in properties] + [after, "end_header\n"]
    header = "\n".join(line for line in lines if line).encode()
    if encoding == "ascii":
        return header + prefix + " ".join(map(str, values)).encode() + b"\n" + suffix
    order = ">" if encoding == "binary_big_endian" else "<"
    return header + prefix + struct.pack(order + "".join(STRUCT[kind] for kind, _ in properties), *values) + suffix


def plain(**changes):
    """One vertex of floats; `changes` are further arguments of `ply`."""
    return ply([("float", name) for name in NAMES], VALUES, **changes)


def check_plain(gaussians: Gaussians) -> None:
    assert gaussians.means.tolist() == [[1, 2, 3]]
    assert gaussians.quats.tolist() == [[0.5, -0.5, 0.25, 1]]
    assert gaussians.opacities.tolist() == [0.5]
    torch.testing.assert_close(gaussians.scales, torch.tensor([[-1.0, -2, -3]]).exp())
    torch.testing.assert_close(gaussians.sh, torch.tensor([[[0.1, 0.2, 0.3]]]))
    assert gaussians.features is None


@pytest.mark.parametrize("encoding", ["binary_little_endian", "binary_big_endian", "ascii"])
def test_every_encoding_reads_alike(tmp_path, encoding):
    (tmp_path / "a.ply").write_bytes(plain(encoding=encoding))
    check_plain(read_ply(tmp_path / "a.ply"))


@pytest.mark.parametrize("encoding", ["binary_little_endian", "binary_big_endian", "ascii"])
def test_order_types_and_strangers_do_not_matter(tmp_path, encoding):
    kinds = ["float", "double", "float32"]
    fields = [(kinds[i % 3], name, value) for i, (name, value) in enumerate(zip(NAMES, VALUES, strict=True))]
    fields = [("uchar", "red", 200), *reversed(fields), ("int16", "label", -5)]
    fields[1:1] = [("int", "feature", 3)]
    extra = b"3 4\n5 6\n" if encoding == "ascii" else struct.pack("<4h", 3, 4, 5, 6)
    data = ply(
        [(kind, name) for kind, name, _ in fields],
        [value for _, _, value in fields],
        encoding,
        before="comment a list of points\nobj_info x\nelement view 2\nproperty short a\nproperty short b",
        after="element face 1\nproperty list uchar int vertex_indices",
        prefix=extra,
        suffix=b"\x01\x02\x03",
    )
    (tmp_path / "a.ply").write_bytes(data)
    check_plain(read_ply(tmp_path / "a.ply"))


def test_header_may_end_its_lines_as_on_windows(tmp_path):
    head, body = plain().split(b"end_header\n")
    (tmp_path / "a.ply").write_bytes(head.replace(b"\n", b"\r\n") + b"end_header\r\n" + body)
    check_plain(read_ply(tmp_path / "a.ply"))


def test_rest_is_all_of_red_then_green_then_blue(tmp_path):
    rest = [("float", f"f_rest_{i}") for i in range(9)]
    data = ply([("float", name) for name in NAMES] + rest, VALUES + list(range(9)))
    (tmp_path / "a.ply").write_bytes(data)
    assert read_ply(tmp_path / "a.ply").sh[0, 1:].tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_writes_the_bytes_that_others_expect(tmp_path):
    gaussians = Gaussians(
        torch.tensor([[1.0, 2, 3]]),
        torch.tensor([[0.5, -0.5, 0.25, 1]]),
        torch.tensor([[1.0, 1, 1]]),
        torch.tensor([0.5]),
        torch.tensor([[[0.1, 0.2, 0.3], [1, 2, 3], [4, 5, 6], [7, 8, 9]]]),
    )
    write_ply(tmp_path / "a.ply", gaussians, comments=["made by hand"])
    head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n")
    assert head.startswith(b"ply\nformat binary_little_endian 1.0\ncomment made by hand\nelement vertex 1\n")
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *(f"f_rest_{i}" for i in range(9))]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    assert head.decode().splitlines()[4:] == [f"property float {name}" for name in names]
    color = [0.1, 0.2, 0.3, 1, 4, 7, 2, 5, 8, 3, 6, 9]
    assert body == struct.pack("<26f", 1, 2, 3, 0, 0, 0, *color, 0, 0, 0, 0, 0.5, -0.5, 0.25, 1)


@pytest.mark.parametrize("features", [0, 3])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip(tmp_path, cloud, degree, features):
    before = cloud(degree, features=features)
    write_ply(tmp_path / "a.ply", before)
    after = read_ply(tmp_path / "a.ply")
    for name in ("means", "quats", "sh", "features"):
        assert name not in before.tensors() or torch.equal(getattr(after, name), getattr(before, name))
    torch.testing.assert_close(after.scales, before.scales, rtol=1e-6, atol=0)
    torch.testing.assert_close(after.opacities, before.opacities, rtol=1e-5, atol=0)
    assert after.tensors().keys() == before.tensors().keys()


def test_round_trip_of_nothing_and_of_other_dtypes(tmp_path, cloud):
    write_ply(tmp_path / "a.ply", cloud(3, count=0, features=2))
    assert read_ply(tmp_path / "a.ply").sh.shape == (0, 16, 3)
    write_ply(tmp_path / "a.ply", cloud(1).to(torch.float64).requires_grad_())
    assert torch.equal(read_ply(tmp_path / "a.ply").means, cloud(1).means)


def test_opacities_of_zero_and_one_survive(tmp_path, cloud):
    opacities = torch.tensor([0.0, 1.0, 1e-45, 1e-30, 1 - 2**-24, 0.5])
    write_ply(tmp_path / "a.ply", cloud(0, count=6).replace(opacities=opacities))
    after = read_ply(tmp_path / "a.ply").opacities
    assert after[:2].tolist() == [0, 1]
    torch.testing.assert_close(after, opacities, rtol=1e-5, atol=1e-44)
    stored = gsply.plyread(tmp_path / "a.ply").opacities
    assert np.isfinite(stored).all()


def test_infinite_logits_are_opacities_of_zero_and_one(tmp_path):
    for logit, opacity in ((np.inf, 1), (-np.inf, 0)):
        values = [*VALUES[:6], logit, *VALUES[7:]]
        (tmp_path / "a.ply").write_bytes(ply([("float", name) for name in NAMES], values))
        assert read_ply(tmp_path / "a.ply").opacities.tolist() == [opacity]


def test_degenerate_values_become_usable_ones(tmp_path):
    values = [*VALUES[:7], -200, 0, 0, 0, 0, 0, 0]
    (tmp_path / "a.ply").write_bytes(ply([("float", name) for name in NAMES], values))
    gaussians = read_ply(tmp_path / "a.ply")
    assert gaussians.scales[0, 0] > 0
    assert gaussians.quats.tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_gsply_reads_what_we_write(tmp_path, cloud, degree):
    gaussians = cloud(degree)
    write_ply(tmp_path / "a.ply", gaussians)
    theirs = gsply.plyread(tmp_path / "a.ply")
    np.testing.assert_array_equal(theirs.means, gaussians.means)
    np.testing.assert_array_equal(theirs.quats, gaussians.quats)
    np.testing.assert_allclose(theirs.scales, gaussians.scales.log(), rtol=1e-6)
    np.testing.assert_allclose(theirs.opacities, gaussians.opacities.logit(), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(theirs.sh0, gaussians.sh[:, 0])
    if degree:
        np.testing.assert_array_equal(theirs.shN, gaussians.sh[:, 1:])


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_we_read_what_gsplat_writes(tmp_path, cloud, degree):
    gaussians = cloud(degree)
    gsplat.export_splats(
        gaussians.means,
        gaussians.scales.log(),
        gaussians.quats,
        gaussians.opacities.logit(),
        gaussians.sh[:, :1],
        gaussians.sh[:, 1:],
        save_to=str(tmp_path / "a.ply"),
    )
    theirs = read_ply(tmp_path / "a.ply")
    for name, tensor in gaussians.tensors().items():
        torch.testing.assert_close(getattr(theirs, name), tensor, rtol=1e-5, atol=1e-6)


def test_a_compressed_file_is_told_by_its_header(tmp_path, cloud):
    gaussians = cloud(0, count=4)
    fields = (gaussians.scales.log(), gaussians.quats, gaussians.opacities.logit())
    data = gsplat.export_splats(
        gaussians.means, *fields, gaussians.sh[:, :1], gaussians.sh[:, 1:], format="ply_compressed"
    )
    (tmp_path / "a.ply").write_bytes(data)
    assert_alike(read_ply(tmp_path / "a.ply"), gaussians, means=0.01, scales=0.01, opacities=0.003, turns=0.01)


FLOATS = [("float", name) for name in NAMES]
HEAD = b"ply\nformat ascii 1.0\n"
BAD_FILES = [
    (b"", "a.ply starts with b''; expected a PLY file, whose first line is \"ply\"."),
    (b"plywood\n", "a.ply starts with b'plywood\\n'; expected a PLY file, whose first line is \"ply\"."),
    (HEAD, 'a.ply ends after 21 bytes, within its header; expected a line "end_header".'),
    (HEAD + b"end_header", 'a.ply ends after 31 bytes, within its header; expected a line "end_header".'),
    (
        HEAD + b"comment " + b"x" * (1 << 20),
        'a.ply has no "end_header" in its first 1048576 bytes; expected a PLY header.',
    ),
    (b"ply\nend_header\n", 'a.ply names no encoding in its header; expected a line such as "format ascii 1.0".'),
    (
        HEAD + b"element vertex -1\nend_header\n",
        "a.ply has 'element vertex -1' in line 3 of its header; "
        'expected "format", "element", "property" or "comment", well formed and no name twice.',
    ),
    (HEAD + b"element face 0\nend_header\n", "a.ply has the elements 'face'; expected one named \"vertex\" with"),
    (
        ply([*FLOATS, ("list uchar int", "i")], VALUES, "ascii"),
        "a.ply has the list property 'i' in its vertices; expected plain numbers.",
    ),
    (
        ply(FLOATS[:8] + FLOATS[9:], VALUES[:-1]),
        "a.ply lacks the vertex properties scale_1; expected a 3DGS PLY file with all of x, y, z, rot_0, rot_1,",
    ),
    (
        ply(FLOATS + [("float", f"f_rest_{i}") for i in range(44)], VALUES + [0] * 44),
        "a.ply has 44 f_rest_* properties; expected 0, 9, 24 or 45 (SH degree 0 to 3).",
    ),
    (
        ply([*FLOATS, ("float", "feature_0"), ("float", "feature_2")], [*VALUES, 0, 0]),
        "a.ply has 2 feature_* properties without feature_1; expected feature_0 to feature_1 without a gap.",
    ),
    (
        plain()[:-1],
        "a.ply has 55 bytes of vertices; expected at least 56 bytes for the 1 vertices that its header promises.",
    ),
    (
        plain(before="element face 2\nproperty list uchar int i"),
        "a.ply has the element 'face' with lists before its vertices; expected the vertices first.",
    ),
    (
        ply(FLOATS, [*VALUES[:8], float("nan"), *VALUES[9:]]),
        "a.ply has nan in scale_1 of Gaussian 0; expected a finite number.",
    ),
    (
        ply([("double", name) for name in NAMES], [1e300, *VALUES[1:]]),
        "a.ply has inf in x of Gaussian 0; expected a finite number.",
    ),
    (
        ply(FLOATS, [*VALUES[:8], 100, *VALUES[9:]]),
        "a.ply has inf in scales of Gaussian 0; expected a finite number.",
    ),
    (ply(FLOATS, [*VALUES[:-1], "one"], "ascii"), "a.ply has 'one' as rot_3 of Gaussian 0; expected a number."),
    (ply(FLOATS, [*VALUES, 5], "ascii"), "a.ply has 15 numbers in the line of vertex 0; expected 14."),
]


@pytest.mark.parametrize(("data", "sentence"), BAD_FILES)
def test_bad_files_are_refused_in_a_sentence(tmp_path, monkeypatch, data, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_ply("a.ply")
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("encoding", ["binary_little_endian", "ascii"])
@pytest.mark.parametrize("count", [10**6, 10**12, 10**17])
def test_hostile_counts_allocate_nothing(tmp_path, encoding, count):
    (tmp_path / "a.ply").write_bytes(plain(encoding=encoding, count=count, before=f"element point {count}"))
    tracemalloc.start()
    with pytest.raises(FormatError, match=r"for the 10+ vertices that its header promises"):
        read_ply(tmp_path / "a.ply")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("means", float("nan"), "Gaussians.means[1, 0] is nan; expected finite numbers."),
        ("sh", float("inf"), "Gaussians.sh[1, 0, 0] is inf; expected finite numbers."),
        (
            "scales",
            0.0,
            "Gaussians.scales[1, 0] is 0.0; expected lengths above 0 (float32), whose logarithm is stored.",
        ),
        ("opacities", 1.5, "Gaussians.opacities[1] is 1.5; expected opacities within [0, 1]."),
    ],
)
def test_unfit_gaussians_are_refused_and_the_old_file_stays(tmp_path, cloud, field, value, sentence):
    write_ply(tmp_path / "a.ply", cloud(0))
    before = (tmp_path / "a.ply").read_bytes()
    tensor = getattr(cloud(0), field).clone()
    tensor[1] = value
    with pytest.raises(ValueError, match=field) as caught:
        write_ply(tmp_path / "a.ply", cloud(0).replace(**{field: tensor}))
    assert str(caught.value) == sentence
    assert (tmp_path / "a.ply").read_bytes() == before


@pytest.mark.parametrize("comment", ["two\nlines", "end_header\n", "caf\u00e9"])
def test_comments_cannot_break_the_header(tmp_path, cloud, comment):
    with pytest.raises(ValueError, match="cannot stand in a PLY header; expected printable ASCII"):
        write_ply(tmp_path / "a.ply", cloud(0), comments=[comment])
    assert not list(tmp_path.iterdir())
