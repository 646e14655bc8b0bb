"""How SPZ packs numbers into bytes, and how its coordinate systems turn into one another.

Six streams hold one attribute each, in this order: positions (24-bit fixed point, or float16 in version 1), opacities
(8 bits), colours (8 bits, 0.15 of the constant SH coefficient around one half), logarithms of scales (8 bits, in
sixteenths from -10), quaternions (xyz in 8 bits each up to version 2, later the three smallest components in 10 bits
each), and the higher SH coefficients (8 bits, in 128ths, the colour channel fastest).
"""

import math

import numpy as np
from jaxtyping import Float, Float32, UInt8

from splatsim.formats._values import (
    OTHERS,
    ByteArray,
    FloatArray,
    exp,
    from_bytes,
    quats_of_smallest_three,
    to_bytes,
    unit_quats,
)

COLOR_SCALE = 0.15
QUAT_STEPS = 511  # of a smallest-three component, from 0 to sqrt(1/2)
SH_BUCKET_1, SH_BUCKET_REST = 8, 16  # 5 bits for band 1 and 4 bits for the others, for the sake of compression
MAX_FIXED = (1 << 23) - 1

# The axes in which the SH function of each coefficient from band 1 on is odd.
ODD_AXES = ("y", "z", "x", "xy", "yz", "", "xz", "", "y", "xyz", "y", "z", "x", "z", "x")

RUB, RDF = 4, 6  # numbers of coordinate systems: right up back is the default of SPZ, right down front that of PLY


def stream_sizes(version: int, count: int, degree: int) -> list[int]:
    """Bytes of the six streams."""
    position = 6 if version == 1 else 9
    rotation = 4 if version >= 3 else 3
    return [count * size for size in (position, 1, 3, 3, rotation, 3 * ((degree + 1) ** 2 - 1))]


def axis_signs(system: int) -> FloatArray:
    """The signs that turn x, y, z of a coordinate system (1 to 16, less 8 if above) into right, down, front.

    Three bits of the number less one say which way the axes point: left or right, down or up, back or front.
    """
    differing = (system - 1) ^ (RDF - 1)
    return np.array([-1 if differing >> axis & 1 else 1 for axis in range(3)], np.float32)


def sh_signs(axes: Float32[np.ndarray, "3"], coefficients: int) -> FloatArray:
    """The signs that mirrored axes give to the SH coefficients from band 1 on."""
    sign = dict(zip("xyz", axes.tolist(), strict=True))
    odd = ODD_AXES[: coefficients - 1]
    return np.array([math.prod(sign[axis] for axis in letters) for letters in odd], np.float32)


def quat_signs(axes: Float32[np.ndarray, "3"]) -> FloatArray:
    """The signs that mirrored axes give to wxyz: a rotation's axis keeps what two mirrors of the others leave."""
    x, y, z = axes.tolist()
    return np.array([1, y * z, x * z, x * y], np.float32)


def unpack_positions(stream: ByteArray, version: int, fractional_bits: int) -> Float32[np.ndarray, "n 3"]:
    """Coordinates in the file's own axes."""
    if version == 1:
        return stream.view("<f2").astype(np.float32).reshape(-1, 3)
    low, middle, high = stream.reshape(-1, 3).astype(np.int32).T
    fixed = low | middle << 8 | ((high ^ 0x80) - 0x80) << 16  # the xor carries the sign of bit 23 upwards
    return np.ldexp(fixed.astype(np.float32), -fractional_bits).reshape(-1, 3)


def pack_positions(means: Float32[np.ndarray, "n 3"], fractional_bits: int) -> ByteArray:
    """24-bit fixed point; the coordinates must fit."""
    exact = np.ldexp(means.astype(np.float64), fractional_bits)
    fixed = np.trunc(exact + np.copysign(0.5, exact)).astype("<i4")
    return np.ascontiguousarray(fixed.reshape(-1, 1).view(np.uint8)[:, :3])


