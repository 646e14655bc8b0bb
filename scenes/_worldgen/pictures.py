"""Pictures of a lit model: primary rays, patterns filtered by distance, finer samples on edges, a sensor's response."""

from dataclasses import dataclass

import numpy as np

from _worldgen.products import times
from _worldgen.tracer import lerp_quad


@dataclass
class Picture:
    """What a camera sees, each [h w ...]."""

    colors: np.ndarray | None
    """uint8 [h w 3], sRGB; None where it was only measured."""
    depths: np.ndarray
    """float32 z-depth, metres; 0 where nothing is met."""
    normals: np.ndarray
    """float32 [h w 3], world; 0 where nothing is met."""
    instances: np.ndarray
    """int32; -1 where nothing is met."""


class Studio:
    """A model with its light, ready to be photographed."""

    def __init__(self, model, tracer, luxels, irradiance, finishes, sky, exposure=1.0):
        self.model, self.tracer, self.luxels, self.irradiance = model, tracer, luxels, irradiance
        self.finishes, self.sky, self.exposure = finishes, sky, exposure
        self.corner_uv = model.uvs

    def radiance(self, origins, directions, pixel_angle):
        """Light along unit rays [n 3], with what they hit."""
        hits = self.tracer.first(origins, directions)
        out = np.empty((len(hits.quad), 3), np.float32)
        missed = np.flatnonzero(hits.quad < 0)
        out[missed] = self.sky(directions[missed])
        rows = np.flatnonzero(hits.quad >= 0)
        quad, st = hits.quad[rows], hits.st[rows]
        slant = np.abs((self.tracer.face_normals[quad] * directions[rows]).sum(-1))
        footprint = hits.distance[rows] * pixel_angle / np.sqrt(np.maximum(slant, 0.04))
        out[rows] = self.surface_radiance(quad, st, footprint)
        return out, hits

    def surface_radiance(self, quad, st, footprint):
        """Light that leaves places on quads, the same to all sides."""
        finish = self.model.finishes[quad]
        albedo = self.finishes.albedo(finish, lerp_quad(self.corner_uv[quad], st), footprint)
        light = self.luxels.lookup(self.irradiance, quad, st)
        return albedo * (light / np.float32(np.pi) + self.finishes.glow[finish][:, None])

    def shoot(self, world_from_cam, K, width, height, seed, extra=3):
        """A picture from one pose; `extra` more rays go to pixels on edges."""
        rng = np.random.default_rng(seed)
        ys, xs = np.divmod(np.arange(width * height), width)
        offsets = np.full((width * height, 2), 0.5, np.float32)
        radiance, hits, cosine = self._rays(world_from_cam, K, xs, ys, offsets)
        depths, normals, instances = _truth(self.model, hits, cosine)
        color = self._respond(radiance)
        edge = np.flatnonzero(self._edges(hits, depths, height, width))
        if extra and len(edge):
            total = color[edge].copy()
            for k in range(extra):
                spots = (
                    np.array([[(k + 0.5) / extra, ((k * 2 + 1) % extra + 0.5) / extra]])
                    + rng.uniform(-0.12, 0.12, (len(edge), 2))
                ).astype(np.float32)
                total += self._respond(self._rays(world_from_cam, K, xs[edge], ys[edge], spots)[0])
            color[edge] = total / (extra + 1)
        return Picture(
            self._develop(color, rng).reshape(height, width, 3),
            depths.reshape(height, width),
            normals.reshape(height, width, 3),
            instances.reshape(height, width),
        )

    def _rays(self, world_from_cam, K, xs, ys, offsets):
        origins, directions, cosine = camera_rays(world_from_cam, K, xs, ys, offsets)
        radiance, hits = self.radiance(origins, directions, np.float32(1 / K[0, 0]))
        return radiance, hits, cosine

    def _edges(self, hits, depths, height, width):
        """Pixels beside a change of thing, of plane or of depth."""
        quad = hits.quad.reshape(height, width)
        plane = np.where(quad >= 0, self.tracer.face_code[quad], -1)
        depth = depths.reshape(height, width)
        edge = np.zeros((height, width), bool)
        for axis in (0, 1):
            a = [slice(None), slice(None)]
            b = [slice(None), slice(None)]
            a[axis], b[axis] = slice(None, -1), slice(1, None)
            a, b = tuple(a), tuple(b)
            change = (plane[a] != plane[b]) | (np.abs(depth[a] - depth[b]) > 0.05 * np.maximum(depth[a], depth[b]))
            edge[a] |= change
            edge[b] |= change
        return edge.ravel()

    def _respond(self, radiance):
        """Exposure and the soft shoulder of a sensor: linear to 0.6, then slowly up to 1."""
        x = radiance * np.float32(self.exposure)
        return np.where(x < 0.6, x, 1 - 0.4 * np.exp((0.6 - x) / 0.4)).astype(np.float32)

    def _develop(self, color, rng):
        """Shot and read noise, sRGB, 8 bits."""
        noise = rng.standard_normal(color.shape, dtype=np.float32)
        color = np.clip(color + noise * np.sqrt(2.5e-5 * np.maximum(color, 0) + 2e-7), 0, 1)
        return (srgb(color) * 255 + 0.5).astype(np.uint8)


def measure(model, tracer, world_from_cam, K, width, height):
    """The picture that `Studio.shoot` takes from a pose, without its colours and without any light."""
    ys, xs = np.divmod(np.arange(width * height), width)
    offsets = np.full((width * height, 2), 0.5, np.float32)
    origins, directions, cosine = camera_rays(world_from_cam, K, xs, ys, offsets)
    depths, normals, instances = _truth(model, tracer.first(origins, directions), cosine)
    shape = height, width
    return Picture(None, depths.reshape(shape), normals.reshape(*shape, 3), instances.reshape(shape))


def camera_rays(world_from_cam, K, xs, ys, offsets):
    """Origins, unit directions and the cosine to the axis for pixels at columns, rows and offsets within them."""
    x = (xs + offsets[:, 0] - K[0, 2]) / K[0, 0]
    y = (ys + offsets[:, 1] - K[1, 2]) / K[1, 1]
    local = np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)
    cosine = 1 / np.linalg.norm(local, axis=-1)
    directions = times(local * cosine[:, None], world_from_cam[:3, :3].T.astype(np.float32))
    return np.broadcast_to(world_from_cam[:3, 3].astype(np.float32), directions.shape), directions, cosine


def _truth(model, hits, cosine):
    """Depths, normals and instances, each [n ...]."""
    quad = hits.quad
    met = quad >= 0
    normal = lerp_quad(model.normals[quad], hits.st)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    return (
        np.where(met, hits.distance * cosine, 0).astype(np.float32),
        np.where(met[:, None], normal, 0).astype(np.float32),
        np.where(met, model.instances[quad], -1),
    )


def srgb(linear):
    """Linear light in [0, 1] as sRGB values in [0, 1]."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
