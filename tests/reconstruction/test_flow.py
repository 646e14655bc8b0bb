"""Flow and drift against shifts that are known."""

import cv2
import numpy as np
import pytest

from splatsim.reconstruction.flow import CELLS, Drift, Step, measure_step, single_thread
from tests.reconstruction.footage import slide


def grays(count: int, shift: float, seed: int = 0) -> list[np.ndarray]:
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in slide(count, shift, seed=seed)]


@pytest.mark.parametrize("shift", [0.0, 1.5, 12.0])
def test_a_known_shift(shift: float) -> None:
    step = measure_step(*grays(2, shift))
    inner = step.field[2:-2, 2:-2]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)) * (320, 240), (-shift, 0), atol=0.15)
    assert step.tracked > 0.9
    assert step.textured > 0.8
    assert step.gain == pytest.approx(1, abs=0.01)


def test_another_place_is_not_tracked() -> None:
    assert measure_step(grays(1, 0)[0], grays(1, 0, seed=9)[0]).tracked < 0.3


def test_gain_is_that_of_the_light() -> None:
    before, after = grays(2, 4)
    step = measure_step((before * 0.8).astype(np.uint8), (after * 0.5).astype(np.uint8))
    assert step.gain == pytest.approx(0.5 / 0.8, abs=0.02)


def test_nothing_textured_is_not_lost() -> None:
    wall = np.full((240, 320), 120, np.uint8)
    step = measure_step(wall, wall)
    assert (step.tracked, step.textured, step.gain) == (1, 0, 1)


def test_what_the_mask_hides_is_not_judged() -> None:
    before, after = grays(2, 0)
    after[:, 160:] = grays(1, 0, seed=9)[0][:, 160:]
    mask = np.ones(before.shape, bool)
    mask[:, 160:] = False
    assert measure_step(before, after).tracked < 0.7
    assert measure_step(before, after, mask).tracked > 0.85


def test_drift_adds_up_and_shaking_does_not() -> None:
    steps = [measure_step(a, b) for a, b in zip(grays(9, 6), grays(9, 6)[1:], strict=False)]
    drift = Drift()
    for step in steps:
        drift.advance(step)
    assert drift.distance == pytest.approx(8 * 6 / 320, rel=0.05)
    assert drift.inside == pytest.approx(7 / 8)  # one of eight columns of points has left
    shaken = Drift()
    for sign in (1, -1) * 10:
        shaken.advance(Step(np.full((*CELLS, 2), 0.01 * sign, np.float32), 1.0, 1.0, 1.0))
    assert shaken.distance < 1e-6


def test_threads_do_not_matter() -> None:
    before, after = grays(2, 5)
    fields = []
    threads = cv2.getNumThreads()
    try:
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            with single_thread():
                fields.append(measure_step(before, after).field)
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(fields[0], field) for field in fields)


def test_tiny_pictures() -> None:
    dot = np.zeros((3, 5), np.uint8)
    assert not measure_step(dot, dot).field.any()
