"""The simulator against poses reckoned by hand, and against itself: nothing but episode and actions decides."""

import math

import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.nav import Episode, Humans, Sensors, Setup, Trajectory
from splatsim.nav.physics import SKIN
from splatsim.nav.simulator import Simulator
from splatsim.nav.unicycle import Drive, Step
from splatsim.nav.world import World
from tests.maps.rooms import drawn

STOP, FORWARD, LEFT, RIGHT = Step
ROOM = drawn("\n".join(["#" * 80] + ["#" + "." * 78 + "#"] * 58 + ["#" * 80]))
"""7.8 × 5.8 m, walls of 0.1 m around it."""
WORLD = World("room", ROOM)


def episode(seed: int = 1, start=(1.0, -3.0, 0.0), goal=(6.0, -3.0), **other) -> Episode:
    way = torch.tensor([start[:2], goal], dtype=torch.float64)
    return Episode(f"round {seed}", "room", start, goal, math.dist(start[:2], goal), way, seed=seed, **other)


def begun(setup: Setup | None = None, *episodes: Episode) -> Simulator:
    episodes = episodes or (episode(),)
    simulator = Simulator(WORLD, setup or Setup(), len(episodes))
    simulator.reset(range(len(episodes)), episodes)
    return simulator


def alike(one: Trajectory, two: Trajectory) -> bool:
    """Bit for bit."""
    return all(bool((value == two.tensors()[name]).all()) for name, value in one.tensors().items())


def test_steps_lead_where_they_should() -> None:
    simulator = begun(None, episode(start=(1.0, -3.0, math.pi / 2)))
    for step in (FORWARD, FORWARD, LEFT, LEFT, FORWARD, RIGHT):
        simulator.step([step])
    x, y, yaw = simulator.poses[0].tolist()
    assert (x, y) == pytest.approx((1 + 0.25 * math.cos(math.radians(120)), -2.5 + 0.25 * math.sin(math.radians(120))))
    assert yaw == pytest.approx(math.radians(105))
    # A quarter of a metre at 1 m/s, 15° at 90°/s.
    assert float(simulator.seconds[0]) == pytest.approx(3 * 0.25 + 3 / 6)
    assert not bool(simulator.done[0])


def test_stop_and_the_last_step_end_an_episode() -> None:
    simulator = begun(None, episode(max_steps=2), episode(2), episode(3))
    simulator.step([FORWARD, STOP, FORWARD])
    assert simulator.done.tolist() == [False, True, False]
    place = simulator.poses[1].clone()
    simulator.step([FORWARD, FORWARD, FORWARD])
    assert simulator.done.tolist() == [True, True, False]
    assert simulator.stopped.tolist() == [False, True, False]
    assert bool((simulator.poses[1] == place).all())
    assert [len(simulator.trajectory(lane).seconds) for lane in range(3)] == [3, 2, 3]
    assert [simulator.trajectory(lane).stopped for lane in range(3)] == [False, True, False]
    simulator.reset([1], [episode(4)])
    assert len(simulator.trajectory(1).seconds) == 1
    assert not bool(simulator.done[1])


def test_a_wall_is_touched_and_counted() -> None:
    simulator = begun(None, episode(start=(7.3, -3.0, 0.0)))
    for _ in range(3):
        simulator.step([FORWARD])
    # Its face is at 7.9 m.
    assert simulator.poses[0].tolist() == pytest.approx([7.7, -3.0, 0.0], abs=3 * SKIN)
    trajectory = simulator.trajectory(0)
    assert trajectory.static_contacts.tolist() == [False, True, True]
    assert trajectory.human_contacts.tolist() == [False, False, False]


def test_speed_and_turn_follow_the_limits() -> None:
    simulator = begun(Setup(discrete=False))
    for _ in range(10):
        simulator.step([(1.0, 0.0)])
    # 2 m/s² for 5 ticks, the speed of each tick being that at its end: 0.1 · (0.2 + 0.4 + 0.6 + 0.8) + 6 · 0.1.
    assert simulator.poses[0].tolist() == pytest.approx([1.8, -3.0, 0.0])
    assert float(simulator.seconds[0]) == pytest.approx(1.0)
    simulator.step([STOP])
    assert bool(simulator.done[0])
    assert bool(simulator.stopped[0])


