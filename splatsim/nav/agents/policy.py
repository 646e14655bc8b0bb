"""A small network that says which step to take from the view from above around the robot, and the goal's direction.

It learns what each place costs, spreads the goal's value over the view by that, as value propagation networks do
(Nardelli et al. 2019), and chooses from the values and the walls next to the robot.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from splatsim.errors import FormatError
from splatsim.formats._npy import Check, read_npz, write_npz

CELLS = 128
"""Rows and columns of the view that it was made for."""
RESOLUTION = 0.05
"""Of that view, metres."""
STEPS = 4
"""Discrete steps that it chooses among."""
SKIP = 2
"""Every which cell it looks at, in either direction."""
POOL = 2
"""Of those, how many in either direction it takes together."""
SIZE = RESOLUTION * SKIP * POOL
"""Of cells over which values are spread, metres: what coming through a free one costs at least."""
SIDE = CELLS // SKIP // POOL
"""Rows and columns over which values are spread."""
ROUNDS = 24
"""In which values spread, by a cell each."""
NEAR = 0.3
"""Metres around a goal from which its value spreads."""
NOWHERE = -20.0
"""Value where nothing has come to yet, metres."""
ABOUT = 4
"""Cells on each side of the robot whose values and walls it chooses by."""
WORDS = 4 + STEPS + 1
"""Numbers beside the view: of the goal, of the last step, and whether that failed."""


class Policy(nn.Module):
    """Costs of places by convolutions, values by their propagation, a choice by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.costs = nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 1, 1)
        )
        # What a wall costs to begin with: the rest, such as how near to one it is too near, is found out.
        self.wall = nn.Parameter(torch.tensor([4.0]))
        values, walls = (2 * ABOUT) ** 2, (2 * ABOUT * POOL) ** 2
        self.head = nn.Sequential(
            nn.Linear(values + walls + WORDS, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, STEPS)
        )

    def forward(
        self,
        closed: Bool[Tensor, "n h w"],
        visited: Bool[Tensor, "n h w"],
        goals: Float[Tensor, "n 2"],
        last: Int[Tensor, " n"],
        failed: Bool[Tensor, " n"],
    ) -> Float[Tensor, "n 4"]:
        """How much each step is to be preferred, before a softmax.

        Args:
            closed: Every `SKIP`-th cell of the view: whether it is not free. Row 0 is ahead, column 0 to the left.
            visited: Of the same cells, whether the robot has been there.
            goals: Distance, metres, and bearing to the left, radians.
            last: The step before; 0 at first.
            failed: Whether it was a step forward that led nowhere.
        """
        walls = closed[:, None].float()
        been = nn.functional.avg_pool2d(visited[:, None].float(), POOL)
        cells = [nn.functional.avg_pool2d(walls, POOL), nn.functional.max_pool2d(walls, POOL), been]
        learned = nn.functional.softplus(self.costs(torch.cat(cells, 1)) - 3)
        costs = SIZE + learned + self.wall.clamp_min(0) * cells[0]
        values = spread(sources(goals.float()), costs)
        middle, wide = SIDE // 2, ABOUT * POOL
        here = values[:, :, middle - 1 : middle + 1, middle - 1 : middle + 1].mean((2, 3), keepdim=True)
        about = slice(middle - ABOUT, middle + ABOUT)
        around = slice(middle * POOL - wide, middle * POOL + wide)
        seen = [(values[:, :, about, about] - here).clamp(-2, 2), walls[:, :, around, around]]
        words = [_told(goals.float()), nn.functional.one_hot(last, STEPS).float(), failed[:, None].float()]
        found: Tensor = self.head(torch.cat([*(part.flatten(1) for part in seen), *words], -1))
        return found


def sources(goals: Float[Tensor, "n 2"]) -> Float[Tensor, "n 1 i j"]:
    """Where values come from: minus the metres to the goal, close to it and on the edge of the view."""
    middle = (torch.arange(SIDE) + 0.5) * SIZE - SIDE * SIZE / 2
    ahead, left = -middle[:, None], -middle[None, :]
    away, bearing = goals[:, 0, None, None], goals[:, 1, None, None]
    gap = torch.hypot(away * bearing.cos() - ahead, away * bearing.sin() - left)
    edge = torch.ones(SIDE, SIDE, dtype=torch.bool)
    edge[1:-1, 1:-1] = False
    return torch.where(edge | (gap < NEAR), -gap, NOWHERE)[:, None]


def spread(values: Float[Tensor, "n 1 i j"], costs: Float[Tensor, "n 1 i j"]) -> Float[Tensor, "n 1 i j"]:
    """Each cell's best value: its own, or that of a cell next to it, less what coming from there costs."""
    pool = nn.functional.max_pool2d
    for _ in range(ROUNDS):
        upright = pool(values, (3, 1), 1, (1, 0))
        beside = torch.maximum(upright, pool(values, (1, 3), 1, (0, 1)))
        across = pool(upright, (1, 3), 1, (0, 1))
        values = torch.maximum(values, torch.maximum(beside - costs, across - math.sqrt(2) * costs))
    return values


def _told(goals: Float[Tensor, "n 2"]) -> Float[Tensor, "n 4"]:
    away, bearing = goals.unbind(-1)
    return torch.stack([bearing.cos(), bearing.sin(), (away / 5).clamp_max(1), (away / 0.5).clamp_max(1)], -1)


def save_policy(path: str | os.PathLike[str], policy: Policy) -> None:
    """Write its weights in half precision, whole or not at all."""
    write_npz(path, {name: tensor.detach().half().numpy() for name, tensor in policy.state_dict().items()})


def load_policy(path: str | os.PathLike[str]) -> Policy:
    """Read its weights; nothing in the file is run.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file does not hold the weights of such a network.
    """
    policy = Policy()
    checks = {name: _weights(tuple(tensor.shape)) for name, tensor in policy.state_dict().items()}
    arrays = read_npz(Path(path), checks)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise FormatError(f"{path}, array {name} holds what is not finite; expected weights of a trained network.")
    policy.load_state_dict({name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()})
    return policy.eval()


def _weights(shape: tuple[int, ...]) -> Check:
    def check(found: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
        right = found == shape and dtype.kind == "f" and dtype.itemsize <= 4
        return None if right else f"weights of shape {list(shape)} in half or single precision"

    return check
