"""COLMAP's long calls in a thread, so that progress is seen and Ctrl-C is heard."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tqdm.auto import tqdm

from splatsim.errors import ReconstructionError

PERIOD = 0.25
"""Seconds between two looks at the progress."""

Result = TypeVar("Result")


def quiet_colmap() -> None:
    """COLMAP writes hundreds of lines; only its errors are let through."""
    import pycolmap

    pycolmap.logging.minloglevel = 3


def run(work: Callable[[Any], Result], done: Callable[[], int], total: int, title: str, unit: str) -> Result:
    """Run `work(token)` in a thread while a bar shows `done()` of `total`; Ctrl-C asks it to stop, and waits for it.

    Raises:
        ReconstructionError: COLMAP failed.
    """
    import pycolmap

    token = pycolmap.CancellationToken()
    result: list[Result] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            result.append(work(token))
        except BaseException as error:  # noqa: BLE001  # it is raised again by the caller's thread
            failure.append(error)

    thread = threading.Thread(target=target, name=title)
    with tqdm(total=total, desc=title, unit=unit, disable=None) as bar:
        thread.start()
        try:
            while thread.is_alive():
                thread.join(PERIOD)
                _show(bar, done())
            _show(bar, done())
        except BaseException:
            token.cancel()
            thread.join()
            raise
    if failure:
        if isinstance(failure[0], (MemoryError, OSError, ReconstructionError)):
            raise failure[0]
        raise ReconstructionError(f"COLMAP failed while {title}: {failure[0]}") from failure[0]
    return result[0]


def _show(bar: Any, done: int) -> None:
    bar.update(min(done, bar.total) - bar.n)
