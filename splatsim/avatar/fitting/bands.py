"""Systems of equations of frames that only their neighbours in time are coupled with: bands of blocks."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import solveh_banded


def solve_band(
    band: Float[np.ndarray, "3 t n n"], right: Float[np.ndarray, "tn s"], damping: float
) -> Float[np.ndarray, "tn s"]:
    """What the symmetric band times it gives the right sides; its diagonal is raised by the share `damping`.

    Args:
        band: band[d, i] couples frame i + d (columns) with frame i (rows); the last d of each d are not read.
    """
    _, t, n, _ = band.shape
    upper = 3 * n - 1
    table = np.zeros((upper + 1, t * n))
    for apart in range(3):
        for row in range(n):
            for column in range(n) if apart else range(row, n):
                offset = apart * n + column - row
                if offset <= upper:
                    values = band[apart, : t - apart, row, column]
                    table[upper - offset, apart * n + column :: n][: t - apart] = values
    table[upper] *= 1 + damping
    table[upper] += 1e-9
    solved: Float[np.ndarray, "tn s"] = solveh_banded(table, right, overwrite_ab=True, check_finite=False)
    return solved


def add_second_differences(
    band: Float[np.ndarray, "3 t n n"],
    gradient: Float[np.ndarray, "t n"],
    differences: Float[np.ndarray, "s n"],
    information: Float[np.ndarray, "n n"],
) -> None:
    """Squares of second differences over time into the normal equations.

    Args:
        differences: As they are now.
        information: What they are weighed by: half the cost is each row times this times the row.
    """
    t = len(gradient)
    stencil = (1.0, -2.0, 1.0)
    if t < 3:
        return
    pull = differences @ information
    for a in range(3):
        gradient[a : t - 2 + a] += stencil[a] * pull
        for b in range(a + 1):
            band[a - b, b : t - 2 + b] += stencil[a] * stencil[b] * information
