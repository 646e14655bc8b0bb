"""Loads the generators of scenes/ as modules, though they are scripts, and checks maps against rays."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

SCENES = Path(__file__).resolve().parents[2] / "scenes"
sys.path.insert(0, str(SCENES))


def load(world: str, script: str = "make") -> ModuleType:
    """The script of a world as a module of its own name."""
    sys.path.insert(0, str(SCENES / world))
    spec = importlib.util.spec_from_file_location(f"{world}_{script}", SCENES / world / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def directions(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random unit vectors."""
    out = rng.normal(size=(count, 3))
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def sees_inner_side(tracer, points: np.ndarray, rng: np.random.Generator, rays: int) -> np.ndarray:
    """Whether any of some random rays from each point meets the inner side of a surface first.

    Outside of all solids every ray first meets an outer side, however solids overlap; within one, some ray leaves it.
    """
    inner = np.zeros(len(points), bool)
    for _ in range(rays):
        ray = directions(rng, len(points))
        hits = tracer.first(points, ray)
        inner |= (hits.quad >= 0) & ((triangle_normals(tracer.model, hits) * ray).sum(axis=1) > 0)
    return inner


def triangle_normals(model, hits) -> np.ndarray:
    """Normals of the triangles that were hit: a bent quad has two."""
    corners = model.corners[hits.quad]
    first = hits.st[:, 0] >= hits.st[:, 1]
    third = np.where(first[:, None], corners[:, 1], corners[:, 2])
    fourth = np.where(first[:, None], corners[:, 2], corners[:, 3])
    return np.cross(third - corners[:, 0], fourth - corners[:, 0])


def crosses_surface(tracer, centers: np.ndarray, size: float) -> np.ndarray:
    """Whether a surface stands in the middle half of the voxels with these centres, along its three axes."""
    found = np.zeros(len(centers), bool)
    for axis in np.eye(3):
        found |= tracer.blocked(centers - axis * size / 2, np.broadcast_to(axis * size, centers.shape), 1.0)
    return found
