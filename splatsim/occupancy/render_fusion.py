"""RenderFusion's two directions (UnsOcc, 2026): each sensor is asked for what the other one measures."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import VoxelFrame
from splatsim.occupancy.loss_options import LossOptions
from splatsim.occupancy.refinement_loss import RefinementLoss, gs_refinement_loss
from splatsim.occupancy.targets import Targets

LABELS_ONLY = LossOptions(depth=0.0, returns=0.0, carve=0.0)


def lidar_to_semantic_loss(
    logits: Float[Tensor, "b c x y z"],
    frame: VoxelFrame,
    cameras: Sequence[Cameras | list[Cameras]],
    targets: Sequence[Targets | list[Targets]],
    *,
    free_label: int,
    options: LossOptions = LABELS_ONLY,
) -> RefinementLoss:
    """A LiDAR knows where things are but not what: what its branch predicts must render to the picture of labels.

    Raises:
        ValueError: as in `gs_refinement_loss`.
    """
    return gs_refinement_loss(logits, frame, cameras, targets, free_label=free_label, options=options)


def camera_to_depth_loss(
    depth_logits: Float[Tensor, "c d h w"], bins: Float[Tensor, " d"], depths: Float[Tensor, "c h w"]
) -> Float[Tensor, ""]:
    """A camera knows what things are but not where: its distribution over depth bins must hold the measured depth.

    Cross-entropy where a depth is known, shared between the two bins around it, so that it has no steps. What lies
    nearer than the first bin or beyond the last one is left out.

    Args:
        bins: z-depth of each bin, rising, metres.
        depths: z-depth from LiDAR, metres; 0 where it is not known.

    Raises:
        ValueError: shapes do not fit, or the bins do not rise.
    """
    c, d, h, w = depth_logits.shape
    if tuple(depths.shape) != (c, h, w) or len(bins) != d:
        raise ValueError(
            f"depth_logits has shape {list(depth_logits.shape)}, bins {list(bins.shape)} and depths "
            f"{list(depths.shape)}; expected [c d h w], [d] and [c h w]."
        )
    if d < 2 or not bool((bins.diff() > 0).all()):
        raise ValueError(f"bins is {bins.tolist()}; expected at least two depths in rising order.")
    known = (depths >= bins[0]) & (depths <= bins[-1])
    wanted = depths[known]
    upper = torch.searchsorted(bins, wanted.contiguous()).clamp(1, d - 1)
    share = (wanted - bins[upper - 1]) / (bins[upper] - bins[upper - 1])
    log_chances = depth_logits.movedim(1, -1)[known].log_softmax(dim=-1)
    below = log_chances.gather(1, (upper - 1)[:, None])[:, 0]
    above = log_chances.gather(1, upper[:, None])[:, 0]
    return -((1 - share) * below + share * above).sum() / max(1, len(wanted))
