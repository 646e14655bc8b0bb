"""What the learned agent takes in, and what it does with weights that are none."""

import importlib.util
import io
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._npy import write_npz
from splatsim.grids import FREE
from splatsim.nav import Briefing, Observation, Setup
from splatsim.nav.agents import LearnedAgent
from splatsim.nav.agents.policy import SKIP, Policy, load_policy, look, pooled, save_policy
from splatsim.nav.simulator import Simulator
from splatsim.nav.unicycle import Step
from tests.nav.agents.playing import ROOMS, WORLD, episode


def test_it_sees_where_the_goal_is() -> None:
    # 1.3 m ahead and 0.9 m to the left: cells are 0.2 m, row 0 is ahead, column 0 to the left.
    goal = torch.tensor([[math.hypot(1.3, 0.9), math.atan2(0.9, 1.3)]])
    pictures, goals = look(torch.zeros(1, 32, 32), torch.zeros(1, 32, 32), goal)
    best = int(pictures[0, 2].argmax())
    assert (best // 32, best % 32) == (16 - 7, 16 - 5)
    assert float(pictures[0, 2].max()) == pytest.approx(float(goal[0, 0]) / 3.2, abs=1e-4)
    assert goals[0, :2].tolist() == pytest.approx([math.cos(goal[0, 1]), math.sin(goal[0, 1])])
    cells = torch.zeros(1, 64, 64, dtype=torch.bool)
    cells[0, 2, 4:6] = True
    assert pooled(cells)[0].nonzero().tolist() == [[1, 2]]
    assert float(pooled(cells)[0, 1, 2]) == 0.5


def test_it_is_trained_on_what_the_simulator_shows() -> None:
    script = Path(__file__).parents[3] / "bench" / "train_policy.py"
    spec = importlib.util.spec_from_file_location("train_policy", script)
    assert spec is not None
    assert spec.loader is not None
    training = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = training
    spec.loader.exec_module(training)
    played = episode(start=(1.03, -2.99, 0.41))
    simulator = Simulator(WORLD, Setup(sensors=LearnedAgent.sensors))
    simulator.reset([0], [played])
    pose = torch.tensor(played.start, dtype=torch.float64)
    lane = training.Lane(ROOMS, training.Terrain(ROOMS, played.goal, 0.2), torch.zeros_like(ROOMS.free), pose)
    for step in (Step.FORWARD, Step.LEFT, Step.FORWARD, Step.FORWARD):
        simulator.step([step])
        training.drive(lane, int(step))
    seen, (closed, visited, goals) = simulator.observe()[0], training.views([lane])
    assert seen.bev is not None
    assert seen.bev.visited is not None
    assert goals[0].tolist() == pytest.approx(seen.goal, abs=1e-5)
    for shown, learned in ((seen.bev.cells != FREE, closed), (seen.bev.visited, visited)):
        # Numbers of single precision put a point on an edge to either side.
        apart = (pooled(shown[None, ::SKIP, ::SKIP]) - learned).abs()
        assert float(apart.mean()) < 0.01
        assert float(learned.max()) > 0


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
    name = next(iter(good))
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
