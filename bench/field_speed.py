"""How long a distance field over 1024² cells takes: what bench/maps.py and bench/nav_speed.py both print."""

from time import perf_counter

import torch

from splatsim.grids import FREE, GridFrame, NavMap
from splatsim.maps import distance_field


def field_times(closed: float, rounds: int) -> list[float]:
    """Milliseconds of each round, on a map of which a share of the cells is closed, at random."""
    cells = (torch.rand(1024, 1024, generator=torch.Generator().manual_seed(0)) < closed).to(torch.uint8)
    cells[500:520, 500:520] = FREE
    nav_map = NavMap(GridFrame((0.0, 51.2), 0.05, (1024, 1024)), cells, (0.1, 1.8))
    times = []
    for _ in range(rounds):
        begun = perf_counter()
        distance_field(nav_map, (25.5, 25.7))
        times.append(1e3 * (perf_counter() - begun))
    return times
