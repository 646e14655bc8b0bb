"""Things that stand in a world and have a name: whatever the classes of its Gaussians tell of them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from splatsim.grids import FREE, GridFrame
from splatsim.nav.world import World
from splatsim.tensors import TensorDataclass

BOUNDS = ("free", "other", "unlabelled", "unknown", "wall", "floor", "ceiling", "sky", "door", "window", "ground")
SMALL = ("rug", "carpet", "picture", "book", "lamp", "textile", "crockery", "clutter")
STRUCTURE = frozenset((*BOUNDS, *SMALL))
"""Classes that are no goals and nothing to pass: what bounds rooms, what lies about, and what nobody says."""
BAND = (0.15, 2.0)
"""Metres above the floor between which a thing is looked for."""
LEAST_OPACITY = 0.3
"""Gaussians that are less opaque show nothing."""
LEAST_AREA = 0.04
"""Square metres that a thing covers at least."""
GAP = 1
"""Cells between the parts of one thing."""
AROUND = 3
"""Cells around a thing that may be part of it: pillows of a bed, the edge of a map's walls."""
VIEW = 1.0
"""Metres from a thing within which it is looked at."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Landmark(TensorDataclass):
    """One thing."""

    name: str
    """Of its class."""
    cells: Int[Tensor, "n 2"]
    """Of the map that it covers."""
    place: tuple[float, float]
    """Of its middle, metres."""
    size: float
    """What it covers, square metres."""


def landmarks_of(world: World, classes: Iterable[str] | None = None) -> tuple[Landmark, ...]:
    """The things of a world, the largest first; none where it has no classes.

    Args:
        classes: Only these; by default all that are things.
    """
    gaussians, semantics = world.gaussians, world.semantics
    if gaussians is None or semantics is None:
        return ()
    wanted = None if classes is None else frozenset(classes)
    means = gaussians.means.detach().cpu().double()
    height = means[:, 2] - world.floor
    shown = (gaussians.opacities.detach().cpu() >= LEAST_OPACITY) & (height > BAND[0]) & (height < BAND[1])
    frame = world.nav_map.frame
    cells = frame.cell_of(means[:, :2].nan_to_num(math.inf).clamp(-1e6, 1e6))
    shown &= frame.contains(cells)
    labels = semantics.labels.cpu()
    found: list[Landmark] = []
    for index, name in enumerate(semantics.class_names):
        if name in STRUCTURE if wanted is None else name not in wanted:
            continue
        covered = torch.zeros(frame.shape, dtype=torch.bool)
        rows, columns = cells[shown & (labels == index)].unbind(-1)
        covered[rows, columns] = True
        found += _things(name, covered, frame)
    return tuple(sorted(found, key=lambda thing: (-thing.size, thing.name, thing.place)))


def _things(name: str, covered: Bool[Tensor, "rows cols"], frame: GridFrame) -> list[Landmark]:
    from scipy.ndimage import binary_dilation, binary_fill_holes, find_objects, label

    if not bool(covered.any()):
        return []
    mask = covered.numpy()
    parts, _ = label(binary_dilation(mask, iterations=GAP), [[1, 1, 1]] * 3)
    found = []
    for index, (rows, columns) in enumerate(find_objects(parts), 1):
        inside = binary_fill_holes((parts[rows, columns] == index) & mask[rows, columns])
        size = float(inside.sum()) * frame.resolution**2
        if size < LEAST_AREA:
            continue
        cells = torch.from_numpy(inside).nonzero() + torch.tensor([rows.start, columns.start])
        x, y = frame.centers(cells).mean(0).tolist()
        found.append(Landmark(name, cells, (x, y), size))
    return found


def view_cells(
    world: World, thing: Landmark, reachable: Bool[Tensor, "rows cols"], within: float = VIEW
) -> Bool[Tensor, "rows cols"]:
    """Cells from which a robot looks at a thing: near enough, with nothing else on the line to its nearest part."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    frame = world.nav_map.frame
    covered = torch.zeros(frame.shape, dtype=torch.bool)
    covered[thing.cells[:, 0], thing.cells[:, 1]] = True
    reach = math.ceil(within / frame.resolution) + 1
    low = (thing.cells.amin(0) - reach).clamp_min(0)
    high = torch.minimum(thing.cells.amax(0) + reach + 1, torch.tensor(frame.shape))
    part = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    away, nearest = distance_transform_edt(~covered[part].numpy(), return_indices=True)
    near = reachable[part] & (torch.from_numpy(away) * frame.resolution <= within)
    cells = near.nonzero()
    ends = torch.from_numpy(nearest)[:, cells[:, 0], cells[:, 1]].T
    solid = (world.nav_map.cells[part].cpu() != FREE).numpy()
    solid &= ~binary_dilation(covered[part].numpy(), iterations=AROUND)
    seen = ~_crosses(torch.from_numpy(solid), cells, ends)
    result = torch.zeros(frame.shape, dtype=torch.bool)
    result[part][cells[seen, 0], cells[seen, 1]] = True
    return result


def _crosses(
    solid: Bool[Tensor, "rows cols"], starts: Int[Tensor, "n 2"], ends: Int[Tensor, "n 2"]
) -> Bool[Tensor, " n"]:
    """Whether straight lines between cells meet solid ones."""
    if not len(starts):
        return torch.zeros(0, dtype=torch.bool)
    way = (ends - starts).double()
    parts = torch.linspace(0, 1, 2 * math.ceil(float(way.norm(dim=-1).max())) + 1, dtype=torch.float64)
    cells = (starts[:, None] + parts[:, None] * way[:, None]).round().long()
    return solid[cells[..., 0], cells[..., 1]].any(1)
