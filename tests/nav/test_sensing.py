"""What robots see against a room whose walls are known to the millimetre."""

import dataclasses
import math

import pytest
import torch

from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap
from splatsim.nav import Episode, Humans, Sensors, Setup
from splatsim.nav.simulator import Simulator
from splatsim.nav.unicycle import Step
from splatsim.nav.world import World
from tests.maps.gaussian_rooms import CLASSES, is_free, room
from tests.nav.test_simulator import alike

STOP, FORWARD, LEFT, RIGHT = Step
EYE = 1.25


def rooms() -> World:
    """Two rooms with a door, and their true map."""
    gaussians, semantics = room()
    frame = GridFrame((-0.1, 3.1), 0.05, (64, 84))
    free = is_free(frame.all_centers().reshape(-1, 2)).reshape(64, 84)
    nav_map = NavMap(frame, torch.where(free, FREE, OCCUPIED).to(torch.uint8), (0.1, 1.8))
    return World("rooms", nav_map, 0.0, gaussians, semantics)


ROOMS = rooms()
ALL = Sensors(rgb=True, depth=True, semantic=True, width=64, height=48, people=True)


def set_down(sensors: Sensors, start=(0.5, 2.0, 0.0), humans: Humans | None = None, **other) -> Simulator:
    simulator = Simulator(ROOMS, Setup(sensors=sensors, humans=humans or Humans()))
    way = torch.tensor([start[:2], (3.0, 2.0)], dtype=torch.float64)
    simulator.reset([0], [Episode("e", "rooms", start, (3.0, 2.0), 2.5, way, seed=5, **other)])
    return simulator


def test_depth_and_labels_are_those_of_the_wall_ahead() -> None:
    # The robot at (0.5, 2.6) looks east: the wall between the rooms has its face at x = 2.
    seen = set_down(ALL, (0.5, 2.6, 0.0)).observe()[0]
    assert float(seen.depth[24, 32]) == pytest.approx(1.5, abs=0.03)
    assert int(seen.semantic[24, 32]) == CLASSES.index("wall")
    assert seen.rgb.shape == (48, 64, 3)
    assert float(seen.K[0, 0]) == pytest.approx(32 / math.tan(math.radians(39.5)))
    # Through the door, below, the floor: the ray through row r falls (r + 0.5 - 24) / f per metre ahead.
    seen = set_down(ALL, (0.5, 1.7, 0.0)).observe()[0]
    row = 46
    ahead = EYE * float(seen.K[1, 1]) / (row + 0.5 - 24)
    assert float(seen.depth[row, 32]) == pytest.approx(ahead, abs=0.05)
    assert int(seen.semantic[row, 32]) == CLASSES.index("floor")


def test_left_of_the_picture_is_left_of_the_robot() -> None:
    # Looking south from the north-west corner, the table is ahead, and the outer wall in the west is on the right.
    seen = set_down(ALL, (0.8, 2.6, -math.pi / 2)).observe()[0]
    f = float(seen.K[0, 0])
    for column, wall in ((60, 0.8), (3, 1.2)):
        aside = abs(column + 0.5 - 32) / f
        assert float(seen.depth[20, column]) == pytest.approx(min(2.6, wall / aside), abs=0.1)


def test_pictures_change_nothing_and_lanes_are_seen_as_if_alone() -> None:
    blind = Sensors(people=True)
    humans = Humans(2, bodies="capsules")
    one, two = set_down(ALL, humans=humans), set_down(blind, humans=humans)
    for step in (FORWARD, LEFT, FORWARD, RIGHT, FORWARD):
        one.observe()
        one.step([step])
        two.step([step])
    assert alike(one.trajectory(0), two.trajectory(0))
    pair = Simulator(ROOMS, Setup(sensors=ALL), 2)
    starts = [(0.5, 2.0, 0.0), (3.0, 1.0, 2.0)]
    pair.reset(
        [0, 1], [Episode(f"{k}", "rooms", start, (3.0, 2.0), 2.5, torch.zeros(0, 2)) for k, start in enumerate(starts)]
    )
    together = pair.observe()
    for lane, start in enumerate(starts):
        alone = set_down(ALL, start).observe()[0]
        for name in ("rgb", "depth", "semantic"):
            assert bool((getattr(together[lane], name) == getattr(alone, name)).all())


def test_people_stand_in_the_picture_where_they_stand() -> None:
    robot = torch.tensor([0.5, 1.7])
    simulator = set_down(ALL, (0.5, 1.7, 0.0), humans=Humans(1, pattern="leader", bodies="capsules"))
    place = simulator.people.places(torch.tensor([0]))[0, 0]
    simulator.poses[0, 2] = math.atan2(*(place - robot).flip(0).tolist())
    seen = simulator.observe()[0]
    label = len(CLASSES)
    columns = (seen.semantic == label).any(dim=0).nonzero()[:, 0].double()
    assert len(columns)
    assert float(columns.mean()) == pytest.approx(31.5, abs=1.5)
    middle = seen.depth[:, 32][seen.semantic[:, 32] == label]
    assert float(middle.median()) == pytest.approx(float((place - robot).norm()), abs=0.2)


def test_an_avatar_walks_in_the_picture() -> None:
    simulator = set_down(ALL, (0.5, 1.7, 0.0), humans=Humans(1, pattern="leader"))
    for turns in (0, 8):
        for _ in range(turns):
            simulator.step([LEFT])
        person = simulator.people.gaussians(0)
        place = simulator.people.places(torch.tensor([0]))[0, 0]
        assert torch.allclose(person.means[:, :2].mean(dim=0).double(), place, atol=0.2)
        assert 1.1 < float(person.means[:, 2].max()) < 2.1
        assert float(person.means[:, 2].min()) > -0.05
    assert int((set_down(ALL, (0.5, 1.7, 0.1), humans=Humans(1, pattern="leader")).observe()[0].semantic == 5).sum())


