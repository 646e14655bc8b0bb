"""Schedules at their ends, between, and beyond."""

import pytest

from splatsim.fitting.schedules import decay, growth, stage


def test_decay_goes_in_equal_ratios_and_stays_at_its_ends() -> None:
    assert [decay(p, 1.0, 0.01) for p in (-1.0, 0.0, 0.5, 1.0, 2.0)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_a_stage_lasts_until_the_next() -> None:
    stages = ((0.0, 4), (0.2, 2), (0.5, 1))
    assert [stage(p, stages) for p in (0.0, 0.19, 0.2, 0.49, 0.5, 1.0)] == [4, 4, 2, 2, 1, 1]


def test_growth_has_equal_ratios_and_never_shrinks() -> None:
    counts = [growth(p / 10, 100, 1600, 0.1, 0.5) for p in range(11)]
    assert counts == [100, 100, 200, 400, 800, 1600, 1600, 1600, 1600, 1600, 1600]
    assert growth(0.9, 100, 50, 0.1, 0.5) == 100
