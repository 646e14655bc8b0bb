"""What a user reads when something about a simulator or an environment is wrong."""

import math
from pathlib import Path

import pytest
import torch

from splatsim.nav import Humans, Sensors, Setup
from splatsim.nav.simulator import Simulator
from splatsim.nav.world import World
from tests.maps.rooms import drawn
from tests.nav.test_sensing import ROOMS
from tests.nav.test_simulator import WORLD, begun, episode
from tests.sentences import check_sentences

FOLDER = Path(__file__).parent


def test_sentences(tmp_path) -> None:
    bare = World("bare", ROOMS.nav_map)
    plain = World("plain", ROOMS.nav_map, 0.0, ROOMS.gaussians)
    told = Setup(humans=Humans(1, model="scripted"))
    hole = World("hole", drawn("###\n#.#\n###"))
    check_sentences(
        FOLDER / "simulator_errors.txt",
        {
            "no lanes": lambda: Simulator(WORLD, Setup(), 0),
            "no episode yet": lambda: Simulator(WORLD, Setup()).observe(),
            "a lane that is not there": lambda: begun().reset([1], [episode()]),
            "a start in a wall": lambda: begun(None, episode(start=(0.05, -3.0, 0.0))),
            "too few actions": lambda: begun(None, episode(), episode(2)).step(torch.tensor([1])),
            "no step": lambda: begun().step(torch.tensor([7])),
            "half a step": lambda: begun().step(torch.tensor([0.5])),
            "NaN": lambda: begun(Setup(discrete=False)).step([(math.nan, 0.0)]),
            "too many people": lambda: begun(Setup(humans=Humans(200))),
            "no room for anybody": lambda: Simulator(hole, Setup(humans=Humans(1))),
            "too few tracks": lambda: begun(told, episode(info={"people": []})),
            "no track": lambda: begun(told, episode(info={"people": [[[0.0, 1.0, "x", 0.0]]]})),
            "nothing to see": lambda: Simulator(bare, Setup(sensors=Sensors(rgb=True))),
            "no classes": lambda: Simulator(plain, Setup(sensors=Sensors(semantic=True))),
            "nothing to see from above": lambda: Simulator(bare, Setup(sensors=Sensors(bev="map", bev_colors=True))),
        },
        tmp_path,
    )


def test_sentences_of_environments(tmp_path) -> None:
    pytest.importorskip("gymnasium")
    from splatsim.nav.env import NavEnv

    def over() -> None:
        env = NavEnv(WORLD, Setup(), [episode()])
        env.reset(seed=0)
        env.step(0)
        env.step(1)

    check_sentences(
        FOLDER / "env_errors.txt",
        {
            "no episodes": lambda: NavEnv(WORLD, Setup(), []),
            "no such episode": lambda: NavEnv(WORLD, Setup(), [episode()]).reset(options={"episode": 3}),
            "no such rendering": lambda: NavEnv(WORLD, Setup(), [episode()], render_mode="human"),
            "it is over": over,
        },
        tmp_path,
    )
