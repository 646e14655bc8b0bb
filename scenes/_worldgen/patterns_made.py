"""Patterns of what people put into rooms: cloth, rugs, pictures, print, leaves, baskets."""

import numpy as np

from _worldgen.noise import cell_random, fade, fbm, hash2, line, mix, unit, value, worley


def fabric(p):
    """Woven cloth; scale is the pitch of the threads."""
    pitch = p.scale
    warp = np.sin(p.u / pitch * np.float32(2 * np.pi))
    weft = np.sin(p.v / pitch * np.float32(2 * np.pi))
    weave = warp * weft * fade(p.footprint, pitch)
    yarn = fbm(p.u * 0.15, p.v, p.seed, 0.004, 2, p.footprint) + fbm(p.u, p.v * 0.15, p.seed + 1, 0.004, 2, p.footprint)
    fleck = fbm(p.u, p.v, p.seed + 2, 0.02, 3, p.footprint)
    fold = fbm(p.u, p.v, p.seed + 3, 0.4, 3, p.footprint)
    weight = np.clip(0.35 + 0.25 * weave + 0.5 * yarn + 0.4 * fleck, 0, 1)
    return mix(p.a, p.b, weight) * (1 + 0.12 * fold)[:, None]


def stripes(p):
    """Striped or checked cloth; scale is the pitch of the stripes."""
    check = (p.seed % np.uint32(2)) == 0
    stripe = fbm(p.u / p.scale * 0.1, p.v * 0, p.seed, 0.06, 3, p.footprint * 0 + 0.001)
    cross = fbm(p.v / p.scale * 0.1, p.u * 0, p.seed + 1, 0.06, 3, p.footprint * 0 + 0.001)
    weight = np.clip(0.5 + 2.2 * np.where(check, 0.6 * (stripe + cross), stripe), 0, 1)
    cloth = (
        1 + 0.22 * fbm(p.u, p.v, p.seed + 5, 0.006, 2, p.footprint) + 0.1 * fbm(p.u, p.v, p.seed, 0.3, 2, p.footprint)
    )
    return mix(p.a, p.b, weight) * cloth[:, None]


def rug(p):
    """A knotted rug: rings of lozenges, every one of other colours; scale is the size of the figure."""
    s = p.scale
    x, y = p.u / s, p.v / s
    lozenge = np.abs(x - np.round(x)) + np.abs(y - np.round(y))
    own = hash2(np.round(x).astype(np.int32), np.round(y).astype(np.int32), p.seed)
    ring = np.floor(lozenge * 6 + unit(own) * 2)
    pick = unit(hash2(ring.astype(np.int32), (own % np.uint32(7)).astype(np.int32), p.seed))
    third = p.a[:, [1, 2, 0]] * 0.9 + 0.04
    color = np.where((pick < 0.4)[:, None], p.a, np.where((pick < 0.75)[:, None], p.b, third))
    vine = np.abs(fbm(p.u, p.v, p.seed + 8, 0.22, 3, p.footprint)) < 0.035
    color = np.where(vine[:, None], p.b * 1.3 + 0.1, color)
    pile = (
        1 + 0.35 * fbm(p.u, p.v, p.seed + 4, 0.007, 2, p.footprint) + 0.15 * fbm(p.u, p.v, p.seed, 0.3, 3, p.footprint)
    )
    return color * pile[:, None]


def shag(p):
    """A long-haired carpet."""
    hair = fbm(p.u, p.v, p.seed, 0.018, 4, p.footprint, gain=0.75)
    patch = fbm(p.u, p.v, p.seed + 6, 0.5, 3, p.footprint)
    return mix(p.a, p.b, np.clip(0.45 + 0.55 * hair + 0.3 * patch, 0, 1))


def leaf(p):
    """A leaf with veins; u runs along it."""
    veins = line(p.v + np.abs(p.u % 0.02), 0.012, 0.0014, p.footprint)
    blotch = fbm(p.u, p.v, p.seed, 0.03, 4, p.footprint)
    return mix(p.a, p.b, np.clip(0.4 * veins + 0.4 + 0.5 * blotch, 0, 1))


def palette(p, pick, salt):
    """Colours by a number in [0, 1]: mixtures of five hues that depend on the seed."""
    slots = np.clip((pick * 5).astype(np.int32), 0, 4)
    h = [unit(hash2(slots, np.full_like(slots, k + salt), p.seed)) for k in range(3)]
    color = np.stack(h, axis=-1) ** 1.6 * 0.7 + 0.03
    color = 0.6 * color + 0.4 * color.mean(axis=-1, keepdims=True)
    return color * 0.65 + mix(p.a, p.b, (slots % 2).astype(np.float32)) * 0.35


