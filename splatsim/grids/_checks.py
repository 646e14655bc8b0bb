"""What the grids ask of their fields, and indices that all of them count with."""

import math

import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

FREE, OCCUPIED, UNKNOWN = 0, 1, 2
"""The three states of a voxel or cell."""

FREE_CLASS = "free"
"""The class name that stands for empty space."""


def all_cells(shape: tuple[int, int]) -> Int[Tensor, "rows cols 2"]:
    return torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij"), dim=-1)


def within(indices: Tensor, shape: tuple[int, ...]) -> Tensor:
    limit = torch.tensor(shape, device=indices.device)
    return ((indices >= 0) & (indices < limit)).all(dim=-1)


def cover(low: tuple[float, ...], high: tuple[float, ...], step: float) -> tuple[list[int], list[int]]:
    """First multiple of `step` and number of steps along each axis; 1e-6 steps forgive rounding."""
    check_finite("low", low)
    check_finite("high", high)
    if any(a >= b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"the box from {low} to {high} is empty; expected low < high along every axis.")
    first = [math.floor(a / step + 1e-6) for a in low]
    last = [math.ceil(b / step - 1e-6) for b in high]
    return first, [b - a for a, b in zip(first, last, strict=True)]


def check_length(name: str, metres: float) -> None:
    if not (math.isfinite(metres) and metres > 0):
        raise ValueError(f"{name} is {metres}; expected a positive length in metres.")


def check_finite(name: str, numbers: tuple[float, ...]) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{name} is {numbers}; expected finite metres.")


def check_counts(name: str, counts: tuple[int, ...]) -> None:
    if any(count < 1 for count in counts):
        raise ValueError(f"{name} is {counts}; expected at least 1 along every axis.")


def check_cells(
    owner: str, name: str, value: Shaped[Tensor, "..."], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    if value.dtype != dtype:
        raise TypeError(f"{owner}.{name} has dtype {value.dtype}; expected {dtype}.")
    if tuple(value.shape) != tuple(shape):
        raise ValueError(
            f"{owner}.{name} has shape {list(value.shape)}; expected {list(shape)}, the shape of its frame."
        )


def check_classes(owner: str, names: tuple[str, ...], labels: UInt8[Tensor, "..."]) -> None:
    if int(labels.max()) >= len(names):
        raise ValueError(
            f"{owner}.labels holds {int(labels.max())} but there are {len(names)} class names; expected less."
        )
