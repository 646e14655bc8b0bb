"""Posed views with a label image each, held against each other before the first is used."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from torch import Tensor
from tqdm import tqdm

from splatsim.cameras import Cameras
from splatsim.reconstruction.capture import Capture
from splatsim.semantics import UNLABELLED

LabelImage = UInt8[Tensor, "h w"]


@runtime_checkable
class LabelSource(Protocol):
    """A label image for each view, or None: a list, or what `read_labels` gives."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> LabelImage | None: ...


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