def picture(p):
    """A painting: a landscape, a field of shapes or of blocks, with brush strokes; no two seeds alike."""
    kind = (p.seed // np.uint32(7)) % np.uint32(3)
    color = np.empty((len(p.u), 3), np.float32)
    for k, paint_kind in enumerate((_landscape, _shapes, _blocks)):
        rows = np.flatnonzero(kind == k)
        if len(rows):
            color[rows] = paint_kind(p.at(rows))
    wu = p.u + 0.1 * fbm(p.u, p.v, p.seed, 0.2, 2, p.footprint)
    strokes = fbm(wu * 0.3, p.v, p.seed + 2, 0.012, 3, p.footprint)
    canvas = fbm(p.u, p.v, p.seed + 4, 0.003, 1, p.footprint)
    return color * (1 + 0.4 * strokes + 0.12 * canvas)[:, None]


def _landscape(p):
    """Ridges behind ridges under a sky of clouds."""
    height = (p.v * 1.6 + unit(hash2(p.seed.view(np.int32), p.seed.view(np.int32), 3))) % 1
    cloud = fbm(p.u, p.v * 2.5, p.seed, 0.3, 5, p.footprint)
    color = mix(
        palette(p, np.full_like(p.u, 0.1), 0) * 0.6 + 0.3,
        np.full((len(p.u), 3), 0.8, np.float32),
        np.clip(cloud + 0.3, 0, 1),
    )
    for k in range(4):
        crest = 0.72 - 0.17 * k + 0.16 * fbm(p.u, p.v * 0, p.seed + 11 * (k + 1), 0.35, 5, p.footprint)
        ground = palette(p, np.full_like(p.u, 0.2 * k + 0.1), 9) * (0.9 - 0.12 * k)
        ground = ground * (1 + 0.6 * fbm(p.u, p.v * 2, p.seed + k, 0.05, 4, p.footprint))[:, None]
        color = np.where((height < crest)[:, None], ground, color)
    return color


def _shapes(p):
    """Warped fields with discs."""
    wu = p.u + 0.12 * fbm(p.u, p.v, p.seed, 0.3, 3, p.footprint)
    wv = p.v + 0.12 * fbm(p.u, p.v, p.seed + 7, 0.3, 3, p.footprint)
    field = fbm(wu, wv, p.seed + 3, 0.35, 4, p.footprint)
    color = palette(p, np.clip(0.5 + 0.9 * field, 0, 1), 0)
    first, _, own = worley(p.u / 0.19, p.v / 0.19, p.seed)
    color = np.where((first < 0.1 + 0.3 * own**2)[:, None], palette(p, own, 5), color)
    return color * (1 - 0.5 * np.clip(1 - np.abs(first - 0.1 - 0.3 * own**2) * 30, 0, 1))[:, None]


def _blocks(p):
    """Rectangles of uneven size between dark bars."""
    cu = np.floor(p.u / 0.21 + 0.6 * value(p.v / 0.4, p.v * 0, p.seed))
    cv = np.floor(p.v / 0.13 + 0.8 * value(cu * 1.7, cu, p.seed + 3))
    color = palette(p, cell_random(cu, cv, p.seed), 2)
    bars = np.maximum(line(p.u, 0.105, 0.007, p.footprint), line(p.v, 0.13, 0.007, p.footprint))
    return color * (1 - 0.8 * bars)[:, None] * (1 + 0.3 * fbm(p.u, p.v, p.seed, 0.08, 4, p.footprint))[:, None]


def print_page(p):
    """Printed matter: headline blocks, columns of letters, small pictures; scale is the height of a line of text."""
    h = p.scale
    row = np.floor(p.v / h)
    glyph = np.floor(p.u / (h * 0.55))
    ink = cell_random(glyph, row, p.seed)
    body_u, body_v = p.u / (h * 0.55) - glyph, p.v / h - row
    strokes = value(p.u / h * 7, p.v / h * 7, p.seed + 1)
    letter = (ink > 0.18) & (np.abs(body_u - 0.5) < 0.42) & (np.abs(body_v - 0.5) < 0.32) & (strokes > -0.15)
    block_u, block_v = np.floor(p.u / (h * 9)), np.floor(p.v / (h * 6))
    kind = cell_random(block_u, block_v, p.seed + 2)
    seen = fade(p.footprint, h * 0.4)
    text = np.where(kind < 0.6, letter * seen + 0.35 * (1 - seen), 0).astype(np.float32)
    color = mix(p.a, p.b, text)
    patch = palette(p, np.clip(0.5 + fbm(p.u / h, p.v / h, p.seed + 3, 6.0, 4, p.footprint / h), 0, 1), 3)
    return np.where((kind > 0.72)[:, None], patch, color)


def spine(p):
    """The back of a book: colour a, bands and lettering in b; v runs up the book."""
    band = line(p.v - 0.02, 0.19, 0.006, p.footprint) + line(p.v, 0.053, 0.0016, p.footprint) * 0.6
    row = np.floor(p.u / 0.007)
    run = np.floor(p.v / 0.0045)
    letters = (cell_random(row * 0, run, p.seed) > 0.35) & (np.abs(p.u / 0.007 - row - 0.5) < 0.38)
    zone = np.abs((p.v / 0.21) % 1 - 0.5) < 0.28
    text = np.where(letters & zone, 0.8, 0).astype(np.float32) * fade(p.footprint, 0.006)
    cloth = 1 + 0.2 * fbm(p.u, p.v, p.seed, 0.004, 2, p.footprint) + 0.12 * fbm(p.u, p.v, p.seed, 0.06, 3, p.footprint)
    return mix(p.a, p.b, np.clip(band + text, 0, 1)) * cloth[:, None]


def cardboard(p):
    """Brown board with a ribbed core, scuffs and a stamp."""
    rib = np.sin(p.u / 0.007 * np.float32(2 * np.pi)) * fade(p.footprint, 0.007)
    wear = fbm(p.u, p.v, p.seed, 0.08, 4, p.footprint)
    stamp = (fbm(p.u, p.v, p.seed + 3, 0.06, 2, p.footprint) > 0.35) * 0.35
    return p.a * (1 + 0.04 * rib + 0.2 * wear - stamp)[:, None]


def lattice(p):
    """Wicker and grilles: crossing bars of colour a over b."""
    bars = np.maximum(line(p.u, p.scale, p.scale * 0.45, p.footprint), line(p.v, p.scale, p.scale * 0.45, p.footprint))
    return mix(p.b, p.a, bars) * (1 + 0.2 * fbm(p.u, p.v, p.seed, 0.01, 2, p.footprint))[:, None]
