"""Budget: seconds turned into a number of steps, by a few trial steps of different cost and the recipe's schedules."""

import time
from dataclasses import dataclass

import numpy as np

from splatsim.fitting.schedules import growth, stage
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.optimisation import Optimisation
from splatsim.reconstruction.fit.pictures import LEVELS, Pictures
from splatsim.reconstruction.fit.recipe import FitConfig, Recipe

TRIAL_STEPS = 6
"""For each size; the fastest half counts."""
OVERHEAD = 1.08
"""Time of everything between the steps, of that of the steps."""
FEWEST = 200
"""Steps that are made in any case."""


@dataclass(frozen=True)
class Calibration:
    """What the trial found."""

    steps: int
    """That fit into the budget."""
    seconds: float
    """That the trial took."""
    milliseconds: list[tuple[int, int, float]]
    """Divisor of the sides, Gaussians, milliseconds of a step."""

    @classmethod
    def from_facts(cls, steps: int, seconds: float, milliseconds: list[list[float]]) -> "Calibration":
        """As it was written in a checkpoint."""
        return cls(steps, seconds, [(int(level), int(count), took) for level, count, took in milliseconds])


def calibrate(capture: Capture, pictures: Pictures, config: FitConfig, recipe: Recipe, budget: float) -> Calibration:
    """How many steps take `budget` seconds, trial included. Nothing but this number depends on time."""
    begin = time.perf_counter()
    trial = Optimisation(capture, pictures, config, recipe, 10**9)
    trial.splats.raise_sh_degree(config.sh_degree)
    counts = (trial.first_count, max(trial.first_count, config.most_gaussians))
    measured: list[tuple[int, int, float]] = []
    for count in counts:
        if count > len(trial.splats):
            weights = np.ones(len(trial.splats))
            trial.splats.redistribute(count, weights, np.random.default_rng(0), min_opacity=0.0, spread=1.0)
        measured += [(level, count, 1e3 * _step_time(trial, level)) for level in LEVELS]
    steps = _steps_for(budget - (time.perf_counter() - begin), measured, counts, recipe)
    return Calibration(steps, time.perf_counter() - begin, measured)


def _step_time(trial: Optimisation, level: int) -> float:
    times = []
    for _ in range(TRIAL_STEPS):
        before = time.perf_counter()
        trial.advance(level)
        times.append(time.perf_counter() - before)
    return float(np.mean(sorted(times)[: TRIAL_STEPS // 2]))


def _steps_for(seconds: float, measured: list[tuple[int, int, float]], counts: tuple[int, int], recipe: Recipe) -> int:
    """Time is linear in the number of Gaussians between the two that were tried; the schedules say how many when."""
    times = {(level, count): milliseconds for level, count, milliseconds in measured}
    mean = 0.0
    places = (np.arange(200) + 0.5) / 200
    for progress in places:
        level = stage(float(progress), recipe.levels)
        count = growth(float(progress), *counts, *recipe.growth)
        share = (count - counts[0]) / max(counts[1] - counts[0], 1)
        mean += ((1 - share) * times[level, counts[0]] + share * times[level, counts[1]]) / len(places)
    return max(FEWEST, int(1e3 * seconds / (OVERHEAD * mean)))
