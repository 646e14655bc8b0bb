"""Semantics from label images: votes by blending weight, wrong segments outvoted, neighbours smoothed; no training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy import ndimage
from scipy.spatial import KDTree
from torch import Tensor
from tqdm import tqdm

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.rendering import Backend, lift, render
from splatsim.semantics import UNLABELLED, Semantics
from splatsim.spherical_harmonics import C0
from splatsim.tensors import TensorDataclass

LabelImage = UInt8[Tensor, "h w"]


@runtime_checkable
class LabelSource(Protocol):
    """A label image for each view, or None: a list, or what `read_labels` gives."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> LabelImage | None: ...


ONE_VIEW = 1.0
"""Pixels at which the vote of one view has half of the weight that it can have at most."""
DOUBT = 0.1
"""Evidence that a segment brings along itself, of what the other views could have on it."""
DENIED, AGREED = 0.2, 0.5
"""A segment with less agreement than the first does not count, with more than the second it counts in full."""
NEIGHBOURS = 16
"""Gaussians that a Gaussian is smoothed with."""
COLOR_STEP = 0.15
"""Difference in colour (of 0 to 1) at which neighbours count less by a standard deviation."""


@dataclass(frozen=True, eq=False)
class Votes(TensorDataclass):
    """What label images said about n Gaussians: sums over views, so that more views can be added at any time."""

    sums: Float[Tensor, "n k"]
    """Σ w p: for each class the pixels that voted for it, by blending weight."""

    @classmethod
    def none(cls, gaussians: Gaussians, classes: int) -> "Votes":
        """Nothing was said yet."""
        return cls(gaussians.means.new_zeros(len(gaussians), classes))

    @property
    def weights(self) -> Float[Tensor, " n"]:
        """Σ w: pixels that voted at all."""
        return self.sums.sum(dim=1)

    @property
    def probabilities(self) -> Float[Tensor, "n k"]:
        """Σ w p / Σ w, the mean of LUDVIG; equal for all classes where nothing was said."""
        weights = self.weights[:, None]
        return torch.where(weights > 0, self.sums / weights.clamp_min(1e-20), 1 / self.sums.shape[1])


def lift_labels(
    gaussians: Gaussians,
    views: Cameras | Sequence[Cameras] | Capture,
    labels: LabelSource,
    class_names: Sequence[str],
    *,
    antialiased: bool = False,
    backend: Backend = "auto",
) -> Semantics:
    """The class of every Gaussian from a label image for each view, without training (Marrie et al., "LUDVIG", 2025).

    A Gaussian's probabilities are the labels of the pixels it was blended into, weighted by its share in them. Of the
    segments of an image those count less that the other views deny. Then neighbours of like colour are smoothed.

    Args:
        labels: Index into the class names for each pixel, 255 for none; None for a view without labels.
        antialiased: As the Gaussians are to be rendered.

    Raises:
        ValueError: there is not one label image for each view, or one of another size, or a label has no class.
        TypeError, BackendUnavailable, ResourceError: as in `render`.
    """
    seen = Views(views, labels, len(class_names))
    first = vote(gaussians, seen, len(class_names), antialiased=antialiased, backend=backend)
    votes = vote_again(gaussians, seen, first, antialiased=antialiased, backend=backend)
    probabilities = smooth(gaussians, votes)
    return Semantics(
        probabilities.argmax(dim=1).to(torch.uint8).cpu(), tuple(class_names), probabilities.cpu(), votes.weights.cpu()
    )


def vote(
    gaussians: Gaussians,
    views: "Views",
    classes: int,
    *,
    most: float | None = ONE_VIEW,
    antialiased: bool = False,
    backend: Backend = "auto",
) -> Votes:
    """The votes of all views; with `most`, near and far views count about alike, so that one alone cannot rule.

    Raises:
        TypeError, ValueError, BackendUnavailable, ResourceError: as in `lift_labels`.
    """
    votes = Votes.none(gaussians, classes)
    for camera, labels in views.each("labels of each view"):
        present, onehot = _onehot(labels)
        said = lift(gaussians, camera, onehot[None].to(gaussians.means), antialiased=antialiased, backend=backend)
        votes.sums[:, present] += _capped(said, most)
    return votes


