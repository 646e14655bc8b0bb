"""Shoes and coats in the corridor."""

import numpy as np


def shoes(b, looks, x, y, z):
    """A pair of shoes."""
    leather = looks.bright()
    for k in (0, 1):
        with (
            b.part("clutter", "shoe"),
            b.place(x + 0.1 * k, y + 0.11, z + 0.03, np.pi / 2 + looks.rng.uniform(-0.1, 0.1)),
        ):
            b.cushion((0, 0, -0.005), (0.25, 0.085, 0.05), leather, 0.6, (14, 8))
            b.cushion((-0.05, 0, 0.03), (0.13, 0.075, 0.07), leather, 0.6, (12, 8))


def coat(b, looks, x):
    """A hanging coat."""
    cloth = looks.cloth()
    with b.part("textile", "coat"):
        z = np.linspace(1.7, looks.rng.uniform(0.8, 1.1), 12)
        t = np.linspace(0, 2 * np.pi, 21)
        spread_x = 0.05 + 0.06 * np.sqrt((1.7 - z) / 0.8)
        ring = 1 + 0.18 * np.sin(5 * t + looks.rng.uniform(0, 6))
        for k in range(len(z) - 1):
            lo = np.stack(
                [x + spread_x[k + 1] * np.cos(t) * ring, 0.1 + 0.065 * np.sin(t) * ring, np.full_like(t, z[k + 1])], -1
            )
            hi = np.stack(
                [x + spread_x[k] * np.cos(t) * ring, 0.1 + 0.065 * np.sin(t) * ring, np.full_like(t, z[k])], -1
            )
            quads = np.stack([lo[:-1], lo[1:], hi[1:], hi[:-1]], axis=1)
            around = np.stack([t[:-1], t[1:], t[1:], t[:-1]], 1) * 0.1
            b.add(quads, np.stack([around, quads[..., 2]], -1), cloth)
            for ring_points, flip in ((hi, False), (lo, True)):
                if (k == 0 and not flip) or (k == len(z) - 2 and flip):
                    middle = np.broadcast_to(ring_points[:-1].mean(0), (len(t) - 1, 3))
                    cap = np.stack([ring_points[:-1], ring_points[1:], middle, middle], axis=1)
                    b.add(cap[:, ::-1] if flip else cap, (cap[:, ::-1] if flip else cap)[..., :2], cloth)
