"""Metrics on cases counted by hand, and against scikit-like formulas written out."""

import numpy as np
import pytest
import torch

from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.metrics import (
    Confusion,
    calibration,
    depth_errors,
    image_confusion,
    point_scores,
    voxel_confusion,
)
from tests.occupancy.grids import CLASSES, random_grid

TRUTH = torch.tensor([0, 0, 1, 1, 1, 2, 255])
GUESS = torch.tensor([0, 1, 1, 1, 2, 2, 0])


def test_counts_by_hand() -> None:
    found = Confusion(CLASSES).add(GUESS, TRUTH)
    assert found.counts.tolist() == [[1, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert found.ious()[:3].tolist() == pytest.approx([1 / 2, 2 / 4, 1 / 2])
    assert found.accuracy() == pytest.approx(4 / 6)
    assert found.geometry_iou() == pytest.approx(4 / 5)
    assert found.miou().value == pytest.approx(1 / 2)
    assert found.miou(absent="one").value == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert found.miou(absent="zero").value == pytest.approx((0.5 + 0.5) / 3)
    assert found.miou(skip=()).value == pytest.approx(1.5 / 3)


def test_the_policy_is_printed_with_the_number() -> None:
    text = str(Confusion(CLASSES, mask="camera").add(GUESS, TRUTH).miou(absent="zero"))
    assert text == "0.3333 (mask camera, ignore [255], skip ['free'], absent zero)"


def test_batches_add_up_and_masks_leave_out() -> None:
    whole = Confusion(CLASSES).add(GUESS, TRUTH)
    parts = Confusion(CLASSES).add(GUESS[:3], TRUTH[:3]).add(GUESS[3:], TRUTH[3:])
    assert torch.equal(whole.counts, parts.counts)
    masked = Confusion(CLASSES).add(GUESS, TRUTH, torch.arange(7) < 3)
    assert int(masked.counts.sum()) == 3
    assert torch.equal(image_confusion(GUESS.view(1, 1, 7), TRUTH.view(1, 1, 7), CLASSES).counts, whole.counts)


def test_unknown_voxels_of_the_truth_are_never_counted() -> None:
    truth = random_grid(seed=1)
    guess = truth.replace(labels=torch.where(truth.observed, truth.labels, 3).to(torch.uint8))
    assert voxel_confusion(guess, truth).miou().value == 1.0
    assert int(voxel_confusion(guess, truth).counts.sum()) == int(truth.observed.sum())


def test_point_scores_by_hand() -> None:
    frame = VoxelFrame((0.0, 0.0, 0.0), 0.5, (8, 1, 1))
    seen = torch.ones(8, 1, 1, dtype=torch.bool)

    def line(*filled: int) -> OccupancyGrid:
        labels = torch.zeros(8, 1, 1, dtype=torch.uint8)
        labels[list(filled)] = 1
        return OccupancyGrid(frame, labels, CLASSES, seen)

    found = point_scores(line(0, 1, 7), line(0, 2), threshold=0.5)
    assert (found.precision, found.recall) == (pytest.approx(2 / 3), 1.0)
    assert found.f_score == pytest.approx(2 * (2 / 3) / (5 / 3))
    assert found.chamfer == pytest.approx((0 + 0.5 + 2.5) / 3 + (0 + 0.5) / 2)
    assert np.isnan(point_scores(line(), line(0)).chamfer)


def test_depth_errors_by_hand() -> None:
    found = depth_errors(torch.tensor([2.0, 5.0, 0.0, 1.0]), torch.tensor([1.0, 4.0, 3.0, 0.0]))
    assert found.l1 == pytest.approx(1.0)
    assert found.abs_rel == pytest.approx((1 + 0.25) / 2)
    assert found.rmse == pytest.approx(1.0)
    assert found.delta_1 == pytest.approx(0.0)
    assert (found.missing, found.count) == (pytest.approx(1 / 3), 2)
    assert depth_errors(torch.zeros(2), torch.zeros(2)).count == 0


def test_calibrated_probabilities_have_no_error_and_sure_lies_have_one() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(200_000, generator=generator)
    true = torch.rand(200_000, generator=generator) < p
    good = calibration(p, true)
    assert good.ece < 0.01
    assert good.brier == pytest.approx(1 / 6, abs=0.01)  # mean of p (1 - p)
    wrong = calibration(torch.ones(10), torch.zeros(10, dtype=torch.bool))
    assert (wrong.ece, wrong.brier) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("guess", "truth", "sentence"),
    [
        (GUESS[:3], TRUTH, r"predicted has shape \[3\], truth \[7\]"),
        (GUESS + 3, TRUTH, "predicted holds labels from 3 to 5; expected 0 to 3"),
        (GUESS, torch.where(TRUTH == 255, 254, TRUTH), "truth holds labels from 0 to 254"),
    ],
)
def test_bad_labels_are_named(guess: torch.Tensor, truth: torch.Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Confusion(CLASSES).add(guess, truth)


@pytest.mark.usefixtures("unchecked")
def test_other_frames_and_probabilities_are_named() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        voxel_confusion(random_grid(), random_grid((3, 3, 3)))
    with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
        calibration(torch.tensor([1.5]), torch.tensor([True]))
    with pytest.raises(ValueError, match="absent is 'nan'"):
        Confusion(CLASSES).miou(absent="nan")  # type: ignore[arg-type]
