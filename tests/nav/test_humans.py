"""People: contacts by exact geometry, walks that depend on the episode alone, and what each pattern is about."""

import math

import pytest
import torch

from splatsim.nav import Episode, Humans, Sensors, Setup
from splatsim.nav.ground import RADIUS, Ground
from splatsim.nav.humans import Company
from splatsim.nav.simulator import Simulator
from splatsim.nav.social import closest_approach
from splatsim.nav.unicycle import Drive, Step
from splatsim.nav.world import World
from tests.maps.rooms import drawn, sees
from tests.nav.test_simulator import WORLD, alike, begun, episode

STOP, FORWARD, LEFT, RIGHT = Step
TIGHT = 0.2 + RADIUS
"""Distance of centres at which robot and person touch, metres."""


def walks(humans: Humans, seed: int = 1, task="point goal", steps: int = 120, action: Step = LEFT):
    simulator = begun(Setup(humans=humans, sensors=Sensors(people=True)), episode(seed, task=task))
    for _ in range(steps):
        simulator.step([action])
    return simulator, simulator.trajectory(0)


@pytest.mark.parametrize("pattern", ["stroll", "cross", "leader", "group", "queue"])
@pytest.mark.parametrize("model", ["orca", "social force", "scripted"])
def test_people_stay_on_the_floor_and_apart_at_the_start(pattern, model) -> None:
    _, trajectory = walks(Humans(4, model=model, pattern=pattern), steps=60)
    people = trajectory.people
    x, y = people.unbind(-1)
    # Walls of 0.1 m around 8 × 6 m; the middle of a person stays a body away from them, up to what a cell is.
    edge = 0.1 + RADIUS - 0.05
    assert float(x.min()) > edge
    assert float(x.max()) < 8 - edge
    assert float(y.max()) < -edge
    assert float(y.min()) > -6 + edge
    between = torch.cdist(people[0], people[0]) + 10 * torch.eye(4)
    assert float(between.min()) > 2 * RADIUS
    assert float((people[0] - trajectory.poses[0, :2]).norm(dim=-1).min()) > 0.8
    # Nobody walks faster than people do.
    seconds = trajectory.seconds.diff()[:, None]
    assert float((people.diff(dim=0).norm(dim=-1) / seconds).max()) < 2.0


def test_the_clock_of_people_is_not_that_of_the_robot() -> None:
    """Who takes no notice is at the same place at the same time, whatever the robot does and in whatever steps."""
    humans = Humans(3, reactive=False)
    turning = walks(humans, action=LEFT, steps=120)[1]
    driving = walks(humans, action=FORWARD, steps=80)[1]
    assert float(turning.seconds[-1]) == pytest.approx(20.0)
    assert float(driving.seconds[-1]) == pytest.approx(20.0)
    # Steps of 1/6 s and of 1/4 s meet every half second.
    assert torch.allclose(turning.people[::3], driving.people[::2], atol=1e-9)
    noticed = Humans(3, reactive=True)
    assert not torch.allclose(
        walks(noticed, action=LEFT)[1].people[::3], walks(noticed, action=FORWARD, steps=80)[1].people[::2], atol=1e-3
    )


def test_looking_changes_nothing() -> None:
    setup = Setup(humans=Humans(3), sensors=Sensors(people=True, bev="seen", pose_noise=0.1))
    one, two = begun(setup), begun(setup)
    for number in range(40):
        for _ in range(number % 3):
            one.observe()
        for simulator in (one, two):
            simulator.step([FORWARD if number % 4 else LEFT])
    assert alike(one.trajectory(0), two.trajectory(0))


def test_another_seed_is_another_crowd() -> None:
    first, second = (walks(Humans(3), seed=seed, steps=3)[1] for seed in (1, 2))
    assert not torch.allclose(first.people[0], second.people[0])


def test_contacts_with_people_are_those_of_exact_geometry() -> None:
    """A contact is counted where the discs meet within a step, and only there; nobody gets through a person unseen."""
    hits = 0
    for seed in range(4):
        setup = Setup(humans=Humans(6, reactive=False, pattern="cross"))
        simulator = begun(setup, episode(seed, max_steps=400))
        for number in range(60):
            simulator.step([FORWARD if number % 9 else LEFT])
        trajectory = simulator.trajectory(0)
        counted = trajectory.human_contacts
        hits += int(counted.sum())
        # Who was apart and is nearer than both bodies allow has come in; who is inside may leave.
        apart = (trajectory.people - trajectory.places[:, None]).norm(dim=-1)
        came_in = ((apart[:-1] >= TIGHT) & (apart[1:] < TIGHT - 1e-4)).any(dim=1)
        assert bool(counted[came_in].all())
        # Nobody is touched from afar: not beyond what both can cover within a step.
        nearest = closest_approach(trajectory.places, trajectory.people).amin(dim=1)
        assert bool((nearest[counted] < TIGHT + 0.25 * 1.3).all())
    assert hits > 5


def test_a_person_stops_the_robot() -> None:
    """Head on, from geometry: a standing person is met one reach before its middle."""
    setup = Setup(humans=Humans(1, pattern="queue", reactive=False, model="scripted"))
    simulator = begun(setup)
    place = simulator.trajectory(0).people[0, 0]
    toward = math.atan2(*(place - torch.tensor([4.0, -3.0])).flip(0).tolist())
    x, y = (place - 1.0 * torch.tensor([math.cos(toward), math.sin(toward)])).tolist()
    simulator.poses[0] = torch.tensor([x, y, toward], dtype=torch.float64)
    for _ in range(4):
        simulator.step([FORWARD])
    assert float((simulator.poses[0, :2] - place).norm()) == pytest.approx(TIGHT, abs=1e-4)
    assert simulator.trajectory(0).human_contacts.tolist() == [False, False, True, True]
    assert not bool(simulator.trajectory(0).static_contacts.any())


