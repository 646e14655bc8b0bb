"""What a user reads when something is wrong, kept as prose in errors.txt: read it there, and change it there first."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from splatsim import Cameras, Gaussians, fitting, load_gaussians, render, save_gaussians
from tests.conftest import cameras_around, random_gaussians
from tests.reconstruction import wrong_footage
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("errors.txt")


def damaged(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A valid file of this name, changed."""
    path = folder / name
    save_gaussians(path, random_gaussians(4, k=4))
    path.write_bytes(change(path.read_bytes()))
    return path


def cases(folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that a user may get wrong, by a short name."""
    gaussians, cameras = random_gaussians(3), cameras_around()
    many = struct.pack("<I", 2**31)
    return {
        "shape": lambda: gaussians.replace(quats=torch.zeros(2, 4)),
        "dtype": lambda: gaussians.replace(scales=torch.zeros(3, 3, dtype=torch.int64)),
        "mixed dtypes": lambda: gaussians.replace(means=gaussians.means.double()),
        "sh count": lambda: gaussians.replace(sh=torch.zeros(3, 7, 3)),
        "concat": lambda: Gaussians.concat([gaussians, random_gaussians(2, features=3)]),
        "field of view": lambda: Cameras.look_at((1, 0, 0), (0, 0, 0), fov_deg=180, width=10, height=10),
        "no direction": lambda: Cameras.look_at((0, 0, 3), (0, 0, 0), fov_deg=60, width=10, height=10),
        "image size": lambda: cameras.replace(width=100_000),
        "camera model": lambda: cameras.replace(model="fisheye"),
        "focal length": lambda: render(gaussians, cameras.replace(Ks=-cameras.Ks)),
        "background": lambda: render(gaussians, cameras, background=(1.0, 0.0)),
        "precision": lambda: render(gaussians.to(torch.float64), cameras.to(torch.float64)),
        "back end": lambda: render(gaussians, cameras, backend="vulkan"),
        "images": lambda: fitting.photometric_loss(torch.zeros(4, 5, 3), torch.zeros(5, 4, 3)),
        "no such file": lambda: load_gaussians(folder / "missing.ply"),
        "extension": lambda: load_gaussians(damaged(folder, "scene.ply", bytes).rename(folder / "scene.obj")),
        "no header": lambda: load_gaussians(damaged(folder, "text.ply", lambda data: b"hello" + data)),
        "truncated": lambda: load_gaussians(damaged(folder, "short.ply", lambda data: data[:-50])),
        "property": lambda: load_gaussians(damaged(folder, "odd.ply", lambda d: d.replace(b"opacity", b"opaqueX"))),
        "odd length": lambda: load_gaussians(damaged(folder, "odd.splat", lambda data: data[:-1])),
        "claimed size": lambda: load_gaussians(damaged(folder, "big.spz", lambda d: d[:8] + many + d[12:])),
        "unwritable": lambda: save_gaussians(folder / "nowhere" / "scene.ply", gaussians),
    }


@pytest.mark.usefixtures("unchecked")
@pytest.mark.skipif(torch.cuda.is_available(), reason="some sentences name the devices of the machine")
def test_sentences(tmp_path: Path) -> None:
    check_sentences(SENTENCES, cases(tmp_path) | wrong_footage.cases(tmp_path), tmp_path)
