"""Stages of a long job on disk: each is done once for its settings, and what a kill leaves is known as unfinished.

A stage works in `.NAME.partial`, which survives a kill so that the stage may go on from there, and is renamed to `NAME`
when it is done. Both hold `stage.json`, the settings that they were made with: other settings begin anew.
"""

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from torch import Tensor

from splatsim.errors import SplatsimError

MARK, CLOCK, LOCK = "stage.json", "seconds.json", ".lock"


def digest(value: Any) -> str:
    """SHA-256 of nested dataclasses, mappings, sequences and plain values, by content."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """The same as JSON knows it: dataclasses as objects, tensors as lists, paths as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, Tensor):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value


def file_digest(path: Path) -> str:
    """SHA-256 of a file, or of all files below a folder with their names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    return digest([[str(entry.relative_to(path)), file_digest(entry)] for entry in files])


def run(folder: Path, name: str, settings: Mapping[str, Any], make: Callable[[Path], bool | None]) -> Path:
    """The folder of a finished stage: the one that stands there if it was made with these settings, or a new one.

    Args:
        folder: Where the stages of the job lie.
        name: Of the stage.
        settings: Everything that the result depends on.
        make: Does the work in the folder it is given, which may hold what an earlier, killed call left. Returns False
            where it stopped before the end: then the stage stays unfinished, and its folder is handed on as it is.
    """
    done, partial, key = folder / name, folder / f".{name}.partial", plain(settings)
    if _settings_of(done) == key:
        return done
    if _settings_of(partial) != key:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_json(partial / MARK, key)
    started = perf_counter()
    try:
        finished = make(partial) is not False
    finally:
        write_json(partial / CLOCK, seconds(partial) + perf_counter() - started)
    if not finished:
        return partial
    if done.exists():
        shutil.rmtree(done)
    partial.rename(done)
    return done


def seconds(folder: Path) -> float:
    """What a stage took in all the calls that worked on it; those that were killed are not counted."""
    try:
        return float(json.loads((folder / CLOCK).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return 0.0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else works in this folder until the block ends.

    Raises:
        SplatsimError: another process does already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            who = file.read().strip() or "?"
            raise SplatsimError(
                f"{folder} is being worked on by process {who}; wait for it, or name another folder."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _settings_of(folder: Path) -> Any:
    """What a stage's folder was made with; None where there is none, or a damaged mark."""
    try:
        return json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Plain values as a file, at once or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(temporary, path)
