"""The classes of a reconstruction: label images of the footage, brought to the pictures of the capture and lifted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from tqdm import tqdm

from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.labels import LabelFolder, read_labels
from splatsim.reconstruction.poses import Original, read_originals
from splatsim.reconstruction.semantics import lift_labels
from splatsim.semantics import UNLABELLED, Semantics, render_labels


@dataclass(frozen=True)
class CaptureLabels:
    """A label image for each picture of a capture, without distortion; None where there is none."""

    labels: LabelFolder
    """Those of the originals."""
    originals: Sequence[Original]
    """What the pictures were made from."""
    used: frozenset[int]
    """Pictures whose labels are shown; the others count as without."""

    def __len__(self) -> int:
        return len(self.originals)

    def __getitem__(self, index: int) -> UInt8[Tensor, "h w"] | None:
        found = self.labels[index] if index in self.used else None
        return None if found is None else self.originals[index].undistort_labels(found)


def open_labels(folder: Path, classes_file: Path, capture: Capture, used: Sequence[int]) -> CaptureLabels:
    """The label images in a folder, by the names of the pictures that the capture was made from.

    Raises:
        FileNotFoundError, FormatError: as in `read_labels`.
    """
    originals = read_originals(capture.folder)
    names = [Path(original.name).name for original in originals]
    sizes = [(original.lens.width, original.lens.height) for original in originals]
    return CaptureLabels(read_labels(folder, classes_file, names, sizes), originals, frozenset(used))


def label_gaussians(
    gaussians: Gaussians, capture: Capture, labels: CaptureLabels, *, antialiased: bool
) -> tuple[Semantics, dict[str, float]]:
    """The class of every Gaussian, and the IoU of each class in the pictures whose labels were not used.

    IoU counts all pixels that have a label together; classes that no label shows have none.
    """
    class_names = labels.labels.classes.names
    semantics = lift_labels(gaussians, capture, labels, class_names, antialiased=antialiased)
    others = [index for index in range(len(capture)) if index not in labels.used]
    unseen = replace(labels, used=frozenset(others))
    counts = torch.zeros(256, 256, dtype=torch.int64)
    for index in tqdm(others, desc="labels of held-out pictures", unit="picture", disable=None, leave=False):
        truth = unseen[index]
        if truth is not None:
            found = render_labels(gaussians, semantics, capture.camera(index), antialiased=antialiased)
            counts += _confusion(truth, found.labels[0])
    return semantics, _ious(counts, class_names)


def _confusion(truth: UInt8[Tensor, "h w"], found: UInt8[Tensor, "h w"]) -> Int[Tensor, "256 256"]:
    known = truth != UNLABELLED
    pairs = truth[known].long() * 256 + found[known].long()
    return torch.bincount(pairs, minlength=65536).view(256, 256)


def _ious(counts: Int[Tensor, "256 256"], class_names: Sequence[str]) -> dict[str, float]:
    ious = {}
    for label, name in enumerate(class_names):
        union = int(counts[label].sum() + counts[:, label].sum() - counts[label, label])
        if int(counts[label].sum()):
            ious[name] = int(counts[label, label]) / union
    return ious
