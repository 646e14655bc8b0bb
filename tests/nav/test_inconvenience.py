"""Detour and delay on cases that are computed by hand."""

import pytest
import torch

from splatsim.nav.inconvenience import inconvenience


def places(*rows: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)[:, None]


def clock(n: int) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float64)


STRAIGHT = places((0, 0), (1, 0), (2, 0), (3, 0), (4, 0))


def test_who_walks_as_without_the_robot_is_not_inconvenienced() -> None:
    assert inconvenience(clock(5), STRAIGHT, STRAIGHT) == {"detour": 0, "delay": 0}


def test_who_waits_is_late_but_walks_no_further() -> None:
    waited = places((0, 0), (1, 0), (1, 0), (1, 0), (2, 0))
    found = inconvenience(clock(5), waited, STRAIGHT)
    assert found["detour"] == pytest.approx(0, abs=1e-9)
    assert found["delay"] == pytest.approx(2)  # at 2 m after 4 s instead of 2 s


def test_who_walks_around_goes_further() -> None:
    around = places((0, 0), (0, 0.5), (1, 0.5), (1, 0), (2, 0))  # 0.5 + 1 + 0.5 + 1 m to the point 2 m ahead
    found = inconvenience(clock(5), around, STRAIGHT)
    assert found == {"detour": pytest.approx(1), "delay": pytest.approx(2)}


def test_who_arrives_late_is_late_by_that_and_not_by_standing_there() -> None:
    short = places((0, 0), (1, 0), (2, 0), (2, 0), (2, 0), (2, 0))
    late = places((0, 0), (0, 0), (1, 0), (2, 0), (2, 0), (2, 0))
    assert inconvenience(clock(6), late, short)["delay"] == pytest.approx(1)


def test_a_way_that_crosses_itself_is_followed_in_its_order() -> None:
    loop = places((0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 0), (1, -1))
    slow = places((0, 0), (1, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 0))  # at the crossing for the second time
    found = inconvenience(clock(7), slow, loop)
    assert found == {"detour": pytest.approx(0, abs=1e-9), "delay": pytest.approx(1)}


def test_it_is_the_mean_over_the_people() -> None:
    waited = places((0, 0), (0, 0), (0, 0), (0, 0), (0, 0))
    both = torch.cat([STRAIGHT, waited], 1)
    assert inconvenience(clock(5), both, STRAIGHT.expand(-1, 2, -1))["delay"] == pytest.approx(2)  # 0 s and 4 s
