"""SOG: files that we did not write, one made by hand, and bombs."""

import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatsim.errors import FormatError
from splatsim.formats import read_ply, read_sog
from tests.formats.nearest import assert_alike

DATA = Path(__file__).parent / "data"
STATUE = [-0.14323562, -1.63168693, -0.4510366, -7.93807077, -4.98098469, -6.1611013]
STATUE += [0.20242664, -0.23570226, 0.9381938, 0.15251322]
"""Mean, logarithms of scales and quaternion of the first Gaussian, as splat-transform 2.7.1 converts it to PLY."""


def webp(pixels) -> bytes:
    """RGBA rows as lossless WebP."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "WEBP", lossless=True, exact=True)
    return buffer.getvalue()


def image(*pixels) -> bytes:
    """Some pixels in a field of 4 × 4."""
    field = np.zeros((16, 4), np.uint8)
    field[: len(pixels)] = pixels
    return webp(field.reshape(4, 4, 4))


def codebook(**entries: float) -> list[float]:
    return [entries.get(f"at{i}", 0.0) for i in range(256)]


def members(sh=False, **meta):
    """The files of two Gaussians, and of a palette with three entries of band 1."""
    files = {
        "ml.webp": image([255, 0, 0, 255], [0, 0, 0, 255]),
        "mu.webp": image([255, 128, 0, 255], [0, 0, 0, 255]),
        "q.webp": image([128, 128, 128, 252], [255, 128, 128, 253]),
        "s.webp": image([1, 2, 1, 255], [2, 2, 2, 255]),
        "c.webp": image([1, 2, 1, 51], [0, 0, 0, 255]),
    }
    content = {
        "version": 2,
        "count": 2,
        "means": {"mins": [-1, -2, -3], "maxs": [1, 2, 3], "files": ["ml.webp", "mu.webp"]},
        "quats": {"files": ["q.webp"]},
        "scales": {"codebook": codebook(at1=-1, at2=-2), "files": ["s.webp"]},
        "sh0": {"codebook": codebook(at0=0.5, at1=0.25, at2=-0.25), "files": ["c.webp"]},
    }
    if sh:
        palette = np.zeros((1, 192, 4), np.uint8)
        palette[0, 6:9, :3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]  # entry 2
        files |= {"p.webp": webp(palette), "l.webp": image([2, 0, 0, 255], [0, 1, 0, 255])}
        content["shN"] = {"count": 3, "bands": 1, "codebook": codebook(at1=0.5), "files": ["p.webp", "l.webp"]}
    return files | {"meta.json": json.dumps(content | meta).encode()}


def bundle(path: Path, files, compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_two_gaussians_made_by_hand(tmp_path):
    gaussians = read_sog(bundle(tmp_path / "a.sog", members(sh=True)))
    middle = 128 * 256 / 65535  # of the box along y
    logs = [1, -2 + 4 * middle, -3]
    expected = [math.copysign(math.expm1(abs(v)), v) for v in logs]
    torch.testing.assert_close(gaussians.means[0], torch.tensor(expected))
    torch.testing.assert_close(gaussians.scales[0], torch.tensor([-1.0, -2, -1]).exp())
    torch.testing.assert_close(gaussians.opacities, torch.tensor([0.2, 1]))
    torch.testing.assert_close(gaussians.sh[:, 0], torch.tensor([[0.25, -0.25, 0.25], [0.5, 0.5, 0.5]]))
    torch.testing.assert_close(gaussians.sh[0, 1:], torch.eye(3) / 2)
    assert gaussians.sh[1, 1:].abs().max() == 0  # its label, 256, points past the palette
    torch.testing.assert_close(gaussians.quats[0], torch.tensor([1.0, 0, 0, 0]), rtol=0, atol=0.003)
    torch.testing.assert_close(gaussians.quats[1], torch.tensor([0.5**0.5, 0.5**0.5, 0, 0]), rtol=0, atol=0.003)


def test_reads_what_splat_transform_writes():
    """Positions to 16 bits; scales and colours as near as its codebooks are."""
    found, truth = read_sog(DATA / "cloud.sog"), read_ply(DATA / "cloud.ply")
    assert_alike(found, truth, means=0.0004, scales=0.002, opacities=0.004, turns=0.03)
    order = torch.cdist(truth.means, found.means).argmin(dim=1)
    off = (found.sh[order] - truth.sh).abs()
    assert off[:, 0].max() < 0.01
    assert off[:, 1:].mean() < 0.05


def test_reads_the_statue(fixtures):
    gaussians = read_sog(fixtures / "angel.sog")
    assert len(gaussians) == 71359
    assert gaussians.sh_degree == 0
    truth = torch.tensor(STATUE)
    torch.testing.assert_close(gaussians.means[0], truth[:3], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gaussians.scales[0].log(), truth[3:6], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gaussians.quats[0], truth[6:10], rtol=0, atol=1e-6)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_read_alike(tmp_path, compression):
    assert len(read_sog(bundle(tmp_path / "a.sog", members(), compression))) == 2


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    files = members() | {"s.webp": bytes(64 << 20)}
    path = bundle(tmp_path / "a.sog", files, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 200_000
    with pytest.raises(FormatError, match=r"claims 67108864 bytes in 's\.webp'; expected at most \d+ of an archive of"):
        read_sog(path)


def test_an_image_bomb_is_refused_before_it_is_decoded(tmp_path):
    """16 million even pixels in some kilobytes."""
    path = bundle(tmp_path / "a.sog", members() | {"s.webp": webp(np.zeros((4096, 4096, 4), np.uint8))})
    assert path.stat().st_size < 100_000
    with pytest.raises(FormatError, match=r"has 4096 × 4096 pixels in 's\.webp'; expected about 2\."):
        read_sog(path)


def test_a_name_may_not_leave_the_archive(tmp_path):
    (tmp_path / "secret.webp").write_bytes(members()["s.webp"])
    bad = members(scales={"codebook": codebook(), "files": ["../secret.webp"]})
    with pytest.raises(FormatError, match=r"holds no '\.\./secret\.webp'; expected a bundled"):
        read_sog(bundle(tmp_path / "a.sog", bad))
