"""Journal: results on disk as they come, in a file that survives whatever ends the run.

While a run lasts, lines stand in the order in which episodes end. At its end the file is put into the order of the
suite, so that the same run gives the same bytes for any number of workers.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from splatsim.errors import FormatError, SplatsimError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.nav.results import Result


def read_results(path: Path) -> list[Result]:
    """All results of a file; what a kill left of the last line is left out.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: a line before the last is damaged, or two are of the same agent and episode.
    """
    return [Result.parse(line) for line in _whole_lines(path)]


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Lines that hold a result, each agent and episode once."""
    seen: set[tuple[str, str]] = set()
    lines = existing_file(path, "file of results").read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            key = Result.parse(line).key
        except FormatError as error:
            # Of a file that ends in a line break, split leaves an empty piece at the end.
            if not any(lines[number:]):
                return
            raise FormatError(f"{path}, line {number}: {error} Only the last line may be cut off.") from error
        if number == len(lines):
            return
        if key in seen:
            raise FormatError(
                f'{path}, line {number}: agent "{key[0]}" has played "{key[1]}" before; expected it once.'
            )
        seen.add(key)
        yield line


class Journal:
    """A file of results that grows.

    Args:
        path: The file; what it holds is kept.

    Raises:
        FormatError: the file holds a damaged line before the last.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple[str, str], bytes] = {}
        if path.exists():
            self._lines = {Result.parse(line).key: line for line in _whole_lines(path)}
            self._rewrite(list(self._lines))

    @property
    def keys(self) -> set[tuple[str, str]]:
        """Agents and episodes that are done."""
        return set(self._lines)

    def add(self, result: Result) -> None:
        """Write a result behind the others.

        Raises:
            SplatsimError: the disk refuses; the file then holds the results before this one, and nothing else.
            FormatError: this agent has played this episode before.
        """
        if result.key in self._lines:
            raise FormatError(f'agent "{result.agent}" has played "{result.episode}" before; expected it once.')
        line = result.line().encode()
        append_line(self.path, line)
        self._lines[result.key] = line

    def close(self, order: Sequence[tuple[str, str]]) -> None:
        """Put the lines into this order.

        Raises:
            SplatsimError: the disk refuses; the file is then as it was, complete but unordered.
        """
        self._rewrite([key for key in order if key in self._lines])

    def results(self) -> list[Result]:
        """All of them, in the order of the file."""
        return [Result.parse(line) for line in self._lines.values()]

    def _rewrite(self, order: Sequence[tuple[str, str]]) -> None:
        lines = {key: self._lines[key] for key in order}
        try:
            with atomic_writer(self.path) as file:
                for line in lines.values():
                    file.write(line + b"\n")
        except OSError as error:
            raise _refused(self.path, error) from error
        self._lines = lines


def append_line(path: Path, line: bytes) -> None:
    """Append a line, whole or not at all.

    Raises:
        SplatsimError: the disk refuses; the file is then as it was.
    """
    try:
        # Without a buffer of Python's, which would try to write the rest once more when the file is closed.
        with open(path, "ab", buffering=0) as file:
            before = file.tell()
            try:
                left = memoryview(line + b"\n")
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, before)
                raise
    except OSError as error:
        raise _refused(path, error) from error


def drop_torn_end(path: Path) -> None:
    """Take away what a kill left of the last line, if there is such a file.

    Raises:
        SplatsimError: the disk refuses.
    """
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            try:
                os.truncate(path, whole)
            except OSError as error:
                raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> SplatsimError:
    return SplatsimError(
        f"{path} cannot be written ({error.strerror}); everything before this is kept: make room, then go on with "
        "--resume."
    )
