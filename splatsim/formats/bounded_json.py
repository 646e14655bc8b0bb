"""JSON from files of others, plain or gzipped: never more of it than is bearable, whatever the file claims."""

import gzip
import json
import os
import zlib
from pathlib import Path
from typing import Any

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file

LARGEST = 256 * 1024 * 1024
"""Bytes of text, after unpacking."""


def read_json(path: str | os.PathLike[str], what: str, largest: int = LARGEST) -> Any:
    """The content of a .json or .json.gz file, told apart by its first bytes; NaN and infinity are refused.

    Args:
        what: What is expected of it, for messages, such as "suite of episodes".
        largest: Bytes that the unpacked text may have.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is too large, no gzip, or no JSON.
    """
    file = existing_file(path, what)
    text = _unpacked(file, largest)
    if len(text) > largest:
        raise FormatError(f"{file} holds more than {largest} bytes of text; expected at most that of a {what}.")
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file} is not readable as JSON ({error}); expected a {what}.") from error


def packed_json(content: object) -> bytes:
    """The content as gzipped JSON, whose bytes depend on it alone.

    Raises:
        ValueError: a number is not finite.
    """
    return gzip.compress(json.dumps(content, allow_nan=False, ensure_ascii=False).encode(), mtime=0)


def _unpacked(path: Path, largest: int) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return file.read(largest + 1)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return stream.read(largest + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(f"{path} is a damaged gzip file ({error}); expected a whole one.") from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
