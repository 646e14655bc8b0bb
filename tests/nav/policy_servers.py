"""Small policy servers, made with the same packages that GN0's use, and of its messages alone."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import numpy as np
from websockets.sync.server import ServerConnection, serve


def encoded(value: Any) -> Any:
    """Arrays as GN0 sends them."""
    assert isinstance(value, np.ndarray)
    return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}


def decoded(value: dict) -> Any:
    if b"__ndarray__" in value:
        return np.frombuffer(value[b"data"], np.dtype(value[b"dtype"])).reshape(value[b"shape"])
    return value


class Policy:
    """A server whose answers are given; what it was asked is kept."""

    def __init__(self, answer: Callable[[dict, int], Any], metadata: Any = None) -> None:
        self.answer, self.metadata = answer, metadata
        self.questions: list[dict] = []

    def handle(self, connection: ServerConnection) -> None:
        if self.metadata is not None:
            connection.send(msgpack.packb(self.metadata))
        for message in connection:
            question = msgpack.unpackb(message, object_hook=decoded)
            self.questions.append(question)
            asked = sum(q["endpoint"] == "infer" for q in self.questions)
            reply = {"status": "ok"} if question["endpoint"] == "reset" else self.answer(question, asked)
            if reply is None:
                connection.socket.shutdown(socket.SHUT_RDWR)  # in the middle of a conversation
                return
            raw = isinstance(reply, bytes | str)
            connection.send(reply if raw else msgpack.packb(reply, default=encoded))


@contextmanager
def serving(policy: Policy, port: int = 0) -> Iterator[str]:
    """The address at which a policy answers."""
    with serve(policy.handle, "127.0.0.1", port, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)  # and so are those of its connections
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()
