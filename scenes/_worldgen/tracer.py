"""Rays against the quads of a model, by Embree."""

from dataclasses import dataclass

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

CHUNK = 1 << 20


@dataclass
class Hits:
    """What rays met; `quad` is -1 where they met nothing."""

    quad: np.ndarray
    st: np.ndarray
    """[n 2] place within the quad, 0 to 1 from the first corner to the second and to the fourth."""
    distance: np.ndarray


class Tracer:
    """The model in a tree; rays need not have unit length (distances count in lengths of the direction)."""

    def __init__(self, model):
        self.model = model
        quads = model.corners.astype(np.float32)
        triangles = quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)
        self.scene = rtcore_scene.EmbreeScene()
        self.mesh = TriangleMesh(self.scene, triangles)
        self.face_normals = model.face_normals.astype(np.float32)
        # Equal for quads of one thing that face the same way: edges of a picture are where it changes.
        facing = np.rint(self.face_normals * 4).astype(np.int64) @ np.array([100, 10, 1])
        self.face_code = (model.instances.astype(np.int64) * 4096 + model.finishes) * 4096 + facing

    def first(self, origins, directions):
        """The nearest hit of each ray."""
        prim, u, v, distance = self._run(origins, directions)
        second = (prim & 1).astype(bool)
        # Embree's u, v weigh the second and third corner of the triangle.
        st = np.stack([np.where(second, u, u + v), np.where(second, u + v, v)], axis=-1)
        return Hits(np.where(prim < 0, -1, prim >> 1).astype(np.int32), st, distance)

    def blocked(self, origins, directions, length=1e30):
        """Whether anything stands within `length` (one number, in lengths of the direction)."""
        answers = [np.zeros(0, bool)]
        for start in range(0, len(origins), CHUNK):
            rays = _floats(origins[start : start + CHUNK]), _floats(directions[start : start + CHUNK])
            reach = np.full(len(rays[0]), length, np.float32)
            answers.append(self.scene.run(*rays, dists=reach, query="OCCLUDED") == 0)
        return np.concatenate(answers)

    def _run(self, origins, directions):
        keys = ("primID", "u", "v", "tfar")
        answers = []
        for start in range(0, max(len(origins), 1), CHUNK):
            rays = _floats(origins[start : start + CHUNK]), _floats(directions[start : start + CHUNK])
            found = self.scene.run(*rays, output=True)
            answers.append([found[key] for key in keys])
        return [np.concatenate(column) for column in zip(*answers, strict=True)]


def _floats(array):
    return np.ascontiguousarray(array, np.float32)


def on_quad(corners, st):
    """Places on the two triangles of quads: [n 4 3] corners at [n 2], where a bent quad is not its bilinear surface."""
    s, t = st[:, :1], st[:, 1:]
    first = corners[:, 0] * (1 - s) + corners[:, 1] * (s - t) + corners[:, 2] * t
    second = corners[:, 0] * (1 - t) + corners[:, 2] * s + corners[:, 3] * (t - s)
    return np.where(s >= t, first, second)


def lerp_quad(values, st):
    """Bilinear mix of the four corner values [n 4 c] at [n 2]."""
    s, t = st[:, :1], st[:, 1:]
    return (
        values[:, 0] * ((1 - s) * (1 - t))
        + values[:, 1] * (s * (1 - t))
        + values[:, 2] * (s * t)
        + values[:, 3] * ((1 - s) * t)
    )
