"""The line to a policy server: a WebSocket that is made when it is needed, and made anew once when it breaks."""

import ipaddress
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from splatsim.errors import BackendUnavailable, EpisodeError
from splatsim.nav import wire

FIRST_FRAME_SECONDS = 2.0
"""How long a server may take to say something of itself before it is asked; many say nothing."""


@dataclass(frozen=True)
class RemoteOptions:
    """How a policy server is talked to.

    Raises:
        ValueError: a number makes no sense.
    """

    actions: int = 8
    """Of each answer, how many actions are done before the server is asked again."""
    seconds: float = 120.0
    """How long an answer may take."""
    connect_seconds: float = 20.0
    """How long it is tried to reach the server."""
    width: int = 480
    """Of the pictures that are sent, pixels."""
    height: int = 360
    """Of the pictures that are sent, pixels."""
    depth: bool = False
    """Send depth as well."""
    bev: bool = False
    """Send the view from above as well."""
    odometry: bool = False
    """Send where the robot is, in the frame of its start, as well."""
    per_move: bool = False
    """Moves are in the frame that the robot has before each of them, not in that at the start of the answer."""
    other_hosts: bool = False
    """Allow servers on other machines, which get to see all pictures."""

    def __post_init__(self) -> None:
        if not (1 <= self.actions <= 1024 and 0 < self.seconds < math.inf and 0 < self.connect_seconds < math.inf):
            raise ValueError(
                f"RemoteOptions has actions {self.actions}, seconds {self.seconds} and connect_seconds "
                f"{self.connect_seconds}; expected 1 to 1024 actions and positive seconds."
            )


def check_address(address: str, other_hosts: bool) -> None:
    """Raise unless a policy server may be looked for at this address.

    Raises:
        EpisodeError: it is no address of a WebSocket, or of another machine without leave.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise EpisodeError(f'"{address}" is no address ({error}); expected one such as ws://127.0.0.1:8000.') from error
    if parts.scheme not in ("ws", "wss") or not host:
        raise EpisodeError(f'"{address}" is no address; expected one such as ws://127.0.0.1:8000.')
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    if not (here or other_hosts):
        raise EpisodeError(
            f'"{address}" is on another machine, which would get to see all pictures; expected 127.0.0.1, or '
            "--remote.other-hosts to allow it."
        )


class PolicyLine:
    """A connection that is made when it is needed, and made anew once when it breaks."""

    def __init__(self, address: str, options: RemoteOptions) -> None:
        self._address, self._options = address, options
        self._connection: Any = None
        self._wait = options.connect_seconds
        self.metadata: dict[str, Any] = {}

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The server's answer.

        Raises:
            EpisodeError: it cannot be reached, is silent or breaks off, or its answer cannot be read.
        """
        packed = wire.pack(question)
        _, errors = _websockets()
        for last in (False, True):
            connection = self.connect()
            try:
                connection.send(packed)
                return wire.unpack(connection.recv(timeout=self._options.seconds))
            except TimeoutError as error:
                self.close()
                raise EpisodeError(
                    f"the policy server at {self._address} gave no answer within {self._options.seconds:g} s."
                ) from error
            except EpisodeError:
                self.close()
                raise
            except (errors, OSError) as error:
                self.close()
                if last:
                    raise EpisodeError(f"the policy server at {self._address} breaks off: {error}") from error
        raise AssertionError

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connect(self) -> Any:
        """The connection, made if there is none.

        Raises:
            EpisodeError: the server cannot be reached; the next time it is tried only once.
        """
        client, errors = _websockets()
        deadline = time.monotonic() + self._wait
        while self._connection is None:
            try:
                self._connection = _by_a_daemon(
                    lambda: client.connect(
                        self._address,
                        max_size=wire.LARGEST_REPLY,
                        compression=None,
                        proxy=None,
                        open_timeout=10,
                        close_timeout=2,
                        ping_interval=None,
                    )
                )
                self._first_frame()
                self._wait = self._options.connect_seconds
            except (errors, OSError, TimeoutError) as error:
                self.close()
                if time.monotonic() > deadline:
                    self._wait = 0.0
                    raise EpisodeError(
                        f"there is no policy server at {self._address} ({error}); start it, or name another address."
                    ) from error
                time.sleep(0.2)
        return self._connection

    def _first_frame(self) -> None:
        try:
            self.metadata = wire.unpack(self._connection.recv(timeout=FIRST_FRAME_SECONDS))
        except (TimeoutError, EpisodeError):
            self.metadata = {}


def _by_a_daemon(connect: Callable[[], Any]) -> Any:
    """What a function gives that is called in a daemon thread: threads that it starts are daemons as well.

    The package's own would keep a process alive for ever that ends without hanging up.
    """
    answers: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((connect(), None))
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    connection, error = answers.get()
    if error is not None:
        raise error
    return connection


def _websockets() -> tuple[Any, type[Exception]]:
    try:
        from websockets.exceptions import WebSocketException
        from websockets.sync import client
    except ImportError as error:
        raise BackendUnavailable('a policy server needs the package websockets; install "splatsim[remote]".') from error
    return client, WebSocketException
