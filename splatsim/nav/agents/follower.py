"""Walking behind a person: along the way that the person took, at a distance kept by a proportional-derivative law."""

import itertools
import math

import numpy as np
import torch

from splatsim.errors import EpisodeError
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.pursuit import steer
from splatsim.nav.agents.standpoint import Pose, map_of, people_on_map, pose_on_map, turned
from splatsim.nav.agents.terrain import SLACK, heading_vectors, whole_circle
from splatsim.nav.observation import Observation
from splatsim.nav.physics import Space
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Step

DISTANCE = 1.6
"""To be kept from the person, metres: within the 1 to 3 m of the task."""
NEAREST = 1.2
"""Metres from the person at which the robot goes no nearer, whatever the law says."""
GAIN = 1.2
"""Speed for each metre too far, 1/s."""
DAMPING = 0.8
"""Share of the person's own speed away from the robot that is added."""
CRUMB = 0.15
"""Metres between the places of the person that are remembered."""
AIM = 0.4
"""Metres ahead along these places at which the robot drives."""
STANDING = 3.0
"""Seconds for which a person stands until following is over."""
STILL = 0.1
"""Speed below which a person stands, m/s."""
WALKING = 0.4
"""Speed from which nobody comes to stand within one step: who seems to has gone out of sight, m/s."""


class FollowerAgent:
    """Follows the first person of its tracker over a map, which says only what a step would run into."""

    sensors = Sensors(bev="map", people=True)
    skills = Skills(("following",))

    def __init__(self) -> None:
        self.reset(Briefing("following"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the person."""
        self._briefing = briefing
        self._crumbs: list[tuple[float, float]] = []
        self._space: Space | None = None
        self._since = 0.0
        self._wait = Step.LEFT
        self._speed = 0.0
        self._hidden = False

    def act(self, observation: Observation) -> Action:
        """Turn and drive after the person, or stop when the person has stood for a while.

        Raises:
            EpisodeError: the observation has no map, or no tracker.
        """
        if observation.people is None:
            raise EpisodeError("the observation has no people, whom this agent follows; expected Sensors with people.")
        pose = pose_on_map(observation)
        if self._space is None:
            self._space = Space(map_of(observation))
        people = people_on_map(observation, pose)
        if not len(people):
            return self._turn(1)
        x, y = people.places[0].tolist()
        vx, vy = people.velocities[0].tolist()
        speed = math.hypot(vx, vy)
        self._hidden = speed == 0 and (self._hidden or self._speed > WALKING)
        self._speed = speed
        if speed > STILL or self._hidden:
            self._since = observation.seconds
        self._remember((x, y), pose)
        if self._hidden:
            # Where the person was seen last is to be seen from nearer by.
            arrived = self._length(pose) < AIM
            return self._turn(1) if arrived else self._towards(pose, self._aim(pose), self._briefing.drive.max_speed)
        away, bearing = math.dist(pose[:2], (x, y)), turned(math.atan2(y - pose[1], x - pose[0]) - pose[2])
        near = 1.0 < away < DISTANCE + 0.6 and abs(bearing) < math.radians(30)
        if observation.seconds - self._since > STANDING and near:
            return Step.STOP
        leaving = (vx * (x - pose[0]) + vy * (y - pose[1])) / max(away, 1e-9)
        speed = GAIN * (self._length(pose) - DISTANCE) + DAMPING * max(0.0, leaving)
        if away < NEAREST:
            speed = 0.0
        return self._towards(pose, self._aim(pose) if speed > 0 else (x, y), speed)

    def _remember(self, place: tuple[float, float], pose: Pose) -> None:
        if not self._crumbs or math.dist(place, self._crumbs[-1]) > CRUMB:
            self._crumbs.append(place)
        # What lies behind is done with: go on from the place that is nearest.
        nearest = min(range(len(self._crumbs)), key=lambda number: math.dist(pose[:2], self._crumbs[number]))
        self._crumbs = self._crumbs[nearest:]

    def _length(self, pose: Pose) -> float:
        """Of the way behind the person, metres."""
        points = [pose[:2], *self._crumbs]
        return sum(math.dist(a, b) for a, b in itertools.pairwise(points))

    def _aim(self, pose: Pose) -> tuple[float, float]:
        return next((crumb for crumb in self._crumbs if math.dist(pose[:2], crumb) > AIM), self._crumbs[-1])

    def _towards(self, pose: Pose, aim: tuple[float, float], speed: float) -> Action:
        drive = self._briefing.drive
        if not self._briefing.discrete:
            wanted, turn = steer(pose, aim, drive, self._briefing.tick)
            return min(wanted, max(0.0, speed)), turn
        bearing = turned(math.atan2(aim[1] - pose[1], aim[0] - pose[0]) - pose[2])
        turns = self._turns(pose, bearing)
        if turns:
            return self._turn(turns)
        # There is no step for standing: turning to and fro is how to wait.
        if speed * drive.seconds(Step.FORWARD) < drive.forward / 2:
            self._wait = Step.RIGHT if self._wait == Step.LEFT else Step.LEFT
            return self._wait
        return Step.FORWARD

    def _turns(self, pose: Pose, bearing: float) -> int:
        """To the heading that is nearest to a bearing and from which a step forward runs into nothing."""
        assert self._space is not None
        drive = self._briefing.drive
        circle = whole_circle(drive.turn)
        turns = np.arange(-(circle // 2), circle - circle // 2)
        moves = torch.from_numpy(heading_vectors(pose[2] + turns * drive.turn, drive.forward))
        here = torch.tensor([pose[:2]], dtype=torch.float64).expand(circle, 2)
        radii = torch.full((circle,), self._briefing.radius + SLACK, dtype=torch.float64)
        blocked = self._space.move(here, moves, radii).static.numpy()
        off = np.abs(np.remainder(bearing - turns * drive.turn + math.pi, 2 * math.pi) - math.pi)
        # As good as it is, a heading is kept.
        return int(turns[np.where(blocked, np.inf, off - 0.1 * drive.turn * (turns == 0)).argmin()])

    def _turn(self, side: int) -> Action:
        if not self._briefing.discrete:
            return 0.0, side * self._briefing.drive.max_turn / 2
        return Step.LEFT if side > 0 else Step.RIGHT
