"""What no camera saw: coloured like its mirror image on the other side of the body, or like its nearest neighbours."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.shots import Shot
from splatsim.gaussians import Gaussians

SEEN_PIXELS = 0.5
"""Light of a Gaussian, in pixels summed over the shots that are looked at, below which it counts as unseen."""
MOST_SHOTS = 120
MIRROR_METRES = 0.03
"""How far from its mirror image a counterpart may lie."""


def seen_light(optimisation: AvatarOptimisation, shots: Sequence[Shot]) -> Float[Tensor, " n"]:
    """The weight of each Gaussian in the pictures, summed over pixels: how the pictures' sum follows its colour."""
    total = torch.zeros(len(optimisation.splats))
    for shot in list(shots)[:: max(1, len(shots) // MOST_SHOTS)]:
        bare = optimisation.gaussians()
        flat = torch.zeros_like(bare.sh).requires_grad_()
        posed, _ = optimisation.posed(bare.replace(sh=flat), optimisation.poses.bones(shot.time))
        picture = optimisation.draw(posed, shot.view, torch.zeros(3))
        picture.colors.sum().backward()
        assert flat.grad is not None
        total += flat.grad[:, 0].sum(-1) / (3 * 0.28209479177387814)
    return total


def completed(gaussians: Gaussians, seen: Bool[Tensor, " n"]) -> tuple[Gaussians, Float[Tensor, " n"]]:
    """The Gaussians with the colours of the unseen ones filled in, and by what: 0 seen, 1 mirrored, 2 neighbours.

    Bodies are symmetric about the plane y = 0 of the rest pose; clothes and hair are, mostly.
    """
    from scipy.spatial import KDTree

    source = torch.zeros(len(gaussians))
    if bool(seen.all()) or not bool(seen.any()):
        return gaussians, source
    places = gaussians.means.numpy()
    known = np.flatnonzero(seen.numpy())
    blank = np.flatnonzero(~seen.numpy())
    tree = KDTree(places[known])
    far, mirrored = tree.query(places[blank] * np.array([1.0, -1.0, 1.0], np.float32), k=3)
    _, nearest = tree.query(places[blank], k=3)
    use_mirror = far[:, 0] < MIRROR_METRES
    rows = np.where(use_mirror[:, None], mirrored, nearest)
    colors = gaussians.sh[torch.from_numpy(known)][torch.from_numpy(rows)].mean(1)
    sh = gaussians.sh.clone()
    sh[torch.from_numpy(blank)] = colors
    source[torch.from_numpy(blank)] = torch.from_numpy(np.where(use_mirror, 1.0, 2.0)).float()
    return gaussians.replace(sh=sh), source
