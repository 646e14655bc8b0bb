"""Result: how one agent played one episode, as one line of JSON from which every figure can be found again.

Numbers are rounded to six decimals, that is to micrometres and microseconds, *before* anything is measured, so that
what stands in the file is what the metrics were made of. What is infinite or undefined stands as "inf" or "nan".
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from splatsim.errors import EpisodeError, FormatError
from splatsim.nav.episode import Trajectory

DECIMALS = 6
FLOATS = ("seconds", "poses", "people", "radii")
STEPS = ("static_contacts", "human_contacts")

PlainAction = int | tuple[float, float]
"""A step by its number, or a speed in m/s and a turn in rad/s."""
Metrics = Mapping[str, Mapping[str, float]]
"""By profile, then by name."""


@dataclass(frozen=True, eq=False)  # a trajectory has no single truth to compare by
class Result:
    """How one agent played one episode."""

    agent: str
    """Its name in this run."""
    episode: str
    """Unique within its suite."""
    task: str
    """What was asked for."""
    band: str
    """Difficulty, for strata."""
    seed: int
    """Of the episode."""
    metrics: Metrics
    """Of each profile."""
    trajectory: Trajectory
    """What happened, rounded as the file has it."""
    actions: tuple[PlainAction, ...] = ()
    """What the agent did, step by step."""
    failure: str = ""
    """Why the agent could not go on: it raised, gave no answer in time, or none that is an action."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of suite, scene and setup."""
    version: str = ""
    """Of splatsim."""

    @property
    def key(self) -> tuple[str, str]:
        """By which it is known in its run."""
        return self.agent, self.episode

    def line(self) -> str:
        """The result as JSON, without a line break."""
        value = {
            "agent": self.agent,
            "episode": self.episode,
            "task": self.task,
            "band": self.band,
            "seed": self.seed,
            "failure": self.failure,
            "metrics": {name: {k: _number(v) for k, v in found.items()} for name, found in self.metrics.items()},
            "actions": [plain_action(action) for action in self.actions],
            "trajectory": _written(self.trajectory),
            "hashes": dict(self.hashes),
            "version": self.version,
        }
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def parse(cls, line: str | bytes) -> "Result":
        """The result that a line holds.

        Raises:
            FormatError: it holds none.
        """
        try:
            value = json.loads(line)
            metrics = {
                str(name): {str(k): _float(v) for k, v in found.items()} for name, found in value["metrics"].items()
            }
            words = {name: _word(value[name]) for name in ("agent", "episode", "task", "band", "failure", "version")}
            return cls(
                seed=int(value["seed"]),
                metrics=metrics,
                trajectory=_read(value["trajectory"]),
                actions=tuple(plain_action(action) for action in value["actions"]),
                hashes={str(k): _word(v) for k, v in value["hashes"].items()},
                **words,
            )
        except (KeyError, TypeError, AttributeError, OverflowError, RuntimeError, ValueError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            raise FormatError(f"the line is no result ({what}); expected JSON as splatsim bench writes it.") from error


def rounded(trajectory: Trajectory) -> Trajectory:
    """The trajectory as the file will have it."""
    values = {name: getattr(trajectory, name) for name in FLOATS}
    changes = {
        name: torch.tensor(_plain(value.tolist()), dtype=torch.float64).reshape(value.shape)
        for name, value in values.items()
        if value is not None
    }
    return trajectory.replace(**changes, robot_radius=round(trajectory.robot_radius, DECIMALS))


def _number(value: float) -> float | str:
    return round(value, DECIMALS) + 0.0 if math.isfinite(value) else str(float(value))


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def plain_action(action: Any) -> PlainAction:
    """An action of whatever type as the file has it."""
    try:
        speed, turn = action
    except TypeError:
        return int(action)
    return round(float(speed), DECIMALS) + 0.0, round(float(turn), DECIMALS) + 0.0


def _written(trajectory: Trajectory) -> dict[str, Any]:
    found: dict[str, Any] = {"stopped": trajectory.stopped, "robot_radius": trajectory.robot_radius}
    for name in FLOATS:
        value = getattr(trajectory, name)
        if value is not None:
            found[name] = _plain(value.tolist())
    for name in STEPS:
        value = getattr(trajectory, name)
        if value is not None:
            found[name] = value.nonzero()[:, 0].tolist()
    if trajectory.target_visible is not None:
        found["target_visible"] = trajectory.target_visible.int().tolist()
    return found


def _plain(value: Any) -> Any:
    """Rounded as Python does, so that it prints with as many digits, and without a negative zero."""
    return [_plain(part) for part in value] if isinstance(value, list) else round(value, DECIMALS) + 0.0


def _read(value: Mapping[str, Any]) -> Trajectory:
    floats = {name: torch.tensor(value[name], dtype=torch.float64) for name in FLOATS if name in value}
    count = len(floats["seconds"])
    floats["poses"] = floats["poses"].reshape(count, 3)
    if "people" in floats:
        floats["people"] = floats["people"].reshape(count, len(value["people"][0]), 2)
    contacts = {name: _flags(value[name], count - 1) for name in STEPS if name in value}
    seen = torch.tensor(value["target_visible"]).bool() if "target_visible" in value else None
    try:
        return Trajectory(
            **floats,
            **contacts,
            stopped=bool(value["stopped"]),
            robot_radius=_float(value["robot_radius"]),
            target_visible=seen,
        )
    except EpisodeError as error:
        raise ValueError(str(error)) from error


def _flags(steps: Sequence[int], count: int) -> Tensor:
    flags = torch.zeros(max(count, 0), dtype=torch.bool)
    if any(isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < count for step in steps):
        raise ValueError(f"contacts are at steps {list(steps)[:8]} of {count}")
    flags[torch.tensor(list(steps), dtype=torch.int64)] = True
    return flags
