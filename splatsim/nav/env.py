"""Gymnasium environments: one episode at a time, or many side by side in one simulator with pictures in one call.

The only file that needs gymnasium: `pip install "splatsim[gym]"`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splatsim.errors import BackendUnavailable, EpisodeError
from splatsim.nav.agent import Action
from splatsim.nav.env_spaces import action_space_of, arrays_of, observation_space_of
from splatsim.nav.episode import Episode, Trajectory
from splatsim.nav.reward import Judge, Reward
from splatsim.nav.setup import Setup
from splatsim.nav.simulator import Simulator
from splatsim.nav.unicycle import Step
from splatsim.nav.world import World

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise BackendUnavailable(
        'splatsim.nav.env needs gymnasium 1.1 or newer, which is not installed; pip install "splatsim[gym]".'
    ) from error

Arrays = dict[str, NDArray[Any]]


class NavEnv(gymnasium.Env[Arrays, Any]):
    """One robot in one world, episode after episode.

    Actions are the four steps, or (speed, turn, stop) in m/s and rad/s, of which the last stops the episode above ½.
    `terminated` is STOP, `truncated` the last step that the episode allows. What is said in words (the task, an
    instruction, the class of an object goal) stands in the info of `reset`; what happened in the info of each step.

    Args:
        episodes: `reset` takes one by chance, or the one that `options={"episode": number}` names.

    Raises:
        EpisodeError: there is no episode, or the setup does not fit the world.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 - gymnasium has it so

    def __init__(
        self,
        world: World,
        setup: Setup,
        episodes: Sequence[Episode],
        *,
        reward: Reward | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array") or (render_mode is not None and not setup.sensors.rgb):
            raise EpisodeError(
                f"NavEnv got render_mode {render_mode!r}; expected None, or rgb_array with sensors that take colours."
            )
        self.render_mode = render_mode
        self._play = _Play(world, setup, episodes, 1, reward or Reward())
        self.simulator = self._play.simulator
        self.observation_space = observation_space_of(world, setup, self._play.episodes)
        self.action_space = action_space_of(setup)
        self._seen: Arrays = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Arrays, dict[str, Any]]:
        """Begin an episode.

        Raises:
            EpisodeError: `options` names an episode that is not there.
        """
        super().reset(seed=seed)
        number = self._play.choose(self.np_random, options)
        infos = self._play.begin([0], [number])
        self._seen = self._play.observe([0])[0]
        return self._seen, infos[0]

    def step(self, action: Any) -> tuple[Arrays, float, bool, bool, dict[str, Any]]:
        """Do one thing.

        Raises:
            EpisodeError: the action is none, or the episode is over.
        """
        if bool(self.simulator.done[0]):
            raise EpisodeError("step was called on an episode that is over; call reset first.")
        reward, terminated, truncated, info = self._play.step(np.asarray(action)[None])[0]
        self._seen = self._play.observe([0])[0]
        return self._seen, reward, terminated, truncated, info

    def render(self) -> Any:
        """The last picture that the robot took, uint8."""
        return self._seen["rgb"].copy() if self.render_mode == "rgb_array" and self._seen else None

    def trajectory(self) -> Trajectory:
        """What happened in this episode so far, for `splatsim.nav.measure`."""
        return self.simulator.trajectory(0)


