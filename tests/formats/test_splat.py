"""`.splat` files: bytes made by hand, a file that we did not write, and refusals."""

import struct

import gsplat
import pytest
import torch

from splatsim import Gaussians
from splatsim.errors import FormatError
from splatsim.formats import read_splat, write_splat
from splatsim.spherical_harmonics import C0

RECORD = struct.Struct("<6f8B")


def test_reads_bytes_made_by_hand(tmp_path):
    (tmp_path / "a.splat").write_bytes(RECORD.pack(1, 2, 3, 0.1, 0.2, 0.3, 0, 255, 51, 255, 64, 192, 128, 0))
    gaussians = read_splat(tmp_path / "a.splat")
    assert gaussians.means.tolist() == [[1, 2, 3]]
    assert torch.equal(gaussians.scales, torch.tensor([[0.1, 0.2, 0.3]]))
    assert gaussians.opacities.tolist() == [1]
    assert gaussians.quats.tolist() == [[-0.5, 0.5, 0, -1]]
    torch.testing.assert_close(gaussians.sh[0, 0] * C0 + 0.5, torch.tensor([0, 1, 0.2]))


def test_writes_the_bytes_that_others_expect(tmp_path):
    gaussians = Gaussians(
        torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]),
        torch.tensor([[2.0, 0, 0, 0], [0, 3, 0, -4], [0, 0, 0, 0]]),
        torch.tensor([[0.1, 0.2, 0.3], [1, 1, 1], [1, 1, 1]]),
        torch.tensor([1.0, 0.5, 0.75]),
        torch.tensor([[[-9.0, 9, 0]], [[0, 0, 0]], [[0, 0, 0]]]),
    )
    write_splat(tmp_path / "a.splat", gaussians)
    assert (tmp_path / "a.splat").read_bytes() == (
        RECORD.pack(7, 8, 9, 1, 1, 1, 128, 128, 128, 191, 255, 128, 128, 128)
        + RECORD.pack(4, 5, 6, 1, 1, 1, 128, 128, 128, 128, 128, 205, 128, 26)
        + RECORD.pack(1, 2, 3, 0.1, 0.2, 0.3, 0, 255, 128, 255, 255, 128, 128, 128)
    )


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip_keeps_what_eight_bits_hold(tmp_path, cloud, degree):
    before = cloud(degree, features=2)
    write_splat(tmp_path / "a.splat", before)
    after = read_splat(tmp_path / "a.splat")
    order = (before.scales.double().prod(dim=1) * before.opacities).argsort(descending=True)
    before = before.select(order)
    assert torch.equal(after.means, before.means)
    assert torch.equal(after.scales, before.scales)
    torch.testing.assert_close(after.opacities, before.opacities, rtol=0, atol=0.51 / 255)
    torch.testing.assert_close(after.sh, before.sh[:, :1], rtol=0, atol=0.51 / 255 / C0)
    unit = torch.nn.functional.normalize(before.quats, dim=1)
    torch.testing.assert_close(after.quats, unit, rtol=0, atol=1.01 / 128)
    assert after.features is None


def test_round_trip_of_nothing(tmp_path, cloud):
    write_splat(tmp_path / "a.splat", cloud(0, count=0))
    assert len(read_splat(tmp_path / "a.splat")) == 0


def test_we_read_what_gsplat_writes(tmp_path, cloud):
    gaussians = cloud(0)
    fields = (gaussians.scales.log(), gaussians.quats, gaussians.opacities.logit())
    data = gsplat.export_splats(gaussians.means, *fields, gaussians.sh, gaussians.sh[:, 1:], format="splat")
    (tmp_path / "a.splat").write_bytes(data)
    theirs = read_splat(tmp_path / "a.splat")
    theirs = theirs.select(theirs.means[:, 0].argsort())
    ours = gaussians.select(gaussians.means[:, 0].argsort())
    assert torch.equal(theirs.means, ours.means)
    torch.testing.assert_close(theirs.scales, ours.scales)
    torch.testing.assert_close(theirs.opacities, ours.opacities, rtol=0, atol=1.01 / 255)


def test_reads_the_fixture(fixtures):
    gaussians = read_splat(fixtures / "minimal.splat")
    assert gaussians.means.tolist() == [[-1, 0, -1], [0, 0, -1], [-1, 0, 0], [0, 0, 0]]
    torch.testing.assert_close(gaussians.scales, torch.full((4, 3), 0.1))
    torch.testing.assert_close(gaussians.opacities, torch.full((4,), 230 / 255))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"x" * 33, "a.splat has 33 bytes; expected a multiple of 32, the size of one Gaussian."),
        (
            bytes(32) + RECORD.pack(0, float("nan"), 0, 1, 1, 1, *[128] * 8),
            "a.splat has nan in means of Gaussian 1; expected a finite number.",
        ),
        (
            RECORD.pack(0, 0, 0, 1, 1, -1, *[128] * 8),
            "a.splat has -1.0 in scales of Gaussian 0; expected a length of at least 0.",
        ),
    ],
)
def test_bad_files_are_refused_in_a_sentence(tmp_path, monkeypatch, data, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.splat").write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_splat("a.splat")
    assert str(caught.value) == sentence
