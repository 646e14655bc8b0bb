"""Calls of somebody else's code: each in a thread of its own, which is left behind when it gives no answer in time."""

import re
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 300
"""Characters of what an error says that are kept."""


class CallFailed(Exception):
    """The call raised or gave no answer; its text says which, as a sentence without a subject."""


class Caller:
    """One thread for calls that may hang."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, str]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.hangs = False
        """Whether a call was left behind."""

    def call(self, function: Callable[..., T], *arguments: Any, seconds: float) -> T:
        """What the function gives.

        Raises:
            CallFailed: it raises, or takes longer.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True, name="agent")
            self._thread.start()
        self._asked.put(lambda: function(*arguments))
        try:
            answer, failure = self._answers.get(timeout=seconds)
        except Empty:
            self.hangs = True
            raise CallFailed(f"gave no answer within {seconds:g} s") from None
        if failure:
            raise CallFailed(failure)
        result: T = answer
        return result

    def settle(self, seconds: float) -> bool:
        """Wait for a call that was left behind, and tell whether the thread can be used again."""
        if self.hangs:
            try:
                self._answers.get(timeout=seconds)
                self.hangs = False
            except Empty:
                return False
        return True

    def end(self) -> None:
        """Let the thread end when it has nothing to do any more."""
        self._asked.put(None)

    def _serve(self) -> None:
        while (call := self._asked.get()) is not None:
            try:
                self._answers.put((call(), ""))
            except BaseException as error:  # noqa: BLE001 - whatever an agent does, also sys.exit, ends its episode alone
                self._answers.put((None, f"raised {told(error)}"))


def told(error: BaseException) -> str:
    """What an error says, in one line that is the same in every run: addresses of objects are not."""
    text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", " ".join(str(error).split()))
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
