"""Patterns of the pit that know where they are: dust, tracks and mud by place, layers in the rock."""

import numpy as np

from _worldgen.noise import fade, fbm, line, mix, relief, worley
from _worldgen.patterns import PATTERNS


def with_ground(terrain):
    """The common patterns and the ground of this terrain."""

    def ground(p):
        """Gravel, graded road and mud, mixed by place with ragged borders; u, v are world x, y."""
        ragged = 0.7 * fbm(p.u, p.v, p.seed + 1, 1.3, 4, p.footprint)
        x, y = p.u - _shift(p), p.v - _shift(p)
        road = np.clip(terrain.at(terrain.road, x + ragged, y - ragged), 0, 1).astype(np.float32)
        mud = np.clip(terrain.at(terrain.mud, x + ragged, y + ragged) * 1.5 - 0.25, 0, 1).astype(np.float32)
        color = np.zeros_like(p.a)
        # Each kind of ground is worked out only where it shows.
        for weight, kind in (((1 - road) * (1 - mud), _gravel), (road * (1 - mud), _road), (mud, _mud)):
            rows = np.flatnonzero(weight > 0.01)
            if len(rows):
                color[rows] += weight[rows, None] * kind(p.at(rows))
        across = terrain.at(terrain.across, x, y).astype(np.float32)
        rows = np.flatnonzero((across < 5) & (p.footprint < 0.6) & (mud < 0.99))
        if len(rows):
            along = terrain.at(terrain.along, x[rows], y[rows]).astype(np.float32)
            prints = _tracks(p.at(rows), across[rows], along)
            color[rows] *= (1 - (1 - prints) * (1 - mud[rows]))[:, None]
        return color

    return {**PATTERNS, "ground": ground, "rock_face": rock_face, "rubble": rubble, "tyre": tyre, "hazard": hazard}


def _shift(p):
    """What `FinishTable` adds to the coordinates of a seed."""
    return (p.seed % np.uint32(977)).astype(np.float32) * np.float32(0.37)


def _tracks(p, across, along):
    """Darker prints of tyres along the roads, with lugs, worn off in places."""
    wander = 0.5 * fbm(along * 0.2, across * 0, p.seed + 20, 1.0, 2, p.footprint * 0)
    total = np.zeros(len(across), np.float32)
    for lane, half in ((0.95, 0.22), (1.75, 0.30), (2.9, 0.26), (3.6, 0.2)):
        inside = np.clip((half - np.abs(across - lane - wander)) / 0.06, 0, 1)
        lugs = line(along + 0.6 * across, 0.19, 0.075, p.footprint)
        worn = np.clip(
            0.45 + 1.6 * fbm(along * 0.4, across, p.seed + np.uint32(int(lane * 10)), 2.5, 3, p.footprint), 0, 1
        )
        total += inside * worn * (0.35 + 0.65 * lugs)
    return 1 - 0.42 * np.clip(total, 0, 1)


def _gravel(p):
    """Stones of three sizes in dust."""
    tone = 1 + 0.34 * fbm(p.u, p.v, p.seed, 9.0, 6, p.footprint, gain=0.62)
    tone += 0.34 * fbm(p.u, p.v, p.seed + 2, 0.9, 5, p.footprint, gain=0.65)
    color = p.a * tone[:, None]
    for size, salt, share in ((0.8, 2, 0.12), (0.34, 3, 0.35), (0.11, 4, 0.5), (0.035, 5, 0.6)):
        seen = fade(p.footprint, size * 0.6)
        rows = np.flatnonzero(seen > 0.02)
        if not len(rows):
            continue
        first, second, own = worley(p.u[rows] / size, p.v[rows] / size, p.seed[rows] + np.uint32(salt))
        stone = np.clip((second - first) * 4 - 0.4, 0, 1) * (own < share) * seen[rows]
        shade = 0.55 + 0.9 * own[:, None] / share
        lit = 1 + 0.5 * (0.4 - first[:, None])
        color[rows] = mix(color[rows], p.b[rows] * shade * lit, stone)
    return color


def _road(p):
    """Packed dust with tracks and fine stones."""
    streak = 1.5 * fbm(p.u, p.v, p.seed + 7, 4.4, 7, p.footprint, gain=0.66)
    grit = fbm(p.u, p.v, p.seed + 8, 0.05, 3, p.footprint, gain=0.8)
    own, pebble = np.zeros(len(p.u), np.float32), np.zeros(len(p.u), np.float32)
    near = np.flatnonzero(p.footprint < 0.07)
    if len(near):
        first, _, own[near] = worley(p.u[near] / 0.22, p.v[near] / 0.22, p.seed[near] + np.uint32(9))
        pebble[near] = ((first < 0.16) & (own[near] < 0.3)) * fade(p.footprint[near], 0.07)
    color = (p.a * 1.12) * (1 + 0.22 * streak + 0.22 * grit)[:, None]
    return mix(color, p.b * (0.6 + own)[:, None], pebble)