def vote_again(
    gaussians: Gaussians,
    views: "Views",
    first: Votes,
    *,
    antialiased: bool = False,
    backend: Backend = "auto",
) -> Votes:
    """The votes once more, each segment of each image weighed by how far the other views agree with it.

    This is one step of expectation maximisation with a reliability for each segment (after Dawid & Skene 1979).

    Args:
        first: What `vote` gave for the same views.

    Raises:
        TypeError, ValueError, BackendUnavailable, ResourceError: as in `lift_labels`.
    """
    votes = Votes.none(gaussians, first.sums.shape[1])
    options = {"antialiased": antialiased, "backend": backend}
    for camera, labels in views.each("labels against the other views"):
        present, onehot = _onehot(labels)
        onehot = onehot.to(gaussians.means)
        own = _capped(lift(gaussians, camera, onehot[None], **options), ONE_VIEW)  # type: ignore[arg-type]
        others = (first.sums[:, present] - own).clamp_min(0)
        known = (first.weights - own.sum(dim=1)).clamp_min(0)[:, None]
        # Probabilities times how much is known, known / (known + ONE_VIEW): what nobody else saw denies nothing.
        features = torch.cat([others, known], dim=1) / (known + ONE_VIEW)
        with torch.no_grad():
            seen = render(gaussians.replace(features=features), camera, depths=False, **options)  # type: ignore[call-overload]
        agreed = (seen.features[0, ..., :-1] * onehot).sum(-1)
        trust = _trust(labels, agreed.cpu(), seen.features[0, ..., -1].cpu()).to(onehot)
        votes.sums[:, present] += lift(gaussians, camera, (onehot * trust[..., None])[None], **options)  # type: ignore[arg-type]
    return votes


def smooth(gaussians: Gaussians, votes: Votes, neighbours: int = NEIGHBOURS) -> Float[Tensor, "n k"]:
    """Class probabilities, with what is missing in votes for a Gaussian made up from near ones of like colour.

    A Gaussian keeps to its own votes as far as it has some: w / (w + 1) for w pixels, and the mean of its neighbours
    takes the rest. Where they have none either it takes over from the nearest with a vote.
    """
    votes = votes.to("cpu")
    means = gaussians.means.detach().cpu().nan_to_num(0, 0, 0)
    colors = (gaussians.sh[:, 0].detach().cpu() * C0).clamp(-0.5, 0.5)
    evidence = votes.weights / (votes.weights + ONE_VIEW)
    said = votes.probabilities * evidence[:, None]
    index, weights = _near(means, colors, neighbours)
    around, known = torch.zeros_like(said), torch.zeros_like(evidence)
    for column in range(index.shape[1]):
        around += weights[:, column, None] * said[index[:, column]]
        known += weights[:, column] * evidence[index[:, column]]
    result, total = said + (1 - evidence)[:, None] * around, evidence + (1 - evidence) * known
    silent = total < 1e-3
    if bool(silent.any()) and not bool(silent.all()):
        _, nearest = KDTree(means[~silent].numpy()).query(means[silent].numpy(), workers=torch.get_num_threads())
        result[silent], total[silent] = result[~silent][nearest], total[~silent][nearest]
    return torch.where(total[:, None] > 0, result / total[:, None].clamp_min(1e-20), 1 / result.shape[1])


