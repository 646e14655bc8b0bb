"""A hand-made flat: two rooms with a door between them, and furniture whose classes are known."""

import torch

from splatsim.gaussians import Gaussians
from splatsim.grids import FREE, OCCUPIED, GridFrame, NavMap
from splatsim.nav.world import World
from splatsim.semantics import Semantics

CLASSES = ("free", "wall", "bed", "sofa", "chair")
SIZE, RESOLUTION = (10.0, 6.0), 0.1
DOOR = (2.4, 3.6)
"""y of the sides of the door, in the wall at x = 5."""
FURNITURE = {
    "bed": (1.0, 2.6, 4.4, 5.8),
    "sofa": (7.4, 9.4, 0.2, 1.0),
    "chair": (6.6, 7.2, 4.6, 5.2),
}
"""West, east, south, north, metres."""


def flat() -> World:
    """Walls around and at x = 5; a bed in the west, a sofa and a chair in the east."""
    frame = GridFrame((0.0, SIZE[1]), RESOLUTION, (60, 100))
    x, y = frame.all_centers().unbind(-1)
    wall = (x < 0.1) | (x > 9.9) | (y < 0.1) | (y > 5.9) | ((x - 5).abs() < 0.1)
    door = ((x - 5).abs() < 0.1) & (y > DOOR[0]) & (y < DOOR[1])
    labels = torch.zeros(frame.shape, dtype=torch.int64)
    labels[wall & ~door] = 1
    for name, (west, east, south, north) in FURNITURE.items():
        labels[(x > west) & (x < east) & (y > south) & (y < north)] = CLASSES.index(name)
    cells = torch.where(labels > 0, OCCUPIED, FREE).to(torch.uint8)
    low, high = labels.flatten() > 0, wall.flatten()
    plane = torch.stack([x, y], -1).reshape(-1, 2)
    means = torch.cat(
        [
            torch.cat([plane[low], torch.full((int(low.sum()), 1), 0.5)], 1),
            torch.cat([plane[high], torch.full((int(high.sum()), 1), 2.3)], 1),  # over the door too
        ]
    ).float()
    n = len(means)
    gaussians = Gaussians(
        means,
        torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1),
        torch.full((n, 3), 0.05),
        torch.ones(n),
        torch.zeros(n, 1, 3),
    )
    classes = torch.cat([labels.flatten()[low], torch.ones(int(high.sum()), dtype=torch.int64)]).to(torch.uint8)
    return World("flat", NavMap(frame, cells, (0.1, 1.8)), 0.0, gaussians, Semantics(classes, CLASSES))
