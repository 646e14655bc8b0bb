"""Patterns of what is built: walls, floors, wood, stone and metal, with detail down to about a millimetre."""

import numpy as np

from _worldgen.noise import cell_random, fade, fbm, hash2, line, mix, relief, unit, worley


def plaster(p):
    """Rough-cast plaster: roller grain, grains of sand, faint stains, a trowel's sweep."""
    tone = 1 + 0.04 * fbm(p.u, p.v, p.seed, 1.1, 3, p.footprint)
    tone += 0.05 * fbm(p.u, p.v * 3, p.seed + 5, 0.16, 4, p.footprint)
    scuffs = np.clip(fbm(p.u, p.v * 2, p.seed + 9, 0.35, 4, p.footprint) - 0.38, 0, 1) * 0.35
    return p.a * (tone * relief(p, 0.034, 4, 0.5) * _specks(p, 0.03, 0.2) - scuffs)[:, None]


def _specks(p, size, strength):
    """Scattered spots, darker and lighter than what is around them."""
    spots = np.ones(len(p.u), np.float32)
    near = np.flatnonzero(p.footprint < size * 0.5)
    if len(near):
        first, _, own = worley(p.u[near] / size, p.v[near] / size, p.seed[near] + np.uint32(31))
        spot = np.clip((0.12 + 0.22 * own - first) * 9, 0, 1) * fade(p.footprint[near], size * 0.5)
        spots[near] += strength * spot * np.where(own > 0.45, 1, -1.2)
    return spots


def paint(p):
    """Paint on wood or metal: brush strokes along u, knots that show through, scratches, wear."""
    strokes = fbm(p.u * 0.08, p.v, p.seed + 1, 0.008, 3, p.footprint)
    cloud = fbm(p.u, p.v, p.seed, 0.3, 5, p.footprint)
    knots = np.clip(fbm(p.u * 0.35, p.v, p.seed + 7, 0.07, 4, p.footprint) - 0.3, 0, 1)
    scratch = np.clip(1 - np.abs(fbm(p.u, p.v, p.seed + 4, 0.16, 3, p.footprint)) * 60, 0, 1)
    tone = (1 + 0.12 * strokes + 0.09 * cloud - 0.35 * knots - 0.12 * scratch) * _specks(p, 0.05, 0.1)
    wear = np.clip(fbm(p.u, p.v, p.seed + 3, 0.09, 4, p.footprint) - 0.4, 0, 1)
    return mix(p.a * tone[:, None], p.b, wear)


def wallpaper(p):
    """Printed paper: scattered flowers and leaves in colour b on colour a, no two alike; scale is their distance."""
    first, second, own = worley(p.u / p.scale, p.v / p.scale, p.seed)
    turn = own * np.float32(40)
    wave = np.sin(p.u / p.scale * 5 + turn) * np.cos(p.v / p.scale * 5 - turn)
    petals = 0.24 + 0.1 * np.cos(turn + 6 * wave) + 0.12 * own
    flower = np.clip((petals - first) * 14, 0, 1) * fade(p.footprint, p.scale * 0.3)
    heart = np.clip((0.09 - first) * 25, 0, 1) * fade(p.footprint, p.scale * 0.1)
    winding = fbm(p.u / p.scale, p.v / p.scale, p.seed + 2, 1.6, 2, p.footprint / p.scale)
    stem = np.clip(1 - np.abs(winding) * 26, 0, 1)
    vein = np.clip(1 - (second - first) * 12, 0, 1) * 0.25 * fade(p.footprint, p.scale * 0.2)
    color = mix(p.a, p.b * (0.75 + 0.6 * own)[:, None], np.clip(0.8 * flower + 0.55 * stem + vein, 0, 1))
    color = mix(color, p.b[:, [2, 0, 1]] * 1.2, heart)
    paper = 1 + 0.05 * fbm(p.u, p.v, p.seed + 5, 0.4, 3, p.footprint)
    return color * (paper * relief(p, 0.006, 2, 0.15))[:, None]


def grain(p, u, v, seed):
    """Wood fibres along u: rings, fibres and pores, about -1 to 1."""
    bend = fbm(u * 0.5, v, seed + np.uint32(2), 0.35, 2, p.footprint) * np.float32(0.03)
    rings = np.sin(((v + bend) * 46 + 2.2 * fbm(u * 0.25, v, seed, 0.22, 3, p.footprint)) * np.float32(2 * np.pi))
    rings *= fade(p.footprint, 0.012)
    fibres = fbm(u * 0.06, v, seed + np.uint32(11), 0.006, 3, p.footprint)
    broad = fbm(u * 0.2, v, seed + np.uint32(17), 0.12, 3, p.footprint)
    return 0.28 * rings + 0.6 * fibres + 0.5 * broad


def wood(p):
    """Sawn or veneered wood, grain along u."""
    return mix(p.a, p.b, np.clip(0.42 + 0.5 * grain(p, p.u, p.v, p.seed), 0, 1))


def planks(p):
    """A floor of boards of uneven length along u; scale is the width of a board."""
    row = np.floor(p.v / p.scale)
    shift = cell_random(row, row * 0, p.seed) * 7
    length = 9 * p.scale
    board = np.floor(p.u / length + shift)
    own = hash2(board.astype(np.int32), row.astype(np.int32), p.seed)
    tone = unit(own)
    streak = grain(p, p.u + 13 * unit(own * np.uint32(3)), p.v, own % np.uint32(65536))
    color = mix(p.a, p.b, np.clip(0.15 + 0.6 * tone + 0.35 * streak, 0, 1))
    joint = np.maximum(line(p.v, p.scale, 0.0025, p.footprint), line(p.u + shift * length, length, 0.0025, p.footprint))
    return color * (1 - 0.75 * joint)[:, None]


