"""Turns on the spot are told from motion, also from motion past a flat wall."""

import cv2
import numpy as np
import pytest

from splatsim.reconstruction.rotation import Turn, TurnDetector, best_rotation
from tests.reconstruction.footage import panning, relief, slide

FOCAL, SIZE = 500.0, (480, 640)


def project(points: np.ndarray, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    camera = points @ rotation.T + shift
    return (FOCAL * camera[:, :2] / camera[:, 2:] + np.array([320, 240])).astype(np.float32)


def scene(flat: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    points = rng.uniform((-2, -1.5, 3), (2, 1.5, 8), (300, 3))
    points[:, 2] = 4 if flat else points[:, 2]
    return points


def explain(flat: bool, angle: float, shift: tuple[float, float, float], noise: float = 0.3) -> tuple[float, float]:
    rotation, _ = cv2.Rodrigues(np.array([0.2 * angle, angle, 0.1 * angle]))
    points, rng = scene(flat), np.random.default_rng(1)
    before, after = project(points, np.eye(3), np.zeros(3)), project(points, rotation, np.array(shift))
    jitter = rng.normal(0, noise, (2, *before.shape)).astype(np.float32)
    best = best_rotation(before + jitter[0], after + jitter[1], SIZE)
    assert best is not None
    return best


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("angle", [0.15, 0.3])
def test_a_turn_is_explained_at_its_focal_length(flat: bool, angle: float) -> None:
    explained, focal = explain(flat, angle, (0, 0, 0))
    assert explained > 0.95
    assert focal == pytest.approx(FOCAL / 640, rel=0.15)
    assert Turn(0, 1, explained, focal).is_pure


@pytest.mark.parametrize("shift", [(0.5, 0, 0), (0.2, 0.1, 0.3)])
@pytest.mark.parametrize("angle", [0.0, 0.15])
def test_a_shift_before_depth_is_no_turn(angle: float, shift: tuple[float, float, float]) -> None:
    explained, focal = explain(False, angle, shift)
    assert explained < 0.7
    assert not Turn(0, 1, explained, focal).is_pure


@pytest.mark.parametrize("shift", [(0.6, 0, 0), (0.6, 0.2, 0.4)])
def test_a_shift_along_a_wall_is_no_turn(shift: tuple[float, float, float]) -> None:
    assert not Turn(0, 1, *explain(True, 0.0, shift)).is_pure


def test_too_few_points_say_nothing() -> None:
    points = project(scene(False)[:20], np.eye(3), np.zeros(3))
    assert best_rotation(points, points + 5, SIZE) is None


@pytest.mark.parametrize(("frames", "pure"), [(panning(40, 0.03), True), (relief(40, 8), False), (slide(40, 8), False)])
def test_frames(frames: list[np.ndarray], pure: bool) -> None:
    detector = TurnDetector()
    for number, frame in enumerate(frames):
        detector.add(frame, number / 10)
    assert len(detector.turns) >= 3
    assert np.mean([turn.is_pure for turn in detector.turns]) == (1 if pure else 0)


def test_nothing_is_tracked_across_a_cut_or_on_a_wall() -> None:
    detector = TurnDetector()
    for frame in slide(4, 20):
        detector.add(frame, 0.0)
        detector.restart()
    for _ in range(3):
        detector.add(np.full((240, 320, 3), 90, np.uint8), 1.0)
    assert detector.turns == []
