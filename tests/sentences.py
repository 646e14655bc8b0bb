"""Snapshots of what a user reads when something is wrong."""

import os
from collections.abc import Callable
from pathlib import Path


def check_sentences(snapshot: Path, cases: dict[str, Callable[[], object]], folder: Path) -> None:
    """Run every case and compare what it raises with the snapshot; SPLATSIM_WRITE_ERRORS=1 writes it anew."""
    lines = []
    for name, run in cases.items():
        try:
            said = run()  # what was printed, where bad input ends in a result and a remark
        except Exception as error:  # noqa: BLE001 - the type is part of what is compared
            said = f"{type(error).__name__}: {error}"
        text = said if isinstance(said, str) else "no error"
        lines.append(f"[{name}]\n{text.replace(str(folder), '…').replace(os.sep, '/')}\n")
    found = "\n".join(lines)
    if os.environ.get("SPLATSIM_WRITE_ERRORS"):
        snapshot.write_text(found, encoding="utf-8")
    assert found == snapshot.read_text(encoding="utf-8")
