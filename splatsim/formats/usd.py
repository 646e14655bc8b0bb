"""Gaussians in OpenUSD files (.usda, .usdc, .usd; .usdz is read), as ParticleField3DGaussianSplat prims of UsdVol.

The schema came with OpenUSD 26.03 and stores physical values: linear scales, opacities, unit quaternions, and the SH
coefficients of one Gaussian after the other with the signs of the 3DGS files. A field may have time samples, so a
person in motion is one prim. Stages are written z up in metres, and read by what they say of both: USD takes y up and
centimetres where a stage says nothing. Only this file and its probe import pxr (the package usd-core).
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from splatsim.errors import BackendUnavailable, FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._placement import Z_UP_FROM_X_UP, Z_UP_FROM_Y_UP, Matrix, placed
from splatsim.formats._usd_probe import fatal_fault
from splatsim.formats._values import refuse_numbers, to_gaussians, to_numpy, unit_quats
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import MAX_DEGREE

Array = npt.NDArray[Any]

WRITABLE = (".usd", ".usda", ".usdc")
SCHEMA = "ParticleField3DGaussianSplat"
SH = "radiance:sphericalHarmonicsCoefficients"
DEGREE = "radiance:sphericalHarmonicsDegree"
FIELDS = {"positions": 3, "orientations": 4, "scales": 3, "opacities": 1, SH: 3}
"""Attributes and their numbers per element; each has a half-precision twin of the same name and an h."""
RATE = 24.0
"""Time codes per second of what is written, USD's own default. Codes need not be whole."""
REACH = 3.0
"""Standard deviations that the extent of a prim spans around its means."""
PLAUSIBLE_GAUSSIANS, LEAST_BYTES = 1 << 20, 8
"""Above so many, each needs so many bytes of the file: instances can ask for endless Gaussians."""


def read_usd(path: str | os.PathLike[str], *, seconds: float | None = None) -> Gaussians:
    """The Gaussians of all prims of a stage, z up, in metres, at one time.

    Args:
        seconds: When; by default at the first time sample. Between samples USD interpolates.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is no USD file, or has no Gaussians, or its arrays do not fit one another.
        BackendUnavailable: the package usd-core is missing.
    """
    with _refusing(found := existing_file(path)):
        stage = _open(found)
        return _at(found, stage, None if seconds is None else seconds * stage.GetTimeCodesPerSecond())


def read_usd_sequence(path: str | os.PathLike[str]) -> list[tuple[float, Gaussians]]:
    """The Gaussians at each time that any prim has a sample for, with the seconds; one at 0 if nothing moves.

    Raises:
        FileNotFoundError, FormatError, BackendUnavailable: as in `read_usd`.
    """
    with _refusing(found := existing_file(path)):
        stage = _open(found)
        codes: list[float | None] = [*_codes(found, stage)] or [None]
        rate = stage.GetTimeCodesPerSecond()
        return [(0.0 if code is None else code / rate, _at(found, stage, code)) for code in codes]


def count_usd_moments(path: str | os.PathLike[str]) -> int:
    """How many times have samples of their own; 1 if nothing moves.

    Raises:
        FileNotFoundError, FormatError, BackendUnavailable: as in `read_usd`.
    """
    with _refusing(found := existing_file(path)):
        return max(1, len(_codes(found, _open(found))))


