"""The sky as Gaussians: a shell around the world, where any camera sees it."""

import numpy as np
import torch
from scipy.spatial import cKDTree

from _worldgen.pictures import srgb
from _worldgen.products import dot, times
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0
from splatsim.transforms import quat_from_rotmat

MARGIN = 0.08
"""Radians around what was seen that are kept too."""


def sky_gaussians(studio, radius, poses, K, width, height, count=14_000):
    """What lies behind everything, from the middle of the world; only what pictures from these poses [p 4 4] see.

    What no camera sees is left out, because a trace of it would shine through surfaces and spoil their depth.
    """
    out = _spiral(count)
    corners = studio.model.corners.reshape(-1, 3)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    seen = _seen(studio.tracer, middle, radius, poses, K, width, height)
    out = out[cKDTree(seen).query(out)[0] < MARGIN]  # with nothing seen all distances are infinite
    color = srgb(np.clip(studio._respond(studio.sky(out)), 0, 1))
    angle = np.arctan2(out[:, 1], out[:, 0])
    sideways = np.stack([-np.sin(angle), np.cos(angle), np.zeros(len(out))], -1)
    rotation = np.stack([sideways, np.cross(out, sideways), out], -1)
    spread = 0.75 * radius * np.sqrt(2 * np.pi * 1.5 / count)
    return Gaussians(
        torch.from_numpy(middle + out * radius).float(),
        quat_from_rotmat(torch.from_numpy(rotation)).float(),
        torch.tensor([float(spread), float(spread), 0.05]).repeat(len(out), 1),
        torch.full((len(out),), 0.985),
        torch.from_numpy((color - 0.5) / C0).float()[:, None],
    )


def _spiral(count):
    """Unit vectors at even distances, down to 30 degrees below the horizon."""
    k = np.arange(count) + 0.5
    z = -0.5 + 1.5 * k / count
    angle = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1)


def _seen(tracer, middle, radius, poses, K, width, height):
    """Directions [n 3] from the middle to where rays that meet nothing leave the shell, thinned out."""
    v, u = np.divmod(np.arange(width * height), width)
    local = np.stack([(u + 0.5 - K[0, 2]) / K[0, 0], (v + 0.5 - K[1, 2]) / K[1, 1], np.ones(len(u))], -1)
    local /= np.linalg.norm(local, axis=-1, keepdims=True)
    found = [np.zeros((0, 3))]
    for pose in poses:
        directions = times(local, pose[:3, :3].T)
        free = tracer.first(np.broadcast_to(pose[:3, 3], directions.shape), directions).quad < 0
        start, ray = pose[:3, 3] - middle, directions[free]
        along = dot(ray, start)
        reach = np.sqrt(np.maximum(along**2 - dot(start, start) + radius**2, 0)) - along
        found.append(np.unique(np.rint((start + reach[:, None] * ray) / radius / (MARGIN / 8)), axis=0))
    places = np.unique(np.concatenate(found), axis=0) * (MARGIN / 8)
    return places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-9)
