"""What the learned agent takes in, and what it does with weights that are none."""

import importlib.util
import io
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from splatsim.assets import shelf_file
from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._npy import write_npz
from splatsim.grids import FREE
from splatsim.nav import Briefing, Observation, Setup, measure
from splatsim.nav.agents import LearnedAgent
from splatsim.nav.agents.learned import WEIGHTS
from splatsim.nav.agents.policy import NOWHERE, SIDE, SKIP, Policy, load_policy, save_policy, sources, spread
from splatsim.nav.simulator import Simulator
from splatsim.nav.unicycle import Step
from tests.nav.agents.playing import ROOMS, WORLD, episode, play


def train_policy() -> ModuleType:
    """The script, as a module."""
    script = Path(__file__).parents[3] / "bench" / "train_policy.py"
    spec = importlib.util.spec_from_file_location("train_policy", script)
    assert spec is not None
    assert spec.loader is not None
    training = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = training
    spec.loader.exec_module(training)
    return training


def test_values_come_from_where_the_goal_is() -> None:
    # 1.3 m ahead and 0.9 m to the left: cells are 0.2 m, row 0 is ahead, column 0 to the left.
    goals = torch.tensor([[math.hypot(1.3, 0.9), math.atan2(0.9, 1.3)], [8.0, 0.0]])
    near, far = sources(goals)[:, 0]
    assert divmod(int(near.argmax()), SIDE) == (16 - 7, 16 - 5)
    assert float(near.max()) == pytest.approx(0, abs=1e-5)
    assert int((near[1:-1, 1:-1] > NOWHERE).sum()) < 12
    # What lies out of view is reached over the edge: best straight ahead, where 4.9 m are left from a cell's centre.
    assert divmod(int(far.argmax()), SIDE)[0] == 0
    assert float(far.max()) == pytest.approx(-math.hypot(8 - 3.1, 0.1), abs=1e-5)


def test_values_spread_around_what_costs_much() -> None:
    values, costs = torch.full((1, 1, SIDE, SIDE), NOWHERE), torch.full((1, 1, SIDE, SIDE), 0.2)
    values[0, 0, 16, 10] = 0.0
    straight = spread(values, costs)[0, 0]
    assert float(straight[16, 20]) == pytest.approx(-10 * 0.2, abs=1e-5)
    assert float(straight[6, 17]) == pytest.approx(-(3 + 7 * math.sqrt(2)) * 0.2, abs=1e-5)
    costs[0, 0, 10:, 15] = 50.0
    around = spread(values, costs)[0, 0]
    assert -8.0 < float(around[16, 20]) < float(straight[16, 20]) - 1.0


def test_it_is_trained_on_what_the_simulator_shows() -> None:
    training = train_policy()
    played = episode(start=(1.03, -2.99, 0.41))
    simulator = Simulator(WORLD, Setup(sensors=LearnedAgent.sensors))
    simulator.reset([0], [played])
    pose = torch.tensor(played.start, dtype=torch.float64)
    lane = training.Lane(ROOMS, training.Terrain(ROOMS, played.goal, 0.2), torch.zeros_like(ROOMS.free), pose)
    for step in (Step.FORWARD, Step.LEFT, Step.FORWARD, Step.FORWARD):
        simulator.step([step])
        training.drive(lane, int(step))
    seen, (closed, visited, goals, last, failed) = simulator.observe()[0], training.views([lane])
    assert seen.bev is not None
    assert seen.bev.visited is not None
    assert (int(last[0]), bool(failed[0])) == (Step.FORWARD, False)
    assert goals[0].tolist() == pytest.approx(seen.goal, abs=1e-5)
    for shown, learned in ((seen.bev.cells != FREE, closed), (seen.bev.visited, visited)):
        # Numbers of single precision put a point on an edge to either side.
        assert float((shown[::SKIP, ::SKIP] ^ learned[0]).float().mean()) < 0.01
        assert bool(learned.any())


def test_weights_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    policy = Policy()
    save_policy(tmp_path / "policy.npz", policy)
    again = load_policy(tmp_path / "policy.npz").state_dict()
    for name, weights in policy.state_dict().items():
        assert torch.equal(again[name], weights.half().float())
    assert (tmp_path / "policy.npz").stat().st_size < 1 << 20


def test_what_is_no_policy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    good = {name: weights.half().numpy() for name, weights in Policy().state_dict().items()}
    name = "head.0.weight"
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    for arrays, said in (
        ({name: good[name]}, "among them"),
        (good | {name: good[name][:1]}, "in half or single precision"),
        (good | {name: np.full_like(good[name], np.nan)}, "not finite"),
    ):
        write_npz(path, arrays)
        with pytest.raises(FormatError, match=said):
            load_policy(path)
    save_policy(path, Policy())
    for data in (b"", b"no archive", buffer.getvalue(), path.read_bytes()[:5000]):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"expected a \.npz archive"):
            load_policy(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        load_policy(tmp_path / "nothing.npz")


def test_it_says_what_it_misses() -> None:
    agent = LearnedAgent(Policy())
    with pytest.raises(EpisodeError, match="no view around the robot"):
        agent.act(Observation(goal=(1.0, 0.0)))
    with pytest.raises(EpisodeError, match="discrete"):
        agent.reset(Briefing("point goal", discrete=False))


def test_a_step_into_a_wall_is_known_to_have_failed() -> None:
    """The network is asked again with that, and the pupil of the training is told the same."""
    told: list[bool] = []

    class Listens(Policy):
        def forward(self, *seen: torch.Tensor) -> torch.Tensor:
            told.append(bool(seen[-1][0]))
            return torch.nn.functional.one_hot(torch.tensor([int(Step.FORWARD)]), 4).float()

    play(LearnedAgent(Listens()), episode(start=(0.5, -3.2, math.pi), max_steps=4))
    assert told == [False, False, True, True]


def test_the_shipped_weights_find_a_way() -> None:
    assert shelf_file(WEIGHTS).stat().st_size < 200 << 10
    played = episode()
    assert measure(played, play(LearnedAgent(), played), ROOMS)["success"] == 1


def test_training_gives_the_same_bytes_for_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["--rounds", "2", "--steps", "2", "--batches", "1", "--rooms", "1", "--goals", "2"]
    training, before = train_policy(), torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            monkeypatch.setattr(sys, "argv", ["train_policy.py", str(tmp_path / f"{threads}.npz"), *small])
            training.main()
    finally:
        torch.set_num_threads(before)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
