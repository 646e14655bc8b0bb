"""How good a grid is, and the maps rendered from it. Every policy is an argument and is printed with the number."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from scipy.spatial import cKDTree
from torch import Tensor

from splatsim.grids import OccupancyGrid

Absent = Literal["skip", "one", "zero"]
"""What a class counts that is neither in the truth nor in the prediction."""


@dataclass(frozen=True)
class Score:
    """A mean over classes, with what it was made of and under which rules."""

    value: float
    """In [0, 1]; NaN where no class counts."""
    per_class: dict[str, float]
    """By class name; NaN for a class that does not count."""
    policy: str
    """The rules: mask, ignored labels, absent classes."""

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.policy})"


class Confusion:
    """Counts of (truth, prediction) pairs over a whole data set."""

    def __init__(self, class_names: tuple[str, ...], *, ignore: tuple[int, ...] = (255,), mask: str = "none") -> None:
        """Begin with no counts.

        Args:
            ignore: Labels of the truth that are left out.
            mask: What the caller masks with, for the record.
        """
        self.class_names = class_names
        self.ignore = ignore
        self.mask = mask
        self.counts = torch.zeros(len(class_names), len(class_names), dtype=torch.int64)

    def add(
        self,
        predicted: Shaped[Tensor, "..."],
        truth: Shaped[Tensor, "..."],
        mask: Bool[Tensor, "..."] | None = None,
    ) -> "Confusion":
        """Count pairs of labels, where the mask says so and the truth is not ignored.

        Raises:
            ValueError: shapes differ, or a label that counts has no class.
        """
        if predicted.shape != truth.shape or (mask is not None and mask.shape != truth.shape):
            raise ValueError(
                f"predicted has shape {list(predicted.shape)}, truth {list(truth.shape)}"
                + ("" if mask is None else f", mask {list(mask.shape)}")
                + "; expected the same."
            )
        kept = torch.ones(truth.shape, dtype=torch.bool) if mask is None else mask.clone()
        for label in self.ignore:
            kept &= truth != label
        p, t = predicted[kept].long(), truth[kept].long()
        n = len(self.class_names)
        for name, labels in (("predicted", p), ("truth", t)):
            if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < n):
                raise ValueError(
                    f"{name} holds labels from {int(labels.min())} to {int(labels.max())}; "
                    f"expected 0 to {n - 1} or one of {self.ignore}, which are ignored."
                )
        self.counts += torch.bincount(t * n + p, minlength=n * n).view(n, n)
        return self

    def ious(self) -> Float[Tensor, " k"]:
        """TP / (TP + FP + FN) of each class; NaN where a class is in neither."""
        hits = self.counts.diagonal().double()
        return hits / (self.counts.sum(0) + self.counts.sum(1) - hits)

    def miou(self, *, skip: tuple[str, ...] = ("free",), absent: Absent = "skip") -> Score:
        """Mean IoU over the classes that are not skipped.

        Raises:
            ValueError: `absent` is another word.
        """
        if absent not in ("skip", "one", "zero"):
            raise ValueError(f'absent is {absent!r}; expected "skip", "one" or "zero".')
        ious = self.ious()
        if absent != "skip":
            ious = ious.nan_to_num(1.0 if absent == "one" else 0.0)
        kept = [i for i, name in enumerate(self.class_names) if name not in skip]
        values = ious[kept]
        per_class = {self.class_names[i]: float(ious[i]) for i in kept}
        policy = f"mask {self.mask}, ignore {list(self.ignore)}, skip {list(skip)}, absent {absent}"
        return Score(float(values.nanmean()), per_class, policy)

    def accuracy(self) -> float:
        """Share of the pairs that agree."""
        total = int(self.counts.sum())
        return float(self.counts.diagonal().sum()) / total if total else float("nan")

    def geometry_iou(self, free: str = "free") -> float:
        """IoU of occupied against free."""
        f = self.class_names.index(free)
        solid = [i for i in range(len(self.class_names)) if i != f]
        both = int(self.counts[solid][:, solid].sum())
        missed, added = int(self.counts[solid, f].sum()), int(self.counts[f, solid].sum())
        return both / (both + missed + added) if both + missed + added else float("nan")


def voxel_confusion(
    predicted: OccupancyGrid, truth: OccupancyGrid, mask: Bool[Tensor, "x y z"] | None = None, *, mask_name: str = ""
) -> Confusion:
    """Voxel by voxel, where the truth is observed and the mask, if there is one, says so.

    Raises:
        ValueError: the grids have other frames or classes.
    """
    if predicted.frame != truth.frame or predicted.class_names != truth.class_names:
        raise ValueError(
            f"predicted lies on {predicted.frame} with classes {predicted.class_names}, truth on {truth.frame} with "
            f"{truth.class_names}; expected the same."
        )
    kept = truth.observed if mask is None else truth.observed & mask
    name = "observed" if mask is None else f"observed and {mask_name or 'given'}"
    return Confusion(truth.class_names, ignore=(), mask=name).add(predicted.labels, truth.labels, kept)


@dataclass(frozen=True)
class PointScores:
    """Distances between the centres of occupied voxels."""

    precision: float
    """Share of predicted centres with a true one within the threshold."""
    recall: float
    """Share of true centres with a predicted one within the threshold."""
    f_score: float
    """Harmonic mean of the two."""
    chamfer: float
    """Mean distance there plus mean distance back, metres; NaN where either side is empty."""


def point_scores(predicted: OccupancyGrid, truth: OccupancyGrid, threshold: float = 0.6) -> PointScores:
    """F-score and Chamfer distance of what is occupied and observed in the truth (Occ3D: 0.6 m, SurroundOcc: 0.5 m).

    Raises:
        ValueError: the grids have other frames, or the threshold is not positive.
    """
    if predicted.frame != truth.frame:
        raise ValueError(f"predicted lies on {predicted.frame}, truth on {truth.frame}; expected the same.")
    if not threshold > 0:
        raise ValueError(f"threshold is {threshold}; expected a positive length in metres.")
    a, b = (
        truth.frame.centers((truth.observed & (grid.labels != grid.free_label)).nonzero()).numpy()
        for grid in (predicted, truth)
    )
    if not len(a) or not len(b):
        return PointScores(0.0, 0.0, 0.0, float("nan"))
    there = np.asarray(cKDTree(b).query(a)[0])
    back = np.asarray(cKDTree(a).query(b)[0])
    # Centres lie on a lattice: distances of exactly the threshold are counted whatever the rounding.
    precision, recall = (float((d <= threshold + 1e-9).mean()) for d in (there, back))
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return PointScores(precision, recall, f, float(there.mean() + back.mean()))


@dataclass(frozen=True)
class DepthErrors:
    """Errors of depths or ranges where truth and prediction both have one."""

    l1: float
    """Mean of |d - d*|, metres."""
    abs_rel: float
    """Mean of |d - d*| / d*."""
    rmse: float
    """Root of the mean square, metres."""
    delta_1: float
    """Share with max(d / d*, d* / d) < 1.25."""
    missing: float
    """Share of the truth for which nothing was predicted."""
    count: int
    """Pairs that were compared."""


def depth_errors(predicted: Float[Tensor, "..."], truth: Float[Tensor, "..."]) -> DepthErrors:
    """Depth errors where both are above 0; 0 and what is not finite mean "none".

    Raises:
        ValueError: the shapes differ.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted has shape {list(predicted.shape)}, truth {list(truth.shape)}; expected the same.")
    wanted = truth.isfinite() & (truth > 0)
    both = wanted & predicted.isfinite() & (predicted > 0)
    count, total = int(both.sum()), int(wanted.sum())
    missing = 1 - count / total if total else float("nan")
    if not count:
        none = float("nan")
        return DepthErrors(none, none, none, none, missing, 0)
    d, t = predicted[both].double(), truth[both].double()
    error = (d - t).abs()
    ratio = torch.maximum(d / t, t / d)
    return DepthErrors(
        float(error.mean()),
        float((error / t).mean()),
        float(error.square().mean().sqrt()),
        float((ratio < 1.25).double().mean()),
        missing,
        count,
    )


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say."""

    ece: float
    """Expected calibration error: mean gap between confidence and frequency, weighted by bin (Guo et al. 2017)."""
    brier: float
    """Mean square of probability minus outcome."""
    confidences: tuple[float, ...]
    """Mean probability of each bin; NaN where it is empty."""
    frequencies: tuple[float, ...]
    """Share of true outcomes of each bin; NaN where it is empty."""


def calibration(probabilities: Float[Tensor, "..."], outcomes: Bool[Tensor, "..."], *, bins: int = 15) -> Calibration:
    """ECE and Brier score of probabilities of a yes-or-no outcome, such as being occupied.

    Raises:
        ValueError: shapes differ, there is nothing to judge, or a probability is not within [0, 1].
    """
    if probabilities.shape != outcomes.shape or not probabilities.numel() or bins < 1:
        raise ValueError(
            f"probabilities have shape {list(probabilities.shape)}, outcomes {list(outcomes.shape)}, bins is {bins}; "
            "expected the same shape, not empty, and at least one bin."
        )
    p, o = probabilities.detach().double().flatten(), outcomes.double().flatten()
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError(f"probabilities lie within [{float(p.min())}, {float(p.max())}]; expected [0, 1].")
    which = (p * bins).long().clamp_max(bins - 1)
    number = torch.bincount(which, minlength=bins).double()
    mean_p = torch.bincount(which, p, minlength=bins) / number
    mean_o = torch.bincount(which, o, minlength=bins) / number
    ece = ((mean_p - mean_o).abs() * number).nansum() / len(p)
    return Calibration(float(ece), float((p - o).square().mean()), tuple(mean_p.tolist()), tuple(mean_o.tolist()))


def image_confusion(
    predicted: Int[Tensor, "c h w"],
    truth: Int[Tensor, "c h w"],
    class_names: tuple[str, ...],
    *,
    ignore: tuple[int, ...] = (255,),
) -> Confusion:
    """Pixel by pixel over all pictures.

    Raises:
        ValueError: shapes differ, or a label that counts has no class.
    """
    return Confusion(class_names, ignore=ignore, mask="pixels").add(predicted, truth)
