"""Rows of Parquet files. The only file that imports pyarrow, which is an extra."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from splatsim.errors import BackendUnavailable, FormatError
from splatsim.formats._files import atomic_writer, existing_file

MOST_ROWS = 1_000_000
MOST_BYTES = 1 << 30
"""Of all columns that are read, unpacked."""
BATCH = 256
"""Rows that are unpacked at once."""


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], what: str) -> list[dict[str, Any]]:
    """The rows of a file, with these columns only.

    Args:
        what: What the file is expected to be, for messages.

    Raises:
        BackendUnavailable: pyarrow is not installed.
        FileNotFoundError: there is no such file.
        FormatError: it is damaged, too large, or a column is missing.
    """
    arrow, parquet = _pyarrow()
    file = existing_file(path, what)
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        with parquet.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            missing = [column for column in columns if column not in names]
            if missing:
                raise FormatError(f"{file} has no column {missing[0]!r}, only {', '.join(names)}; expected a {what}.")
            if opened.metadata.num_rows > MOST_ROWS:
                raise FormatError(f"{file} has {opened.metadata.num_rows} rows; expected at most {MOST_ROWS}.")
            for batch in opened.iter_batches(batch_size=BATCH, columns=list(columns)):
                size += batch.nbytes
                if size > MOST_BYTES or len(rows) + len(batch) > MOST_ROWS:
                    raise FormatError(f"{file} holds more than {MOST_BYTES} bytes or {MOST_ROWS} rows; expected less.")
                rows += batch.to_pylist()
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{file} cannot be read as Parquet ({error}); expected a {what}.") from error
    return rows


def write_rows(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that all have the same columns, at once or not at all.

    Raises:
        BackendUnavailable: pyarrow is not installed.
        FileNotFoundError: the folder does not exist.
        ValueError: the values of a column do not go together.
    """
    arrow, parquet = _pyarrow()
    try:
        table = arrow.Table.from_pylist([dict(row) for row in rows])
    except arrow.ArrowException as error:
        raise ValueError(
            f"the rows cannot be written to {path} ({error}); expected one type for each column."
        ) from error
    with atomic_writer(path) as file:
        parquet.write_table(table, file)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendUnavailable(
            "Parquet files need the package pyarrow, which is not installed: pip install 'splatsim[parquet]'."
        ) from error
    return pyarrow, pyarrow.parquet
