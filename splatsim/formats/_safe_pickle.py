"""Pickles of arrays, read without running anything that they name.

A pickle is a program that may call any function of Python. Here it may only build numpy arrays and plain containers;
the classes of old model files (chumpy arrays, SciPy's sparse matrices) become boxes that keep their state, without
code.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.errors import FormatError

MOST_BYTES = 1 << 30
BOXES = ("chumpy.", "scipy.sparse.")
"""Modules whose classes are kept as boxes."""


class Box:
    """The state of an object whose class is not run."""

    state: Any = None

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load_arrays(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle file, its arrays and boxes unchanged.

    Raises:
        FormatError: it is no pickle of a dictionary, is damaged, or names anything but arrays and containers.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise FormatError(f"{path} has {size} bytes; expected at most {MOST_BYTES} for a body or a motion.")
    with path.open("rb") as file:
        try:
            content = _Unpickler(file, path).load()
        except FormatError:
            raise
        except (
            pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError,
            MemoryError, OverflowError, RecursionError, UnicodeDecodeError,
        ) as error:  # fmt: skip
            raise FormatError(f"{path} is no pickle of arrays ({error!r}); expected a body or a motion.") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds a {type(content).__name__}; expected a dictionary of arrays.")
    return {str(key): value for key, value in content.items()}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        """One of the few things that a pickle may name."""
        plain = module.replace("numpy._core", "numpy.core")
        found = _ALLOWED.get((plain, name))
        if found is not None:
            return found
        if module.startswith(BOXES):
            return Box
        raise FormatError(
            f"{self.path} names {module}.{name}, which is code; expected nothing but arrays. It was not run: take the "
            "file from a source that you trust, and save its arrays with numpy.savez."
        )

    def persistent_load(self, pid: Any) -> Any:
        """Nothing outside the file is loaded."""
        raise FormatError(f"{self.path} refers to data outside itself ({pid!r:.40}); expected nothing but arrays.")


def _empty_array(kind: Any, shape: Any, _: Any) -> Any:
    """As numpy's: an array without elements, whose state comes next; memory is not taken on the file's word."""
    if kind is not np.ndarray or tuple(shape) != (0,):
        raise FormatError(f"an array of shape {shape!r:.60} is made before its data; expected [0].")
    return np.ndarray((0,), np.uint8)


def _object(kind: Any, _base: Any = None, _state: Any = None) -> Any:
    if kind is not Box:
        raise FormatError(f"an object of {kind!r:.60} is made; expected arrays.")
    return Box()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise FormatError(f"bytes are encoded as {encoding!r:.40}; expected latin1.")
    return str(text).encode(encoding)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise FormatError(f"a number of type {dtype!r:.40} is made; expected a plain one.")
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype, 1)[0]


def _dtype(*arguments: Any) -> Any:
    dtype = np.dtype(arguments[0])
    if dtype.itemsize > 1 << 16:
        raise FormatError(f"an array of elements of {dtype.itemsize} bytes is made; expected numbers.")
    return dtype


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    ("copy_reg", "_reconstructor"): _object,
    ("copyreg", "_reconstructor"): _object,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}
