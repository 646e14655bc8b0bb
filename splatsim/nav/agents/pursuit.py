"""Following a plan: step by step as long as it comes true, or by speed and turn after a point ahead (Coulter 1992)."""

import math
from collections.abc import Callable, Sequence

from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.lattice import after
from splatsim.nav.agents.standpoint import Pose, turned
from splatsim.nav.unicycle import Drive, Step

OFF_COURSE = 0.02
"""Metres, and radians, from where a plan should have led at which a new one is made."""
LOOKAHEAD = 0.35
"""Metres ahead of a robot that drives by speed and turn."""
REPLAN = 5
"""Ticks for which such a robot follows one plan."""
BACKING = 6
"""Ticks for which it backs off from what it has run into."""


class Follower:
    """Follows what a planner says, and asks it again when that does not come true."""

    def __init__(self, briefing: Briefing, planner: Callable[[Pose], list[Step]]) -> None:
        self._briefing = briefing
        self._planner = planner
        self._steps: list[Step] = []
        self._expected: Pose | None = None
        self._points: list[Pose] = []
        self._age = 0
        self._backing = 0
        self._last: Pose | None = None

    def act(self, pose: Pose) -> Action:
        """What to do at a pose."""
        return self._step(pose) if self._briefing.discrete else self._drive(pose)

    @property
    def planned(self) -> list[Step]:
        """What is to be done next, as long as nothing comes between."""
        return self._steps

    def drop(self) -> None:
        """Forget the plan: the world has changed."""
        self._steps, self._age = [], REPLAN

    def _step(self, pose: Pose) -> Step:
        if not self._steps or self._expected is None or _apart(pose, self._expected) > OFF_COURSE:
            # Where every way is closed, turning is all that is left.
            self._steps = self._planner(pose) or [Step.LEFT]
        step = self._steps.pop(0)
        self._expected = after(pose, step, self._briefing.drive)
        return step

    def _drive(self, pose: Pose) -> tuple[float, float] | Step:
        self._age += 1
        drive, tick = self._briefing.drive, self._briefing.tick
        stuck = self._last is not None and math.dist(pose[:2], self._last[:2]) < 1e-4 and self._pushed
        self._last = pose
        if stuck and not self._backing:
            self._backing = BACKING
        if self._backing:
            self._backing -= 1
            self._age, self._pushed = REPLAN, False
            return -drive.max_speed / 2, 0.0
        if self._age >= REPLAN or not self._points:
            steps = self._planner(pose)
            if steps[:1] == [Step.STOP]:
                return Step.STOP
            self._points, self._age = _poses(pose, steps, drive), 0
        aim = next((point for point in self._points if math.dist(pose[:2], point[:2]) > LOOKAHEAD), None)
        aim = aim or (self._points[-1] if self._points else pose)
        speed, turn = steer(pose, (aim[0], aim[1]), drive, tick)
        self._pushed = speed > 0.2
        return speed, turn

    _pushed = False


def steer(pose: Pose, aim: tuple[float, float], drive: Drive, tick: float) -> tuple[float, float]:
    """Speed and turn towards a point: first turn to it, then go, slowly where it is near."""
    away = math.dist(pose[:2], aim)
    bearing = turned(math.atan2(aim[1] - pose[1], aim[0] - pose[0]) - pose[2]) if away > 1e-9 else 0.0
    turn = max(-drive.max_turn, min(drive.max_turn, bearing / (3 * tick)))
    braking = math.sqrt(2 * drive.max_acceleration * away)
    speed = max(0.0, math.cos(bearing)) ** 4 * min(drive.max_speed, braking)
    return (speed if abs(bearing) < math.radians(60) else 0.0), turn


def _poses(pose: Pose, steps: Sequence[Step], drive: Drive) -> list[Pose]:
    found = []
    for step in steps:
        pose = after(pose, step, drive)
        if step == Step.FORWARD:
            found.append(pose)
    return found


def _apart(a: Pose, b: Pose) -> float:
    return max(math.dist(a[:2], b[:2]), abs(turned(a[2] - b[2])))
