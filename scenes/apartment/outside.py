"""What is seen through the windows: sky with clouds above a row of trees, all infinitely far."""

import numpy as np

from _worldgen.noise import fbm


def view(directions):
    """Radiance [n 3] along unit directions [n 3]."""
    directions = np.asarray(directions, np.float32)
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    height = np.arcsin(np.clip(directions[:, 2], -1, 1))
    fine = np.full(len(azimuth), 0.002, np.float32)
    cloud = np.clip(fbm(azimuth, height * 2.5, np.uint32(5), 0.5, 5, fine) * 2.2 + 0.25, 0, 1)[:, None]
    high = np.clip(height, 0, 1.2)[:, None] ** 0.5
    blue = np.float32([[2.6, 2.9, 3.1]]) * (1 - high) + np.float32([[1.0, 1.6, 2.8]]) * high
    sky = blue * (1 - cloud) + np.float32([[3.3, 3.3, 3.2]]) * cloud
    crown = 0.10 + 0.10 * fbm(azimuth, height * 0, np.uint32(8), 0.35, 5, fine)
    leaves = np.clip(0.5 + 0.9 * fbm(azimuth, height, np.uint32(9), 0.06, 5, fine), 0.05, 1)[:, None]
    trees = np.float32([[0.085, 0.115, 0.055]]) * leaves
    grass = np.float32([[0.13, 0.16, 0.085]]) * (0.6 + 0.6 * leaves)
    below = np.where((height < -0.06)[:, None], grass, trees)
    return np.where((height < crown)[:, None], below, sky).astype(np.float32)
