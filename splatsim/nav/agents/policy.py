"""A small network that says which step to take from the view from above around the robot, and the goal's direction."""

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
FAR = 5.0
"""Metres over which it tells distances of a goal apart."""


class Policy(nn.Module):
    """Three convolutions over closed cells, visited cells and what each cell gains on the way to the goal."""

    def __init__(self) -> None:
        super().__init__()
        self.eyes = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.ReLU(),
        )
        side = CELLS // SKIP // POOL // 8
        self.sight = nn.Linear(32 * side * side, 64)
        self.head = nn.Sequential(nn.Linear(64 + 4 + STEPS, 64), nn.ReLU(), nn.Linear(64, STEPS))

    def forward(
        self, pictures: Float[Tensor, "n 3 h w"], goals: Float[Tensor, "n 4"], last: Int[Tensor, " n"]
    ) -> Float[Tensor, "n 4"]:
        """How much each step is to be preferred, before a softmax."""
        before = nn.functional.one_hot(last, STEPS).float()
        seen = self.sight(self.eyes(pictures).flatten(1)).relu()
        found: Tensor = self.head(torch.cat([seen, goals, before], -1))
        return found


def pooled(cells: Bool[Tensor, "n h w"]) -> Float[Tensor, "n i j"]:
    """The share that is marked of the cells that are taken together."""
    return nn.functional.avg_pool2d(cells[:, None].float(), POOL)[:, 0]


def look(
    closed: Float[Tensor, "n i j"], visited: Float[Tensor, "n i j"], goals: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "n 3 i j"], Float[Tensor, "n 4"]]:
    """What the network takes in: pooled cells, and distance, metres, and bearing to the left, radians, of each goal."""
    away, bearing = goals.float().unbind(-1)
    side = closed.shape[-1]
    size = RESOLUTION * SKIP * POOL
    middle = (torch.arange(side) + 0.5) * size - side * size / 2
    # Row 0 is ahead, column 0 to the left.
    ahead, left = -middle[:, None], -middle[None, :]
    goal_ahead, goal_left = away * bearing.cos(), away * bearing.sin()
    gain = away[:, None, None] - torch.hypot(goal_ahead[:, None, None] - ahead, goal_left[:, None, None] - left)
    pictures = torch.stack([closed, visited, gain / (side * size / 2)], dim=1)
    near = (away / FAR).clamp_max(1)
    return pictures, torch.stack([bearing.cos(), bearing.sin(), near, (away / 0.5).clamp_max(1)], dim=-1)


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
