"""How sure the figures of a benchmark are: bootstrap intervals, and tests of two agents on the same episodes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEVEL, DRAWS = 0.95, 10_000
MOST_PICKS = 5_000_000
"""Episodes drawn at once, so that memory stays bounded."""


@dataclass(frozen=True)
class Interval:
    """A mean, and between which values it lies."""

    mean: float
    """Over the values that there are; NaN where there are none."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    count: int
    """Of the values."""


def interval(values: Sequence[float], *, seed: int = 0, draws: int = DRAWS) -> Interval:
    """Mean and percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13); values that are NaN are left out.

    One value that is infinite makes the mean infinite: what was never reached is not left out.
    """
    known = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    if not len(known):
        return Interval(math.nan, math.nan, math.nan, 0)
    if not np.isfinite(known).all():
        return Interval(float(known.mean()), math.nan, math.nan, len(known))
    low, high = _percentiles(known, seed, draws)
    return Interval(float(known.mean()), low, high, len(known))


@dataclass(frozen=True)
class Comparison:
    """A metric of two agents on the same episodes."""

    difference: Interval
    """Of the first less the second, episode by episode."""
    wins: int
    """Episodes in which the first has more."""
    losses: int
    """Episodes in which it has less."""
    p_value: float
    """Of the sign test over these; where the metric is 0 or 1, that is McNemar's exact test. 1 where there are none."""


def compare_paired(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Comparison:
    """The paired bootstrap of the difference, and the exact sign test (McNemar 1947 for successes).

    Args:
        first: One value for each episode.
        second: Of the same episodes, in the same order.

    Raises:
        ValueError: there is not one of each.
    """
    from scipy.stats import binomtest

    if len(first) != len(second):
        raise ValueError(f"there are {len(first)} values and {len(second)}; expected one of each for every episode.")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if not (math.isnan(a) or math.isnan(b))]
    wins, losses = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    differences = [0.0 if a == b else a - b for a, b in pairs]
    p = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Comparison(interval(differences, seed=seed), wins, losses, p)


def _percentiles(values: Float[np.ndarray, " n"], seed: int, draws: int) -> tuple[float, float]:
    generator = np.random.default_rng(seed)
    at_once = max(1, min(draws, MOST_PICKS // len(values)))
    means = np.concatenate(
        [
            values[generator.integers(0, len(values), (min(at_once, draws - done), len(values)))].mean(axis=1)
            for done in range(0, draws, at_once)
        ]
    )
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
