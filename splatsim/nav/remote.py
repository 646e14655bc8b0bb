"""RemoteAgent: a policy that answers over a WebSocket, spoken to as GN0 speaks to its policies, and a little more.

Sent are {"endpoint": "reset"}, and {"endpoint": "infer"} with "images" (bytes of RGB, one picture at first, then those
since the last answer), "instruction" and "session_id". Answers are a list of steps or of moves. What is sent beyond
that has names of its own, which a server that does not know them ignores: docs/bench.md lists them.
"""

import math
from contextlib import suppress
from typing import Any

import numpy as np

from splatsim.errors import EpisodeError
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.observation import Observation
from splatsim.nav.policy_line import PolicyLine, RemoteOptions, check_address
from splatsim.nav.policy_reply import Moves, command_to, is_stop, read_reply, steps_to
from splatsim.nav.setup import Sensors
from splatsim.nav.unicycle import Step
from splatsim.video import to_bytes

MOST_PICTURES = 64
MOST_TICKS = 100
"""On the way to one pose: what bars it may not be hung at for ever."""


class RemoteAgent:
    """An agent whose policy is a server.

    Raises:
        EpisodeError: the address is none, or of another machine without leave.
    """

    def __init__(self, address: str, options: RemoteOptions = RemoteOptions()) -> None:  # noqa: B008 - frozen
        check_address(address, options.other_hosts)
        self.options = options
        self._line = PolicyLine(address, options)
        self._briefing: Briefing | None = None
        self._pictures: list[np.ndarray] = []
        self._steps: list[Action] = []
        self._targets: list[tuple[float, float, float]] = []
        self._asked, self._patience = False, 0

    @property
    def sensors(self) -> Sensors:
        """A camera, and what else is to be sent."""
        options = self.options
        return Sensors(
            rgb=True,
            depth=options.depth,
            width=options.width,
            height=options.height,
            bev="map" if options.bev else "none",
            bev_colors=options.bev,
        )

    def reset(self, briefing: Briefing) -> None:
        """Tell the server that another episode begins."""
        self._briefing = briefing
        self._pictures, self._steps, self._targets, self._asked, self._patience = [], [], [], False, 0
        self._line.connect()
        # A server without memory may not know the word: the session's name tells it as well.
        with suppress(EpisodeError):
            self._line.ask({"endpoint": "reset"})

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def act(self, observation: Observation) -> Action:
        """The next action of the last answer, or of a new one."""
        assert observation.rgb is not None
        self._pictures = [*self._pictures, to_bytes(observation.rgb)][-MOST_PICTURES:]
        while True:
            if self._steps:
                return self._steps.pop(0)
            if self._targets:
                command = self._towards(observation)
                if command is not None:
                    return command
                continue
            moves = read_reply(self._line.ask(self._question(observation)))
            self._pictures, self._asked = [], True
            self._plan(moves, observation)
            if not (self._steps or self._targets):
                return Step.STOP

    def _question(self, observation: Observation) -> dict[str, Any]:
        assert self._briefing is not None
        pictures = np.stack(self._pictures) if self._asked else self._pictures[-1]
        question: dict[str, Any] = {
            "endpoint": "infer",
            "images": pictures,
            "instruction": observation.instruction or observation.goal_class,
            "session_id": f"{self._briefing.seed:08x}",
        }
        if observation.K is not None:
            question["camera.K"] = observation.K.numpy().astype(np.float32)
        if self.options.depth and observation.depth is not None:
            question["depth"] = observation.depth.numpy().astype(np.float32)
        if self.options.odometry and observation.pose is not None:
            question["state.nav_pose"] = np.asarray(observation.pose, np.float32)
        if observation.goal is not None:
            question["goal.polar"] = np.asarray(observation.goal, np.float32)
        if observation.goal_image is not None:
            question["goal.image"] = to_bytes(observation.goal_image)
        return question | _from_above(observation)

    def _plan(self, moves: Moves, observation: Observation) -> None:
        """Steps to do, or poses to reach, of an answer."""
        assert self._briefing is not None
        if isinstance(moves, list):
            steps = moves[: self.options.actions]
            end = steps.index(Step.STOP) + 1 if Step.STOP in steps else len(steps)
            self._steps = self._as_actions(steps[:end])
            return
        here = (0.0, 0.0, 0.0) if observation.pose is None else observation.pose
        start, target = here[2], here
        for move in moves[: self.options.actions]:
            if is_stop(move):
                self._targets.append((math.nan,) * 3)
                break
            frame = target[2] if self.options.per_move else start
            ahead, left, turn = move.tolist()
            x = target[0] + ahead * math.cos(frame) - left * math.sin(frame)
            y = target[1] + ahead * math.sin(frame) + left * math.cos(frame)
            target = (x, y, target[2] + turn)
            self._targets.append(target)

    def _as_actions(self, steps: list[Step]) -> list[Action]:
        assert self._briefing is not None
        if self._briefing.discrete:
            return list(steps)
        drive, tick = self._briefing.drive, self._briefing.tick
        found: list[Action] = []
        for step in steps:
            ticks = max(1, math.ceil(drive.seconds(step) / tick - 1e-9))
            turn = {Step.LEFT: drive.turn, Step.RIGHT: -drive.turn}.get(step, 0.0) / (ticks * tick)
            speed = drive.forward / (ticks * tick) if step == Step.FORWARD else 0.0
            found += [step] if step == Step.STOP else [(speed, turn)] * ticks
        return found

    def _towards(self, observation: Observation) -> Action | None:
        """The next action on the way to the next pose; None when it is reached."""
        assert self._briefing is not None
        x, y, yaw = self._targets[0]
        if math.isnan(x):
            self._targets.clear()
            return Step.STOP
        px, py, heading = observation.pose or (0.0, 0.0, 0.0)
        c, s = math.cos(heading), math.sin(heading)
        move = (
            c * (x - px) + s * (y - py),
            c * (y - py) - s * (x - px),
            math.remainder(yaw - heading, 2 * math.pi),
        )
        if self._briefing.discrete:
            self._targets.pop(0)
            self._steps = list(steps_to(move, self._briefing.drive))
            return self._steps.pop(0) if self._steps else None
        command = command_to(move, self._briefing.drive, self._briefing.tick)
        self._patience = self._patience + 1 if command != (0.0, 0.0) else 0
        if command == (0.0, 0.0) or self._patience > MOST_TICKS:
            self._targets.pop(0)
            self._patience = 0
            return None
        return command


def _from_above(observation: Observation) -> dict[str, Any]:
    """The view from above, if there is one: on rows from north to south, or of the robot's surroundings."""
    bev = observation.bev
    if bev is None:
        return {}
    found: dict[str, Any] = {
        "bev.rgb": to_bytes(bev.colors),
        "bev.resolution": float(bev.frame.resolution),
    }
    for name in ("cells", "people", "velocities", "visited"):
        layer = getattr(bev, name)
        if layer is not None:
            found[f"bev.{name}"] = layer.numpy()
    if observation.map_pose is not None:
        found["bev.pose"] = np.asarray(observation.map_pose, np.float32)
    north_west = getattr(bev.frame, "north_west", None)
    return found if north_west is None else found | {"bev.north_west": np.asarray(north_west, np.float32)}