class NavVectorEnv(VectorEnv[Arrays, Any, Any]):
    """Many robots side by side in one world, which they share, each with an episode of its own.

    A lane that is over begins another episode with the next step, whose action is not looked at
    (`AutoresetMode.NEXT_STEP`).

    Args:
        episodes: Taken by chance.

    Raises:
        EpisodeError: there is no episode, or the setup does not fit the world.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - gymnasium has it so

    def __init__(
        self,
        world: World,
        setup: Setup,
        episodes: Sequence[Episode],
        num_envs: int,
        *,
        reward: Reward | None = None,
    ) -> None:
        self.num_envs = num_envs
        self._play = _Play(world, setup, episodes, num_envs, reward or Reward())
        self.simulator = self._play.simulator
        self.single_observation_space = observation_space_of(world, setup, self._play.episodes)
        self.single_action_space = action_space_of(setup)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Arrays, dict[str, Any]]:
        """Begin an episode in every lane.

        Raises:
            EpisodeError: `options` names an episode that is not there.
        """
        super().reset(seed=seed[0] if isinstance(seed, list) else seed)
        lanes = list(range(self.num_envs))
        infos = self._play.begin(lanes, [self._play.choose(self.np_random, options) for _ in lanes])
        return _stacked(self._play.observe(lanes)), self._gathered(infos)

    def step(
        self, actions: Any
    ) -> tuple[Arrays, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Do one thing in every lane.

        Raises:
            EpisodeError: an action is none.
        """
        over = self.simulator.done.nonzero()[:, 0].tolist()
        results = self._play.step(np.asarray(actions))
        fresh = self._play.begin(over, [self._play.choose(self.np_random, None) for _ in over])
        infos = [info for *_, info in results]
        for lane, info in zip(over, fresh, strict=True):
            results[lane], infos[lane] = (0.0, False, False, info), info
        rewards = np.array([reward for reward, *_ in results])
        terminated = np.array([ended for _, ended, _, _ in results])
        truncated = np.array([cut for _, _, cut, _ in results])
        seen = _stacked(self._play.observe(list(range(self.num_envs))))
        return seen, rewards, terminated, truncated, self._gathered(infos)

    def _gathered(self, infos: list[dict[str, Any]]) -> dict[str, Any]:
        gathered: dict[str, Any] = {}
        for lane, info in enumerate(infos):
            gathered = self._add_info(gathered, info, lane)
        return gathered


class _Play:
    """Episodes, a simulator and what its steps are worth: what both environments share."""

    def __init__(self, world: World, setup: Setup, episodes: Sequence[Episode], count: int, reward: Reward) -> None:
        if not episodes:
            raise EpisodeError("the environment got no episodes; expected at least one.")
        self.episodes = list(episodes)
        self.simulator = Simulator(world, setup, count)
        self._judge = Judge(self.simulator, reward)
        tasks = {episode.task for episode in episodes}
        self._goals = frozenset(
            (["goal"] if tasks & {"point goal", "social"} else []) + (["goal_image"] if "image goal" in tasks else [])
        )

    def choose(self, rng: np.random.Generator, options: dict[str, Any] | None) -> int:
        """The number of the next episode."""
        if options is None or "episode" not in options:
            return int(rng.integers(len(self.episodes)))
        number = options["episode"]
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.episodes):
            raise EpisodeError(
                f'options["episode"] is {number!r}; expected 0 to {len(self.episodes) - 1}, the number of an episode.'
            )
        return number

    def begin(self, lanes: list[int], numbers: list[int]) -> list[dict[str, Any]]:
        """Set these lanes to the start of episodes; what is to be done there, in words."""
        episodes = [self.episodes[number] for number in numbers]
        self.simulator.reset(lanes, episodes)
        self._judge.begin(lanes)
        infos: list[dict[str, Any]] = []
        for episode in episodes:
            told = {"episode": episode.name, "task": episode.task, "instruction": episode.instruction}
            infos.append(told | {"goal_class": str(episode.info.get("goal_class", ""))})
        return infos

    def step(self, actions: NDArray[Any]) -> list[tuple[float, bool, bool, dict[str, Any]]]:
        """Reward, terminated, truncated and info of every lane."""
        simulator = self.simulator
        going = (~simulator.done).nonzero()[:, 0].tolist()
        simulator.step(_given(actions, simulator.setup.discrete))
        results: list[tuple[float, bool, bool, dict[str, Any]]] = [(0.0, False, False, {})] * simulator.count
        done, stopped = simulator.done.tolist(), simulator.stopped.tolist()
        for lane, (reward, success) in zip(going, self._judge.judge(going), strict=True):
            info = {
                "success": success,
                "static_contact": bool(simulator.static[lane]),
                "human_contact": bool(simulator.human[lane]),
                "seconds": float(simulator.seconds[lane]),
            }
            results[lane] = (reward, stopped[lane], done[lane] and not stopped[lane], info)
        return results

    def observe(self, lanes: list[int]) -> list[Arrays]:
        """What these robots see, as arrays."""
        return [arrays_of(seen, self.simulator.setup, self._goals) for seen in self.simulator.observe(lanes)]


def _given(actions: NDArray[Any], discrete: bool) -> torch.Tensor | list[Action]:
    """Arrays as actions: steps, or rows of speed, turn and, above one half, STOP."""
    if discrete:
        return torch.from_numpy(np.ascontiguousarray(actions))
    rows = np.asarray(actions, np.float64).reshape(len(actions), -1).tolist()
    return [Step.STOP if len(row) == 3 and row[2] > 0.5 else (row[0], row[1]) for row in rows]


def _stacked(seen: list[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in seen]) for name in seen[0]}
