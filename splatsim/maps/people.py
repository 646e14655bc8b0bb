"""People as maps see them: discs that move."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.tensors import TensorDataclass, check_field

RADIUS = 0.3
"""Of a person, metres: half of a shoulder width of 0.46 m and a little air."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class People(TensorDataclass):
    """n people on the floor.

    Raises:
        TypeError: a field is not a floating-point tensor.
        ValueError: there is not one place, velocity and radius for each, or a number is not finite.
    """

    places: Float[Tensor, "n 2"]
    """World (x, y), metres."""
    velocities: Float[Tensor, "n 2"]
    """m/s, east and north."""
    radii: Float[Tensor, " n"]
    """Metres."""

    def __post_init__(self) -> None:
        check_field("People", "places", self.places, ("n", 2))
        check_field("People", "velocities", self.velocities, (len(self.places), 2))
        check_field("People", "radii", self.radii, (len(self.places),))
        for name, tensor in self.tensors().items():
            if not bool(tensor.isfinite().all()):
                raise ValueError(f"People.{name} holds a number that is not finite; expected metres and m/s.")

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def none(cls) -> "People":
        """Nobody."""
        empty = torch.zeros(0, 2, dtype=torch.float64)
        return cls(empty, empty, torch.zeros(0, dtype=torch.float64))

    @classmethod
    def standing(cls, places: Float[Tensor, "n 2"], radius: float = RADIUS) -> "People":
        """People who do not move."""
        places = places.double()
        return cls(places, torch.zeros_like(places), torch.full((len(places),), radius, dtype=torch.float64))
