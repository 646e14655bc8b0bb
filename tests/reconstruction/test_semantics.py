"""Labels lifted into Gaussians, held against rays on a floor whose stripes are known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.label_views import Views
from splatsim.reconstruction.semantics import Votes, lift_labels, smooth, vote, vote_again
from splatsim.semantics import UNLABELLED, Semantics, render_labels
from splatsim.transforms import apply, invert

STRIPES = 4
NAMES = ("sand", "grass", "water", "rock", "nothing here")


def floor_gaussians() -> Gaussians:
    """Flat patches on z = 0 within 4 × 4 m, of one colour for each stripe along x."""
    side = torch.linspace(-1.96, 1.96, 50)
    x, y = (axis.flatten() for axis in torch.meshgrid(side, side, indexing="ij"))
    means = torch.stack([x, y, torch.zeros_like(x)], dim=-1)
    colors = torch.tensor([[0.8, 0.7, 0.3], [0.2, 0.7, 0.2], [0.1, 0.2, 0.9], [0.4, 0.4, 0.4]])
    sh = (colors[stripe(x).long()] - 0.5)[:, None] / 0.28209479
    count = len(means)
    scales = torch.tensor([[0.05, 0.05, 0.002]]).expand(count, 3)
    return Gaussians(means, torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4), scales, torch.full((count,), 0.95), sh)


def stripe(x: Tensor) -> Tensor:
    """The class of the floor at x."""
    return ((x + 2) * STRIPES / 4).floor().clamp(0, STRIPES - 1).to(torch.uint8)


def on_tape(x: Tensor) -> Tensor:
    """1 on a tape of 6 cm along y."""
    return ((x - 0.5).abs() < 0.03).byte()


def ring(count: int, turn: float = 0.0) -> Cameras:
    angles = torch.linspace(0, 2 * torch.pi, count + 1)[:-1] + turn
    eyes = torch.stack([1.5 * angles.cos(), 1.5 * angles.sin(), torch.full_like(angles, 2.0)], dim=-1)
    targets = 0.6 * eyes * torch.tensor([1.0, 1.0, 0.0])
    return Cameras.look_at(eyes, targets, fov_deg=70, width=60, height=44)


def true_labels(cameras: Cameras, kind: Callable[[Tensor], Tensor] = stripe) -> list[Tensor]:
    """What rays through the pixels meet on the floor."""
    images = []
    for index in range(len(cameras)):
        camera = cameras[index]
        v, u = torch.meshgrid(torch.arange(44) + 0.5, torch.arange(60) + 0.5, indexing="ij")
        K = camera.Ks[0]
        ends = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], dim=-1)
        ends = apply(invert(camera.viewmats[0]), ends.reshape(-1, 3))
        eye = camera.positions[0]
        rays = ends - eye
        hits = eye - rays * (eye[2] / rays[:, 2:])
        inside = (hits[:, :2].abs().amax(dim=1) < 2) & (rays[:, 2] < 0)
        images.append(torch.where(inside, kind(hits[:, 0]), UNLABELLED).reshape(44, 60).to(torch.uint8))
    return images


def spoil_segments(images: list[Tensor], seed: int) -> list[Tensor]:
    """In every image each stripe is another class with a chance of a fifth."""
    rng = np.random.default_rng(seed)
    spoiled = []
    for image in images:
        table = torch.arange(256, dtype=torch.uint8)
        for value in range(STRIPES):
            if rng.random() < 0.2:
                table[value] = (value + int(rng.integers(1, STRIPES + 1))) % (STRIPES + 1)
        spoiled.append(table[image.long()])
    return spoiled


def spoil_pixels(images: list[Tensor], seed: int) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [
        torch.where(
            torch.from_numpy(rng.random(image.shape) < 0.2) & (image != UNLABELLED),
            torch.from_numpy(rng.integers(0, STRIPES + 1, image.shape).astype(np.uint8)),
            image,
        )
        for image in images
    ]


def mean_iou(gaussians: Gaussians, semantics: Semantics) -> float:
    """Over views between those that had labels."""
    cameras = ring(5, turn=0.3)
    seen, truth = render_labels(gaussians, semantics, cameras).labels, torch.stack(true_labels(cameras))
    seen = torch.where(truth == UNLABELLED, UNLABELLED, seen)
    scores = [float(((seen == k) & (truth == k)).sum() / ((seen == k) | (truth == k)).sum()) for k in range(STRIPES)]
    return sum(scores) / STRIPES


@pytest.mark.parametrize("spoil", [lambda images, _: images, spoil_pixels, spoil_segments])
def test_lifted_labels_are_right_from_other_views(spoil) -> None:  # type: ignore[no-untyped-def]
    gaussians, cameras = floor_gaussians(), ring(14)
    for seed in range(3):
        semantics = lift_labels(gaussians, cameras, spoil(true_labels(cameras), seed), NAMES)
        assert mean_iou(gaussians, semantics) > 0.9
    assert semantics.probabilities is not None
    torch.testing.assert_close(semantics.probabilities.sum(dim=1), torch.ones(len(gaussians)))


def test_a_denied_segment_loses_its_say() -> None:
    """One image out of five that calls everything rock."""
    gaussians, cameras = floor_gaussians(), ring(5)
    labels = true_labels(cameras)
    labels[2] = torch.where(labels[2] == UNLABELLED, UNLABELLED, torch.tensor(3, dtype=torch.uint8))
    views = Views(cameras, labels, 5)
    first = vote(gaussians, views, 5)
    shared = vote_again(gaussians, views, first)
    again = vote_again(gaussians, views, shared, judged_by=first)
    wrong = (stripe(gaussians.means[:, 0]) != 3) & (first.weights > 0.5)
    assert float(first.probabilities[wrong, 3].mean()) > 0.1
    assert float(again.probabilities[wrong, 3].mean()) < float(first.probabilities[wrong, 3].mean()) / 2


def test_a_thin_thing_is_not_lost_to_what_lies_behind_it() -> None:
    """A tape of one pixel's width on sand: each pixel of it is blended with sand, and each of its Gaussians too."""
    y = torch.linspace(-1.96, 1.96, 60)
    floor = floor_gaussians()
    tape = floor.select(slice(60)).replace(
        means=torch.stack([torch.full_like(y, 0.5), y, torch.full_like(y, 0.01)], dim=-1),
        scales=torch.tensor([[0.02, 0.04, 0.002]]).expand(60, 3),
    )
    gaussians, cameras, unseen = Gaussians.concat([floor, tape]), ring(14), ring(5, turn=0.3)
    labels = true_labels(cameras, on_tape)
    semantics = lift_labels(gaussians, cameras, labels, ("sand", "tape"))
    votes = vote(gaussians, Views(cameras, labels, 2), 2).probabilities
    plain = replace(semantics, labels=votes.argmax(dim=1).byte(), probabilities=votes)
    truth = torch.stack(true_labels(unseen, on_tape))
    scores = []
    for found in (plain, semantics):
        seen = (render_labels(gaussians, found, unseen).labels == 1) & (truth != UNLABELLED)
        scores.append(float((seen & (truth == 1)).sum() / (seen | (truth == 1)).sum()))
    assert scores[0] < 0.6
    assert scores[1] > scores[0] + 0.1


