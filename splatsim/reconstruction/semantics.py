"""Semantics from label images: votes by blending weight, shared out anew, wrong segments outvoted; no training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy import ndimage
from scipy.spatial import KDTree
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.label_views import LabelImage, LabelSource, Views
from splatsim.rendering import Backend, lift, render
from splatsim.semantics import UNLABELLED, Semantics
from splatsim.spherical_harmonics import C0
from splatsim.tensors import TensorDataclass

ONE_VIEW = 1.0
"""Pixels at which the vote of one view has half of the weight that it can have at most."""
ROUNDS = 2
"""How often the votes are shared out anew before segments are judged by them; more changes little."""
STRAY = 0.02
"""Of the probability of a pixel's label, what is put down to none of the Gaussians behind the pixel."""
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

    A Gaussian's probabilities are the labels of the pixels it was blended into, weighted by its share in them. Then
    each pixel shares its vote out anew, to those Gaussians behind it that its label fits, and in the end those segments
    count less that the other views deny. Neighbours of like colour are smoothed.

    Args:
        labels: Index into the class names for each pixel, 255 for none; None for a view without labels.
        antialiased: As the Gaussians are to be rendered.

    Raises:
        ValueError: there is not one label image for each view, or one of another size, or a label has no class.
        TypeError, BackendUnavailable, ResourceError: as in `render`.
    """
    seen = Views(views, labels, len(class_names))
    votes = earlier = vote(gaussians, seen, len(class_names), antialiased=antialiased, backend=backend)
    for _ in range(ROUNDS):
        votes, earlier = vote_again(gaussians, seen, votes, antialiased=antialiased, backend=backend), votes
    votes = vote_again(gaussians, seen, votes, judged_by=earlier, antialiased=antialiased, backend=backend)
    probabilities = smooth(gaussians, votes)
    return Semantics(
        probabilities.argmax(dim=1).to(torch.uint8).cpu(), tuple(class_names), probabilities.cpu(), votes.weights.cpu()
    )


def vote(
    gaussians: Gaussians,
    views: Views,
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
    views: Views,
    before: Votes,
    *,
    judged_by: Votes | None = None,
    antialiased: bool = False,
    backend: Backend = "auto",
) -> Votes:
    """The votes shared out anew: a pixel's goes to the Gaussians behind it by blending weight times how well they fit.

    A Gaussian on the border of two things takes part in pixels of both. So it ends with the one that it shows best, and
    leaves the other to those that show nothing else. This is a step of expectation maximisation for a mixture in each
    pixel (Dempster et al. 1977), in the last of which each segment of an image has a reliability (after Dawid & Skene
    1979): how far the other views agree with it.

    Args:
        before: What `vote` or this function gave for the same views.
        judged_by: What this function got, without this argument, to give `before`: with it each segment is weighed.

    Raises:
        TypeError, ValueError, BackendUnavailable, ResourceError: as in `lift_labels`.
    """
    votes, see = Votes.none(gaussians, before.sums.shape[1]), _See(gaussians, antialiased, backend)
    for camera, labels in views.each("labels against all views"):
        present, onehot = _onehot(labels)
        onehot = onehot.to(gaussians.means)
        fit = before.probabilities[:, present]
        if judged_by is None:
            votes.sums[:, present] += see.shared(camera, onehot, fit)
            continue
        own = see.shared(camera, onehot, judged_by.probabilities[:, present])
        others = (before.sums[:, present] - own).clamp_min(0)
        known = (before.weights - own.sum(dim=1)).clamp_min(0)[:, None]
        # Probabilities times how much is known, known / (known + ONE_VIEW): what nobody else saw denies nothing.
        seen = see.features(camera, torch.cat([others, known], dim=1) / (known + ONE_VIEW))
        trust = _trust(labels, (seen[..., :-1] * onehot).sum(-1).cpu(), seen[..., -1].cpu()).to(onehot)
        votes.sums[:, present] += see.shared(camera, onehot, fit, trust)
    return votes


class _See:
    """What cameras see of Gaussians, and who is behind their pixels."""

    def __init__(self, gaussians: Gaussians, antialiased: bool, backend: Backend) -> None:
        self.gaussians = gaussians.replace(sh=gaussians.sh[:, :1], features=None)
        self.antialiased, self.backend = antialiased, backend

    def features(self, camera: Cameras, features: Float[Tensor, "n f"]) -> Float[Tensor, "h w f"]:
        """Features, composited."""
        features = features.contiguous()
        with torch.no_grad():
            seen = render(
                self.gaussians,
                camera,
                features=features,
                antialiased=self.antialiased,
                depths=False,
                backend=self.backend,
            )
        assert seen.features is not None
        return seen.features[0]

    def shared(
        self,
        camera: Cameras,
        onehot: Float[Tensor, "h w p"],
        fit: Float[Tensor, "n p"],
        trust: Float[Tensor, "h w"] | float = 1.0,
    ) -> Float[Tensor, "n p"]:
        """The vote of each pixel, shared among the Gaussians behind it by how well its label fits them."""
        agreed = (self.features(camera, fit) * onehot).sum(-1)
        shares = onehot * (trust / (agreed + STRAY))[..., None]
        return fit * lift(self.gaussians, camera, shares[None], antialiased=self.antialiased, backend=self.backend)


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
