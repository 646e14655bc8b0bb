"""Light, baked once: every quad carries a grid of luxels (about 3 cm) that hold the irradiance that arrives there.

Direct light comes from discs, rectangles, the sun and the sky through windows, with soft shadows by stratified shadow
rays; indirect light is gathered over the hemisphere from the luxels that the rays meet, twice. Pictures then need
primary rays only: radiance = reflectance x irradiance / pi.
"""

from dataclasses import dataclass

import numpy as np

from _worldgen.products import dot, length
from _worldgen.tracer import lerp_quad, on_quad

LIFT = 0.002
"""Metres by which luxels stand off their surface, so that it does not shade itself."""


@dataclass
class AreaLight:
    """A rectangle (or disc) that shines to one side."""

    center: np.ndarray
    edge_u: np.ndarray
    """Half edge."""
    edge_v: np.ndarray
    """Half edge; the light shines along edge_u x edge_v."""
    radiance: np.ndarray
    """[3]; ignored for windows, through which the sky shines."""
    window: bool = False


@dataclass
class Luxels:
    """All luxels of a model: quad q has (nu + 1) x (nv + 1) of them from `start` on."""

    start: np.ndarray
    counts: np.ndarray
    """[q 2] nu and nv, the intervals along s and t."""
    quad: np.ndarray
    """[l] the quad of each luxel."""
    points: np.ndarray
    """[l 3] float32, lifted off the surface."""
    normals: np.ndarray
    """[l 3]."""
    size: float
    """About how far they stand apart, metres."""
    cell: np.ndarray
    """[l 2] the place in the quad's grid."""

    def lookup(self, values, quad, st):
        """Bilinear mix of luxel values [l c] at places within quads."""
        nu, nv = self.counts[quad, 0], self.counts[quad, 1]
        x, y = np.clip(st[:, 0], 0, 1) * nu, np.clip(st[:, 1], 0, 1) * nv
        i, j = np.minimum(x.astype(np.int32), nu - 1), np.minimum(y.astype(np.int32), nv - 1)
        fx, fy = (x - i).astype(np.float32)[:, None], (y - j).astype(np.float32)[:, None]
        base = self.start[quad] + j * (nu + 1) + i
        low = values[base] * (1 - fx) + values[base + 1] * fx
        high = values[base + nu + 1] * (1 - fx) + values[base + nu + 2] * fx
        return low * (1 - fy) + high * fy

    def nearest(self, quad, st):
        """Index of the luxel nearest to places within quads."""
        nu, nv = self.counts[quad, 0], self.counts[quad, 1]
        i = np.clip(np.rint(st[:, 0] * nu), 0, nu).astype(np.int32)
        j = np.clip(np.rint(st[:, 1] * nv), 0, nv).astype(np.int32)
        return self.start[quad] + j * (nu + 1) + i