def _mud(p):
    """Wet clay with ruts and puddle edges."""
    rut = fbm(p.u * 0.5 + p.v * 0.2, p.v, p.seed + 12, 0.9, 5, p.footprint)
    lumps = relief(p, 0.12, 4, 0.7, 1.3)
    wet = np.clip(fbm(p.u, p.v, p.seed + 14, 1.7, 4, p.footprint) * 3, 0, 1)
    dark = np.float32([[0.105, 0.075, 0.05]]) * (lumps * (1 + 0.5 * rut))[:, None]
    return mix(dark, np.float32([[0.17, 0.16, 0.155]]) * np.ones_like(p.a), wet * 0.6)


def rock_face(p):
    """Layered, fractured rock; v is the height."""
    bend = 0.5 * fbm(p.u, p.v * 0.2, p.seed, 9.0, 3, p.footprint)
    layer = fbm(p.u * 0.06, p.v + bend, p.seed + 1, 1.6, 6, p.footprint, gain=0.65)
    warp = 0.45 * fbm(p.u, p.v, p.seed + 8, 1.1, 4, p.footprint)
    first, second, own = worley(p.u / 1.5 + warp, (p.v + bend) / 0.5 - warp, p.seed + np.uint32(2))
    crack = np.clip(1 - (second - first) * 11, 0, 1) * fade(p.footprint, 0.1) * (own > 0.35)
    chip, own2 = np.zeros(len(p.u), np.float32), np.full(len(p.u), 0.5, np.float32)
    near = np.flatnonzero(p.footprint < 0.06)
    if len(near):
        u, v = p.u[near] / 0.26 + warp[near], p.v[near] / 0.13 + warp[near]
        small, small2, mine = worley(u, v, p.seed[near] + np.uint32(5))
        seen = fade(p.footprint[near], 0.06)
        chip[near], own2[near] = np.clip(1 - (small2 - small) * 7, 0, 1) * seen, 0.5 + (mine - 0.5) * seen
    stain = np.clip(fbm(p.u, p.v * 0.25, p.seed + 6, 1.8, 4, p.footprint) * 1.8, 0, 1)
    tone = (0.85 + 0.3 * own) * (0.85 + 0.3 * own2) * relief(p, 0.6, 5, 0.9) * relief(p, 0.04, 2, 0.4, 2.0)
    color = mix(p.a, p.b, np.clip(0.5 + 1.3 * layer, 0, 1)) * tone[:, None]
    color = mix(color, color * np.float32([[0.75, 0.6, 0.5]]), stain)
    return color * (1 - 0.4 * crack - 0.3 * chip)[:, None]


def rubble(p):
    """The surface of one boulder."""
    vein = np.clip(1 - np.abs(fbm(p.u, p.v, p.seed + 3, 0.5, 3, p.footprint)) * 16, 0, 1)
    tone = (
        relief(p, 0.18, 4, 0.6) * relief(p, 0.025, 2, 0.4, 2.0) * (1 + 0.3 * fbm(p.u, p.v, p.seed, 0.7, 4, p.footprint))
    )
    return mix(p.a * tone[:, None], np.minimum(p.b * 1.6, 0.8), 0.5 * vein)


def tyre(p):
    """Rubber with lugs across the tread and dust."""
    lugs = line(p.u + np.abs(p.v), 0.14, 0.05, p.footprint)
    dust = np.clip(0.4 + fbm(p.u, p.v, p.seed, 0.3, 4, p.footprint), 0, 1)
    return mix(p.a * (0.5 + 0.8 * lugs)[:, None], p.b, 0.45 * dust)


def hazard(p):
    """Slanting stripes of two colours with scratches; scale is their pitch."""
    stripe = ((p.u + p.v) / p.scale % 1 < 0.5).astype(np.float32)
    seen = fade(p.footprint, p.scale)
    wear = np.clip(fbm(p.u, p.v, p.seed, 0.12, 4, p.footprint) - 0.25, 0, 1)
    color = mix(p.a, p.b, stripe * seen + 0.5 * (1 - seen))
    return mix(color, np.full_like(color, 0.3), wear)
