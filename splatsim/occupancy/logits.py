"""Voxels as logits: what networks predict and what test-time optimisation steps."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.tensors import TensorDataclass, check_field


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class LogitGrid(TensorDataclass):
    """Class logits of one grid, the class of empty space among them.

    Raises:
        TypeError: the logits are not floating point, or the mask is not boolean.
        ValueError: a shape does not fit the frame, a logit is not finite, or there is no such class.
    """

    frame: VoxelFrame
    """Where the voxels stand."""
    logits: Float[Tensor, "c x y z"]
    """Unnormalised log-probabilities."""
    free_label: int
    """The class of empty space."""
    observed: Bool[Tensor, "x y z"] | None = None
    """Voxels that count; others are neither free nor occupied. All, if None."""

    def __post_init__(self) -> None:
        check_field("LogitGrid", "logits", self.logits, ("c", *self.frame.shape))
        if not bool(self.logits.detach().isfinite().all()):
            where = (~self.logits.detach().isfinite()).nonzero()[0].tolist()
            raise ValueError(f"LogitGrid.logits{where} is not finite; expected finite numbers.")
        if not 0 <= self.free_label < len(self.logits) or len(self.logits) < 2:
            raise ValueError(
                f"LogitGrid.free_label is {self.free_label} with {len(self.logits)} classes; "
                f"expected 0 to {max(1, len(self.logits) - 1)}, one of at least two classes."
            )
        if self.observed is not None:
            if self.observed.dtype != torch.bool:
                raise TypeError(f"LogitGrid.observed has dtype {self.observed.dtype}; expected torch.bool.")
            if tuple(self.observed.shape) != self.frame.shape:
                raise ValueError(
                    f"LogitGrid.observed has shape {list(self.observed.shape)}; expected {list(self.frame.shape)}."
                )

    @property
    def solid_labels(self) -> Int[Tensor, " k"]:
        """The labels of the other classes: channel i of rendered semantics stands for label solid_labels[i]."""
        labels = torch.arange(len(self.logits), device=self.logits.device)
        return labels[labels != self.free_label]

    def rows(self, voxels: Int[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
        """Of some voxels, the probability of being occupied, and that of each class if they are."""
        logits = self.logits.flatten(1)[:, voxels]
        solid = logits[self.solid_labels]
        return (solid.logsumexp(dim=0) - logits[self.free_label]).sigmoid(), solid.softmax(dim=0).T

    def occupied(self) -> Float[Tensor, "x y z"]:
        """Probability that each voxel is occupied; 0 where it is not observed."""
        solid = self.logits[self.solid_labels].logsumexp(dim=0)
        chance = (solid - self.logits[self.free_label]).sigmoid()
        return chance if self.observed is None else torch.where(self.observed, chance, 0)

    def classes(self) -> Float[Tensor, "x y z k"]:
        """Probability of each class but the free one, if the voxel is occupied."""
        return self.logits[self.solid_labels].softmax(dim=0).movedim(0, -1)

    def mask(self) -> Bool[Tensor, "x y z"]:
        """The voxels that count."""
        return torch.ones_like(self.logits[0], dtype=torch.bool) if self.observed is None else self.observed

    def to_grid(self, class_names: tuple[str, ...]) -> OccupancyGrid:
        """The grid of these probabilities; a voxel is free where that is likelier than being occupied at all.

        Raises:
            ValueError: the names do not fit the classes.
        """
        logits = self.logits.detach()
        solid = self.solid_labels[logits[self.solid_labels].argmax(dim=0)]
        labels = torch.where(self.occupied().detach() > 0.5, solid, self.free_label).to(torch.uint8)
        probabilities = logits.softmax(dim=0).movedim(0, -1)
        return OccupancyGrid(self.frame, labels, class_names, self.mask(), probabilities=probabilities)


def logits_of(grid: OccupancyGrid, confidence: float = 0.98) -> LogitGrid:
    """The logits of a grid: of its probabilities where it has them, or its labels believed to this degree.

    Raises:
        ValueError: the confidence is not within (1 / classes, 1).
    """
    count = len(grid.class_names)
    if not 1 / count < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a probability above 1 / {count} and below 1.")
    if grid.probabilities is not None:
        smallest = (1 - confidence) / count
        logits = grid.probabilities.clamp_min(smallest).log().movedim(-1, 0)
    else:
        doubt = (1 - confidence) / (count - 1)
        shape = (count, *grid.frame.shape)
        logits = torch.full(shape, doubt, device=grid.labels.device).log()
        logits.scatter_(0, grid.labels.long()[None], torch.tensor(confidence).log().item())
    return LogitGrid(grid.frame, logits.contiguous(), grid.free_label, grid.observed)


def field_of(source: OccupancyGrid | LogitGrid) -> tuple[Float[Tensor, "x y z"], Float[Tensor, "x y z k"]]:
    """Probability of being occupied (0 where nobody has seen), and of each class but the free one if so."""
    if isinstance(source, LogitGrid):
        return source.occupied(), source.classes()
    labels = torch.arange(len(source.class_names), device=source.labels.device)
    solid = labels[labels != source.free_label]
    if source.probabilities is not None:
        occupied = (1 - source.probabilities[..., source.free_label]).clamp(0, 1)
        classes = source.probabilities[..., solid]
        classes = classes / classes.sum(dim=-1, keepdim=True).clamp_min(1e-12)
    else:
        occupied = (source.labels != source.free_label).float()
        classes = (source.labels[..., None] == solid).float()
    return torch.where(source.observed, occupied, 0), classes


def solid_labels_of(source: OccupancyGrid | LogitGrid) -> Int[Tensor, " k"]:
    """The labels that the channels of rendered semantics stand for."""
    if isinstance(source, LogitGrid):
        return source.solid_labels
    labels = torch.arange(len(source.class_names), device=source.labels.device)
    return labels[labels != source.free_label]
