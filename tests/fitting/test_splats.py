"""Splats: what goes in comes out, also through a checkpoint; colours get more bands."""

import torch

from splatsim.fitting.splats import Rates, Splats
from tests.conftest import random_gaussians


def stepped(splats: Splats, times: int) -> Splats:
    for _ in range(times):
        gaussians = splats.gaussians(scale_penalty=0.1, opacity_penalty=0.1)
        sum(tensor.square().sum() for tensor in gaussians.tensors().values()).backward()
        splats.step(torch.arange(len(splats)) % 3 > 0)
    return splats


def test_gaussians_come_out_as_they_went_in() -> None:
    gaussians = random_gaussians(50)
    gaussians = gaussians.replace(opacities=gaussians.opacities.clamp(0.01, 0.99))
    for name, value in Splats(gaussians, Rates(), 1.0).gaussians().tensors().items():
        torch.testing.assert_close(value.detach(), getattr(gaussians, name), rtol=1e-5, atol=1e-6)


def test_a_checkpoint_goes_on_with_the_same_bits() -> None:
    splats = stepped(Splats(random_gaussians(40, k=4), Rates(), 2.0), 3)
    state = {name: tensor.detach().clone() for name, tensor in splats.state().items()}
    again = stepped(Splats.restored(state, Rates(), 2.0), 2)
    stepped(splats, 2)
    for name, tensor in splats.state().items():
        assert torch.equal(tensor, again.state()[name]), name


def test_more_bands_change_no_colour_and_keep_the_momentum() -> None:
    splats = stepped(Splats(random_gaussians(30, k=1), Rates(), 1.0), 2)
    before, momentum = splats.gaussians().sh.detach().clone(), splats.adam.first["sh"].clone()
    splats.raise_sh_degree(2)
    assert splats.sh_degree == 2
    assert torch.equal(splats.gaussians().sh[:, :1], before)
    assert bool((splats.gaussians().sh[:, 1:] == 0).all())
    assert torch.equal(splats.adam.first["sh"][:, :1], momentum)
    splats.raise_sh_degree(1)
    assert splats.sh_degree == 2


def test_rows_that_were_not_seen_stay() -> None:
    splats = Splats(random_gaussians(30), Rates(), 1.0)
    before = {name: tensor.detach().clone() for name, tensor in splats.parameters.items()}
    stepped(splats, 1)
    for name, tensor in splats.parameters.items():
        assert torch.equal(tensor[::3], before[name][::3])
        assert not torch.equal(tensor[1], before[name][1])


def test_kept_rows_take_their_momentum_along() -> None:
    splats = stepped(Splats(random_gaussians(30), Rates(), 1.0), 1)
    rows = torch.tensor([1, 4, 7])
    means, momentum = splats.parameters["means"][rows].detach(), splats.adam.first["means"][rows]
    splats.keep(rows)
    assert torch.equal(splats.parameters["means"], means)
    assert torch.equal(splats.adam.first["means"], momentum)
