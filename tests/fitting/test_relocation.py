"""Relocation: copies weigh what the one weighed, and a picture stays nearly as it was."""

import numpy as np
import pytest
import torch

from splatsim import Cameras, Gaussians, render
from splatsim.fitting.losses import psnr
from splatsim.fitting.relocation import MAX_COPIES, copy_opacities, copy_shrinkage, draw
from splatsim.fitting.splats import Rates, Splats
from tests.conftest import random_gaussians


@pytest.mark.parametrize("copies", [1, 2, 3, 7, MAX_COPIES])
@pytest.mark.parametrize("opacity", [0.02, 0.5, 0.95])
def test_copies_stop_as_much_light_along_a_line_as_the_one(copies: int, opacity: float) -> None:
    single = copy_opacities(np.array([opacity]), np.array([copies]))[0]
    shrinkage = copy_shrinkage(np.array([opacity]), np.array([copies]))[0]
    x = np.linspace(-12, 12, 20001)
    one = opacity * np.exp(-(x**2) / 2)
    together = 1 - (1 - single * np.exp(-((x / shrinkage) ** 2) / 2)) ** copies
    assert together.sum() == pytest.approx(one.sum(), rel=1e-6)
    assert 1 - (1 - single) ** copies == pytest.approx(opacity, rel=1e-12)


def test_draws_follow_the_weights_and_the_seed() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0, 4.0])
    other = [draw(np.ones(50), 20, np.random.default_rng(seed)) for seed in (1, 2)]
    found = draw(weights, 800, np.random.default_rng(1))
    assert np.abs(np.bincount(found, minlength=5) - [0, 100, 300, 0, 400]).max() <= 1
    assert np.array_equal(found, draw(weights, 800, np.random.default_rng(1)))
    assert not np.array_equal(*other)
    with pytest.raises(ValueError, match="positive sum"):
        draw(np.zeros(3), 1, np.random.default_rng(0))


def test_a_picture_survives_growth_and_the_dead_move() -> None:
    gaussians = random_gaussians(60, k=1)
    gaussians = gaussians.replace(opacities=torch.cat([torch.full((10,), 0.001), 0.2 + 0.5 * torch.rand(50)]))
    splats = Splats(gaussians, Rates(), 1.0)
    cameras = Cameras.look_at([4.0, 0.0, 0.0], [0.0, 0.0, 0.0], fov_deg=60, width=64, height=48)
    before = render(splats.gaussians().detach(), cameras).colors
    opacities = gaussians.opacities.double().numpy()
    splats.redistribute(90, opacities, np.random.default_rng(0), min_opacity=0.005, spread=0.0)
    assert len(splats) == 90
    after = splats.gaussians().detach()
    assert float(after.opacities.min()) > 0.004
    assert float(psnr(render(after, cameras).colors.clamp(0, 1), before.clamp(0, 1))) > 30
    # Rows that were neither dead nor copied are as they were, and go on with their moments.
    same = (after.means[10:60] == gaussians.means[10:]).all(-1)
    assert bool(same.all())


def test_copies_and_their_sources_begin_without_momentum() -> None:
    splats = Splats(random_gaussians(20, k=1), Rates(), 1.0)
    for tensor in (splats.adam.first["means"], splats.adam.second["means"]):
        tensor.fill_(1.0)
    weights = np.zeros(20)
    weights[7] = 1.0
    splats.redistribute(23, weights, np.random.default_rng(0), min_opacity=0.0, spread=0.5)
    momentum = splats.adam.first["means"][:, 0]
    assert torch.equal(momentum == 0, torch.tensor([i == 7 or i >= 20 for i in range(23)]))
    assert isinstance(splats.gaussians(), Gaussians)