def test_the_whole_map_shows_people_and_where_the_robot_has_been() -> None:
    simulator = set_down(Sensors(bev="map"), (0.5, 2.02, 0.0), humans=Humans(2))
    for _ in range(4):
        simulator.step([FORWARD])
    seen = simulator.observe()[0]
    assert seen.bev.frame == ROOMS.nav_map.frame
    assert bool((seen.bev.cells == ROOMS.nav_map.cells).all())
    x = float(simulator.poses[0, 0])
    assert seen.map_pose == pytest.approx((x, 2.02, 0.0))
    places = simulator.people.places(torch.tensor([0]))[0]
    cells = seen.bev.frame.cell_of(places)
    assert bool(seen.bev.people[cells[:, 0], cells[:, 1]].all())
    moving = simulator.people.velocities(torch.tensor([0]))[0].float()
    assert torch.allclose(seen.bev.velocities[cells[:, 0], cells[:, 1]], moving)
    row = int(seen.bev.frame.cell_of(torch.tensor([[1.0, 2.02]]))[0, 0])
    first, last = (int(seen.bev.frame.cell_of(torch.tensor([[x, 2.02]]))[0, 1]) for x in (0.51, x - 0.01))
    assert bool(seen.bev.visited[row, first : last + 1].all())


@pytest.mark.parametrize("bev", ["map", "seen", "ego"])
@pytest.mark.parametrize("task", ["social", "image goal"])
def test_who_writes_into_what_is_seen_changes_nothing(bev: str, task: str) -> None:
    sensors = Sensors(rgb=True, depth=True, semantic=True, width=32, height=24, people=True, bev=bev, bev_colors=True)
    simulator, untouched = (set_down(sensors, humans=Humans(2, bodies="capsules"), task=task) for _ in range(2))
    before = ROOMS.content_hash
    for step in (FORWARD, LEFT, FORWARD):
        seen = simulator.observe()[0]
        given = [value for part in (seen, seen.bev, seen.people) for value in vars(part).values()]
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        assert len(tensors) > 10
        for tensor in tensors:
            tensor.copy_(torch.full_like(tensor, 1) - tensor if tensor.dtype != torch.bool else ~tensor)
        again, other = simulator.observe()[0], untouched.observe()[0]
        for one, two in ((again, other), (again.bev, other.bev), (again.people, other.people)):
            for name, value in vars(one).items():
                if isinstance(value, torch.Tensor):
                    assert torch.equal(value, getattr(two, name)), name
        simulator.step([step])
        untouched.step([step])
    assert alike(simulator.trajectory(0), untouched.trajectory(0))
    assert dataclasses.replace(ROOMS, content_hash="").content_hash == before


def test_what_was_not_seen_is_unknown() -> None:
    # West of the wall, looking west: nothing of the east room was ever in view.
    simulator = set_down(Sensors(bev="seen"), (1.0, 2.6, math.pi))
    bev = simulator.observe()[0].bev
    east = bev.frame.all_centers()[..., 0] > 2.1
    assert bool((bev.cells[east] == UNKNOWN).all())
    known = bev.cells != UNKNOWN
    assert bool((bev.cells[known] == ROOMS.nav_map.cells[known]).all())
    assert 0.02 < float(known.double().mean()) < 0.5
    for _ in range(24):
        simulator.step([LEFT])
    assert int((simulator.observe()[0].bev.cells != UNKNOWN).sum()) > int(known.sum())


def test_the_surroundings_turn_with_the_robot_and_do_not_tell_where_it_is() -> None:
    sensors = Sensors(bev="ego")
    bev = set_down(sensors, (0.5, 2.6, 0.0)).observe()[0].bev
    assert bev.frame.pose == (0.0, 0.0, 0.0)
    # 1.5 m ahead begins the wall between the rooms, 0.4 m to the left the outer one.
    for ahead, left, state in ((1.43, 0, FREE), (1.57, 0, OCCUPIED), (0, 0.33, FREE), (0, 0.47, OCCUPIED)):
        row, column = bev.frame.cell_of(torch.tensor([[ahead, left]], dtype=torch.float64))[0].tolist()
        assert int(bev.cells[row, column]) == state
    turned = set_down(sensors, (0.5, 2.6, math.pi / 2)).observe()[0].bev
    row, column = turned.frame.cell_of(torch.tensor([[0.0, -1.57]], dtype=torch.float64))[0].tolist()
    assert int(turned.cells[row, column]) == OCCUPIED


def test_the_goal_image_is_what_is_seen_there() -> None:
    simulator = set_down(ALL, (0.5, 2.0, 0.0), task="image goal")
    wanted = simulator.observe()[0].goal_image
    there = set_down(ALL, (3.0, 2.0, 0.0)).observe()[0].rgb
    assert torch.equal(wanted, there)
    assert simulator.observe()[0].goal is None
    told = set_down(ALL, (0.5, 2.0, 0.0), task="image goal", info={"goal_yaw": 1.0})
    there = set_down(ALL, (3.0, 2.0, 1.0)).observe()[0].rgb
    assert torch.equal(told.observe()[0].goal_image, there)


def test_noise_of_depth_is_a_share_of_it_and_the_same_each_time() -> None:
    simulator = set_down(Sensors(depth=True, depth_noise=0.02, width=64, height=64))
    true = set_down(Sensors(depth=True, width=64, height=64)).observe()[0].depth
    one, two = (simulator.observe()[0].depth for _ in range(2))
    assert torch.equal(one, two)
    off = (one / true - 1)[true > 0]
    assert float(off.std()) == pytest.approx(0.02, rel=0.1)
