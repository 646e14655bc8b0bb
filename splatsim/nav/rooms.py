"""Rooms of a world: what walls part overhead, where doors end, named after what stands in them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.grids import GridFrame
from splatsim.nav.landmarks import LEAST_OPACITY, Landmark
from splatsim.nav.world import World
from splatsim.tensors import TensorDataclass

LINTEL = (2.12, 2.45)
"""Metres above the floor where walls close what doors leave open."""
WALLS = frozenset(("wall", "door", "doorway", "window"))
"""Classes that part rooms there."""
LEAST_AREA = 1.0
"""Square metres of floor that a room has at least."""
LONG = 3.0
"""Times as long as wide is a corridor, where nothing tells what it is."""
NAMES = {
    "bathroom": (("sanitary", "toilet", "bathtub", "shower"), 0.3),
    "bedroom": (("bed",), 1.0),
    "kitchen": (("appliance", "stove", "oven", "refrigerator", "fridge"), 0.3),
    "living room": (("sofa", "couch"), 1.0),
}
"""Classes that tell what a room is, and the square metres that they have to cover: most counts."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Rooms(TensorDataclass):
    """Which room each cell of a map belongs to, what is not free included."""

    frame: GridFrame
    """Where the cells stand."""
    labels: Int[Tensor, "rows cols"]
    """Index into `names`, or -1 for none."""
    names: tuple[str, ...]
    """Such as "kitchen"; several rooms may have one name, and "" is a room that nothing tells."""

    def at(self, points: Float[Tensor, "n 2"]) -> list[int]:
        """The index of the room at each point, -1 where there is none."""
        cells = self.frame.cell_of(points)
        inside = self.frame.contains(cells)
        cells = torch.where(inside[:, None], cells, 0)
        found: list[int] = torch.where(inside, self.labels[cells[:, 0], cells[:, 1]], -1).tolist()
        return found

    def around(self, thing: Landmark) -> int:
        """The room of most of a thing, -1 where there is none."""
        labels = self.labels[thing.cells[:, 0], thing.cells[:, 1]]
        return int(labels.mode().values)


def rooms_of(world: World, things: tuple[Landmark, ...]) -> Rooms:
    """The rooms of a world; none where it has no Gaussians of walls."""
    from scipy.ndimage import binary_dilation, label

    frame = world.nav_map.frame
    walls = binary_dilation(_overhead(world).numpy())
    parts, count = label(~walls) if walls.any() else (np.zeros(frame.shape, int), 0)
    free = world.nav_map.free.cpu().numpy()
    floor = np.bincount(parts[free], minlength=count + 1) * frame.resolution**2
    kept = [index for index in range(1, count + 1) if floor[index] >= LEAST_AREA]
    labels = np.full(frame.shape, -1)
    for room, index in enumerate(kept):
        labels[parts == index] = room
    rooms = Rooms(frame, torch.from_numpy(labels), ("",) * len(kept))
    places = [rooms.around(thing) for thing in things]
    names = [
        _name([thing for thing, place in zip(things, places, strict=True) if place == room], (labels == room) & free)
        for room in range(len(kept))
    ]
    return rooms.replace(names=tuple(names))


def _overhead(world: World) -> Tensor:
    """Cells with a wall above the height of doors."""
    frame = world.nav_map.frame
    covered = torch.zeros(frame.shape, dtype=torch.bool)
    gaussians, semantics = world.gaussians, world.semantics
    if gaussians is None or semantics is None:
        return covered
    classes = torch.tensor([name in WALLS for name in semantics.class_names])
    means = gaussians.means.detach().cpu().double()
    height = means[:, 2] - world.floor
    part = classes[semantics.labels.cpu().long()] & (height > LINTEL[0]) & (height < LINTEL[1])
    part &= gaussians.opacities.detach().cpu() >= LEAST_OPACITY
    cells = frame.cell_of(means[part][:, :2])
    cells = cells[frame.contains(cells)]
    covered[cells[:, 0], cells[:, 1]] = True
    return covered


def _name(things: list[Landmark], floor: np.ndarray) -> str:
    sizes = {name: sum(thing.size for thing in things if thing.name in classes) for name, (classes, _) in NAMES.items()}
    best = max(sizes, key=lambda name: sizes[name] / NAMES[name][1])
    if sizes[best] >= NAMES[best][1]:
        return best
    rows, columns = np.nonzero(floor)
    spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns]))) if len(rows) > 1 else np.ones(2)
    return "corridor" if math.sqrt(spread[1] / max(spread[0], 1e-9)) > LONG else ""