@pytest.mark.parametrize("discrete", [True, False])
def test_other_lanes_do_not_matter(discrete: bool) -> None:
    setup = Setup(discrete=discrete, humans=Humans(3), sensors=Sensors(people=True, pose_noise=0.05))
    generator = torch.Generator().manual_seed(3)
    many = begun(setup, *(episode(seed, start=(1.0 + 0.1 * seed, -3.0, 0.2 * seed)) for seed in range(7)))
    steps = torch.randint(1, 4, (25, 7), generator=generator)
    commands = 2 * torch.rand(25, 7, 2, generator=generator) - 0.5
    actions = steps if discrete else commands
    for row in actions:
        many.step(row)
    for lane in (0, 4, 6):
        alone = begun(setup, episode(lane, start=(1.0 + 0.1 * lane, -3.0, 0.2 * lane)))
        for row in actions:
            alone.step(row[lane : lane + 1])
            alone.observe()
        assert alike(alone.trajectory(0), many.trajectory(lane))
        seen, there = alone.observe()[0], many.observe([lane])[0]
        assert seen.pose == there.pose
        assert alike_people(seen.people, there.people)


def alike_people(one, two) -> bool:
    return len(one) == len(two) and all(
        bool((value == two.tensors()[name]).all()) for name, value in one.tensors().items()
    )


def test_odometry_and_goal_are_those_of_the_robot() -> None:
    simulator = begun(None, episode(start=(2.0, -2.0, math.pi / 2), goal=(1.0, -2.0)))
    first = simulator.observe()[0]
    assert first.pose == pytest.approx((0.0, 0.0, 0.0))
    assert first.goal == pytest.approx((1.0, math.pi / 2))
    simulator.step([FORWARD])
    simulator.step([LEFT])
    second = simulator.observe()[0]
    # North is ahead at the start.
    assert second.pose == pytest.approx((0.25, 0.0, math.radians(15)))
    assert second.goal == pytest.approx((math.hypot(1.0, 0.25), math.atan2(-0.25, -1.0) + math.tau - math.radians(105)))


def test_noise_of_odometry_is_a_share_of_what_was_driven() -> None:
    setup = Setup(sensors=Sensors(pose_noise=0.1))
    errors = []
    for seed in range(200):
        simulator = begun(setup, episode(seed))
        simulator.step([FORWARD])
        errors.append(simulator.observe()[0].pose[0] / 0.25 - 1)
        assert simulator.poses[0].tolist() == pytest.approx([1.25, -3.0, 0.0])
    spread = torch.tensor(errors).std()
    assert 0.085 < float(spread) < 0.115
    assert abs(float(torch.tensor(errors).mean())) < 0.025


def test_what_is_wrong_is_said_and_nothing_moves() -> None:
    simulator = begun(Setup(discrete=False), episode(), episode(2))
    with pytest.raises(EpisodeError, match="action of lane 1 is"):
        simulator.step([(1.0, 0.0), (math.nan, 0.0)])
    assert simulator.steps.tolist() == [0, 0]
    with pytest.raises(EpisodeError, match="1 actions for 2 lanes"):
        simulator.step([(1.0, 0.0)])
    with pytest.raises(EpisodeError, match="action of lane 0 is 7; expected a step"):
        begun().step([7])
    with pytest.raises(EpisodeError, match="no free place"):
        begun(None, episode(start=(0.05, -3.0, 0.0)))
    with pytest.raises(EpisodeError, match="lane 0 has no episode yet"):
        Simulator(WORLD, Setup()).observe()


def test_a_slow_robot_is_told_so() -> None:
    setup = Setup(drive=Drive(max_speed=0.5))
    simulator = begun(setup)
    simulator.step([FORWARD])
    assert float(simulator.seconds[0]) == pytest.approx(0.5)
    briefing = simulator.briefing(0, 0.2)
    assert briefing.drive.max_speed == 0.5
    assert briefing.seed != simulator.episode(0).seed
