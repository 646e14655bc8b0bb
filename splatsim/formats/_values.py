"""Between the numbers in files and the physical values of Gaussians, with the checks that all formats share."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from splatsim.errors import FormatError
from splatsim.gaussians import Gaussians

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

# Float32 rounds the sigmoid of these to exactly 0 and 1. The upper one is smaller because some readers compute
# exp(x) / (1 + exp(x)), which is inf / inf from x = 89 on.
LOGIT_OF_ZERO, LOGIT_OF_ONE = -110.0, 30.0

OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""The components that a smallest-three quaternion stores, by the index of the one it leaves out."""

# A shorter or longer quaternion has a square that leaves the range of float32.
SHORTEST_QUAT, LONGEST_QUAT = 1e-12, 1e12


def to_numpy(gaussians: Gaussians) -> dict[str, FloatArray]:
    """The fields of Gaussians as float32 arrays, checked to be what a file can hold.

    Raises:
        ValueError: a number is not finite, a scale is not positive, or an opacity is not within [0, 1].
    """
    arrays = {name: tensor.detach().cpu().to(torch.float32).numpy() for name, tensor in gaussians.tensors().items()}
    for name, array in arrays.items():
        _refuse_rows(name, array, ~np.isfinite(array), "finite numbers")
    scales, opacities = arrays["scales"], arrays["opacities"]
    _refuse_rows("scales", scales, scales <= 0, "lengths above 0 (float32), whose logarithm is stored")
    _refuse_rows("opacities", opacities, (opacities < 0) | (opacities > 1), "opacities within [0, 1]")
    return arrays


def to_gaussians(path: Path, **arrays: npt.NDArray[np.floating]) -> Gaussians:
    """Gaussians of the arrays read from `path`: scales that underflowed become the least positive number, and
    quaternions without a usable length unit ones (no rotation, if the length is zero).

    Raises:
        FormatError: a number is not finite, or a scale is negative.
    """
    for name, array in arrays.items():
        refuse_numbers(path, name, array, ~np.isfinite(array), "a finite number")
    scales = arrays["scales"]
    refuse_numbers(path, "scales", scales, scales < 0, "a length of at least 0")
    arrays["scales"] = np.maximum(scales, np.finfo(np.float32).tiny)
    arrays["quats"] = usable_quats(arrays["quats"])
    tensors = {name: torch.from_numpy(np.require(array, np.float32, ["C", "W"])) for name, array in arrays.items()}
    return Gaussians(**tensors)


def usable_quats(quats: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The quaternions, those of extreme length replaced by unit ones and those of no length by the identity."""
    lengths = np.linalg.norm(quats.astype(np.float64), axis=1)
    odd = (lengths < SHORTEST_QUAT) | (lengths > LONGEST_QUAT)
    if not odd.any():
        return quats
    result = quats.copy()
    result[odd] = quats[odd] / np.maximum(lengths[odd, None], np.finfo(np.float32).tiny)
    result[lengths < SHORTEST_QUAT] = (1, 0, 0, 0)
    return result


def unit_quats(quats: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Quaternions of unit length, for the formats that store no length."""
    usable = usable_quats(quats).astype(np.float64)
    unit: npt.NDArray[np.float64] = usable / np.linalg.norm(usable, axis=1, keepdims=True)
    return unit


def quats_of_smallest_three(
    stored: npt.NDArray[np.floating], left_out: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32]:
    """Unit quaternions [n 4] of all components [n 3] but the largest, which is positive, by the index of that one."""
    rows = np.arange(len(stored))
    quats = np.empty((len(stored), 4), np.float32)
    quats[rows[:, None], OTHERS[left_out]] = stored
    quats[rows, left_out] = np.sqrt(np.maximum(0, 1 - (stored * stored).sum(axis=1)))
    return quats


def sigmoid(logits: npt.NDArray[np.floating]) -> FloatArray:
    """1 / (1 + exp(-x)), computed in double precision."""
    return (1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -700, 700)))).astype(np.float32)


def logit(opacities: npt.NDArray[np.floating]) -> FloatArray:
    """The inverse of the sigmoid, finite also at 0 and 1."""
    exact = opacities.astype(np.float64)
    with np.errstate(divide="ignore"):
        logits: npt.NDArray[np.floating] = np.clip(np.log(exact) - np.log1p(-exact), LOGIT_OF_ZERO, LOGIT_OF_ONE)
    return logits.astype(np.float32)


def exp(log_scales: npt.NDArray[np.floating]) -> FloatArray:
    """The exponential, with infinity for what float32 cannot hold."""
    with np.errstate(over="ignore"):
        scales: FloatArray = np.exp(log_scales, dtype=np.float32)
    return scales


def from_bytes(stream: ByteArray) -> FloatArray:
    """0..255 as 0..1."""
    return stream.astype(np.float32) / np.float32(255)


def to_bytes(values: npt.NDArray[np.floating]) -> ByteArray:
    """Rounded (halves up) and clamped to 0..255."""
    clamped: npt.NDArray[np.floating] = np.clip(np.floor(values + 0.5), 0, 255)
    return clamped.astype(np.uint8)


def refuse_numbers(
    path: Path, name: str, array: npt.NDArray[np.floating], bad: npt.NDArray[np.bool_], right: str
) -> None:
    """Raise if any number is marked as bad.

    Raises:
        FormatError: names the first such number and its Gaussian.
    """
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise FormatError(f"{path} has {array[first]} in {name} of Gaussian {first[0]}; expected {right}.")


def _refuse_rows(name: str, array: FloatArray, bad: npt.NDArray[np.bool_], right: str) -> None:
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"Gaussians.{name}[{', '.join(map(str, first))}] is {array[first]}; expected {right}.")
