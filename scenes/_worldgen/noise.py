"""Noise on the plane: hashed lattices, so that a pattern never repeats and the same seed gives the same pattern.

Every function takes a footprint (metres per pixel) and leaves out what is too fine to be seen from there: a texture is
filtered where it is evaluated, and a picture needs no samples to hide its aliases.
"""

import numpy as np

MIX_X, MIX_Y, MIX_SEED = np.uint32(0x8DA6B343), np.uint32(0xD8163841), np.uint32(0xCB1AB31F)


def hash2(x, y, seed):
    """A well mixed uint32 for integer lattice points (int32 arrays) and seeds."""
    h = x.view(np.uint32) * MIX_X
    h ^= y.view(np.uint32) * MIX_Y
    h ^= np.asarray(seed).astype(np.uint32) * MIX_SEED
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x2C1B3C6D)
    h ^= h >> np.uint32(12)
    h *= np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return h


def unit(h):
    """Hashes as float32 in [0, 1)."""
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def cell_random(x, y, seed):
    """One random number per lattice cell; `x` and `y` are floats on whole numbers."""
    return unit(hash2(x.astype(np.int32), y.astype(np.int32), seed))


def value(u, v, seed):
    """Smooth noise in [-1, 1] of wavelength one."""
    u0, v0 = np.floor(u), np.floor(v)
    fu, fv = u - u0, v - v0
    fu *= fu * (3 - 2 * fu)
    fv *= fv * (3 - 2 * fv)
    iu, iv = u0.astype(np.int32), v0.astype(np.int32)
    a, b = unit(hash2(iu, iv, seed)), unit(hash2(iu + np.int32(1), iv, seed))
    c, d = unit(hash2(iu, iv + np.int32(1), seed)), unit(hash2(iu + np.int32(1), iv + np.int32(1), seed))
    low, high = a + (b - a) * fu, c + (d - c) * fu
    return 2 * (low + (high - low) * fv) - 1


def fade(footprint, wavelength):
    """How much of a wave survives at this footprint: all above two pixels, nothing below one."""
    return np.clip(wavelength / np.maximum(footprint, 1e-9) - 1, 0, 1).astype(np.float32)


def fbm(u, v, seed, wavelength, octaves, footprint, gain=0.55, lacunarity=2.13):
    """A sum of octaves in about [-1, 1], from `wavelength` metres downwards."""
    total = np.zeros(len(u), np.float32)
    amplitude = 1.0
    norm = sum(gain**k for k in range(octaves))
    seed = np.broadcast_to(np.asarray(seed).astype(np.uint32), u.shape)
    for octave in range(octaves):
        weight = fade(footprint, wavelength)
        rows = np.flatnonzero(weight > 0.01)
        if not len(rows):
            break
        shift = np.float32(17.31 * octave)
        noise = value(u[rows] / wavelength + shift, v[rows] / wavelength - shift, seed[rows] + np.uint32(octave))
        total[rows] += np.float32(amplitude / norm) * weight[rows] * noise
        amplitude *= gain
        wavelength /= lacunarity
    return total


def worley(u, v, seed):
    """Cells around scattered points: distance to the nearest and the second nearest, and a random number per cell."""
    u0, v0 = np.floor(u), np.floor(v)
    first = np.full(len(u), 9, np.float32)
    second = first.copy()
    owner = np.zeros(len(u), np.float32)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            cu, cv = u0 + dx, v0 + dy
            h = hash2(cu.astype(np.int32), cv.astype(np.int32), seed)
            px = cu + unit(h)
            py = cv + unit(h * np.uint32(0x9E3779B1))
            distance = np.hypot(px - u, py - v)
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            owner = np.where(nearer, unit(h * np.uint32(0x85EBCA6B) + np.uint32(7)), owner)
            first = np.where(nearer, distance, first)
    return first, second, owner


def line(position, period, width, footprint):
    """How much of a joint on whole periods covers the pixel: 1 in the line, 0 outside, filtered."""
    offset = np.abs(position / period - np.round(position / period)) * period
    blur = np.maximum(footprint, width * 0.3)
    cover = np.clip((width / 2 + blur / 2 - offset) / blur, 0, 1)
    return (cover * np.minimum(1, width / np.maximum(footprint, 1e-9))).astype(np.float32)


def mix(a, b, weight):
    """From a to b, both [n 3], by weight [n]."""
    return a + (b - a) * weight[:, None]


def relief(p, wavelength, octaves, strength, offset=0.0):
    """Brightness of a bumpy surface lit from the upper left: the slope of noise along the diagonal."""
    step = np.float32(wavelength * 0.3)
    here = fbm(p.u, p.v, p.seed + np.uint32(offset * 10), wavelength, octaves, p.footprint)
    there = fbm(p.u + step, p.v + step, p.seed + np.uint32(offset * 10), wavelength, octaves, p.footprint)
    return 1 + strength * (here - there)
