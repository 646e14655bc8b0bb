"""Which pictures of a capture saw the same points, from angles at which depth can be told."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from splatsim.reconstruction.capture import Capture

COMPARED, ASKED = 8, 24
"""Pictures that one is compared with, and that are asked whether they agree."""
BEST_DEG, SPREAD_DEG = 7.0, 12.5
"""Angle between two rays to a point at which its depth is best told, and how fast larger ones get worse."""
MOST_DEG = 25.0
"""Angle from which on two pictures look too different to be compared."""
ENOUGH = (3.0, 6.0)
"""Others that must see a place well: of those compared, of those asked. More of them add nothing there."""
LEAST = 0.02
"""What a further picture must add, of all places."""
FEWEST_SEEN = 8
"""A picture in which fewer points are seen is related to none."""
PLACES = 16
"""Along the long side of a picture: points in the same place count as one."""
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
        worths = _worths(seen[:, of_row], centers, points[of_row], row)
        best = _covering(worths, _places(capture, indices[row], points[of_row]))
        others[row, : len(best)] = best
        if len(best):
            baselines[row] = np.linalg.norm(centers[best[:COMPARED]] - centers[row], axis=1).max()
    return Relations(others, depths, baselines)


def _seen(capture: Capture) -> csr_matrix:
    """Pictures by points."""
    picture, point = capture.observations.long().numpy().T
    ones = np.ones(len(picture), np.int8)
    return csr_matrix((ones, (picture, point)), shape=(len(capture), len(capture.points)))


def _worths(
    seen: csr_matrix, centers: Float[np.ndarray, "c 3"], points: Float[np.ndarray, "m 3"], row: int
) -> csr_matrix:
    """How well each picture tells the depth of each point that this one sees: 1 at the best angle, 0 where unseen."""
    both = seen.tocoo()
    mine, theirs = centers[row] - points[both.col], centers[both.row] - points[both.col]
    cosine = (mine * theirs).sum(1) / np.maximum(np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1), 1e-12)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    worth = np.minimum(angle / BEST_DEG, 1) * np.exp(-np.square(np.maximum(angle - BEST_DEG, 0) / SPREAD_DEG) / 2)
    worth *= (angle < MOST_DEG) & (both.row != row)
    return csr_matrix((worth, (both.row, both.col)), shape=seen.shape)


def _places(capture: Capture, index: int, points: Float[np.ndarray, "m 3"]) -> csr_matrix:
    """Points by places of one picture, so that each place is their mean."""
    viewmat, K = capture.viewmats[index].double().numpy(), capture.Ks[index].double().numpy()
    local = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    pixels = local[:, :2] / local[:, 2:] * K[[0, 1], [0, 1]] + K[:2, 2]
    columns, rows = np.clip(pixels * PLACES / max(capture.sizes[index]), 0, PLACES - 1).astype(np.int64).T
    _, place, count = np.unique(rows * PLACES + columns, return_inverse=True, return_counts=True)
    return csr_matrix((1 / count[place], (np.arange(len(points)), place)))


def _covering(worths: csr_matrix, places: csr_matrix) -> Int[np.ndarray, " k"]:
    """Pictures that together see every place well enough, the one that adds most first."""
    well = (worths @ places).toarray()
    covered = np.zeros(well.shape[1])
    chosen: list[int] = []
    for enough, most in zip(ENOUGH, (COMPARED, ASKED), strict=True):
        while len(chosen) < most:
            gains = (np.minimum(covered + well, enough) - np.minimum(covered, enough)).mean(1)
            gains[chosen] = 0
            best = int(gains.argmax())
            if gains[best] < LEAST:
                break
            chosen.append(best)
            covered += well[best]
    return np.array(chosen, np.int64)