def test_votes_are_sums_that_more_views_add_to() -> None:
    gaussians, cameras = floor_gaussians(), ring(6)
    labels = true_labels(cameras)
    whole = vote(gaussians, Views(cameras, labels, 5), 5, most=None)
    parts = [vote(gaussians, Views(cameras[k : k + 3], labels[k : k + 3], 5), 5, most=None) for k in (0, 3)]
    torch.testing.assert_close(whole.sums, parts[0].sums + parts[1].sums)
    pixels = sum(int((image != UNLABELLED).sum()) for image in labels)
    assert float(whole.weights.sum()) == pytest.approx(pixels, rel=0.05), "each pixel has one vote to share"
    assert float(whole.sums[:, 4].abs().max()) == 0


def test_views_without_labels_and_without_pixels_say_nothing() -> None:
    gaussians, cameras = floor_gaussians(), ring(4)
    labels = [None, torch.full((44, 60), UNLABELLED, dtype=torch.uint8), *true_labels(cameras[2:])]
    semantics = lift_labels(gaussians, cameras, labels, NAMES)
    alone = lift_labels(gaussians, cameras[2:], labels[2:], NAMES)
    assert torch.equal(semantics.labels, alone.labels)
    assert torch.equal(semantics.weights, alone.weights)  # type: ignore[arg-type]


def test_a_gaussian_that_nobody_saw_is_named_after_its_neighbours() -> None:
    gaussians = floor_gaussians()
    sums = torch.nn.functional.one_hot(stripe(gaussians.means[:, 0]).long(), 5).float() * 20
    hidden = gaussians.means[:, :2].norm(dim=1) < 0.5
    sums[hidden] = 0
    smoothed = smooth(gaussians, Votes(sums))
    right = smoothed.argmax(dim=1) == stripe(gaussians.means[:, 0])
    assert float(right[hidden].float().mean()) > 0.9
    assert bool(right[~hidden].all())
    nothing = smooth(gaussians, Votes(torch.zeros_like(sums)))
    torch.testing.assert_close(nothing, torch.full_like(nothing, 0.2))


def test_the_number_of_threads_changes_nothing() -> None:
    gaussians, cameras = floor_gaussians(), ring(4)
    labels, results = true_labels(cameras), []
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(lift_labels(gaussians, cameras, labels, NAMES).probabilities)
    torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])  # type: ignore[arg-type]


def test_one_gaussian_and_none() -> None:
    gaussians, cameras = floor_gaussians(), ring(2)
    for count in (0, 1):
        semantics = lift_labels(gaussians.select(slice(count)), cameras, true_labels(cameras), NAMES)
        assert len(semantics.labels) == count


@pytest.mark.usefixtures("unchecked")
def test_labels_that_do_not_fit_are_refused() -> None:
    gaussians, cameras = floor_gaussians(), ring(2)
    with pytest.raises(ValueError, match="2 views and 1 label images"):
        lift_labels(gaussians, cameras, true_labels(cameras)[:1], NAMES)
    with pytest.raises(ValueError, match=r"label image 0 has shape \[4, 5\]; expected \[44, 60\]"):
        lift_labels(gaussians, cameras, [torch.zeros(4, 5, dtype=torch.uint8)] * 2, NAMES)
    with pytest.raises(ValueError, match="label image 0 holds 9; expected less than 5, or 255"):
        lift_labels(gaussians, cameras, [torch.full((44, 60), 9, dtype=torch.uint8)] * 2, NAMES)
