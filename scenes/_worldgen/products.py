"""Products of small matrices that round the same on every processor.

BLAS and LAPACK choose their kernels by the processor and where arrays lie in memory, and differ in the last bit. At the
edge of a thing that bit decides what a ray meets, and one other pixel changes every frame that a video codec predicts
from it. Here everything is summed term by term, in one order.
"""

import numpy as np


def times(a, b):
    """`a @ b` for a matrix b [k m] and a [... k]."""
    total = a[..., 0, None] * b[0]
    for k in range(1, len(b)):
        total = total + a[..., k, None] * b[k]
    return total


def dot(a, b):
    """Sums of products over the last axis, of arrays [... 3] and [3]."""
    return a[..., 0] * b[0] + a[..., 1] * b[1] + a[..., 2] * b[2]


def length(a):
    """The length of one vector [3] or [2]."""
    return float(np.sqrt(sum(float(x) * float(x) for x in a)))


def inverse_of_pose(pose):
    """The inverse of rigid motions [... 4 4]."""
    turn = np.swapaxes(pose[..., :3, :3], -1, -2)
    back = -sum(turn[..., :, k] * pose[..., k, 3, None] for k in range(3))
    inverse = np.zeros_like(pose)
    inverse[..., :3, :3], inverse[..., :3, 3], inverse[..., 3, 3] = turn, back, 1
    return inverse


def inverse_of_frame(matrix):
    """The inverse of a matrix [3 3]."""
    a, b, c = matrix.T
    rows = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
    return rows / dot(a, rows[0])