def parquet(p):
    """Blocks laid as baskets of three; scale is the side of a basket."""
    cu, cv = np.floor(p.u / p.scale), np.floor(p.v / p.scale)
    turned = ((cu + cv) % 2).astype(bool)
    along, across = np.where(turned, p.v, p.u), np.where(turned, p.u, p.v)
    block = np.floor(across / p.scale * 3)
    own = hash2((cu * 31 + cv).astype(np.int32), block.astype(np.int32), p.seed)
    streak = grain(p, along, across, own % np.uint32(65536))
    color = mix(p.a, p.b, np.clip(0.15 + 0.6 * unit(own) + 0.3 * streak, 0, 1))
    third = p.scale / 3
    joint = np.maximum(line(across, third, 0.0018, p.footprint), line(along, p.scale, 0.0018, p.footprint))
    return color * (1 - 0.7 * joint)[:, None]


def tiles(p):
    """Square tiles of colour a with joints of colour b; scale is the side of a tile."""
    cu, cv = np.floor(p.u / p.scale), np.floor(p.v / p.scale)
    own = hash2(cu.astype(np.int32), cv.astype(np.int32), p.seed)
    cloud = fbm(p.u + 5 * unit(own), p.v, own % np.uint32(65536), 0.13, 5, p.footprint)
    vein = np.abs(fbm(p.u, p.v + 9 * unit(own), p.seed + np.uint32(5), 0.2, 4, p.footprint))
    tone = 0.9 + 0.16 * unit(own) + 0.12 * cloud - 0.35 * np.clip(0.06 - vein, 0, 1) / 0.06 * 0.5
    joint = np.maximum(line(p.u, p.scale, 0.004, p.footprint), line(p.v, p.scale, 0.004, p.footprint))
    grout = p.b * (1 + 0.3 * fbm(p.u, p.v, p.seed, 0.01, 2, p.footprint))[:, None]
    return mix(p.a * tone[:, None], grout, joint)


def mosaic(p):
    """Small tiles in a mix of the two colours."""
    cu, cv = np.floor(p.u / p.scale), np.floor(p.v / p.scale)
    pick = cell_random(cu, cv, p.seed) * fade(p.footprint, p.scale) + 0.5 * (1 - fade(p.footprint, p.scale))
    joint = np.maximum(line(p.u, p.scale, 0.003, p.footprint), line(p.v, p.scale, 0.003, p.footprint))
    color = mix(p.a, p.b, pick) * (1 + 0.1 * fbm(p.u, p.v, p.seed, 0.02, 3, p.footprint))[:, None]
    return mix(color, np.full_like(color, 0.62), joint)


def brick(p):
    """Bricks of colours a to b in mortar; scale is the length of a brick."""
    height = p.scale * 0.3
    row = np.floor(p.v / height)
    u = p.u + 0.5 * p.scale * (row % 2)
    own = hash2(np.floor(u / p.scale).astype(np.int32), row.astype(np.int32), p.seed)
    body = mix(p.a, p.b, unit(own)) * (0.85 + 0.3 * unit(own * np.uint32(5)))[:, None]
    pits = fbm(p.u, p.v, p.seed, 0.03, 4, p.footprint)
    body = body * (relief(p, 0.02, 3, 0.35) + 0.25 * pits)[:, None]
    ragged = 0.004 * fbm(p.u, p.v, p.seed + 3, 0.03, 2, p.footprint)
    joint = np.maximum(line(u + ragged, p.scale, 0.011, p.footprint), line(p.v + ragged, height, 0.011, p.footprint))
    mortar = np.full_like(body, 0.5) * relief(p, 0.008, 2, 0.3)[:, None]
    return mix(body, mortar, joint)


def stone(p):
    """Speckled stone: granite worktops, terrazzo; scale is the size of the grains."""
    first, second, own = worley(p.u / p.scale, p.v / p.scale, p.seed)
    grains = fade(p.footprint, p.scale)
    weight = 0.5 + (own - 0.5) * grains * np.clip((second - first) * 5, 0.3, 1)
    cloud = fbm(p.u, p.v, p.seed, 0.25, 4, p.footprint)
    dust = fbm(p.u, p.v, p.seed + 3, 0.004, 2, p.footprint)
    return mix(p.a, p.b, np.clip(weight + 0.25 * cloud + 0.2 * dust, 0, 1))


def marble(p):
    """Veined stone."""
    warp = fbm(p.u, p.v, p.seed, 0.5, 4, p.footprint) * 0.3
    vein = np.abs(fbm(p.u + warp, p.v - warp, p.seed + 4, 0.45, 5, p.footprint))
    fine = np.abs(fbm(p.u - warp, p.v, p.seed + 9, 0.12, 4, p.footprint))
    weight = np.clip(1 - vein * 9, 0, 1) * 0.8 + np.clip(1 - fine * 14, 0, 1) * 0.35
    return mix(p.a * (1 + 0.06 * warp)[:, None], p.b, np.clip(weight, 0, 1))


def metal(p):
    """Brushed metal."""
    brushed = fbm(p.u * 0.04, p.v, p.seed, 0.003, 2, p.footprint)
    smudge = fbm(p.u, p.v, p.seed + 2, 0.12, 4, p.footprint)
    return p.a * (1 + 0.12 * brushed + 0.14 * smudge)[:, None]


def plain(p):
    """One colour with a trace of dust."""
    return p.a * (1 + 0.05 * fbm(p.u, p.v, p.seed, 0.05, 4, p.footprint))[:, None]
