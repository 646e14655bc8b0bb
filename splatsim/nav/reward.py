"""Reward: progress along the floor and success, less contacts. Ours, not the benchmark's: scores are `metrics`."""

import math
from dataclasses import dataclass

import torch

from splatsim.maps import DistanceField, distance_field
from splatsim.nav.episode import Episode
from splatsim.nav.simulator import Simulator


@dataclass(frozen=True)
class Reward:
    """r = progress · (d before - d after) + success where it stops near the goal - static - human - time, each step.

    d is the length of the shortest way to the goal for the robot; in following, how far the person to follow is from
    the band of 1 to 3 m.

    Raises:
        ValueError: a number is not finite.
    """

    progress: float = 1.0
    """For a metre nearer to the goal."""
    success: float = 10.0
    """For STOP within `success_distance`, at the step that ends the episode."""
    success_distance: float = 0.2
    """Metres along the floor, below which an episode succeeds."""
    static: float = 0.1
    """Lost in a step that touches what stands still."""
    human: float = 1.0
    """Lost in a step that touches a person."""
    time: float = 0.01
    """Lost in every step."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value):
                raise ValueError(f"Reward.{name} is {value}; expected a finite number.")


BAND = (1.0, 3.0)
"""Distances at which somebody is followed, metres."""


class Judge:
    """What the steps of a simulator are worth."""

    def __init__(self, simulator: Simulator, reward: Reward) -> None:
        self._simulator, self._reward = simulator, reward
        self._fields: dict[tuple[float, float], DistanceField] = {}
        self._last = torch.zeros(simulator.count, dtype=torch.float64)

    def begin(self, lanes: list[int]) -> None:
        """Note where robots were reset to."""
        for lane in lanes:
            self._last[lane] = self.distance(lane)

    def judge(self, lanes: list[int]) -> list[tuple[float, bool]]:
        """The reward of the step that these lanes have just taken, and whether it was a success."""
        return [self._one(lane) for lane in lanes]

    def distance(self, lane: int) -> float:
        """How far it is to the goal, metres."""
        simulator = self._simulator
        episode = simulator.episode(lane)
        place = simulator.poses[lane, :2]
        if episode.task == "following" and len(simulator.people):
            target = simulator.people.places(torch.tensor([lane]))[0, 0]
            away = float((target - place).norm())
            return max(BAND[0] - away, away - BAND[1], 0.0)
        return float(self._field(episode).at(place[None])[0])

    def _one(self, lane: int) -> tuple[float, bool]:
        simulator, reward = self._simulator, self._reward
        now, before = self.distance(lane), float(self._last[lane])
        # Somebody pressed against a wall may stand in cells from which no way is known.
        progress = before - now if math.isfinite(before - now) else 0.0
        self._last[lane] = now if math.isfinite(now) else before
        success = bool(simulator.stopped[lane]) and now < reward.success_distance
        total = reward.progress * progress + reward.success * success - reward.time
        total -= reward.static * bool(simulator.static[lane]) + reward.human * bool(simulator.human[lane])
        return total, success

    def _field(self, episode: Episode) -> DistanceField:
        if episode.goal not in self._fields:
            inflated = self._simulator.world.inflated(self._simulator.setup.radius)
            self._fields[episode.goal] = distance_field(inflated, episode.goal)
        return self._fields[episode.goal]