def fractional_bits_for(reach: float) -> int:
    """12, or as many as the largest absolute coordinate leaves; negative if even whole metres do not fit."""
    return min(12, math.floor(math.log2(MAX_FIXED / reach))) if reach > 0 else 12


def unpack_quats(stream: ByteArray, version: int) -> Float32[np.ndarray, "n 4"]:
    """Quaternions wxyz in the file's own axes."""
    if version < 3:
        xyz = stream.reshape(-1, 3).astype(np.float32) / 127.5 - 1
        w = np.sqrt(np.maximum(0, 1 - (xyz * xyz).sum(axis=1, keepdims=True)))
        return np.concatenate([w, xyz], axis=1)
    packed = stream.view("<u4")
    fields = packed[:, None] >> np.array([20, 10, 0], np.uint32)
    magnitudes = (fields & QUAT_STEPS).astype(np.float32) * np.float32(math.sqrt(0.5) / QUAT_STEPS)
    stored = np.where(fields & 512, -magnitudes, magnitudes)
    return np.roll(quats_of_smallest_three(stored, packed >> 30), 1, axis=1)


def pack_quats(quats: Float[np.ndarray, "n 4"]) -> ByteArray:
    """The smallest three components of wxyz quaternions in 10 bits each; the largest, made positive, is left out."""
    xyzw = np.roll(unit_quats(quats), -1, axis=1)
    rows = np.arange(len(xyzw))
    largest = np.abs(xyzw).argmax(axis=1)
    stored = xyzw[rows[:, None], OTHERS[largest]]
    negative = (stored < 0) ^ (xyzw[rows, largest] < 0)[:, None]
    magnitudes = np.floor(np.abs(stored) * (QUAT_STEPS / math.sqrt(0.5)) + 0.5).astype(np.uint32)
    fields = np.minimum(magnitudes, QUAT_STEPS) | negative.astype(np.uint32) << 9
    packed = largest.astype(np.uint32) << 30 | fields[:, 0] << 20 | fields[:, 1] << 10 | fields[:, 2]
    stream: ByteArray = packed.astype("<u4").view(np.uint8)
    return stream


def unpack_scales(stream: ByteArray) -> Float32[np.ndarray, "n 3"]:
    """Scales in metres."""
    return exp(stream.reshape(-1, 3).astype(np.float32) / 16 - 10)


def pack_scales(scales: Float32[np.ndarray, "n 3"]) -> ByteArray:
    """Logarithms from -10 to 5.9, clamped."""
    return to_bytes((np.log(scales) + 10) * 16)


def unpack_sh(colors: ByteArray, rest: ByteArray, count: int, degree: int) -> Float32[np.ndarray, "n k 3"]:
    """SH coefficients in the file's own axes, bands above 3 cut off."""
    constant = (from_bytes(colors).reshape(count, 1, 3) - 0.5) / np.float32(COLOR_SCALE)
    coefficients = (degree + 1) ** 2 - 1
    kept = rest.reshape(count, coefficients, 3)[:, : len(ODD_AXES)]
    return np.concatenate([constant, (kept.astype(np.float32) - 128) / 128], axis=1)


def pack_colors(sh: Float32[np.ndarray, "n k 3"]) -> ByteArray:
    """The constant coefficients, clamped to 3.33 either way."""
    return to_bytes(sh[:, 0] * (COLOR_SCALE * 255) + 127.5)


def pack_sh(sh: Float32[np.ndarray, "n k 3"]) -> UInt8[np.ndarray, "n m 3"]:
    """The higher coefficients in [-1, 1], rounded to the middles of coarse buckets that compress well."""
    scaled = sh[:, 1:].astype(np.float64) * 128
    values = np.trunc(scaled + np.copysign(0.5, scaled)) + 128
    buckets = np.full((values.shape[1], 1), SH_BUCKET_REST)
    buckets[:3] = SH_BUCKET_1
    return to_bytes((values + buckets // 2) // buckets * buckets)