def write_usd(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write Gaussians as one prim of a USD stage: text (.usda) or binary (.usdc, .usd).

    Values stay float32. Lost are the features, the lengths of the quaternions and `antialiased`.

    Raises:
        ValueError, FileNotFoundError, BackendUnavailable: as in `write_usd_sequence`.
    """
    _write(Path(path), [(None, gaussians)])


def write_usd_sequence(path: str | os.PathLike[str], sequence: Iterable[tuple[float, Gaussians]]) -> None:
    """Write moving Gaussians as one prim with time samples; what does not change is stored once.

    Args:
        sequence: Seconds, increasing, and the Gaussians then: the same ones each time, in the same order.

    Raises:
        ValueError: there is nothing, or the times do not increase, or the Gaussians differ in number or SH degree, or
            a number is not finite or out of range.
        FileNotFoundError: the folder does not exist.
        BackendUnavailable: the package usd-core is missing.
    """
    frames = list(sequence)
    times = [seconds for seconds, _ in frames]
    if not frames or any(not a < b for a, b in pairwise(times)) or not np.isfinite(times).all():
        raise ValueError(f"the times for {path} are {times[:8]}; expected at least one, increasing, in seconds.")
    shapes = {tuple(gaussians.sh.shape) for _, gaussians in frames}
    if len(shapes) > 1:
        raise ValueError(f"the frames for {path} have SH of the shapes {sorted(shapes)}; expected one and the same.")
    _write(Path(path), [(seconds * RATE, gaussians) for seconds, gaussians in frames])


def _write(path: Path, frames: list[tuple[float | None, Gaussians]]) -> None:
    pxr = _pxr()
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise FormatError(f"{path} has the extension {suffix!r}; expected one of {', '.join(WRITABLE)} to write USD.")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"draft{suffix}"
        stage = pxr.Usd.Stage.CreateNew(str(draft))
        pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.z)
        pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        prim = pxr.UsdVol.ParticleField3DGaussianSplat.Define(stage, "/gaussians").GetPrim()
        stage.SetDefaultPrim(prim)
        prim.GetAttribute(DEGREE).Set(frames[0][1].sh_degree)
        if frames[0][0] is not None:
            stage.SetTimeCodesPerSecond(RATE)
            stage.SetStartTimeCode(frames[0][0])
            stage.SetEndTimeCode(frames[-1][0])
        _author(prim, frames)
        stage.GetRootLayer().Save()
        with atomic_writer(path) as file, open(draft, "rb") as made:
            while block := made.read(1 << 20):
                file.write(block)


def _values(gaussians: Gaussians, quats_before: Array | None) -> dict[str, Array]:
    """The attributes of a prim; quaternions take the sign nearer to the last ones, so that times between are right."""
    arrays = to_numpy(gaussians)
    quats = np.roll(unit_quats(arrays["quats"]), -1, axis=1)
    if quats_before is not None:
        quats = quats * np.where((quats * quats_before).sum(axis=1) < 0, -1, 1)[:, None]
    reach = REACH * arrays["scales"].max(axis=1, initial=0)[:, None]
    corners = np.concatenate([arrays["means"] - reach, arrays["means"] + reach])
    extent = np.stack([corners.min(axis=0), corners.max(axis=0)]) if len(gaussians) else np.zeros((2, 3))
    return {
        "positions": arrays["means"],
        "orientations": quats.astype(np.float32),
        "scales": arrays["scales"],
        "opacities": arrays["opacities"],
        SH: arrays["sh"].reshape(-1, 3),
        "extent": extent.astype(np.float32),
    }


def _author(prim: Any, frames: list[tuple[float | None, Gaussians]]) -> None:
    """The values of all frames. What stays as it was is stored once, and again before it changes: USD interpolates."""
    before: dict[str, Array] = {}
    code_before: float | None = None
    authored: dict[str, float | None] = {}
    for code, gaussians in frames:
        values = _values(gaussians, before.get("orientations"))
        for name, value in values.items():
            if name in before and np.array_equal(value, before[name]):
                continue
            if name in before and authored[name] != code_before:
                _set(prim, name, before[name], code_before)
            _set(prim, name, value, code)
            authored[name] = code
        before, code_before = values, code


def _set(prim: Any, name: str, value: Array, code: float | None) -> None:
    pxr = _pxr()
    kind = {3: pxr.Vt.Vec3fArray, 4: pxr.Vt.QuatfArray, 1: pxr.Vt.FloatArray}[FIELDS.get(name, 3)]
    time = pxr.Usd.TimeCode.Default() if code is None else pxr.Usd.TimeCode(code)
    prim.GetAttribute(name).Set(kind.FromNumpy(np.ascontiguousarray(value, np.float32)), time)


def _at(path: Path, stage: Any, code: float | None) -> Gaussians:
    """The Gaussians of all prims at a time code, or at the first."""
    pxr = _pxr()
    time = pxr.Usd.TimeCode.EarliestTime() if code is None else pxr.Usd.TimeCode(code)
    axis, unit = pxr.UsdGeom.GetStageUpAxis(stage), pxr.UsdGeom.GetStageMetersPerUnit(stage)
    turn = {"X": Z_UP_FROM_X_UP, "Y": Z_UP_FROM_Y_UP, "Z": np.eye(4)}.get(axis)
    if turn is None or not (np.isfinite(unit) and unit > 0):
        raise FormatError(f"{path} has the up axis {axis} and {unit} m per unit; expected X, Y or Z and more than 0.")
    to_z_up: Matrix = turn @ np.diag([unit, unit, unit, 1.0])
    places, parts, total = pxr.UsdGeom.XformCache(time), [], 0
    for prim in _prims(path, stage):
        to_stage = np.array(places.GetLocalToWorldTransform(prim)).T  # USD multiplies rows from the left
        parts.append(placed(path, _read(path, prim, time), to_z_up @ to_stage))
        total += len(parts[-1])
        if total > max(PLAUSIBLE_GAUSSIANS, path.stat().st_size // LEAST_BYTES):
            raise FormatError(f"{path} asks for {total} Gaussians or more; expected what its size can hold.")
    return Gaussians.concat(parts)


def _read(path: Path, prim: Any, time: Any) -> Gaussians:
    """The Gaussians of one prim, in its own frame."""
    name = prim.GetPath()
    means = _array(path, prim, "positions", time)
    degree, sh = prim.GetAttribute(DEGREE).Get(time), _array(path, prim, SH, time)
    if means is None or sh is None or degree not in range(MAX_DEGREE + 1):
        raise FormatError(
            f"{path} has no positions, or no {SH} of a degree from 0 to {MAX_DEGREE}, in {name}; expected both."
        )
    count = len(means)
    lengths = dict.fromkeys(FIELDS, count) | {SH: count * (degree + 1) ** 2}
    given = {"positions": means, SH: sh}
    for field, right in {"orientations": (0, 0, 0, 1), "scales": (1, 1, 1), "opacities": (1,)}.items():
        found = _array(path, prim, field, time)
        given[field] = np.tile(np.array([right], np.float32), (count, 1)) if found is None else found
    for field, array in given.items():
        if len(array) != lengths[field]:
            raise FormatError(f"{path} has {len(array)} {field} in {name}; expected {lengths[field]}.")
    opacities = given["opacities"][:, 0]
    refuse_numbers(path, "opacities", opacities, (opacities < 0) | (opacities > 1), "a number within [0, 1]")
    return to_gaussians(
        path,
        means=means,
        quats=np.roll(given["orientations"], 1, axis=1),
        scales=given["scales"],
        opacities=opacities,
        sh=sh.reshape(count, (degree + 1) ** 2, 3),
    )


def _array(path: Path, prim: Any, name: str, time: Any) -> Array | None:
    """The value of an attribute in float or else in half precision, as rows; None where there is neither."""
    for attribute in (prim.GetAttribute(name), prim.GetAttribute(f"{name}h")):
        value = attribute.Get(time) if attribute else None
        if value is None:
            continue
        array = np.array(value, np.float32)
        if array.size % FIELDS[name]:
            raise FormatError(f"{path} has {array.size} numbers in {name} of {prim.GetPath()}; expected whole rows.")
        return array.reshape(-1, FIELDS[name])
    return None


def _prims(path: Path, stage: Any) -> list[Any]:
    pxr = _pxr()
    prims = pxr.Usd.PrimRange.Stage(stage, pxr.Usd.TraverseInstanceProxies())
    found = [prim for prim in prims if prim.GetTypeName() == SCHEMA]
    if not found:
        raise FormatError(f"{path} has no Gaussians; expected a prim of the type {SCHEMA}.")
    return found


def _codes(path: Path, stage: Any) -> list[float]:
    """Time codes of the samples of all prims' fields, and of their places."""
    pxr = _pxr()
    codes: set[float] = set()
    for prim in _prims(path, stage):
        for attribute in (prim.GetAttribute(f"{name}{half}") for name in FIELDS for half in ("", "h")):
            codes.update(attribute.GetTimeSamples() if attribute else [])
        at = prim
        while at and not at.IsPseudoRoot():
            codes.update(pxr.UsdGeom.Xformable(at).GetTimeSamples() if at.IsA(pxr.UsdGeom.Xformable) else [])
            at = at.GetParent()
    return sorted(codes)


def _open(path: Path) -> Any:
    if fault := fatal_fault(path):
        raise FormatError(f"{path} {fault}; expected a whole USD file.")
    if known := _pxr().Sdf.Layer.Find(str(path)):
        known.Reload()  # else a file that was replaced would be taken from memory
    return _pxr().Usd.Stage.Open(str(path))


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what usd-core says of a damaged file into our error; its words need not be UTF-8."""
    try:
        yield
    except (_pxr().Tf.ErrorException, UnicodeDecodeError) as error:
        try:
            text = " ".join(str(error).split())[:300]
        except UnicodeDecodeError:
            text = "its reason is not UTF-8"
        raise FormatError(f"{path} cannot be read as a USD stage ({text}); expected a USD file.") from error


def _pxr() -> Any:
    """OpenUSD, imported when it is first needed."""
    try:
        import pxr
        from pxr import Sdf, Tf, Usd, UsdGeom, UsdVol, Vt  # noqa: F401 - become attributes of pxr
    except ImportError as error:
        raise BackendUnavailable(
            'USD files need the package usd-core; install it: pip install "splatsim[usd]".'
        ) from error
    if not hasattr(UsdVol, SCHEMA):
        raise BackendUnavailable(f"the installed usd-core has no {SCHEMA}; expected version 26.3 or newer.")
    return pxr
