"""Arrays from .npy and .npz files of others: no pickle, and no memory before the header has been believed."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer

Array = npt.NDArray[Any]
Check = Callable[[tuple[int, ...], np.dtype[Any]], str | None]
"""Says what would be right, or None if shape and dtype are."""


def read_npy(path: Path, check: Check) -> Array:
    """The array of a .npy file.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is no .npy file, holds objects, has another shape or dtype, or another size than it claims.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected a .npy array.")
    with path.open("rb") as file:
        return _read(file, os.path.getsize(path), str(path), check)


def read_npz(path: Path, checks: dict[str, Check], optional: frozenset[str] = frozenset()) -> dict[str, Array]:
    """Some arrays of a .npz file.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is no .npz file, an array is missing, or one is not what it should be.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected a .npz archive.")
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            missing = sorted(set(checks) - optional - set(names))
            if missing:
                raise FormatError(
                    f"{path} has the arrays {', '.join(sorted(names))}; expected {missing[0]} among them."
                )
            found = {}
            for name in checks:
                if name in names:
                    with archive.open(names[name]) as file:
                        found[name] = _read(file, names[name].file_size, f"{path}, array {name}", checks[name])
            return found
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{path} is damaged ({error}); expected a .npz archive.") from error


def write_npy(path: str | os.PathLike[str], array: Array) -> None:
    """A .npy file, whole or not at all."""
    with atomic_writer(path) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def write_npz(path: str | os.PathLike[str], arrays: dict[str, Array]) -> None:
    """A compressed .npz file whose bytes depend on the content only, whole or not at all."""
    with atomic_writer(path) as out, zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(info, buffer.getvalue())


def shaped(shape: tuple[int, ...], kinds: str = "biu") -> Check:
    """A check for one shape and dtypes of these kinds."""

    def check(found: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
        good = found == shape and dtype.kind in kinds
        return None if good else f"an array of shape {list(shape)} of whole numbers"

    return check


def rows_of(columns: tuple[int, ...], most: int, kinds: str = "iu") -> Check:
    """A check for at most `most` rows of one of these widths."""

    def check(found: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
        good = len(found) == 2 and found[1] in columns and 0 <= found[0] <= most and dtype.kind in kinds
        widths = " or ".join(map(str, columns))
        return None if good else f"at most {most} rows of {widths} numbers"

    return check


def _read(file: Any, size: int, where: str, check: Check) -> Array:  # a file, or a member of an archive
    try:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(file)
    except (ValueError, KeyError, TypeError, EOFError, SyntaxError, TokenError, RecursionError) as error:
        raise FormatError(f"{where} is no .npy array ({error}); expected one written by numpy.save.") from error
    right = "an array of numbers" if dtype.hasobject else check(shape, dtype)
    if right is not None:
        raise FormatError(f"{where} holds an array of shape {list(shape)} and dtype {dtype}; expected {right}.")
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    # A zip member cannot tell where its header ends, so the size is held against what follows.
    data = file.read(count + 1)
    if len(data) != count:
        some = "more" if len(data) > count else f"{len(data)}"
        raise FormatError(f"{where} has {some} bytes of data in {size} in all; expected {count} for {list(shape)}.")
    array = np.frombuffer(data, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")
