"""People as an independent renderer sees them: meshes ray traced by Embree, with exact masks and poses.

Colours are a function of the place in the rest pose, so that no texture has to be made. There is
no light: a surface has its colour from all sides. `shade` darkens what is turned away from a lamp in the world, which
no canonical colour can follow.
"""

from collections.abc import Callable

import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from splatsim.cameras import Cameras

LAMP = np.array([0.4, -0.5, 0.77])
Colour = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Rest places [n 3], faces [n] and shares of their corners [n 3] to colours [n 3]."""


def trace(
    posed: np.ndarray,
    rest: np.ndarray,
    faces: np.ndarray,
    colour: Colour,
    camera: Cameras,
    *,
    samples: int = 2,
    shade: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Colours [h w 3] times coverage, and coverage [h w], of a pinhole picture with samples² rays a pixel."""
    scene = EmbreeScene()
    TriangleMesh(scene, posed.astype(np.float32), faces.astype(np.int32))
    world_from_cam = camera.world_from_cam[0].double().numpy()
    K = camera.Ks[0].double().numpy()
    local = (posed - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]
    pixels = (local @ K.T)[:, :2] / local[:, 2:]
    low = np.maximum(np.floor(pixels.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(pixels.max(0)).astype(int) + 1, [camera.width, camera.height])
    colours, coverage = np.zeros((camera.height, camera.width, 3)), np.zeros((camera.height, camera.width))
    if (high <= low).any():
        return colours, coverage
    width, height = high - low
    places = (np.arange(samples) + 0.5) / samples
    u = low[0] + (np.arange(width)[:, None] + places).ravel()
    v = low[1] + (np.arange(height)[:, None] + places).ravel()
    grid = np.stack(np.broadcast_arrays(u[None], v[:, None], 1.0), -1).reshape(-1, 3)
    directions = (grid @ np.linalg.inv(K).T) @ world_from_cam[:3, :3].T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    origins = np.tile(world_from_cam[:3, 3].astype(np.float32), (len(directions), 1))
    hit = scene.run(origins, directions.astype(np.float32), output=True)
    rows = np.flatnonzero(hit["primID"] >= 0)
    face = hit["primID"][rows]
    a, b = hit["u"][rows, None], hit["v"][rows, None]
    shares = np.concatenate([1 - a - b, a, b], 1)
    found = colour((rest[faces[face]] * shares[..., None]).sum(1), face, shares)
    if shade:
        normals = hit["Ng"][rows] / np.linalg.norm(hit["Ng"][rows], axis=1, keepdims=True)
        outward = -np.sign((normals * directions[rows]).sum(1)) * (normals @ LAMP)
        found = found * (1 - shade + shade * (0.5 + 0.5 * outward[:, None]))
    ray = np.zeros((len(grid), 4))
    ray[rows, :3], ray[rows, 3] = found, 1
    mean = ray.reshape(height, samples, width, samples, 4).mean((1, 3))
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    colours[window], coverage[window] = mean[..., :3], mean[..., 3]
    return colours, coverage


def ring(count: int, *, size: int, distance: float, target: tuple[float, float, float], shift: float = 0.0) -> Cameras:
    """Cameras around a person, at two heights in turn."""
    angles = 2 * np.pi * (np.arange(count) + shift) / count
    heights = np.where(np.arange(count) % 2, 1.1, 1.7)
    eyes = np.stack([target[0] + distance * np.cos(angles), target[1] + distance * np.sin(angles), heights], 1)
    return Cameras.look_at(torch.from_numpy(eyes).float(), target, fov_deg=40, width=size, height=size)
