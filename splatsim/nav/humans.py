"""Pedestrians: the people of many episodes at once, on simulated time.

What they do is decided at every tick of the clock, counted from the start of their own episode; between two ticks they
walk straight. So people who take no notice of the robot are at the same places at the same times, whatever it does.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from splatsim.avatar.crowd import Crowd, OrcaOptions, Others, SocialForceOptions, Straight
from splatsim.errors import EpisodeError
from splatsim.grids import NavMap
from splatsim.nav import physics
from splatsim.nav.episode import Episode
from splatsim.nav.ground import RADIUS, Ground
from splatsim.nav.patterns import PAUSE, SERVICE, Plan, away_from_queue, plan
from splatsim.nav.setup import Setup

Array = NDArray[np.float64]

SPEED = (0.95, 0.12)
"""Mean and spread of walking speeds indoors, m/s."""
LEADS = 0.7
"""Speed of who leads a robot, of the robot's greatest."""
ROBOT_AIR = 0.1
"""What people who give way keep from a robot, metres."""
EPSILON = 1e-9
"""Seconds below which a moment is on the tick."""


class Pedestrians:
    """The people of `count` lanes, as many in each; without people, everything here is empty.

    Raises:
        EpisodeError: the map has no room for anybody.
    """

    def __init__(self, nav_map: NavMap, setup: Setup, count: int) -> None:
        self._setup = setup
        k = setup.humans.count
        self._ground = Ground(nav_map) if k else None
        self._lanes: list[Company | None] = [None] * count
        self.radii: Float[Tensor, " k"] = torch.full((k,), RADIUS, dtype=torch.float64)
        self._before = torch.zeros(count, k, 2, dtype=torch.float64)
        self._after = torch.zeros(count, k, 2, dtype=torch.float64)
        # Of the tick that is running; a whole tick means that the next one is still to be decided.
        self._since = torch.full((count,), setup.tick, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.radii)

    def reset(self, lane: int, episode: Episode) -> None:
        """Set the people of an episode down.

        Raises:
            EpisodeError: the place has no room for them.
        """
        self._since[lane] = self._setup.tick
        if self._ground is not None:
            company = Company(self._setup, episode, self._ground)
            self._lanes[lane] = company
            self._before[lane] = self._after[lane] = torch.from_numpy(company.crowd.places)

    def begin(
        self,
        lanes: Int[Tensor, " m"],
        seconds: Float[Tensor, " m"],
        robots: Float[Tensor, "m 2"],
        velocities: Float[Tensor, "m 2"],
    ) -> Float[Tensor, " m"]:
        """How long the people of each lane walk straight from now on, at most as long as is asked for.

        Where a tick is over, they decide anew, in view of their robot.
        """
        tick = self._setup.tick
        for row in (self._since[lanes] >= tick - EPSILON).nonzero()[:, 0].tolist():
            lane = int(lanes[row])
            company = self._lanes[lane]
            assert company is not None
            self._before[lane] = self._after[lane]
            company.decide(robots[row].numpy(), velocities[row].numpy())
            self._after[lane] = torch.from_numpy(company.crowd.places)
            self._since[lane] = 0
        return torch.minimum(seconds, tick - self._since[lanes])

    def crowd(self, lanes: Int[Tensor, " m"], span: Float[Tensor, " m"]) -> physics.Crowd:
        """The people of these lanes and their moves within the next seconds, for contacts with the robots."""
        m, k = len(lanes), len(self)
        moves = (self._after[lanes] - self._before[lanes]) * (span / self._setup.tick)[:, None, None]
        first = torch.arange(m + 1) * k
        return physics.Crowd(self.places(lanes).reshape(-1, 2), moves.reshape(-1, 2), self.radii.repeat(m), first)

    def pass_by(self, lanes: Int[Tensor, " m"], span: Float[Tensor, " m"]) -> None:
        """Let these seconds pass, within the tick that is running."""
        since = self._since[lanes] + span
        self._since[lanes] = torch.where(since >= self._setup.tick - EPSILON, self._setup.tick, since)

    def places(self, lanes: Int[Tensor, " m"]) -> Float[Tensor, "m k 2"]:
        """Where they are now, metres."""
        share = (self._since[lanes] / self._setup.tick)[:, None, None]
        before, after = self._before[lanes], self._after[lanes]
        return torch.where(share == 1, after, before + share * (after - before))

    def velocities(self, lanes: Int[Tensor, " m"]) -> Float[Tensor, "m k 2"]:
        """How they move now, m/s."""
        return (self._after[lanes] - self._before[lanes]) / self._setup.tick


