"""A frozen dataclass of tensors: moved, mapped and replaced as one value."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound="TensorDataclass")


class TensorDataclass:
    """Base for frozen dataclasses whose fields are tensors, or plain values that stay as they are."""

    def map(self: T, fn: Callable[[Tensor], Tensor]) -> T:
        """A copy with `fn` applied to every tensor field."""
        return self.replace(**{name: fn(value) for name, value in self.tensors().items()})

    def to(self: T, target: torch.device | torch.dtype | str) -> T:
        """A copy on another device, or with its floating-point tensors in another dtype."""
        if isinstance(target, torch.dtype):
            return self.map(lambda tensor: tensor.to(target) if tensor.is_floating_point() else tensor)
        return self.map(lambda tensor: tensor.to(target))

    def detach(self: T) -> T:
        """A copy outside the autograd graph."""
        return self.map(torch.Tensor.detach)

    def replace(self: T, **changes: Any) -> T:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def tensors(self) -> dict[str, Tensor]:
        """The tensor fields by name, those that are None left out."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def check_field(owner: str, name: str, value: Any, shape: tuple[int | str, ...]) -> None:
    """Raise unless `value` is a floating-point tensor of this shape; a word in `shape` stands for any size.

    Raises:
        TypeError: the value is not a floating-point tensor.
        ValueError: its shape is another one.
    """
    expected = f"[{' '.join(str(size) for size in shape)}]"
    if not isinstance(value, Tensor):
        raise TypeError(f"{owner}.{name} is a {type(value).__name__}; expected a float tensor of shape {expected}.")
    if not value.is_floating_point():
        raise TypeError(f"{owner}.{name} has dtype {value.dtype}; expected a floating-point tensor, such as float32.")
    fits = value.ndim == len(shape) and all(
        isinstance(want, str) or have == want for have, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{owner}.{name} has shape {list(value.shape)}; expected {expected}.")


def check_alike(owner: str, tensors: dict[str, Tensor]) -> None:
    """Raise unless all tensors share one device and one dtype.

    Raises:
        ValueError: the devices or the dtypes differ.
    """
    for what in ("device", "dtype"):
        seen = {name: str(getattr(tensor, what)) for name, tensor in tensors.items()}
        if len(set(seen.values())) > 1:
            listed = ", ".join(f"{name} {value}" for name, value in seen.items())
            raise ValueError(f"{owner} mixes {what}s: {listed}; expected one {what} for all fields.")
