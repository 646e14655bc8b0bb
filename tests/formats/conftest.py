"""What the tests of all formats share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from splatsim import Gaussians


@pytest.fixture
def cloud() -> Callable[..., Gaussians]:
    """Makes random Gaussians, the same for the same arguments."""

    def make(degree: int, count: int = 40, features: int = 0) -> Gaussians:
        rng = torch.Generator().manual_seed(7)
        return Gaussians(
            means=torch.randn(count, 3, generator=rng) * 3,
            quats=torch.randn(count, 4, generator=rng),
            scales=torch.exp(torch.randn(count, 3, generator=rng) - 3),
            opacities=torch.rand(count, generator=rng),
            sh=torch.randn(count, (degree + 1) ** 2, 3, generator=rng) * 0.3,
            features=torch.randn(count, features, generator=rng) if features else None,
        )

    return make


@pytest.fixture
def fixtures() -> Path:
    """The folder of small real files, which are not part of the repository."""
    default = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SPLATSIM_TEST_DATA", default)) / "splats"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; set SPLATSIM_TEST_DATA to the folder of test data")
    return folder
