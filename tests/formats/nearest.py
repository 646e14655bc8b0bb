"""Comparison of Gaussians whose order a format does not keep."""

import torch

from splatsim import Gaussians
from splatsim.transforms import rotmat_from_quat


def assert_alike(found: Gaussians, truth: Gaussians, **tolerances: float) -> None:
    """Each of `truth` has one of `found` near it, with fields within the tolerances; `turns` are rotation matrices."""
    assert len(found) == len(truth)
    nearest = torch.cdist(truth.means.double(), found.means.double()).argmin(dim=1)
    assert len(set(nearest.tolist())) == len(truth)
    found = found.select(nearest)
    turns = {"turns": (rotmat_from_quat(found.quats), rotmat_from_quat(truth.quats))}
    fields = {name: (tensor, getattr(truth, name)) for name, tensor in found.tensors().items()} | turns
    for name, tolerance in tolerances.items():
        off = (fields[name][0] - fields[name][1]).abs().max().item()
        assert off <= tolerance, f"{name} is off by {off}"
