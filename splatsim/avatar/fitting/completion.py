"""What no camera saw: a mirror image of the body's other side, or the colours of its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.shots import Shot
from splatsim.avatar.fitting.template import Surface
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0, degree_of, reflection_signs

SEEN_PIXELS = 0.5
"""Light of a Gaussian, in pixels summed over the shots that are looked at, below which it counts as unseen."""
MOST_SHOTS = 120
MIRROR_METRES = 0.03
"""How far from its mirror image a counterpart may lie."""
NEAREST = 3
"""Neighbours that colours are the mean of, and most of which must be unseen where a mirror image is put."""


Placed = tuple[Gaussians, Tensor]
"""Gaussians and the nearest places of the body's surface, [n 3]."""


@dataclass(frozen=True, eq=False)
class Completed:
    """An avatar without blanks."""

    gaussians: Gaussians
    """In the rest pose; those that were seen come first, as they were."""
    skin: SkinWeights
    mirrored: float
    """Share of the Gaussians that are mirror images or have their colours, 0 to 1."""
    neighbours: float
    """Share of those that have their neighbours' colours."""


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
        total += flat.grad[:, 0].sum(-1) / (3 * C0)
    return total


def completed(gaussians: Gaussians, skin: SkinWeights, seen: Bool[Tensor, " n"], surface: Surface) -> Completed:
    """The avatar with mirror images of what was seen where nothing was.

    Bodies are symmetric about the plane y = 0 of the rest pose; clothes and hair are, mostly. What is next to what is
    told on the body's surface, so that clothes may stand off it. An unseen Gaussian next to a mirror image gives way to
    it. The others keep their shape and take the colours of mirror images within 3 cm, or of their nearest neighbours.

    Args:
        gaussians: In the rest pose.
        skin: Of the Gaussians.
        seen: By any camera.
        surface: Of the body.
    """
    if bool(seen.all()) or not bool(seen.any()):
        return Completed(gaussians, skin, 0.0, 0.0)
    places, known = surface.at(gaussians.means)[0], gaussians.select(seen)
    images = mirrored(known)
    image_places, image_skin = surface.at(images.means)
    distances, rows = _nearest(places, image_places)
    kept = (distances[:, 0] < MIRROR_METRES) & ((~seen[rows]).sum(1) * 2 > rows.shape[1])
    covered = torch.zeros_like(seen)
    if bool(kept.any()):
        covered = _nearest(image_places[kept], places)[0][:, 0] < MIRROR_METRES
    blank = ~seen & ~covered
    filled, has_image = _coloured(gaussians.select(blank), places[blank], (known, places[seen]), (images, image_places))
    whole = Gaussians.concat([known, filled, images.select(kept)])
    skins = [skin.select(seen), skin.select(blank), image_skin.select(kept)]
    counts = (int(kept.sum()) + int(has_image.sum()), int((~has_image).sum()))
    return Completed(whole, _together(skins), counts[0] / len(whole), counts[1] / len(whole))


def mirrored(gaussians: Gaussians) -> Gaussians:
    """The same on the other side of the plane y = 0, as seen from mirrored directions."""
    flip = torch.tensor([1.0, -1.0, 1.0]).to(gaussians.means)
    turn = torch.tensor([1.0, -1.0, 1.0, -1.0]).to(gaussians.quats)  # of the reflected rotation
    signs = reflection_signs(degree_of(gaussians.sh.shape[1])).to(gaussians.sh)
    return gaussians.replace(
        means=gaussians.means * flip, quats=gaussians.quats * turn, sh=gaussians.sh * signs[:, None]
    )


def _coloured(
    blank: Gaussians, blank_places: Float[Tensor, "b 3"], known: Placed, images: Placed
) -> tuple[Gaussians, Bool[Tensor, " b"]]:
    """Gaussians with the colours of mirror images of what was seen, or of neighbours; and which of them had images."""
    if not len(blank):
        return blank, torch.zeros(0, dtype=torch.bool)
    far, image_rows = _nearest(images[1], blank_places)
    _, rows = _nearest(known[1], blank_places)
    has_image = far[:, 0] < MIRROR_METRES
    colors = torch.where(has_image[:, None, None], images[0].sh[image_rows].mean(1), known[0].sh[rows].mean(1))
    return blank.replace(sh=colors), has_image


def _nearest(among: Float[Tensor, "m 3"], of: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n k"], Tensor]:
    """Distances and rows of the nearest points."""
    from scipy.spatial import KDTree

    count = min(NEAREST, len(among))
    distances, rows = KDTree(among.numpy()).query(of.numpy(), k=np.arange(1, count + 1))
    return torch.from_numpy(distances), torch.from_numpy(rows)


def _together(skins: Sequence[SkinWeights]) -> SkinWeights:
    """One after the other, filled up to as many joints a point."""
    widest = max(skin.joints.shape[1] for skin in skins)
    joints, weights = (
        torch.cat([torch.nn.functional.pad(t, (0, widest - t.shape[1])) for t in tensors])
        for tensors in ([s.joints for s in skins], [s.weights for s in skins])
    )
    return SkinWeights(joints, weights)
