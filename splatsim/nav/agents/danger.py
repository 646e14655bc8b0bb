"""Danger: what a second somewhere counts, by how likely it is that somebody is met there, on a grid, tick by tick."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from splatsim.nav.agents.terrain import Array
from splatsim.nav.agents.whereabouts import TICK as MOMENT
from splatsim.nav.agents.whereabouts import TICKS, Forecast


@dataclass(frozen=True)
class Caution:
    """How far is looked ahead, and what nearness counts.

    Raises:
        ValueError: a number is not positive, or the suspicion is no chance.
    """

    horizon: float = 9.6
    """Seconds that are looked ahead; beyond those of a forecast people stay where they are then."""
    reach: float = 3.0
    """Metres from the robot, in either direction, beyond which nobody is reckoned with."""
    spread: float = 0.12
    """Standard deviation of where somebody is, metres."""
    growth: float = 0.04
    """What it grows by in a second, m/s."""
    touch: float = 100.0
    """What a second in contact counts, seconds."""
    suspicion: float = 0.3
    """The chance that somebody is about who was not seen yet."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"Caution.{name} is {value}; expected a positive number.")
        if self.suspicion >= 1:
            raise ValueError(f"Caution.suspicion is {self.suspicion}; expected a chance below 1.")


def danger(
    forecast: Forecast, radius: float, corner: Array, shape: tuple[int, int], cell: float, caution: Caution
) -> Array:
    """What a second counts for a robot of a radius at each moment of a forecast, [TICKS+1 rows columns].

    Args:
        corner: of the first cell, metres; rows run along x, columns along y.
        cell: the side of a cell, metres.
    """
    found = np.zeros((TICKS + 1, *shape))
    for body in np.unique(forecast.radii):
        mine = forecast.radii == body
        ways, chances = (forecast.ways[mine] - corner) / cell, forecast.chances[mine]
        for moment in range(TICKS + 1):
            kernel = _nearness(radius + float(body), caution.spread + caution.growth * moment * MOMENT, cell)
            half = len(kernel) // 2
            edges = [np.arange(-half, size + half + 1) for size in shape]
            density = np.histogramdd(ways[:, moment], bins=edges, weights=chances)[0]
            if density.any():
                found[moment] += np.maximum(fftconvolve(density, kernel, mode="valid"), 0)
    return caution.touch * found


def _nearness(contact: float, spread: float, cell: float) -> Array:
    """How likely somebody touches whoever is some cells away, where bodies touch within a distance of their middles."""
    half = math.ceil((contact + 2.5 * spread) / cell)
    offsets = np.arange(-half, half + 1) * cell
    gaps = np.maximum(np.hypot(offsets[:, None], offsets) - contact, 0)
    return np.asarray(contact / (contact + spread) * np.exp(-((gaps / spread) ** 2) / 2))
