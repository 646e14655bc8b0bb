"""Snapshots of what a user reads when something is wrong."""

import os
from collections.abc import Callable
from pathlib import Path


def check_sentences(snapshot: Path, cases: dict[str, Callable[[], object]], folder: Path) -> None:
    """Run every case and compare what it raises with the snapshot; SPLATSIM_WRITE_ERRORS=1 writes it anew."""
    lines = []
    for name, run in cases.items():
        try:
            run()
        except Exception as error:  # noqa: BLE001 - the type is part of what is compared
            text = str(error).replace(str(folder), "…").replace(os.sep, "/")
            lines.append(f"[{name}]\n{type(error).__name__}: {text}\n")
        else:
            lines.append(f"[{name}]\nno error\n")
    found = "\n".join(lines)
    if os.environ.get("SPLATSIM_WRITE_ERRORS"):
        snapshot.write_text(found, encoding="utf-8")
    assert found == snapshot.read_text(encoding="utf-8")
