"""Semantics: the class of every Gaussian, and label images rendered from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.formats.arrays import read_arrays, write_arrays
from splatsim.gaussians import Gaussians
from splatsim.rendering import Backend, render
from splatsim.tensors import TensorDataclass

UNLABELLED = 255
"""The label of a pixel that has none: nothing, or too little, is there."""
CHANNELS = 16
"""Classes that are rendered at once, so that many classes do not take memory for all."""


@dataclass(frozen=True)
class Semantics:
    """The class of every Gaussian.

    Raises:
        TypeError: the labels are not uint8.
        ValueError: a label has no class name, or the fields disagree in number.
    """

    labels: UInt8[Tensor, " n"]
    """Index into `class_names`."""
    class_names: tuple[str, ...]
    """Names by label."""
    probabilities: Float[Tensor, "n k"] | None = None
    """Of each class, rows that sum to 1; on disk in steps of 1/255 of the largest. None where the labels are exact."""
    weights: Float[Tensor, " n"] | None = None
    """How much spoke for them: pixels of label images, by blending weight; 0 where neighbours alone decided."""

    def __post_init__(self) -> None:
        if self.labels.dtype != torch.uint8:
            raise TypeError(f"Semantics.labels has dtype {self.labels.dtype}; expected torch.uint8.")
        if len(self.labels) and int(self.labels.max()) >= len(self.class_names):
            raise ValueError(
                f"Semantics.labels holds {int(self.labels.max())} but there are {len(self.class_names)} class names; "
                "expected labels below that."
            )
        expected = {"probabilities": (len(self.labels), len(self.class_names)), "weights": (len(self.labels),)}
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(f"Semantics.{name} has shape {list(value.shape)}; expected {list(shape)}.")
            if value is not None and not bool((value.isfinite() & (value >= 0)).all()):
                raise ValueError(f"Semantics.{name} has {float(value.min())} or NaN; expected numbers of at least 0.")

    def class_features(self, first: int = 0, count: int | None = None) -> Float[Tensor, "n f"]:
        """Probabilities of the classes `first` to `first + count`, as features to render."""
        last = len(self.class_names) if count is None else min(first + count, len(self.class_names))
        if self.probabilities is not None:
            return self.probabilities[:, first:last]
        return (self.labels[:, None] == torch.arange(first, last).to(self.labels)).float()


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class LabelImages(TensorDataclass):
    """What classes c cameras see."""

    labels: UInt8[Tensor, "c h w"]
    """Index into the class names, or 255 where too little is there."""
    probabilities: Float[Tensor, "c h w"]
    """Of that class among what the ray meets, in [0, 1]; 0 where there is no label."""
    alphas: Float[Tensor, "c h w"]
    """Coverage, in [0, 1]."""


def render_labels(
    gaussians: Gaussians,
    semantics: Semantics,
    cameras: Cameras,
    *,
    min_alpha: float = 0.5,
    antialiased: bool = False,
    backend: Backend = "auto",
) -> LabelImages:
    """The most probable class in each pixel, from class probabilities that are composited like colours.

    Args:
        min_alpha: Pixels with less coverage stay without a label.

    Raises:
        TypeError, ValueError, BackendUnavailable, ResourceError: as in `render`.
        ValueError: there is not one label for each Gaussian.
    """
    if len(semantics.labels) != len(gaussians):
        raise ValueError(f"render_labels got {len(semantics.labels)} labels for {len(gaussians)} Gaussians.")
    plain = gaussians.replace(sh=gaussians.sh[:, :1], features=None)
    shots = [_shoot(plain, semantics, cameras[c], min_alpha, antialiased, backend) for c in range(len(cameras))]
    return LabelImages(*(torch.stack(parts) for parts in zip(*shots, strict=True)))


def _shoot(
    gaussians: Gaussians, semantics: Semantics, camera: Cameras, min_alpha: float, antialiased: bool, backend: Backend
) -> tuple[Tensor, Tensor, Tensor]:
    best = torch.full((camera.height, camera.width), -1.0).to(gaussians.means)
    labels = torch.zeros_like(best, dtype=torch.uint8)
    alphas = torch.zeros_like(best)
    with torch.no_grad():
        for first in range(0, len(semantics.class_names), CHANNELS):
            features = semantics.class_features(first, CHANNELS).to(gaussians.means)
            seen = render(gaussians, camera, features=features, antialiased=antialiased, depths=False, backend=backend)
            assert seen.features is not None
            shares, classes = seen.features[0].max(dim=-1)
            labels = torch.where(shares > best, (classes + first).to(torch.uint8), labels)
            best, alphas = torch.maximum(shares, best), seen.alphas[0]
    covered = alphas >= max(min_alpha, torch.finfo(alphas.dtype).tiny)
    labels = torch.where(covered, labels, UNLABELLED)
    return labels, torch.where(covered, best / alphas.clamp_min(1e-9), 0).clamp(0, 1), alphas


def palette(count: int) -> UInt8[np.ndarray, "k 3"]:
    """A colour for each class, easy to tell apart: hues at golden-ratio steps, three levels of lightness."""
    index = np.arange(count)
    hue = (index * 0.6180339887498949) % 1.0
    value, saturation = np.array([0.95, 0.7, 0.82])[index % 3], np.array([0.75, 0.6, 0.45])[(index // 3) % 3]
    shade = np.abs(((hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6) - 3) - 1  # the hue's red, green and blue
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - np.clip(shade, 0, 1)))
    return np.asarray(np.rint(255 * rgb), np.uint8)


def label_colors(labels: UInt8[np.ndarray, "h w"], count: int) -> UInt8[np.ndarray, "h w 3"]:
    """A label image in colours; pixels without a label are black."""
    table = np.zeros((256, 3), np.uint8)
    table[:count] = palette(count)
    return np.asarray(table[labels])


def write_semantics(path: Path, semantics: Semantics) -> None:
    arrays = {"labels": semantics.labels.cpu().numpy()}
    if semantics.probabilities is not None:
        largest = semantics.probabilities.amax(dim=1, keepdim=True).clamp_min(1e-9)
        arrays["probabilities"] = (255 * semantics.probabilities / largest).round().to(torch.uint8).cpu().numpy()
    if semantics.weights is not None:
        arrays["weights"] = semantics.weights.float().cpu().numpy()
    write_arrays(path, arrays, class_names=semantics.class_names)


def read_semantics(path: Path) -> Semantics:
    arrays, facts = read_arrays(path)
    levels = arrays.get("probabilities")
    probabilities = None if levels is None else levels.float() / levels.sum(dim=1, keepdim=True).clamp_min(1)
    return Semantics(arrays["labels"], tuple(facts["class_names"]), probabilities, arrays.get("weights"))
