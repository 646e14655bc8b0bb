"""How well one path follows another, and how far a goal was: functions of points alone."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def path_length(places: Float[Tensor, "n 2"]) -> float:
    """TL: the length of the way, metres."""
    return float((places[1:] - places[:-1]).norm(dim=-1).sum())


def spl(success: bool, shortest: float, length: float) -> float:
    """Success weighted by path length (Anderson et al. 2018): S · l / max(p, l); 1 where both lengths are 0."""
    longest = max(shortest, length)
    return float(success) * (shortest / longest if longest > 0 else 1.0)


def soft_spl(first: float, last: float, shortest: float, length: float) -> float:
    """SoftSPL (Datta et al. 2020): max(0, 1 - d_N / d_0) · l / max(p, l), from distances to the goal."""
    progress = 1.0 if first == 0 and last == 0 else max(0.0, 1 - last / first) if first > 0 else 0.0
    return progress * spl(True, shortest, length) if math.isfinite(progress) else 0.0


def cls(places: Float[Tensor, "n 2"], reference: Float[Tensor, "m 2"], threshold: float) -> float:
    """Coverage weighted by length score (Jain et al. 2019, eq. 2 to 5)."""
    between = torch.cdist(reference.double(), places.double())
    coverage = float((-between.amin(dim=1) / threshold).exp().mean())
    expected, length = coverage * path_length(reference), path_length(places)
    if expected == 0 and length == 0:
        return coverage
    return coverage * expected / (expected + abs(expected - length))


def ndtw(places: Float[Tensor, "n 2"], reference: Float[Tensor, "m 2"], threshold: float) -> float:
    """Normalised dynamic time warping (Ilharco et al. 2019, eq. 3), exact: exp(-DTW / (|R| · d_th))."""
    return math.exp(-dtw(places, reference) / (len(reference) * threshold))


def dtw(places: Float[Tensor, "n 2"], reference: Float[Tensor, "m 2"]) -> float:
    """The least sum of distances over all monotone pairings of two sequences of points, metres."""
    costs = torch.cdist(places.double(), reference.double()).tolist()
    last = [0.0] + [math.inf] * len(reference)
    for row in costs:
        now = [math.inf]
        for j, cost in enumerate(row):
            now.append(cost + min(last[j], last[j + 1], now[j]))
        last = now
    return last[-1]
