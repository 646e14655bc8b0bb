"""The light of the room, worked out once for each Gaussian: the window, the lamp, and what corners keep out."""

import math
from typing import Any

import numpy as np
from room_parts import LAMP, WINDOW, X, Y, Z
from room_surfaces import Room, Spot, frame_of

Array = np.ndarray[Any, Any]

DAYLIGHT, LAMPLIGHT, AMBIENT = (0.60, 0.64, 0.70), (0.50, 0.36, 0.20), (0.30, 0.285, 0.27)
"""Linear RGB."""


def bake(room: Room, spots: list[Spot]) -> tuple[Array, Array]:
    """The colour of each Gaussian seen from everywhere, sRGB, and how it changes with the direction of sight [n 3 3].

    A glossy surface is brighter where it mirrors the window. That is linear in the direction, so SH degree 1 holds it.
    """
    means, normals = np.array([s.center for s in spots]), np.array([s.axes[:, 2] for s in spots])
    albedo = np.array([s.color for s in spots])
    glow, gloss = np.array([s.glow for s in spots])[:, None], np.array([s.gloss for s in spots])
    exposed = 1 - np.exp(-2.2 * albedo**2.2 * light(room, means, normals))
    colors = glow * albedo + (1 - glow) * exposed ** (1 / 2.2)

    window = np.array([(WINDOW[0] + WINDOW[2]) / 2, Y, (WINDOW[1] + WINDOW[3]) / 2]) - means
    window /= np.linalg.norm(window, axis=-1, keepdims=True)
    mirrored = window - 2 * (window * normals).sum(-1, keepdims=True) * normals
    return colors, gloss[:, None, None] * mirrored[:, :, None] * np.array([0.9, 0.97, 1.0])


def light(room: Room, means: Array, normals: Array) -> Array:
    """What falls on each Gaussian, linear RGB."""
    x0, z0, x1, z1 = WINDOW
    xs, zs = (np.linspace(a, b, 13)[1::2] for a, b in ((x0, x1), (z0, z1)))
    panes = np.array([(x, Y + 0.05, z) for x in xs for z in zs])
    seen, rays, reach = _gather(room, means, normals, panes)
    day = (seen * np.abs(rays[..., 1]) / reach**2).mean(-1) * (x1 - x0) * (z1 - z0)

    turn = np.arange(12) * 2.4
    bulb = LAMP + 0.07 * np.stack([np.cos(turn), np.sin(turn), np.linspace(-1, 1, 12)], axis=-1)
    seen, rays, reach = _gather(room, means, normals, bulb)
    below = 0.25 + 0.75 * np.clip(3 * rays[..., 2] + 0.4, 0, 1)  # the shade keeps most of it off the ceiling
    lamp = (seen * below / np.maximum(reach, 0.3) ** 2).mean(-1)

    parts = ((day, DAYLIGHT), (lamp, LAMPLIGHT), (_openness(room, means, normals), AMBIENT))
    total: Array = np.sum([share[:, None] * np.array(color) for share, color in parts], axis=0)
    return total


def _gather(room: Room, means: Array, normals: Array, lights: Array) -> tuple[Array, Array, Array]:
    """For each Gaussian and light: the cosine, or 0 where something is between; the direction; the distance."""
    start = means + 0.012 * normals
    rays = lights - start[:, None]
    reach = np.linalg.norm(rays, axis=-1)
    cosine = np.clip((rays * normals[:, None]).sum(-1) / reach, 0, 1)
    return cosine * (_first_hit(room, start, rays) >= 1), rays / reach[..., None], reach


def _openness(room: Room, means: Array, normals: Array, reach: float = 1.0) -> Array:
    """Ambient occlusion: how far, on average, one sees up to `reach`, weighted by the cosine."""
    index = np.arange(64) + 0.5
    angle, radius = math.pi * (1 + 5**0.5) * index, np.sqrt(index / 64)
    local = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - radius**2)], axis=-1)
    rays = np.stack([frame_of(normal) for normal in normals]) @ local.T * reach
    rays, start = rays.transpose(0, 2, 1), means + 0.012 * normals
    walls = (np.where(rays > 0, (X, Y, Z), (-X, -Y, 0.0)) - start[:, None]) / np.where(rays == 0, 1e-9, rays)
    hit = np.minimum(_first_hit(room, start, rays), np.where(walls > 1e-3, walls, np.inf).min(-1))
    return np.asarray(0.2 + 0.8 * np.clip(hit, 0, 1).mean(-1))


def _first_hit(room: Room, start: Array, rays: Array) -> Array:
    """Where along each ray the first box stands, in lengths of the ray; infinity where there is none."""
    first = np.full(rays.shape[:2], np.inf)
    inverse = 1 / np.where(np.abs(rays) < 1e-12, 1e-12, rays)
    for low, high in room.boxes:
        a, b = (low - start[:, None]) * inverse, (high - start[:, None]) * inverse
        near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        first = np.where((near <= far) & (near > 1e-4), np.minimum(first, near), first)
    return first
