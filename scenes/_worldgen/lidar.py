"""A spinning LiDAR: beams from a pose, with noise, weak returns, drop-outs and the truth about every point."""

from dataclasses import dataclass

import numpy as np

from _worldgen.products import times


@dataclass(frozen=True)
class Lidar:
    """The sensor: 64 beams as on many cars and mine trucks."""

    beams: int = 64
    columns: int = 1024
    low_deg: float = -25.0
    high_deg: float = 10.0
    reach: float = 100.0
    """Metres to the farthest return from a bright surface."""
    noise: float = 0.02
    """Standard deviation of the range, metres."""

    def directions(self):
        """[beams columns 3] unit vectors in the sensor's frame: x forward, y left, z up; azimuth counter-clockwise."""
        pitch = np.radians(np.linspace(self.high_deg, self.low_deg, self.beams))[:, None]
        azimuth = (np.arange(self.columns) + 0.5) / self.columns * 2 * np.pi
        flat = np.cos(pitch)
        return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(pitch) + 0 * azimuth], -1)


@dataclass
class Sweep:
    """One turn as images, a row for each beam and a column for each step: the truth about every return."""

    ranges: np.ndarray
    """[beams columns] float32, metres, with noise; 0 where nothing came back."""
    intensity: np.ndarray
    """In [0, 1]: reflectance times the cosine, as sensors report it after range correction."""
    classes: np.ndarray
    """uint8; 0 where nothing came back."""
    instances: np.ndarray
    """int32; -1 where nothing came back."""

    def points(self, lidar):
        """The returns [n 3] in the sensor's frame, metres, row by row."""
        returned = self.ranges > 0
        return (lidar.directions()[returned] * self.ranges[returned][:, None]).astype(np.float32)


def sweep(studio, world_from_lidar, lidar, rng):
    """One turn of the sensor at a pose (standing still while it turns)."""
    local = lidar.directions().reshape(-1, 3)
    directions = times(local, world_from_lidar[:3, :3].T).astype(np.float32)
    origins = np.broadcast_to(world_from_lidar[:3, 3].astype(np.float32), directions.shape)
    hits = studio.tracer.first(origins, directions)
    met = np.flatnonzero(hits.quad >= 0)
    quad, distance = hits.quad[met], hits.distance[met]
    model = studio.model
    slant = np.abs((studio.tracer.face_normals[quad] * directions[met]).sum(-1))
    uv = model.uvs[quad, 0] + hits.st[met] * (model.uvs[quad, 2] - model.uvs[quad, 0])
    bright = studio.finishes.albedo(model.finishes[quad], uv, 0.003 * distance).mean(axis=1)
    intensity = np.clip(bright * slant, 0, 1)
    # Less light comes back from far, dark and slanting places; some rays are lost to dust for no reason.
    strength = intensity / 0.08 * np.minimum(1, (lidar.reach * 0.55 / np.maximum(distance, 1)) ** 2)
    kept = (rng.random(len(met)) < np.clip(strength, 0, 1) * 0.985) & (distance < lidar.reach) & (distance > 0.8)
    met, quad, distance, intensity = met[kept], quad[kept], distance[kept], intensity[kept]
    measured = distance + lidar.noise * rng.standard_normal(len(met))
    instance = model.instances[quad]
    shape, none = (lidar.beams, lidar.columns), lidar.beams * lidar.columns
    images = {
        "ranges": (np.zeros(none, np.float32), measured),
        "intensity": (np.zeros(none, np.float32), intensity),
        "classes": (np.zeros(none, np.uint8), model.instance_classes[instance]),
        "instances": (np.full(none, -1, np.int32), instance),
    }
    for image, values in images.values():
        image[met] = values
    return Sweep(**{name: image.reshape(shape) for name, (image, _) in images.items()})
