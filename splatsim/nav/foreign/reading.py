"""What comes of reading a foreign file, and how its entries are checked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.errors import FormatError
from splatsim.maps import length_of
from splatsim.nav._plain import plain, shown
from splatsim.nav.episode import Episode


@dataclass(frozen=True)
class Reading:
    """Episodes, and what of the file they do not hold."""

    episodes: tuple[Episode, ...]
    """In the order of the file."""
    lost: tuple[str, ...] = ()
    """A sentence for each thing that has no place here, or that was taken from somewhere else."""


def entry(content: object, key: str, where: str) -> Any:
    """What stands under a key, with dots for objects within objects.

    Raises:
        FormatError: it is missing.
    """
    value = content
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise FormatError(f'{where} has no "{key}"; expected something there.')
        value = value[part]
    return value


def numbers(value: object, count: int, where: str) -> tuple[float, ...]:
    """That many finite numbers.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, list | tuple) or len(value) != count:
        raise FormatError(f"{where} is {shown(value)}; expected {count} numbers.")
    return tuple(plain(float, number, f"{where}[{i}]") for i, number in enumerate(value))


def many(value: object, where: str) -> list[Any]:
    """A list.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, list):
        raise FormatError(f"{where} is {shown(value)}; expected a list.")
    return value


def mapping(value: object, where: str) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, dict):
        raise FormatError(f"{where} is {shown(value)}; expected an object.")
    return value


def polyline(points: list[tuple[float, float]]) -> Float[Tensor, "n 2"]:
    """A way through points, metres."""
    return torch.tensor(points, dtype=torch.float64).reshape(-1, 2)


def length_along(way: Float[Tensor, "n 2"], start: tuple[float, float], goal: tuple[float, float]) -> float:
    """The length of a way, or of the straight line where there is none, metres."""
    return length_of(way) if len(way) > 1 else math.dist(start, goal)
