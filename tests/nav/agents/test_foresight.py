"""Foresight against plain recursion, and against what is plainly best in two rooms."""

import functools
import math

import numpy as np
import pytest
import torch

from splatsim import native
from splatsim.nav import Briefing
from splatsim.nav.agents.danger import Caution, danger
from splatsim.nav.agents.foresight import Foresight
from splatsim.nav.agents.terrain import Terrain
from splatsim.nav.agents.whereabouts import TICKS, Forecast
from splatsim.nav.unicycle import Step
from tests.nav.agents.playing import ROOMS

BORDER, FORWARD, TURN, TICK = 3, 3, 2, 0.125
HEADINGS, SIDE, MOMENTS = 8, 11, 9
GOAL, DOOR = (1.6, -0.6), (3.0, -0.6)


@pytest.fixture
def prospect() -> dict[str, torch.Tensor]:
    """A made-up world: some places closed, some dangerous at times, one of them the goal."""
    rng = torch.Generator().manual_seed(3)
    angles = 2 * math.pi * torch.arange(HEADINGS) / HEADINGS
    closed = torch.rand(SIDE, SIDE, generator=rng) < 0.2
    closed[5, 5] = False
    stand_in = torch.arange(SIDE * SIDE, dtype=torch.int32).reshape(SIDE, SIDE)
    stand_in[closed] = 5 * SIDE + 5
    settled = closed.clone()
    settled[6, 4] = True
    return {
        "risks": 3 * torch.rand(MOMENTS + 1, SIDE, SIDE, generator=rng),
        "open": (torch.rand(HEADINGS, SIDE, SIDE, generator=rng) < 0.8).to(torch.uint8),
        "settled": settled.to(torch.uint8),
        "stand_in": stand_in,
        "finals": 5 * torch.rand(HEADINGS, SIDE, SIDE, generator=rng),
        "moves": (2.5 * torch.stack([angles.cos(), angles.sin()], -1)).contiguous(),
    }


def foreseen(prospect: dict[str, torch.Tensor], **changed: object) -> torch.Tensor:
    values = torch.empty(MOMENTS + 1, HEADINGS, SIDE, SIDE)
    native.foresee(
        *prospect.values(),
        **({"border": BORDER, "forward_ticks": FORWARD, "turn_ticks": TURN, "tick": TICK, "values": values} | changed),
    )
    return values


