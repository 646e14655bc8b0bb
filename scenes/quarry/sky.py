"""The sky over the pit: blue with clouds, hazy and bright towards the sun and the horizon, hills far away."""

import numpy as np

from _worldgen.noise import fbm
from _worldgen.products import dot


def view(directions, sun):
    """Radiance [n 3] along unit directions [n 3]."""
    directions = np.asarray(directions, np.float32)
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    height = np.arcsin(np.clip(directions[:, 2], -1, 1))
    fine = np.full(len(azimuth), 0.002, np.float32)
    # Clouds lie on a plane overhead, so that they flatten towards the horizon.
    up = np.maximum(directions[:, 2], 0.06)
    u, v = directions[:, 0] / up, directions[:, 1] / up
    cloud = np.clip(fbm(u, v, np.uint32(15), 2.6, 6, fine) * 2.6 + 0.05, 0, 1)
    cloud = (cloud * np.clip((height - 0.03) * 5, 0, 1))[:, None]
    rise = np.clip(height, 0, 1.3)[:, None] ** 0.6
    blue = np.float32([[1.25, 1.45, 1.7]]) * (1 - rise) + np.float32([[0.30, 0.62, 1.35]]) * rise
    glare = np.clip(dot(directions, np.asarray(sun, np.float32)), 0, 1)[:, None] ** 12
    sky = blue * (1 - cloud) + np.float32([[1.9, 1.9, 1.9]]) * cloud + glare * np.float32([[1.6, 1.4, 1.1]])
    crest = 0.05 + 0.045 * fbm(azimuth, height * 0, np.uint32(4), 0.5, 6, fine)
    tone = np.clip(0.6 + 0.8 * fbm(azimuth, height * 1.5, np.uint32(6), 0.05, 5, fine), 0.1, 1)[:, None]
    hills = np.float32([[0.42, 0.46, 0.46]]) * tone * 0.5 + blue * 0.35
    return np.where((height < crest)[:, None], hills, sky).astype(np.float32)
