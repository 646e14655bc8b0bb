"""Close the walls: the Gaussians of one plane grow until no light passes between them."""

import math
from typing import Any

import numpy as np
from room_surfaces import MAX_LEAK, OPACITY

Array = np.ndarray[Any, Any]

MAX_GROWTH = 2.0
CHUNK = 8000
"""Points at a time, for memory."""


def close(points: Array, means: Array, axes: Array, scales: Array, rigid: Array) -> Array:
    """Scales grown, up to twice, so that the share of light that passes at every point is at most MAX_LEAK.

    All Gaussians lie in one plane, or nearly so: what passes is then the product of what each lets through, from
    whatever side one looks. Those that hide a leaking point best grow a little at a time, less so across an edge that
    they touch (`rigid`).
    """
    scales, most = scales.copy(), MAX_GROWTH * scales
    chunks = math.ceil(len(points) / CHUNK)
    for first in range(chunks):
        offsets = np.einsum("nij,pni->pnj", axes[:, :, :2], points[first::chunks, None] - means)
        while len(offsets):
            alphas = OPACITY * np.exp(-0.5 * ((offsets / scales[:, :2]) ** 2).sum(-1))
            leaking = (1 - alphas).prod(-1) > MAX_LEAK
            offsets, seen = offsets[leaking], alphas[leaking]
            grow = (seen > 0.3 * seen.max(-1, keepdims=True, initial=0)).any(0)
            grow &= (scales < most)[:, :2].all(-1)
            if not grow.any():
                break
            scales[grow, :2] *= np.where(rigid[grow], 1.01, 1.02)
    return scales
