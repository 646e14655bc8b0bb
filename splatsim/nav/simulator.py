"""Simulator: robots and people of many episodes side by side, on a clock of their own.

People move by simulated time, whatever is rendered or observed. What happens in one lane depends on its episode and
its actions alone, bit for bit.
"""

import zlib
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim import native
from splatsim.errors import EpisodeError
from splatsim.nav.actions import commands_of, steps_of
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.episode import Episode, Trajectory
from splatsim.nav.humans import Pedestrians
from splatsim.nav.observation import Observation
from splatsim.nav.physics import Crowd, Moved
from splatsim.nav.recording import Recording
from splatsim.nav.sensing import Senses
from splatsim.nav.setup import Setup
from splatsim.nav.unicycle import ARC, Step, drive_on, take_step, within_limits, wrapped
from splatsim.nav.world import World


class Simulator:
    """`count` episodes of one world side by side; a lane is done until it is reset.

    Raises:
        EpisodeError: the count is not positive, or pictures are asked for and the world has no Gaussians.
    """

    def __init__(self, world: World, setup: Setup, count: int = 1) -> None:
        if count < 1:
            raise EpisodeError(f"Simulator got a count of {count}; expected at least 1 episode at a time.")
        self.world, self.setup, self.count = world, setup, count
        self.poses: Float[Tensor, "n 3"] = torch.zeros(count, 3, dtype=torch.float64)
        self.velocities: Float[Tensor, "n 2"] = torch.zeros(count, 2, dtype=torch.float64)
        self.seconds: Float[Tensor, " n"] = torch.zeros(count, dtype=torch.float64)
        self.steps: Int[Tensor, " n"] = torch.zeros(count, dtype=torch.int64)
        self.static: Bool[Tensor, " n"] = torch.zeros(count, dtype=torch.bool)
        self.human: Bool[Tensor, " n"] = torch.zeros(count, dtype=torch.bool)
        self._done = torch.ones(count, dtype=torch.bool)
        self._stopped = torch.zeros(count, dtype=torch.bool)
        self._limits = torch.ones(count, dtype=torch.int64)
        self._episodes: list[Episode | None] = [None] * count
        self._space = world.space()
        self._radii = torch.full((count,), setup.radius, dtype=torch.float64)
        self.people = Pedestrians(world, setup, count)
        self._senses = Senses(world, setup, self.people, count)
        self._recording = Recording(count, setup.humans.count)
        self._durations = torch.tensor([setup.drive.seconds(step) for step in Step], dtype=torch.float64)

    @property
    def done(self) -> Bool[Tensor, " n"]:
        """Whether STOP was given or the episode's steps are used up; so of lanes that were never reset."""
        return self._done.clone()

    @property
    def stopped(self) -> Bool[Tensor, " n"]:
        """Whether the agent itself declared the end."""
        return self._stopped.clone()

    def episode(self, lane: int) -> Episode:
        """What is played in a lane.

        Raises:
            EpisodeError: nothing is: it was never reset.
        """
        episode = self._episodes[lane]
        if episode is None:
            raise EpisodeError(f"lane {lane} has no episode yet; call reset first.")
        return episode

    def reset(self, lanes: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Set robots and people of these lanes down at the start of episodes.

        Raises:
            EpisodeError: there is not one episode for each lane, a lane is not there, a robot would start inside of
                what stands, or the place has no room for the people.
        """
        if len(lanes) != len(episodes) or not all(0 <= lane < self.count for lane in lanes):
            raise EpisodeError(
                f"reset got lanes {list(lanes)} and {len(episodes)} episodes; expected one each, of lanes below "
                f"{self.count}."
            )
        for episode in episodes:
            if int(self.world.nav_map.at(torch.tensor([episode.start[:2]], dtype=torch.float64))[0]) != 0:
                raise EpisodeError(
                    f'episode "{episode.name}" starts at {episode.start[:2]}, which is no free place of the world '
                    f'"{self.world.name}"; expected one that is.'
                )
        if not lanes:
            return
        rows = torch.tensor(list(lanes))
        # Until all is well nothing is played there: a place without room for people leaves no half of an episode.
        self._done[rows] = True
        for lane in lanes:
            self._episodes[lane] = None
        self.poses[rows] = torch.tensor([episode.start for episode in episodes], dtype=torch.float64)
        for values in (self.velocities, self.seconds, self.steps, self.static, self.human, self._stopped):
            values[rows] = 0
        self._limits[rows] = torch.tensor([min(episode.max_steps, 2**62) for episode in episodes])
        with native.torch_on_one_thread():
            for lane, episode in zip(lanes, episodes, strict=True):
                self.people.reset(lane, episode)
                self._senses.reset(lane, episode, self.poses[lane])
        for lane, episode in zip(lanes, episodes, strict=True):
            self._episodes[lane] = episode
        self._recording.begin(rows, **self._row(rows))
        self._done[rows] = False

    def step(self, actions: Sequence[Action] | Tensor) -> None:
        """Do what the agents say, one action for each lane; lanes that are done stand still.

        Raises:
            EpisodeError: an action is not one, naming its lane; nothing has moved then.
        """
        with native.torch_on_one_thread():
            if self.setup.discrete:
                steps = steps_of(actions, self._done)
                stops = steps == Step.STOP
            else:
                commands, stops = commands_of(actions, self._done)
            rows = (~self._done).nonzero()[:, 0]
            if not len(rows):
                return
            before, stops = self.poses[rows], stops[rows]
            moved = self._take(rows, steps[rows]) if self.setup.discrete else self._drive(rows, commands[rows], stops)
            self.static[rows], self.human[rows] = moved.static, moved.human
            self.steps[rows] += 1
            self._stopped[rows] = stops
            self._done[rows] = stops | (self.steps[rows] >= self._limits[rows])
            self._senses.update(rows, before, self.poses[rows])
            self._recording.write(rows, **self._row(rows), static=moved.static, human=moved.human)

    def observe(self, lanes: Sequence[int] | None = None) -> list[Observation]:
        """What the robots of these lanes, or of all, see now. Changes nothing.

        Raises:
            EpisodeError: a lane has no episode yet.
        """
        chosen = list(range(self.count)) if lanes is None else list(lanes)
        for lane in chosen:
            self.episode(lane)
        with native.torch_on_one_thread():
            return self._senses.observe(chosen, self.poses, self.seconds, self.steps)

    def trajectory(self, lane: int) -> Trajectory:
        """What happened in a lane since its reset, people included.

        Raises:
            EpisodeError: it has no episode yet.
        """
        episode = self.episode(lane)
        return self._recording.trajectory(
            lane,
            stopped=bool(self._stopped[lane]),
            radii=self.people.radii,
            robot_radius=self.setup.radius,
            target=episode.task == "following",
        )

    def briefing(self, lane: int, success_distance: float) -> Briefing:
        """What the agent of a lane is told before it begins.

        Raises:
            EpisodeError: the lane has no episode yet.
        """
        episode, setup = self.episode(lane), self.setup
        seed = zlib.crc32(f"agent of {episode.name}".encode())
        return Briefing(episode.task, setup.drive, setup.radius, success_distance, setup.discrete, setup.tick, seed)

    def _row(self, rows: Int[Tensor, " m"]) -> dict[str, Tensor]:
        row = {"seconds": self.seconds[rows], "poses": self.poses[rows]}
        if self.setup.humans.count:
            row |= {"people": self.people.places(rows), "visible": self._senses.visible[rows]}
        return row

    def _take(self, rows: Int[Tensor, " m"], steps: Int[Tensor, " m"]) -> Moved:
        """Discrete steps: at once where nobody walks about, otherwise from tick to tick."""
        durations = self._durations[steps]
        poses, drive, radii = self.poses[rows], self.setup.drive, self._radii[rows]
        if not self.setup.humans.count:
            self.poses[rows], moved = take_step(self._space, poses, steps, radii, drive, sliding=self.setup.sliding)
            self.seconds[rows] += durations
            return moved
        heading = _headings(poses[:, 2]) * (steps == Step.FORWARD)[:, None] * drive.max_speed
        moved = self._among_people(rows, heading, durations)
        self.poses[rows, :2] = moved.places
        turn = (steps == Step.LEFT).double() - (steps == Step.RIGHT).double()
        self.poses[rows, 2] = wrapped(poses[:, 2] + drive.turn * turn)
        return moved

    def _among_people(self, rows: Tensor, velocities: Float[Tensor, "m 2"], durations: Float[Tensor, " m"]) -> Moved:
        """Straight moves while people walk: tick by tick, the first and the last one in part.

        Who is held up stands for the rest of the step, unless robots slide.
        """
        places, left = self.poses[rows, :2].clone(), durations.clone()
        velocities = velocities.clone()
        static, human = torch.zeros(len(rows), dtype=torch.bool), torch.zeros(len(rows), dtype=torch.bool)
        while True:
            going = (left > 0).nonzero()[:, 0]
            if not len(going):
                return Moved(places, static, human)
            here = rows[going]
            span = self.people.begin(here, left[going], places[going], velocities[going])
            crowd = self.people.crowd(here, span)
            moves = velocities[going] * span[:, None]
            moved = self._space.move(places[going], moves, self._radii[here], crowd, sliding=self.setup.sliding)
            places[going] = moved.places
            static[going] |= moved.static
            human[going] |= moved.human
            if not self.setup.sliding:
                velocities[going[moved.static | moved.human]] = 0
            self.people.pass_by(here, span)
            self.seconds[here] += span
            rest = left[going] - span
            left[going] = torch.where(rest > 1e-9, rest, 0)

    def _drive(self, rows: Int[Tensor, " m"], commands: Float[Tensor, "m 2"], stops: Bool[Tensor, " m"]) -> Moved:
        """Speeds and turns for one tick of the clock; who stops the episode stands still at once."""
        tick, setup = self.setup.tick, self.setup
        going = (~stops).nonzero()[:, 0]
        here = rows[going]
        all_moved = Moved(self.poses[rows, :2], torch.zeros_like(stops), torch.zeros_like(stops))
        self.velocities[rows[stops]] = 0
        if not len(here):
            return all_moved
        velocities = within_limits(commands[going], self.velocities[here], setup.drive, tick)
        crowd = None
        if setup.humans.count:
            course = _headings(self.poses[here, 2]) * velocities[:, :1]
            span = self.people.begin(here, torch.full_like(course[:, 0], tick), self.poses[here, :2], course)
            crowd = self.people.crowd(here, span)
            self.people.pass_by(here, span)
        # As many pieces of an arc as each lane needs by itself: the others must not matter to it.
        pieces = (velocities[:, 1].abs() * tick / ARC).ceil().clamp_min(1)
        for number in pieces.unique().tolist():
            part = (pieces == number).nonzero()[:, 0]
            some = here[part]
            theirs = None if crowd is None else _of(crowd, part)
            poses, moved = drive_on(
                self._space,
                self.poses[some],
                velocities[part],
                self._radii[some],
                tick,
                theirs,
                sliding=setup.sliding,
            )
            self.poses[some] = poses
            touched = moved.static | moved.human
            velocities[part, 0] = torch.where(touched, 0.0, velocities[part, 0])
            all_moved.static[going[part]], all_moved.human[going[part]] = moved.static, moved.human
        self.velocities[here] = velocities
        self.seconds[here] += tick
        return all_moved


def _headings(yaws: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
    return torch.stack([yaws.cos(), yaws.sin()], dim=-1)


def _of(crowd: Crowd, robots: Int[Tensor, " m"]) -> Crowd:
    """The people of some of the robots, as many for each."""
    each = len(crowd.places) // (len(crowd.first) - 1)
    rows = (robots[:, None] * each + torch.arange(each)).view(-1)
    first = torch.arange(len(robots) + 1) * each
    return Crowd(crowd.places[rows], crowd.moves[rows], crowd.radii[rows], first)
