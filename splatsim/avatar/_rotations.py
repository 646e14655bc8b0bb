"""Rotation matrices in float64 NumPy, for motions: batches are small and many, where torch's calls would cost most."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def about(axis: int, angle: Array | float) -> Array:
    """Rotations about x (0), y (1) or z (2) by angles [*n], radians: [*n 3 3]."""
    angle = np.asarray(angle, np.float64)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.zeros((*angle.shape, 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    rotation[..., axis, axis] = 1.0
    rotation[..., a, a] = rotation[..., b, b] = cos
    rotation[..., b, a], rotation[..., a, b] = sin, -sin
    return rotation


def turn(rotation: Array, vector: Array) -> Array:
    """Vectors [*n 3] turned by rotations [*n 3 3]."""
    return np.asarray((rotation @ vector[..., None])[..., 0])


def unit(vector: Array) -> Array:
    """Vectors [*n 3] at unit length; zero stays zero."""
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12))


def frame(along: Array, hinge: Array) -> Array:
    """Rotations whose third column runs along [*n 3] and whose second lies nearest to the hinge [*n 3]."""
    z = unit(along)
    y = unit(hinge - (hinge * z).sum(-1, keepdims=True) * z)
    return np.stack(np.broadcast_arrays(np.cross(y, z), y, z), axis=-1)


def between(start: Array, end: Array) -> Array:
    """The shortest rotations that take directions [*n 3] to others [*n 3], which are not opposite."""
    a, b = unit(start), unit(end)
    cross, cos = np.cross(a, b), (a * b).sum(-1)
    skew = np.zeros((*cross.shape[:-1], 3, 3))
    skew[..., 0, 1], skew[..., 0, 2], skew[..., 1, 2] = -cross[..., 2], cross[..., 1], -cross[..., 0]
    skew[..., 1, 0], skew[..., 2, 0], skew[..., 2, 1] = cross[..., 2], -cross[..., 1], cross[..., 0]
    return np.asarray(np.eye(3) + skew + skew @ skew / np.maximum(1.0 + cos, 1e-9)[..., None, None])


def around(axis: Array, angle: Array | float) -> Array:
    """Rotations about unit axes [*n 3] by angles [*n] (Rodrigues)."""
    angle = np.asarray(angle, np.float64)[..., None, None]
    skew = np.zeros((*axis.shape[:-1], 3, 3))
    skew[..., 0, 1], skew[..., 0, 2], skew[..., 1, 2] = -axis[..., 2], axis[..., 1], -axis[..., 0]
    skew[..., 1, 0], skew[..., 2, 0], skew[..., 2, 1] = axis[..., 2], -axis[..., 1], axis[..., 0]
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * (skew @ skew))


def transposed(rotation: Array) -> Array:
    """Inverse rotations."""
    return np.swapaxes(rotation, -1, -2)


def wrapped(angle: Array) -> Array:
    """Angles in (-pi, pi]."""
    return np.asarray(-((-angle + np.pi) % (2 * np.pi) - np.pi))


def ease(x: Array | float) -> Array:
    """The cubic from 0 at 0 to 1 at 1 that is level at both ends, constant beyond."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3 - 2 * x))


def ease_more(x: Array | float) -> Array:
    """The quintic from 0 at 0 to 1 at 1 that starts and ends without speed and acceleration (Flash & Hogan 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * x * (10 + x * (6 * x - 15)))
