"""Make a furnished room out of 2,000 flat Gaussians, with its light baked in: no download, no licence.

Nothing lies on top of a surface: what hangs on a wall has a hole cut for it. Gaussians are sorted by their centres, and
a wide one would shine through what is painted over it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatsim import Gaussians
from splatsim.formats import save_gaussians
from splatsim.spherical_harmonics import C0, C1
from splatsim.transforms import quat_from_rotmat

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:  # loaded by its path, and not run as a script
    sys.path.append(HERE)

from room_cover import close  # noqa: E402
from room_light import bake  # noqa: E402
from room_parts import FACES, build  # noqa: E402
from room_surfaces import OPACITY, Room, Spot, divide  # noqa: E402


def make_room(count: int = 2000, seed: int = 0) -> Gaussians:
    """A room of `count` Gaussians with SH degree 1; the same seed gives the same room.

    Raises:
        ValueError: the count is too small for the parts of the room.
    """
    room = Room(np.random.default_rng(seed))
    build(room)
    spots = divide(room, count)
    scales = _closed(spots)
    colors, shine = bake(room, spots)
    sh = np.stack([(colors - 0.5) / C0, -shine[:, 1] / C1, shine[:, 2] / C1, -shine[:, 0] / C1], axis=1)
    quats = quat_from_rotmat(_tensor([spot.axes for spot in spots]))
    means = _tensor([spot.center for spot in spots])
    return Gaussians(means, quats, _tensor(scales), torch.full((count,), OPACITY), _tensor(sh))


def _closed(spots: list[Spot]) -> np.ndarray[Any, Any]:
    """The scales of the Gaussians, large enough that floor, walls and ceiling have no holes."""
    means, axes = np.array([s.center for s in spots]), np.array([s.axes for s in spots])
    scales, rigid = np.array([s.scales for s in spots]), np.array([s.rigid for s in spots])
    spacing = 0.04 * min(1.0, (2000 / len(spots)) ** 0.5)
    for corner, u, v in FACES:
        normal = np.cross(u, v) / np.linalg.norm(np.cross(u, v))
        flat = (np.abs((means - corner) @ normal) < 0.1) & (np.abs(axes[:, :, 2] @ normal) > 0.999)
        lengths = np.linalg.norm([u, v], axis=-1)
        across, up = (np.linspace(spacing, size - spacing, int(size / spacing)) / size for size in lengths)
        points = corner + across[:, None, None] * u + up[None, :, None] * v
        scales[flat] = close(points.reshape(-1, 3), means[flat], axes[flat], scales[flat], rigid[flat])
    return scales


def _tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def main() -> None:
    """Write the room to a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help=".ply, .splat or .spz; missing folders are made")
    parser.add_argument("--seed", type=int, default=0, help="books, boards and leaves differ from seed to seed")
    parser.add_argument("--count", type=int, default=2000, help="number of Gaussians; more are sharper")
    options = parser.parse_args()
    room = make_room(options.count, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_gaussians(options.out, room)
    print(f"{options.out}: {len(room)} Gaussians")


if __name__ == "__main__":
    main()
