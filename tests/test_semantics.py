"""Classes of Gaussians: rendered as label images, kept on disk, shown in colours."""

from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.semantics import (
    UNLABELLED,
    Semantics,
    label_colors,
    palette,
    read_semantics,
    render_labels,
    write_semantics,
)

ABOVE = Cameras.overhead((0.0, 8.0), 0.25, 64, 32, z=5.0)


def tiles(count: int) -> Gaussians:
    """A row of flat opaque patches, a metre apart, 4 to 5 m below the camera `ABOVE`, which sees 16 of them."""
    x = torch.arange(count) + 0.5
    means = torch.stack([x, torch.full_like(x, 4.0), torch.zeros_like(x)], dim=-1)
    quats = torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4)
    scales = torch.tensor([[0.3, 0.3, 0.01]]).expand(count, 3)
    return Gaussians(means, quats, scales, torch.full((count,), 0.99), torch.zeros(count, 1, 3))


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))


@pytest.mark.parametrize("classes", [3, 16, 21])
def test_each_patch_shows_its_class(backend: str, classes: int) -> None:
    """More classes than one pass holds make no difference."""
    device = "cuda" if backend == "cuda" else "cpu"
    labels = ((torch.arange(16) * 5) % classes).to(torch.uint8)
    seen = render_labels(
        tiles(16).to(device), Semantics(labels, names(classes)), ABOVE.to(device), backend=backend, min_alpha=0.3
    ).to("cpu")
    middles = seen.labels[0, 16, 2::4]
    assert torch.equal(middles, labels)
    assert float(seen.probabilities[0, 16, 2::4].min()) > 0.9
    assert int(seen.labels[0, 0, 0]) == UNLABELLED
    assert float(seen.probabilities[0, 0, 0]) == 0


def test_the_more_probable_class_wins_and_its_share_is_told() -> None:
    chances = torch.tensor([[0.2, 0.7, 0.1]]).expand(16, 3)
    semantics = Semantics(torch.ones(16, dtype=torch.uint8), names(3), chances, torch.ones(16))
    seen = render_labels(tiles(16), semantics, ABOVE, min_alpha=0.3)
    there = seen.labels != UNLABELLED
    assert bool((seen.labels[there] == 1).all())
    torch.testing.assert_close(seen.probabilities[there], torch.full((int(there.sum()),), 0.7))


def test_probabilities_come_back_and_a_second_time_unchanged(tmp_path: Path) -> None:
    chances = torch.rand(50, 30, generator=torch.Generator().manual_seed(0)) ** 8
    chances = chances / chances.sum(dim=1, keepdim=True)
    semantics = Semantics(chances.argmax(dim=1).to(torch.uint8), names(30), chances, torch.arange(50.0))
    write_semantics(tmp_path / "a.npz", semantics)
    once = read_semantics(tmp_path / "a.npz")
    assert once.probabilities is not None
    assert once.weights is not None
    torch.testing.assert_close(once.probabilities, chances, atol=1 / 100, rtol=0)
    assert torch.equal(once.labels, semantics.labels)
    assert torch.equal(once.probabilities.argmax(dim=1).to(torch.uint8), semantics.labels)
    assert torch.equal(once.weights, torch.arange(50.0))
    write_semantics(tmp_path / "b.npz", once)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    write_semantics(tmp_path / "c.npz", Semantics(semantics.labels, names(30)))
    assert read_semantics(tmp_path / "c.npz").probabilities is None


def test_semantics_that_do_not_fit_are_refused() -> None:
    labels = torch.zeros(3, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"probabilities has shape \[3, 1\]; expected \[3, 2\]"):
        Semantics(labels, names(2), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="or NaN; expected numbers of at least 0"):
        Semantics(labels, names(2), torch.full((3, 2), float("nan")))
    with pytest.raises(ValueError, match="3 labels for 16 Gaussians"):
        render_labels(tiles(16), Semantics(labels, names(2)), ABOVE)


def test_colours_tell_classes_apart() -> None:
    colors = palette(40).astype(int)
    apart = np.abs(colors[:, None] - colors[None]).sum(-1) + 1000 * np.eye(40, dtype=int)
    assert apart.min() >= 15
    picture = label_colors(np.array([[0, 39, 255]], np.uint8), 40)
    assert picture.tolist()[0] == [colors[0].tolist(), colors[39].tolist(), [0, 0, 0]]
