"""Scenes and back ends that several tests share."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

from splatsim import Cameras, Gaussians, native, video


@pytest.fixture(params=["avx2", "scalar", "cuda"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every fast back end that this machine has, as the name that `render` takes."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
        pytest.importorskip("gsplat")
        return "cuda"
    if request.param not in native.instruction_sets():
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setattr(native, "instruction_sets", lambda: [request.param])
    return "cpu"


@pytest.fixture
def unchecked() -> Iterator[None]:
    """As for a user: annotations are not run, so that wrong arguments reach splatsim's own checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, from $SPLATSIM_TEST_DATA or beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SPLATSIM_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SPLATSIM_TEST_DATA to a folder that holds it")
    return folder


def random_gaussians(
    n: int, *, seed: int = 0, k: int = 16, features: int = 0, smallest: float = 0.02, largest: float = 0.3
) -> Gaussians:
    """Gaussians around the origin with every parameter drawn at random."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return Gaussians(
        means=normal(n, 3),
        quats=normal(n, 4),
        scales=smallest + (largest - smallest) * torch.rand(n, 3, generator=generator),
        opacities=0.05 + 0.95 * torch.rand(n, generator=generator),
        sh=0.3 * normal(n, k, 3),
        features=normal(n, features) if features else None,
    )


def cameras_around(width: int = 83, height: int = 61, *, model: str = "pinhole") -> Cameras:
    """Two cameras that see the origin from 3 m; no side is a multiple of a tile or of a block."""
    cameras = Cameras.look_at([[3.0, 0.4, 0.5], [0.3, -3.0, 1.0]], [0, 0, 0], fov_deg=60, width=width, height=height)
    if model == "ortho":
        Ks = cameras.Ks.clone()
        Ks[:, 0, 0] = Ks[:, 1, 1] = width / 4.0
        cameras = cameras.replace(Ks=Ks, model="ortho")
    return cameras


def read_video(path: Path) -> np.ndarray:
    """All frames. Not by imageio's reader, which leaves its pipes open."""
    command = [video.ffmpeg_program(), "-v", "error", "-i", str(path), "-f", "image2pipe", "-c:v", "ppm", "-"]
    data, frames = subprocess.run(command, capture_output=True, check=True).stdout, []
    while data:
        magic, sides, largest, data = data.split(b"\n", 3)
        assert (magic, largest) == (b"P6", b"255")
        width, height = (int(side) for side in sides.split())
        size = width * height * 3
        frames.append(np.frombuffer(data[:size], np.uint8).reshape(height, width, 3))
        data = data[size:]
    return np.stack(frames)
