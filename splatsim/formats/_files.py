"""Files that are opened with a clear error, and files that are replaced whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from splatsim.errors import FormatError


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends, and vanishes when the block fails.

    The bytes go to a temporary name in the same folder, so that nobody ever reads half a file and a failed write
    leaves the old file as it was.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: there is no folder {target.parent}; make the folder first.")
    # Not from tempfile: its files are private (mode 0600), and the result should have the permissions of any new file.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def existing_file(path: str | os.PathLike[str], what: str = "file of Gaussians") -> Path:
    """The path as a `Path`, if there is a file.

    Raises:
        FileNotFoundError: there is nothing at this path.
        FormatError: it is a folder.
    """
    found = Path(path)
    if found.is_dir():
        raise FormatError(f"{found} is a folder; expected a {what}.")
    if not found.exists():
        raise FileNotFoundError(f"there is no file {found}; expected the path of a {what}.")
    return found
