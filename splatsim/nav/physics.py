"""How robots move: discs that nothing stops them from touching, but nothing lets them through.

Contacts are found exactly along the whole move, with the squares of a map and with people who move at the same time
(`native/src/sweep.hpp`), however fast anybody is and however thin the wall.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim import native
from splatsim.errors import EpisodeError
from splatsim.grids import FREE, NavMap
from splatsim.tensors import TensorDataclass

SKIN = 1e-6
"""Metres that a robot keeps from what it touches, so that rounding never puts it inside."""
SLIDES = 4
"""Contacts within one move after which a sliding robot stays where it is."""
CELL = -2
"""What `Contacts.met` holds for a cell of the map."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Crowd(TensorDataclass):
    """The people of n robots, each robot with its own, and how they move during one step.

    Raises:
        EpisodeError: the offsets do not fit the people.
    """

    places: Float[Tensor, "k 2"]
    """At the start of the step, world (x, y), metres."""
    moves: Float[Tensor, "k 2"]
    """During the step, metres."""
    radii: Float[Tensor, " k"]
    """Metres."""
    first: Int[Tensor, " n"]
    """Robot i has the people from row first[i] up to row first[i + 1]: one more than there are robots."""

    def __post_init__(self) -> None:
        ends = self.first[[0, -1]].tolist() if len(self.first) else []
        if ends != [0, len(self.places)] or bool((self.first[1:] < self.first[:-1]).any()):
            raise EpisodeError(
                f"Crowd.first runs from {ends} for {len(self.places)} people; expected offsets that rise to that."
            )

    @classmethod
    def nobody(cls, robots: int) -> "Crowd":
        """No people for any of the robots."""
        empty = torch.zeros(0, 2, dtype=torch.float64)
        return cls(empty, empty, torch.zeros(0, dtype=torch.float64), torch.zeros(robots + 1, dtype=torch.int64))

    @property
    def robots(self) -> Int[Tensor, " k"]:
        """The robot that each person belongs to."""
        return torch.arange(len(self.first) - 1).repeat_interleave(self.first[1:] - self.first[:-1])

    def after(self, share: Float[Tensor, " m"]) -> "Crowd":
        """The rest of the step, when each robot's share of it has passed."""
        gone = share[self.robots][:, None]
        return self.replace(places=self.places + gone * self.moves, moves=(1 - gone) * self.moves)


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Moved(TensorDataclass):
    """Where n robots came to, and what they touched."""

    places: Float[Tensor, "n 2"]
    """Metres."""
    static: Bool[Tensor, " n"]
    """Touched something that stands still."""
    human: Bool[Tensor, " n"]
    """Touched a person, whoever of the two moved."""


class Space:
    """What stands still: a map whose occupied and unknown cells, and whose border, nobody passes."""

    def __init__(self, nav_map: NavMap) -> None:
        self.frame = nav_map.frame
        self._blocked = (nav_map.cells != FREE).to(torch.uint8).cpu().contiguous()

    def move(
        self,
        places: Float[Tensor, "n 2"],
        moves: Float[Tensor, "n 2"],
        radii: Float[Tensor, " n"],
        crowd: Crowd | None = None,
        *,
        sliding: bool = False,
    ) -> Moved:
        """Move discs straight until they touch something; then they stay, or slide along it with what is left.

        Raises:
            EpisodeError: a number is not finite, or a radius is negative.
        """
        places, moves, radii = (tensor.double().contiguous() for tensor in (places, moves, radii))
        for name, tensor in (("places", places), ("moves", moves), ("radii", radii)):
            if not bool(tensor.isfinite().all()):
                raise EpisodeError(f"{name} of robots hold {tensor.tolist()[:3]} …; expected finite metres.")
        if bool((radii < 0).any()):
            raise EpisodeError(f"radii of robots go down to {float(radii.min())}; expected metres, 0 or more.")
        crowd = Crowd.nobody(len(places)) if crowd is None else crowd.to(torch.float64)
        static, human = (torch.zeros(len(places), dtype=torch.bool) for _ in range(2))
        for _ in range(SLIDES if sliding else 1):
            times, normals, met = self._first_contacts(places, moves, radii, crowd)
            touched = met != -1
            static |= met == CELL
            human |= met >= 0
            length = moves.norm(dim=-1)
            share = torch.where(touched & (length > 0), (times - SKIN / length.clamp_min(1e-300)).clamp_min(0), times)
            places = places + share[:, None] * moves
            if not bool(touched.any()) or not sliding:
                break
            crowd = crowd.after(times)
            rest = (1 - times)[:, None] * moves
            into = (rest * normals).sum(-1, keepdim=True).clamp_max(0)
            moves = torch.where(touched[:, None], rest - into * normals, 0).contiguous()
        return Moved(places, static, human)

    def _first_contacts(
        self, places: Tensor, moves: Tensor, radii: Tensor, crowd: Crowd
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        n = len(places)
        times, normals = torch.empty(n, dtype=torch.float64), torch.empty(n, 2, dtype=torch.float64)
        met = torch.empty(n, dtype=torch.int64)
        others = [tensor.contiguous() for tensor in (crowd.places, crowd.moves, crowd.radii, crowd.first)]
        # One thread serves a few robots sooner than several are woken.
        native.sweep(
            self._blocked,
            *self.frame.north_west,
            self.frame.resolution,
            True,
            places.contiguous(),
            moves.contiguous(),
            radii,
            *others,
            times,
            normals,
            met,
            threads=native.threads() if n >= 512 else 1,
        )
        return times, normals, met
