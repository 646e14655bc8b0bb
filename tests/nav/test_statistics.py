"""Intervals and tests against scipy's and against cases computed by hand."""

import math

import numpy as np
import pytest
import scipy.stats

from splatsim.nav.statistics import compare_paired, interval


@pytest.mark.parametrize("kind", ["shares", "lengths"])
def test_intervals_are_those_of_scipy(kind: str) -> None:
    generator = np.random.default_rng(3)
    values = (generator.random(60) < 0.3).astype(float) if kind == "shares" else generator.exponential(2.0, 60)
    found = interval(values.tolist())
    truth = scipy.stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert found.mean == pytest.approx(values.mean())
    spread = truth.standard_error
    assert found.low == pytest.approx(truth.confidence_interval.low, abs=0.1 * spread)
    assert found.high == pytest.approx(truth.confidence_interval.high, abs=0.1 * spread)


def test_an_interval_is_the_same_every_time_and_for_any_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.1 * k * k for k in range(20)]
    once = interval(values)
    monkeypatch.setattr("splatsim.nav.statistics.MOST_PICKS", 999)
    assert interval(values) == once
    assert interval(values, seed=1) != once


def test_what_is_not_known_is_left_out_but_not_what_was_never_reached() -> None:
    assert interval([1.0, math.nan, 3.0]).mean == 2
    assert interval([1.0, math.inf]).mean == math.inf
    assert math.isnan(interval([]).mean)


def test_mcnemar_by_hand() -> None:
    # 6 episodes that only the first solves, 1 that only the second solves: 2 (1 + 7) / 2^7.
    first = [1.0] * 6 + [0.0] + [1.0] * 5
    second = [0.0] * 6 + [1.0] + [1.0] * 5
    found = compare_paired(first, second)
    assert (found.wins, found.losses) == (6, 1)
    assert found.p_value == pytest.approx(16 / 128)
    assert found.difference.mean == pytest.approx(5 / 12)
    assert compare_paired(second, first).difference.high == pytest.approx(-found.difference.low)


def test_two_of_the_same_do_not_differ() -> None:
    found = compare_paired([1.0, 2.0, math.inf], [1.0, 2.0, math.inf])
    assert (found.p_value, found.difference.low, found.difference.high) == (1.0, 0.0, 0.0)


def test_pairs_need_two() -> None:
    with pytest.raises(ValueError, match="2 values and 1"):
        compare_paired([1.0, 2.0], [1.0])
