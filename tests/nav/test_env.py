"""The gymnasium environments: gymnasium's own checks, and rewards reckoned by hand."""

import math
import warnings

import numpy as np
import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.nav import Humans, Sensors, Setup
from tests.nav.test_simulator import WORLD, episode

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from splatsim.nav.env import NavEnv, NavVectorEnv  # noqa: E402

STOP, FORWARD, LEFT, RIGHT = range(4)


@pytest.mark.parametrize("discrete", [True, False])
def test_gymnasium_finds_nothing_wrong(discrete: bool) -> None:
    setup = Setup(discrete=discrete, humans=Humans(2), sensors=Sensors(people=True, bev="ego", pose_noise=0.02))
    env = NavEnv(WORLD, setup, [episode(1), episode(2)])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(symmetric and normalized|not within the observation|spec).*")
        check_env(env, skip_render_check=True)


def test_reward_is_progress_less_time_and_success_at_the_end() -> None:
    env = NavEnv(WORLD, Setup(), [episode(goal=(1.5, -3.0))])
    seen, info = env.reset(seed=0)
    assert info["task"] == "point goal"
    assert seen["goal"].tolist() == pytest.approx([0.5, 0.0])
    _, reward, terminated, truncated, info = env.step(FORWARD)
    # Distances on a grid of 0.1 m cells.
    assert reward == pytest.approx(0.25 - 0.01, abs=0.05)
    assert (terminated, truncated) == (False, False)
    env.step(FORWARD)
    _, reward, terminated, truncated, info = env.step(STOP)
    assert (terminated, truncated, info["success"]) == (True, False, True)
    assert reward == pytest.approx(10 - 0.01, abs=0.05)
    with pytest.raises(EpisodeError, match="is over"):
        env.step(FORWARD)


def test_a_stop_elsewhere_ends_without_success_and_the_last_step_truncates() -> None:
    env = NavEnv(WORLD, Setup(), [episode(max_steps=2)])
    env.reset(seed=0)
    *_, terminated, truncated, info = env.step(STOP)
    assert (terminated, truncated, info["success"]) == (True, False, False)
    env.reset()
    env.step(FORWARD)
    *_, terminated, truncated, _ = env.step(FORWARD)
    assert (terminated, truncated) == (False, True)


def test_contacts_cost() -> None:
    env = NavEnv(WORLD, Setup(), [episode(start=(7.7, -3.0, 0.0))])
    env.reset(seed=0)
    _, reward, _, _, info = env.step(FORWARD)
    assert info["static_contact"]
    assert reward == pytest.approx(-0.1 - 0.01, abs=1e-3)


def test_lanes_begin_anew_by_themselves() -> None:
    env = NavVectorEnv(WORLD, Setup(), [episode(1), episode(2, start=(2.0, -2.0, 1.0))], 3)
    seen, infos = env.reset(seed=4)
    assert seen["goal"].shape == (3, 2)
    assert env.observation_space.contains(seen)
    assert len(infos["episode"]) == 3
    _, _, terminated, _, _ = env.step(np.array([STOP, FORWARD, FORWARD]))
    assert terminated.tolist() == [True, False, False]
    seen, rewards, terminated, _, _ = env.step(np.array([FORWARD, FORWARD, STOP]))
    assert terminated.tolist() == [False, False, True]
    assert rewards[0] == 0
    assert seen["pose"][0].tolist() == [0, 0, 0]
    assert math.hypot(*seen["pose"][1][:2]) == pytest.approx(0.5)
    again, _ = NavVectorEnv(WORLD, Setup(), [episode(1), episode(2, start=(2.0, -2.0, 1.0))], 3).reset(seed=4)
    assert np.array_equal(again["goal"], env.reset(seed=4)[0]["goal"])


def test_continuous_actions_and_their_stop() -> None:
    env = NavEnv(WORLD, Setup(discrete=False), [episode()])
    env.reset(seed=0)
    env.step(np.array([1.0, 0.0, 0.0], np.float32))
    assert env.simulator.poses[0].tolist() == pytest.approx([1.02, -3.0, 0.0])
    *_, terminated, _, _ = env.step(np.array([1.0, 0.0, 1.0], np.float32))
    assert terminated
    assert torch.equal(env.trajectory().poses[-1], env.trajectory().poses[-2])
    env.reset()
    with pytest.raises(EpisodeError, match="lane 0"):
        env.step(np.array([math.nan, 0.0, 0.0], np.float32))
