"""The messages of GN0's policy servers: msgpack with arrays, sent and read with no trust in who answers.

An array is a map of b"__ndarray__", b"data", b"dtype" and b"shape", a single number one of b"__npgeneric__", b"data"
and b"dtype" (TeleHuman/GN0, remote_nav_client.py).
"""

import math
from typing import Any

import numpy as np

from splatsim.errors import BackendUnavailable, EpisodeError

LARGEST_REPLY = 1 << 22
"""Bytes; what a policy answers is a list of actions."""
DTYPES = ("<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "|b1")
MOST_AXES = 8
DEEPEST = 16


def pack(message: dict[str, Any]) -> bytes:
    """A message as it goes over the wire.

    Raises:
        BackendUnavailable: the package msgpack is not installed.
    """
    packed: bytes = _msgpack().packb(message, default=_encode)
    return packed


def unpack(data: bytes | str) -> dict[str, Any]:
    """What a server says, its keys as text.

    Raises:
        EpisodeError: it is too large, damaged, no map, or an error that the server tells of in plain text.
        BackendUnavailable: the package msgpack is not installed.
    """
    if isinstance(data, str):
        raise EpisodeError(f"the policy server reports an error: {' '.join(data.split())[:300]}")
    if len(data) > LARGEST_REPLY:
        raise EpisodeError(f"the policy server's reply has {len(data)} bytes; expected at most {LARGEST_REPLY}.")
    msgpack = _msgpack()
    try:
        found = _decoded(msgpack.unpackb(data, raw=False, strict_map_key=False, ext_hook=_no_extension), 0)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
        msgpack.UnpackException,
    ) as error:
        raise EpisodeError(
            f"the policy server's reply of {len(data)} bytes cannot be read ({type(error).__name__}: "
            f"{str(error)[:200]}); expected a msgpack map as GN0 defines it."
        ) from error
    if not isinstance(found, dict):
        raise EpisodeError(f"the policy server's reply is a {type(found).__name__}; expected a map.")
    return found


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise BackendUnavailable('a policy server needs the package msgpack; install "splatsim[remote]".') from error
    return msgpack


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": list(value.shape),
        }
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"it has an extension of type {code}")


def _decoded(value: Any, depth: int) -> Any:
    """Maps with keys of text, and arrays as numpy's."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if isinstance(value, list):
        return [_decoded(part, depth + 1) for part in value]
    if not isinstance(value, dict):
        return value
    named = {key.decode() if isinstance(key, bytes) else key: part for key, part in value.items()}
    if "__ndarray__" in named:
        return _array(named["data"], named["dtype"], named["shape"])
    if "__npgeneric__" in named:
        return np.dtype(_known(named["dtype"])).type(named["data"]).item()
    return {str(key): _decoded(part, depth + 1) for key, part in named.items()}


def _array(data: Any, dtype: Any, shape: Any) -> np.ndarray:
    size = np.dtype(_known(dtype)).itemsize
    sides = [int(side) for side in shape]
    if len(sides) > MOST_AXES or any(side < 0 for side in sides) or math.prod(sides) * size != len(data):
        raise ValueError(f"an array of shape {sides[:MOST_AXES]} and type {dtype} has {len(data)} bytes")
    return np.frombuffer(bytes(data), dtype=_known(dtype)).reshape(sides)


def _known(dtype: Any) -> str:
    name = dtype.decode() if isinstance(dtype, bytes) else dtype
    if name not in DTYPES:
        raise ValueError(f"an array has type {str(name)[:40]!r}; expected one of {', '.join(DTYPES)}")
    return str(name)
