"""What a picture says about the pose: the derivatives of its cost by the turns of the joints and the root's place.

The gradient is the renderer's own. The second derivatives are Gauss and Newton's, with brightness that travels with
the body as in Lucas & Kanade 1981: a pixel shows a place of the body, the place moves with the joints above it, and
the picture's slope there says what that changes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.skeleton import Skeleton
from splatsim.cameras import Cameras

SLACK = 1.4
"""What the second derivatives are raised by: edges that are sharper than pixels make them too small by a quarter."""
MOST_PIXELS = 4000
"""Of a picture that the second derivatives are summed over; an even choice of them stands for all."""


@dataclass(frozen=True)
class EvidenceRecipe:
    """How much pixels say."""

    least_sigma: float = 0.02
    """Of a pixel's colour, standard deviation; the picture's own median error where that is larger."""
    mask_sigma: float = 0.25
    """Of a pixel's coverage."""
    alike: float = 20.0
    """Pixels whose errors are one and the same."""
    robust: float = 3.0
    """Standard deviations at which an error counts a quarter."""


def below(skeleton: Skeleton, joints: list[int]) -> Float[Tensor, "j m"]:
    """1 where a joint of the skeleton hangs on one of `joints` or is it."""
    hangs = torch.zeros(len(skeleton), len(joints))
    for column, top in enumerate(joints):
        for joint in range(len(skeleton)):
            above = joint
            while above >= 0 and above != top:
                above = skeleton.parents[above]
            hangs[joint, column] = float(above == top)
    return hangs


def weighed(
    errors: Float[Tensor, "h w 3"], mask_errors: Float[Tensor, "h w"], inside: Tensor, recipe: EvidenceRecipe
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Weights of the squares of colour and of coverage errors: robust, and by the noise of this picture."""
    sizes = errors.norm(dim=-1)
    sigma = max(recipe.least_sigma, float(sizes[inside].median()) / 1.54) if bool(inside.any()) else 1.0
    colour = 1 / (1 + (sizes / (recipe.robust * sigma)).square()).square() / sigma**2
    mask = 1 / (1 + (mask_errors / (recipe.robust * recipe.mask_sigma)).square()).square() / recipe.mask_sigma**2
    return colour / recipe.alike, mask / recipe.alike


def information(
    image: Float[Tensor, "h w 4"],
    weights: tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]],
    places: Float[Tensor, "h w 3"],
    hanging: Float[Tensor, "h w m"],
    frames: Float[Tensor, "m 4 4"],
    camera: Cameras,
    inside: Tensor,
) -> Float[np.ndarray, "n n"]:
    """The second derivatives of a picture's cost.

    Args:
        image: Colours and coverage as rendered.
        weights: Of the squares of the errors in both.
        places: In the world, of what each pixel shows.
        hanging: How much of it hangs on each joint.
        frames: Of the joints in the world.
        inside: Pixels that show anything of the body.
    """
    weight = torch.stack([weights[0]] * 3 + [weights[1]], -1)
    rows = inside.flatten().nonzero()[:, 0]
    every = -(-len(rows) // MOST_PIXELS)
    rows = rows[:: max(every, 1)]
    tensor = _structure(image, weight).flatten(0, 1)[rows]
    motion = _motion(places.flatten(0, 1)[rows], hanging.flatten(0, 1)[rows], frames, camera)  # [p 2 n]
    pulled = tensor @ motion
    n = motion.shape[-1]
    found = motion.reshape(-1, n).T @ pulled.reshape(-1, n)
    return SLACK * every * found.double().numpy()


def _structure(image: Float[Tensor, "h w 4"], weight: Float[Tensor, "h w 4"]) -> Float[Tensor, "h w 2 2"]:
    """Products of slopes, summed over channels: the mean over the differences to both sides.

    Differences across two pixels would halve the squares of sharp edges, and steps would be twice too long.
    """
    padded = torch.nn.functional.pad(image.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate")[0]
    middle = padded[:, 1:-1, 1:-1]
    right, left = padded[:, 1:-1, 2:] - middle, middle - padded[:, 1:-1, :-2]
    lower, upper = padded[:, 2:, 1:-1] - middle, middle - padded[:, :-2, 1:-1]
    own = weight.permute(2, 0, 1)
    across, down = (own * (right**2 + left**2)).sum(0) / 2, (own * (lower**2 + upper**2)).sum(0) / 2
    mixed = (own * (right + left) * (lower + upper)).sum(0) / 4
    products: Tensor = torch.stack([across, mixed, mixed, down], -1).unflatten(-1, (2, 2))
    return products


def _motion(
    places: Float[Tensor, "p 3"], hanging: Float[Tensor, "p m"], frames: Float[Tensor, "m 4 4"], camera: Cameras
) -> Float[Tensor, "p 2 n"]:
    """Pixels that places move by, for each parameter of the pose."""
    viewmat, K = camera.viewmats[0], camera.Ks[0]
    local = places @ viewmat[:3, :3].T + viewmat[:3, 3]
    depth = local[:, 2].clamp(min=0.05)
    zero = torch.zeros_like(depth)
    rows = [
        torch.stack([K[0, 0] / depth, zero, -K[0, 0] * local[:, 0] / depth**2], -1),
        torch.stack([zero, K[1, 1] / depth, -K[1, 1] * local[:, 1] / depth**2], -1),
    ]
    by_place = torch.stack(rows, 1) @ viewmat[:3, :3]  # [p 2 3]
    arms = places[:, None] - frames[None, :, :3, 3]  # [p m 3]
    axes = frames[:, :3, :3].transpose(1, 2)  # [m axis 3]
    turned = torch.linalg.cross(axes[None].expand(len(places), -1, -1, -1), arms[:, :, None].expand(-1, -1, 3, -1))
    turned = turned * hanging[..., None, None]  # [p m axis 3]
    turns = torch.einsum("pxd,pmad->pxma", by_place, turned).flatten(2)
    return torch.cat([by_place, turns], -1)