def _near(
    means: Float[Tensor, "n 3"], colors: Float[Tensor, "n 3"], count: int
) -> tuple[Int[Tensor, "n m"], Float[Tensor, "n m"]]:
    """The nearest others of each, and their shares by distance (of the median of the distances) and by colour."""
    count = min(count, len(means) - 1)
    if count < 1:
        return torch.zeros(len(means), 0, dtype=torch.int64), torch.zeros(len(means), 0)
    points = means.numpy()
    distances, index = KDTree(points).query(points, k=count + 1, workers=torch.get_num_threads())
    near, rows = torch.from_numpy(distances[:, 1:]).float(), torch.from_numpy(index[:, 1:])
    reach = near.median(dim=1, keepdim=True).values.clamp_min(1e-9)
    unlike = (colors[rows] - colors[:, None]).norm(dim=-1)
    weights = torch.exp(-0.5 * ((near / reach) ** 2 + (unlike / COLOR_STEP) ** 2))
    return rows, weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-20)


def _onehot(labels: LabelImage) -> tuple[Int[Tensor, " p"], Float[Tensor, "h w p"]]:
    """The classes of an image, and a channel for each of them; pixels without a label have none."""
    present = labels.unique().long()
    present = present[present != UNLABELLED]
    return present, (labels.long()[..., None] == present).float()


def _capped(said: Float[Tensor, "n p"], most: float | None) -> Float[Tensor, "n p"]:
    return said if most is None else said / (said.sum(dim=1, keepdim=True) + most)


def _trust(labels: LabelImage, agreed: Float[Tensor, "h w"], known: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """How much each pixel counts, 0 to 1: by the agreement of other views with its segment, of what they know there."""
    segments, count = _segments(labels.numpy())
    flat = segments.ravel()
    doubt = DOUBT * np.bincount(flat, minlength=count)
    yes = np.bincount(flat, agreed.numpy().ravel().astype(np.float64), count)
    may = np.bincount(flat, known.numpy().ravel().astype(np.float64), count)
    share = (yes + doubt) / (may + doubt)
    trust = ((share - DENIED) / (AGREED - DENIED)).clip(0, 1)
    return torch.from_numpy(trust[segments]).float()


def _segments(labels: UInt8[np.ndarray, "h w"]) -> tuple[Int[np.ndarray, "h w"], int]:
    """The number of the connected patch of one label that each pixel lies in, and how many there are."""
    segments, count = np.zeros(labels.shape, np.int64), 0
    for value in np.unique(labels):
        patches, many = ndimage.label(labels == value)
        segments = np.where(patches > 0, patches + (count - 1), segments)
        count += many
    return segments, count


class Views:
    """Cameras and their label images, one after the other, held against each other before the first is used.

    Raises:
        ValueError: there is not one label image for each view.
    """

    def __init__(
        self,
        cameras: Cameras | Sequence[Cameras] | Capture,
        labels: LabelSource,
        classes: int,
    ) -> None:
        if len(cameras) != len(labels):
            raise ValueError(f"there are {len(cameras)} views and {len(labels)} label images; expected one for each.")
        self.cameras, self.labels, self.classes = cameras, labels, classes

    def each(self, title: str) -> Iterator[tuple[Cameras, LabelImage]]:
        """All that have labels, with a bar."""
        for index in tqdm(range(len(self.labels)), desc=title, unit="view", disable=None, leave=False):
            labels = self.labels[index]
            if labels is None:
                continue
            camera = self._camera(index)
            if labels.shape != (camera.height, camera.width):
                raise ValueError(
                    f"label image {index} has shape {list(labels.shape)}; expected {[camera.height, camera.width]}."
                )
            wrong = (labels >= self.classes) & (labels != UNLABELLED)
            if bool(wrong.any()):
                raise ValueError(
                    f"label image {index} holds {int(labels[wrong][0])}; expected less than {self.classes}, or 255."
                )
            if not bool((labels == UNLABELLED).all()):
                yield camera, self._masked(index, labels)

    def _camera(self, index: int) -> Cameras:
        if isinstance(self.cameras, Capture):
            return self.cameras.camera(index)
        return self.cameras[index]

    def _masked(self, index: int, labels: LabelImage) -> LabelImage:
        mask = self.cameras.mask(index) if isinstance(self.cameras, Capture) else None
        return labels if mask is None else torch.where(torch.from_numpy(mask) != 0, labels, UNLABELLED)