def test_a_fast_robot_does_not_get_through_people() -> None:
    setup = Setup(
        humans=Humans(6, pattern="cross", reactive=False), drive=Drive(max_speed=2.0, forward=0.5), discrete=True
    )
    lane = torch.tensor([0])
    met = 0
    for seed in range(4):
        simulator = begun(setup, episode(seed, max_steps=10_000))
        for _ in range(40):
            start = simulator.people.places(lane)[0] - simulator.poses[0, :2]
            simulator.step([FORWARD if simulator.poses[0, 0] < 7.2 else LEFT])
            way = simulator.people.places(lane)[0] - simulator.poses[0, :2] - start
            # Whoever came from outside through the middle half of a person must have been noticed.
            share = (-(start * way).sum(-1) / way.square().sum(-1).clamp_min(1e-12)).clamp(0, 1)
            nearest = (start + share[:, None] * way).norm(dim=-1)
            through = (start.norm(dim=-1) >= TIGHT) & (nearest < TIGHT / 2)
            assert bool(simulator.human[0]) or not bool(through.any())
            met += int(simulator.human[0])
    assert met > 3


def test_a_leader_leads_and_is_tracked_first() -> None:
    simulator = begun(
        Setup(humans=Humans(3, pattern="leader"), sensors=Sensors(people=True)), episode(task="following")
    )
    start = simulator.trajectory(0).people[0, 0]
    assert 0.8 < float((start - torch.tensor([1.0, -3.0])).norm()) < 2.0
    for _ in range(60):
        simulator.step([LEFT])
    end = simulator.trajectory(0).people[-1, 0]
    # 10 s at 0.7 m/s towards (6, -3), from 2.5 m on.
    assert torch.allclose(end, torch.tensor([6.0, -3.0], dtype=torch.float64), atol=0.5)
    seen = simulator.observe()[0]
    assert seen.goal is None
    yaw, place = simulator.poses[0, 2], simulator.poses[0, :2]
    away = end - place
    ahead = away[0] * yaw.cos() + away[1] * yaw.sin()
    left = away[1] * yaw.cos() - away[0] * yaw.sin()
    assert seen.people.places[0].tolist() == pytest.approx([float(ahead), float(left)], abs=1e-9)
    assert simulator.trajectory(0).target_visible is not None


def test_a_group_looks_inward_and_a_queue_stands_in_line() -> None:
    people = walks(Humans(4, pattern="group"), steps=1)[1].people[0]
    middle = people.mean(dim=0)
    around = (people - middle).norm(dim=-1)
    assert float(around.max() - around.min()) < 1e-6
    line = walks(Humans(4, pattern="queue"), steps=1)[1].people[0]
    gaps = line.diff(dim=0)
    assert torch.allclose(gaps, gaps[:1].expand(3, 2), atol=1e-6)
    assert float(gaps[0].norm()) == pytest.approx(0.75)


def test_the_tracker_sees_whom_nothing_hides() -> None:
    picture = ["#" * 60] + ["#" + "." * 58 + "#"] * 38 + ["#" * 60]
    for row in range(8, 30):
        picture[row] = picture[row][:30] + "##" + picture[row][32:]
    nav_map = drawn("\n".join(picture))
    world = World("parted", nav_map)
    simulator = Simulator(world, Setup(humans=Humans(5), sensors=Sensors(people=True, people_range=4.0)))
    hidden = 0
    for seed in range(10):
        simulator.reset([0], [Episode("e", "parted", (1.5, -2.0, 0.4), (5.0, -2.0), 4.0, torch.zeros(0, 2), seed=seed)])
        robot = simulator.poses[0, :2]
        people = simulator.people.places(torch.tensor([0]))[0]
        free = torch.from_numpy(sees(nav_map, robot.expand(5, 2).numpy(), people.numpy()))
        near = (people - robot).norm(dim=-1) <= 4.0
        assert len(simulator.observe()[0].people) == int((free & near).sum())
        hidden += int((near & ~free).sum())
    assert hidden > 0


@pytest.mark.parametrize("pattern", ["stroll", "leader"])
def test_where_somebody_goes_next_does_not_depend_on_who_else_has_arrived(pattern) -> None:
    """Otherwise a robot that holds one person up would send all the others elsewhere."""
    ways = []
    for order in ((1, 2, 1, 2), (2, 2, 1, 1)):
        going = Company(Setup(humans=Humans(3, pattern=pattern)), episode(5), Ground(WORLD.nav_map)).plan
        goals = [(person, tuple(going.next(person))) for person in order]
        ways.append([[goal for person, goal in goals if person == who] for who in (1, 2)])
    assert ways[0] == ways[1]


def test_people_walk_as_the_episode_tells() -> None:
    told = [[[0.0, 2.0, -2.0, 0.0], [2.0, 4.0, -2.0, 0.0]], [[1.0, 5.0, -5.0, 0.0], [2.0, 5.0, -4.0, 1.5]]]
    simulator = begun(Setup(humans=Humans(2, model="scripted")), episode(info={"people": told}))
    for _ in range(12):
        simulator.step([LEFT])
    trajectory = simulator.trajectory(0)
    seconds = trajectory.seconds[:, None]
    first = torch.cat([2 + seconds.clamp_max(2), -2 + 0 * seconds], dim=1)
    second = torch.cat([5 + 0 * seconds, -5 + (seconds - 1).clamp(0, 1)], dim=1)
    assert torch.allclose(trajectory.people, torch.stack([first, second], dim=1), atol=1e-9)