def test_values_are_those_of_plain_recursion(prospect: dict[str, torch.Tensor]) -> None:
    risks, open_, settled, stand_in, finals, moves = (tensor.double().numpy() for tensor in prospect.values())

    @functools.cache
    def value(tick: int, heading: int, x: int, y: int) -> float:
        x, y = divmod(int(stand_in[x, y]), SIDE) if tick < MOMENTS else (x, y)
        if tick == MOMENTS or settled[x, y] or min(x, y) < BORDER or max(x, y) >= SIDE - BORDER:
            return float(finals[heading, x, y])
        later = min(tick + TURN, MOMENTS)
        turned = min(value(later, (heading + side) % HEADINGS, x, y) for side in (-1, 1))
        best = turned + TURN * TICK * (1 + (risks[tick, x, y] + risks[later, x, y]) / 2)
        if open_[heading, x, y]:
            then = min(tick + FORWARD, MOMENTS)
            left, whole = np.modf(np.array([x, y]) + moves[heading] + 100)
            (i, j), (a, b) = (whole - 100).astype(int), left
            gone = FORWARD * TICK * (1 + risks[tick, x, y] / 2)
            for k, m, share in ((0, 0, (1 - a) * (1 - b)), (0, 1, (1 - a) * b), (1, 0, a * (1 - b)), (1, 1, a * b)):
                there = value(then, heading, i + k, j + m) + FORWARD * TICK * risks[then, i + k, j + m] / 2
                gone += share * there
            best = min(best, gone)
        return best

    shape = (MOMENTS + 1, HEADINGS, SIDE, SIDE)
    wanted = torch.tensor([value(*map(int, index)) for index in np.ndindex(*shape)]).reshape(shape)
    torch.testing.assert_close(foreseen(prospect), wanted.float(), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"moves": torch.full((HEADINGS, 2), 3.0)}, "shorter than the border"),
        ({"moves": torch.full((HEADINGS, 2), math.nan)}, "shorter than the border"),
        ({"stand_in": torch.full((SIDE, SIDE), SIDE * SIDE, dtype=torch.int32)}, "places of the grid"),
        ({"risks": torch.zeros(MOMENTS + 1, SIDE, SIDE + 1)}, "risks"),
        ({"settled": torch.zeros(SIDE + 1, SIDE, dtype=torch.uint8)}, "settled"),
    ],
)
def test_what_does_not_fit_is_refused(
    prospect: dict[str, torch.Tensor], changed: dict[str, torch.Tensor], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        foreseen(prospect | changed)


def standing(place: tuple[float, float], chance: float = 1.0) -> Forecast:
    """Somebody who stands at a place."""
    return Forecast(np.tile(place, (1, TICKS + 1, 1)), np.array([chance]), np.array([0.25]))


def test_danger_is_a_touch_where_bodies_meet_and_nothing_far_off() -> None:
    caution, corner = Caution(), np.array([-2.0, -2.0])
    found = danger(standing((0.05, 0.05), 0.5), 0.2, corner, (40, 40), 0.1, caution)
    assert found[0, 20, 20] == pytest.approx(0.5 * caution.touch * 0.45 / (0.45 + caution.spread))
    gap = 0.6 - 0.45
    nearness = math.exp(-((gap / caution.spread) ** 2) / 2)
    assert found[0, 26, 20] == pytest.approx(found[0, 20, 20] * nearness)
    assert found[:, :, 35:].max() < 1e-9
    # Where somebody will be is less certain later: less likely here, likelier beside.
    assert found[-1, 20, 20] < found[0, 20, 20]
    assert found[-1, 26, 20] > found[0, 26, 20]


def walked(forecast: Forecast, count: int = 8) -> tuple[list[Step], np.ndarray]:
    """The steps in the west room towards a goal in the west, and the places after each."""
    briefing, pose = Briefing("social"), (1.0, -2.5, math.pi / 2)
    terrain = Terrain(ROOMS, GOAL, briefing.radius)
    foresight = Foresight(terrain, briefing.drive, pose[2], 0.19, Caution())
    steps, places, yaw = foresight.best(pose, forecast, count), [np.array(pose[:2])], pose[2]
    for step in steps:
        yaw += briefing.drive.turn * ((step == Step.LEFT) - (step == Step.RIGHT))
        ahead = np.array([math.cos(yaw), math.sin(yaw)])
        places.append(places[-1] + (briefing.drive.forward * ahead if step == Step.FORWARD else 0))
    return steps, np.array(places)


def test_it_goes_straight_where_nobody_is_and_around_who_stands() -> None:
    far, way = (5.5, -3.6), (1.3, -1.5)
    steps, places = walked(standing(far))
    assert np.linalg.norm(places[-1] - GOAL) < 0.25
    assert np.linalg.norm(places - way, axis=1).min() < 0.45
    detour, around = walked(standing(way), 24)
    assert np.linalg.norm(around[-1] - GOAL) < 0.25
    assert np.linalg.norm(around - way, axis=1).min() > 0.45
    assert len(detour) > len(steps)


def test_it_waits_until_somebody_has_passed() -> None:
    # From the door down along the wall: crosses the way of the robot, which would be there at the same time.
    ways = np.stack([np.linspace(3.2, -1.6, TICKS + 1), np.full(TICKS + 1, -1.75)], axis=-1)[None]
    passing = Forecast(ways, np.ones(1), np.array([0.25]))
    steps, places = walked(passing, 12)
    lasting = [0.25 if step == Step.FORWARD else 1 / 6 for step in steps]
    clock = np.concatenate([[0.0], np.cumsum(lasting)])
    person = np.stack([np.interp(clock, 0.2 * np.arange(TICKS + 1), ways[0, :, axis]) for axis in (0, 1)], -1)
    assert np.linalg.norm(places - person, axis=1).min() > 0.45
    assert np.linalg.norm(places[-1] - GOAL) < 0.25


def test_there_is_no_step_out_of_a_wall() -> None:
    briefing = Briefing("social")
    terrain = Terrain(ROOMS, GOAL, briefing.radius)
    foresight = Foresight(terrain, briefing.drive, 0.0, 0.19, Caution())
    assert foresight.best((3.0, -3.0, 0.0), standing((1.0, -1.0)), 3) == []


@pytest.mark.parametrize("name", ["horizon", "reach", "touch", "suspicion"])
def test_caution_says_what_is_wrong(name: str) -> None:
    with pytest.raises(ValueError, match=f"Caution.{name} is -1.0; expected a positive number."):
        Caution(**{name: -1.0})
    with pytest.raises(ValueError, match="expected a chance below 1"):
        Caution(suspicion=1.0)