def make_luxels(model, size, longest=400):
    """A grid of luxels over every quad, about `size` metres apart."""
    c = model.corners
    along_s = np.maximum(np.linalg.norm(c[:, 1] - c[:, 0], axis=-1), np.linalg.norm(c[:, 2] - c[:, 3], axis=-1))
    along_t = np.maximum(np.linalg.norm(c[:, 3] - c[:, 0], axis=-1), np.linalg.norm(c[:, 2] - c[:, 1], axis=-1))
    counts = np.clip(np.rint(np.stack([along_s, along_t], -1) / size), 1, longest).astype(np.int32)
    number = (counts + 1).prod(axis=-1)
    start = np.concatenate([[0], np.cumsum(number)[:-1]]).astype(np.int64)
    quad = np.repeat(np.arange(len(c)), number)
    local = np.arange(len(quad)) - start[quad]
    nu, nv = counts[quad, 0], counts[quad, 1]
    cell = np.stack([local % (nu + 1), local // (nu + 1)], -1).astype(np.int32)
    # Outermost luxels stand a third of a step inside, out of what touches the surface at its edge.
    steps = np.stack([nu, nv], -1)
    st = (np.clip(cell, 0.3, steps - 0.3) / steps).astype(np.float32)
    points, normals = np.empty((len(quad), 3), np.float32), np.empty((len(quad), 3), np.float32)
    for rows in np.array_split(np.arange(len(quad)), max(1, len(quad) // 500_000)):
        normal = lerp_quad(model.normals[quad[rows]], st[rows])
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        normals[rows] = normal
        points[rows] = on_quad(c[quad[rows]], st[rows]) + LIFT * normal
    return Luxels(start, counts, quad.astype(np.int32), points, normals, size, cell)


class Bake:
    """Works out the irradiance of every luxel of a model."""

    def __init__(self, tracer, luxels, albedo, glow, sky, rng, progress=lambda text: None):
        self.tracer, self.luxels, self.albedo, self.glow = tracer, luxels, albedo, glow
        self.sky, self.rng, self.progress = sky, rng, progress

    def irradiance(self, lights, sun, shadow_rays=16, gather_rays=40, bounces=3):
        """[l 3] float32.

        Args:
            sun: its direction (towards it), angular radius and irradiance [3] on a surface that faces it, or None.
        """
        sky_seen = not any(light.window for light in lights)
        hit_luxel, open_sky, buried = self._look_around(gather_rays, sky_seen)
        # Where a whole quad is buried nobody can speak for it, and it may stay dark.
        alive = np.bincount(self.luxels.quad[~buried], minlength=len(self.luxels.start)) > 0
        self.valid = (~buried | ~alive[self.luxels.quad]).astype(np.float32)[:, None]
        direct = np.zeros_like(self.luxels.points)
        for number, light in enumerate(lights):
            self.progress(f"light {number + 1} of {len(lights)}")
            self._add_area(direct, light, shadow_rays)
        if sun is not None:
            self._add_sun(direct, *sun, rays=max(4, shadow_rays // 2))
        direct = self._smooth(direct, 2)
        return direct + self._gathered(direct, hit_luxel, open_sky, bounces)

    def _add_area(self, total, light, rays, reach=12.0):
        lux = self.luxels
        to_light = light.center - lux.points
        front = np.cross(light.edge_u, light.edge_v)
        area = 4 * length(front)
        front = front / length(front)
        size = length(light.edge_u) + length(light.edge_v)
        facing = (to_light * lux.normals).sum(-1) > -size
        rows = np.flatnonzero(facing & (-dot(to_light, front) > -0.02 * 0) & ((to_light**2).sum(-1) < reach**2))
        side = max(1, int(np.sqrt(rays)))
        for k in range(side * side):
            jitter = self.rng.random((len(rows), 2), dtype=np.float32)
            a = (2 * (k % side + jitter[:, :1]) / side - 1).astype(np.float32)
            b = (2 * (k // side + jitter[:, 1:]) / side - 1).astype(np.float32)
            spot = light.center + a * light.edge_u + b * light.edge_v
            ray = (spot - lux.points[rows]).astype(np.float32)
            square = (ray**2).sum(-1)
            unit_ray = ray / np.sqrt(square)[:, None]
            weight = np.clip((unit_ray * lux.normals[rows]).sum(-1), 0, 1) * np.clip(-dot(unit_ray, front), 0, 1)
            lit = np.flatnonzero(weight > 1e-4)
            free = ~self.tracer.blocked(lux.points[rows[lit]], ray[lit], 0.995)
            lit = lit[free]
            radiance = self.sky(unit_ray[lit]) if light.window else light.radiance
            share = weight[lit] * area / np.maximum(square[lit], 0.01) / (side * side)
            total[rows[lit]] += (share[:, None] * radiance).astype(np.float32)

    def _add_sun(self, total, direction, radius, strength, rays):
        lux = self.luxels
        direction = np.asarray(direction, np.float32) / length(direction)
        facing = dot(lux.normals, direction)
        rows = np.flatnonzero(facing > 0)
        for _ in range(rays):
            ray = direction + radius * self.rng.standard_normal((len(rows), 3), dtype=np.float32) * 0.6
            free = ~self.tracer.blocked(lux.points[rows], ray)
            total[rows[free]] += (facing[rows[free], None] * np.asarray(strength) / rays).astype(np.float32)

    def _look_around(self, rays, sky_seen):
        """Cosine-weighted rays from every luxel: the luxels they meet, the light of the open sky, who is buried."""
        lux, count = self.luxels, len(self.luxels.points)
        hit_luxel = np.full((rays, count), -1, np.int32)
        open_sky = np.zeros((count, 3), np.float32)
        backs = np.zeros(count, np.float32)
        for k in range(rays):
            self.progress(f"indirect light {k + 1} of {rays}")
            ray = self._hemisphere(k, rays)
            hits = self.tracer.first(lux.points, ray)
            from_behind = (self.tracer.face_normals[hits.quad] * ray).sum(-1) > 0
            met = (hits.quad >= 0) & ~from_behind
            backs += (hits.quad >= 0) & from_behind
            hit_luxel[k, met] = lux.nearest(hits.quad[met], hits.st[met])
            if sky_seen:
                missed = np.flatnonzero(hits.quad < 0)
                open_sky[missed] += self.sky(ray[missed]) * np.float32(np.pi / rays)
        # A luxel that sees the inner sides of things lies within one: its neighbours speak for it.
        return hit_luxel, open_sky, backs > 0.3 * rays

    def _gathered(self, direct, hit_luxel, open_sky, bounces):
        """Light from other surfaces: the hits of `_look_around` serve all bounces."""
        lux, rays = self.luxels, len(hit_luxel)
        # Area lights are sampled directly, so what glows adds nothing here a second time.
        reflectance = self.albedo[lux.quad] * (self.glow[lux.quad].max(axis=-1, keepdims=True) == 0)
        indirect = open_sky
        for _ in range(bounces):
            leaving = (direct + indirect) * reflectance
            found = open_sky.copy()
            for k in range(rays):
                met = np.flatnonzero(hit_luxel[k] >= 0)
                found[met] += leaving[hit_luxel[k, met]] / np.float32(rays)
            indirect = self._smooth(found, 14)
        return indirect

    def _hemisphere(self, k, rays):
        """One cosine-weighted direction for every luxel: the k-th of a spiral, turned at random for each luxel."""
        count = len(self.luxels.points)
        radius = np.sqrt((k + self.rng.random(count, dtype=np.float32)) / rays)
        angle = self.rng.random(count, dtype=np.float32) * np.float32(2 * np.pi)
        n = self.luxels.normals
        side = np.where(np.abs(n[:, 2:]) < 0.9, np.float32([[0, 0, 1]]), np.float32([[1, 0, 0]]))
        t = np.cross(side, n)
        t /= np.linalg.norm(t, axis=-1, keepdims=True)
        b = np.cross(n, t)
        up = np.sqrt(np.maximum(0, 1 - radius**2))
        return t * (radius * np.cos(angle))[:, None] + b * (radius * np.sin(angle))[:, None] + n * up[:, None]

    def _smooth(self, values, times):
        """Mean over neighbours in the grid of the quad, and over luxels of small quads that lie together."""
        lux = self.luxels
        nu, nv = lux.counts[lux.quad, 0], lux.counts[lux.quad, 1]
        here = np.arange(len(values))
        left, right = here - (lux.cell[:, 0] > 0), here + (lux.cell[:, 0] < nu)
        up, down = here - (nu + 1) * (lux.cell[:, 1] > 0), here + (nu + 1) * (lux.cell[:, 1] < nv)
        weight = self.valid + 1e-6
        values = values * weight
        for _ in range(times):
            values, weight = (
                0.4 * field + 0.15 * (field[left] + field[right] + field[up] + field[down])
                for field in (values, weight)
            )
        values = values / weight
        small = np.flatnonzero(nu * nv <= 36)
        if times > 1 and len(small):
            values[small] = self._pooled(values, small)
        return values.astype(np.float32)

    def _pooled(self, values, rows):
        """Mean over luxels that lie together and face one way: round shapes have quads too small for a grid."""
        lux = self.luxels
        facing = np.rint(lux.normals[rows] * 1.5).astype(np.int64) + 2
        total = np.zeros((len(rows), 3))
        # Several grids, each set off from the others, so that no cell's border shows.
        for shift in ((0.0, 0.0, 0.0), (0.5, 0.25, 0.75), (0.25, 0.75, 0.5), (0.75, 0.5, 0.25)):
            places = np.floor(lux.points[rows] / (0.83 * lux.size) + shift).astype(np.int64)
            key = ((places[:, 0] * 1_000_003 + places[:, 1]) * 1_000_003 + places[:, 2]) * 125
            _, group = np.unique(key + facing @ np.array([25, 5, 1]), return_inverse=True)
            size = np.bincount(group)
            total += np.stack([np.bincount(group, values[rows, c]) / size for c in range(3)], -1)[group]
        return total / 4