class Company:
    """The people of one episode."""

    def __init__(self, setup: Setup, episode: Episode, ground: Ground) -> None:
        self._humans, self._tick, self._ground = setup.humans, setup.tick, ground
        self._robot_radius = setup.radius + ROBOT_AIR
        seed = episode.seed % 2**63
        self._rng = np.random.default_rng([seed, 0x9E0])
        self.plan: Plan = plan(setup.humans, episode, ground, self._rng)
        n = len(self.plan.places)
        self._paces = self._rng.normal(*SPEED, n).clip(0.7, 1.3)
        if self.plan.leader:
            self._paces[0] = LEADS * setup.drive.max_speed
        stays = (self.plan.goals == self.plan.places).all(axis=1)
        guides = [
            Straight((float(goal[0]), float(goal[1]))) if stay else ground.way(goal)
            for goal, stay in zip(self.plan.goals, stays, strict=True)
        ]
        self._waits = self.plan.waits.copy()
        self._rest = np.zeros(n)
        self._service = self._rng.uniform(*SERVICE)
        self._queue = list(self.plan.together)
        try:
            self.crowd = Crowd(
                self.plan.places,
                guides,
                walls=ground.walls,
                speeds=np.where(self._waits > 0, 0.0, self._paces),
                radii=RADIUS,
                options=SocialForceOptions()
                if setup.humans.model == "social force"
                else OrcaOptions(people_horizon=1.5, wall_horizon=0.4),
                notices=np.full(n, setup.humans.reactive),
                seed=int(self._rng.integers(2**31)),
            )
        except ValueError as error:
            raise EpisodeError(f'episode "{episode.name}": {error}') from error

    def decide(self, robot: Array, velocity: Array) -> None:
        """Where everybody will be a tick from now, in view of the robot as it is."""
        self._wait()
        self._send()
        self._move_up()
        if self._humans.model == "scripted":
            self._follow()
        else:
            self.crowd.step(self._tick, Others.one(robot, velocity, self._robot_radius))

    def _wait(self) -> None:
        waiting = self._waits > 0
        self._waits = np.maximum(self._waits - self._tick, 0)
        gone = waiting & (self._waits <= 0)
        self.crowd.speeds = np.where(gone, self._paces, self.crowd.speeds)

    def _send(self) -> None:
        for person in np.flatnonzero(self.crowd.arrived).tolist():
            self._rest[person] -= self._tick
            if self._rest[person] <= 0:
                self._rest[person] = self._rng.uniform(*PAUSE)
                goal = self.plan.next(person)
                if goal is not None:
                    self.crowd.send(person, self._ground.way(goal))

    def _move_up(self) -> None:
        """Now and then the first of a queue leaves and the others move up; who has been away goes to its end."""
        self._service -= self._tick
        if not self.plan.together or self._service > 0:
            return
        self._service = self._rng.uniform(*SERVICE)
        slots = self.plan.goals
        away = [person for person in self.plan.together if person not in self._queue]
        if not away:
            gone = self._queue.pop(0)
            self.crowd.send(gone, away_from_queue(self._ground, self._rng, self.crowd.places[gone]))
        elif bool(self.crowd.arrived[away[0]]):
            self._queue.append(away[0])
            self.crowd.send(away[0], self._ground.way(self._ground.nearest(slots[len(self._queue) - 1])))
            return
        for slot, person in enumerate(self._queue):
            self.crowd.send(person, Straight((float(slots[slot, 0]), float(slots[slot, 1]))))

    def _follow(self) -> None:
        """One tick along everybody's way, whatever comes."""
        crowd = self.crowd
        courses = [guide.directions(place[None])[0] for guide, place in zip(crowd.guides, crowd.places, strict=True)]
        goals = np.array([guide.goal for guide in crowd.guides]).reshape(-1, 2)
        left = np.linalg.norm(goals - crowd.places, axis=-1)
        paces = np.minimum(crowd.speeds, left / self._tick)
        crowd.velocities = np.array(courses).reshape(-1, 2) * paces[:, None]
        crowd.places = crowd.places + self._tick * crowd.velocities
