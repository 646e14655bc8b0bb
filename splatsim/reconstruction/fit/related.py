"""Which pictures of a capture saw the same points, from angles at which depth can be told."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from splatsim.reconstruction.capture import Capture

COMPARED, ASKED = 6, 24
"""Pictures that one is compared with, and that are asked whether they agree."""
BEST_DEG, SPREAD_DEG = 7.0, 12.5
"""Angle between two rays to a point at which its depth is best told, and how fast larger ones get worse."""
MOST_DEG = 25.0
"""Angle from which on two pictures look too different to be compared."""
LEAST = 0.05
"""Points of a picture that another one must see well, of all."""
FEWEST_SEEN = 8
"""A picture in which fewer points are seen is related to none."""
MARGIN = (0.7, 1.5)
"""Things are looked for from this times the nearest depth to this times the farthest."""
ENDS = (0.02, 0.98)
"""Quantiles of the points' depths that are the nearest and the farthest."""


@dataclass(frozen=True, eq=False)
class Relations:
    """Of c pictures, in the order in which they were named."""

    others: Int[np.ndarray, "c k"]
    """Rows of pictures that share points, the best first; -1: none."""
    depths: Float[np.ndarray, "c 2"]
    """Nearest and farthest depth to be looked for; 0 where nothing is known."""
    baselines: Float[np.ndarray, " c"]
    """Largest distance to a picture that is compared."""

    @property
    def compared(self) -> Int[np.ndarray, "c j"]:
        """The best of the others."""
        return self.others[:, :COMPARED]


def relations(capture: Capture, indices: list[int]) -> Relations:
    """How these pictures are related by the points that they saw."""
    seen = _seen(capture)[indices]
    viewmats = capture.viewmats[indices].double().numpy()
    centers = -np.einsum("nji,nj->ni", viewmats[:, :3, :3], viewmats[:, :3, 3])
    points = capture.points.double().numpy()
    others = np.full((len(indices), ASKED), -1, np.int64)
    depths, baselines = np.zeros((len(indices), 2)), np.zeros(len(indices))
    for row in range(len(indices)):
        of_row = seen[[row]].indices
        z = points[of_row] @ viewmats[row, 2, :3] + viewmats[row, 2, 3]
        of_row, z = of_row[z > 0], z[z > 0]
        if len(z) < FEWEST_SEEN:
            continue
        depths[row] = np.quantile(z, ENDS) * MARGIN
        scores = _scores(seen[:, of_row], centers, points[of_row], row)
        best = np.argsort(-scores, kind="stable")[:ASKED]
        best = best[scores[best] > LEAST * len(z)]
        others[row, : len(best)] = best
        if len(best):
            baselines[row] = np.linalg.norm(centers[best[:COMPARED]] - centers[row], axis=1).max()
    return Relations(others, depths, baselines)


def _seen(capture: Capture) -> csr_matrix:
    """Pictures by points."""
    picture, point = capture.observations.long().numpy().T
    ones = np.ones(len(picture), np.int8)
    return csr_matrix((ones, (picture, point)), shape=(len(capture), len(capture.points)))


def _scores(
    seen: csr_matrix, centers: Float[np.ndarray, "c 3"], points: Float[np.ndarray, "m 3"], row: int
) -> Float[np.ndarray, " c"]:
    """Points that each picture sees along with this one, each by how well the angle suits."""
    both = seen.tocoo()
    mine, theirs = centers[row] - points[both.col], centers[both.row] - points[both.col]
    cosine = (mine * theirs).sum(1) / np.maximum(np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1), 1e-12)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    worth = np.minimum(angle / BEST_DEG, 1) * np.exp(-np.square(np.maximum(angle - BEST_DEG, 0) / SPREAD_DEG) / 2)
    worth *= angle < MOST_DEG
    scores: Float[np.ndarray, " c"] = np.bincount(both.row, worth, minlength=len(centers)).astype(np.float64)
    scores[row] = 0
    return scores
