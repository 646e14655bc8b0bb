"""What a user of maps and episodes reads when something is wrong, kept as prose in errors.txt."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from splatsim.formats.interior_gs import read_interior_gs, write_interior_gs
from splatsim.formats.ros_map import read_ros_map, write_ros_map
from splatsim.maps import BevOptions, FogOfWar, MapOptions, Robot, distance_field, map_gaussians, map_scene
from splatsim.nav import Episode, Trajectory, measure
from splatsim.nav.physics import Crowd, Space
from splatsim.nav.unicycle import Drive, take_step, within_limits
from splatsim.scene import Scene
from tests.maps.gaussian_rooms import room, walk
from tests.maps.rooms import drawn
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("errors.txt")


def changed(folder: Path, old: str, new: str) -> Path:
    write_ros_map(folder / "map.yaml", drawn("..\n.#"))
    text = (folder / "map.yaml").read_text()
    (folder / "map.yaml").write_text(text.replace(old, new))
    return folder / "map.yaml"


def without_scale(folder: Path) -> Path:
    write_interior_gs(folder, drawn("..\n.#"))
    text = (folder / "occupancy.json").read_text()
    (folder / "occupancy.json").write_text(text.replace('"scale": 0.1', '"scale": "0.1"'))
    return folder


def cases(folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that a user may get wrong, by a short name."""
    gaussians, _ = room()
    walls = gaussians.select((gaussians.means[:, 2] > 0.1) & (gaussians.means[:, 2] < 0.6))
    nav_map = drawn("....\n.##.\n.#?.\n.##.", resolution=1.0)
    place = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    episode = Episode("e1", "flat", (0.5, -0.5, 0.0), (3.5, -0.5), 3.0, place)
    trajectory = Trajectory(torch.zeros(1).double(), torch.tensor([[0.5, -0.5, 0.0]]).double())
    crowd = Crowd.nobody(1)
    return {
        "no Gaussians": lambda: map_scene(Scene("nothing")),
        "no floor": lambda: map_gaussians(walls),
        "robot too wide": lambda: map_gaussians(gaussians, options=MapOptions(robot=Robot(radius=2.5))),
        "robot upside down": lambda: Robot(height=0.1, clearance=0.2),
        "cameras elsewhere": lambda: map_gaussians(gaussians, walk(-50.0)),
        "goal in a wall": lambda: distance_field(nav_map, (1.5, -1.5)),
        "goal unknown": lambda: distance_field(nav_map, (2.5, -2.5)),
        "ceiling": lambda: BevOptions(ceiling=-1.0),
        "look": lambda: FogOfWar(nav_map).look((0.5, -0.5, 0.0), fov=0.0, reach=5.0),
        "ROS resolution": lambda: read_ros_map(changed(folder, "0.1", "0")),
        "ROS turned": lambda: read_ros_map(changed(folder, "0.0]", "1.57]")),
        "InteriorGS scale": lambda: read_interior_gs(without_scale(folder)),
        "unsolvable": lambda: dataclasses.replace(episode, shortest=math.inf),
        "goal too near a wall": lambda: measure(
            dataclasses.replace(episode, goal=(0.9, -2.5)), trajectory.replace(robot_radius=0.6), nav_map
        ),
        "pose": lambda: trajectory.replace(poses=torch.full((1, 3), math.nan).double()),
        "command": lambda: within_limits(torch.tensor([[math.nan, 0.0]]), torch.zeros(1, 2), Drive(), 0.1),
        "action": lambda: take_step(Space(nav_map), torch.zeros(1, 3), torch.tensor([9]), torch.ones(1), Drive()),
        "limits": lambda: Drive(max_speed=0.0),
        "crowd": lambda: crowd.replace(first=torch.tensor([0, 3])),
    }


@pytest.mark.usefixtures("unchecked")
def test_sentences(tmp_path: Path) -> None:
    check_sentences(SENTENCES, cases(tmp_path), tmp_path)
