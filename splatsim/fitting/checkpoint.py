"""Checkpoints: the state of a fit as one file that is there whole or not at all, and stopping between two steps."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from splatsim.errors import FormatError

FILE = "fit.checkpoint"


def write_checkpoint(folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Tensors and plain facts, in place of the last checkpoint."""
    temporary = folder / f".{FILE}.partial"
    content = {"facts": json.dumps(facts), "tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}}
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / FILE)


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What was written last, or None where nothing was.

    Raises:
        FormatError: the file is damaged or not a checkpoint.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content["tensors"]), dict(json.loads(content["facts"]))
    except Exception as error:  # whatever a decoder raises
        raise FormatError(
            f"{path} cannot be read ({error}); expected a checkpoint of a fit. Delete it to begin anew."
        ) from error


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Within it the first Ctrl-C only sets what the given function returns; the second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
