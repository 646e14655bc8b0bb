"""Where avatars stand when they are looked at: apart from each other, on cells that are free."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar import Avatar
from splatsim.gaussians import Gaussians
from splatsim.maps import Floor
from splatsim.scene import Scene
from splatsim.viewer.splats import bulk

ROOM = 0.4
"""Metres around a person that must be free."""
APART = 0.9
"""Metres between people where there is no map."""
CANDIDATES = 4000
"""Free cells that are looked at."""


def stand(avatars: Mapping[str, Avatar], scene: Scene, floor: Floor) -> dict[str, Gaussians]:
    """The Gaussians of each avatar in its rest pose, on the floor, facing the scene's first camera."""
    places = _places(scene, len(avatars))
    z = floor.heights(places)
    eye = _eye(scene, places)
    standing = {}
    for index, (name, avatar) in enumerate(avatars.items()):
        away = eye - places[index]
        yaw = math.atan2(float(away[1]), float(away[0]))
        world_from_body = torch.eye(4)
        world_from_body[:2, :2] = torch.tensor([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
        world_from_body[:3, 3] = torch.tensor([*places[index].tolist(), float(z[index])])
        standing[name] = avatar.gaussians.detach().to("cpu").transform(world_from_body)
    return standing


def read_avatars(paths: Sequence[Path]) -> dict[str, Avatar]:
    """Avatars that `Avatar.save` wrote, by the names of their files; a name that comes again gets a number.

    Raises:
        FileNotFoundError, FormatError: a file is missing or no avatar.
    """
    read: dict[str, Avatar] = {}
    for path in paths:
        name = path.stem if path.stem not in read else f"{path.stem} {len(read) + 1}"
        read[name] = Avatar.load(path)
    return read


def _places(scene: Scene, count: int) -> Float[Tensor, "n 2"]:
    """World x and y, the first near the middle of what is free, each further one as far from the others as can be."""
    if scene.nav_map is not None:
        cells = scene.nav_map.inflate(ROOM).free.nonzero()
        if len(cells) >= count:
            cells = cells[:: max(1, len(cells) // CANDIDATES)]
            return _spread(scene.nav_map.frame.centers(cells), count)
    middle = torch.zeros(2, dtype=torch.float64)
    if scene.gaussians is not None and len(scene.gaussians):
        middle = bulk(scene.gaussians).double().mean(0)[:2]
    row = (torch.arange(count, dtype=torch.float64) - (count - 1) / 2) * APART
    return middle + torch.stack([torch.zeros_like(row), row], dim=1)


def _spread(points: Float[Tensor, "p 2"], count: int) -> Float[Tensor, "n 2"]:
    middle = points.mean(0)
    chosen = [int((points - middle).norm(dim=1).argmin())]
    nearest = torch.full((len(points),), math.inf, dtype=points.dtype)
    while len(chosen) < count:
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).norm(dim=1))
        # Within a few metres of the first, so that they can be seen together.
        chosen.append(int(torch.where(nearest < 2 * APART * count, nearest, 0).argmax()))
    return points[chosen]


def _eye(scene: Scene, places: Float[Tensor, "n 2"]) -> Float[Tensor, "2"]:
    if scene.cameras is not None and len(scene.cameras):
        return scene.cameras.positions[0, :2].double().cpu()
    return places.mean(0) + torch.tensor([1.0, 0.0], dtype=torch.float64)
