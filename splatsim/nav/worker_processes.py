"""Episodes in worker processes: one that hangs, dies or is given up is replaced, and its episode played again once."""

import multiprocessing
import pickle
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from splatsim.errors import SplatsimError
from splatsim.nav.calls import told
from splatsim.nav.playing import MAKE_SECONDS, Contest, Job, Player, Timing
from splatsim.nav.results import Result

START_SECONDS = 600.0
"""What a worker may take to start, on a machine that is busy."""
SILENCE_SECONDS = 60.0
"""How much longer than an answer may take a worker may be silent: one whose agent holds Python's lock says nothing."""
BEAT_SECONDS = 0.5
TRIES = 2
"""How often an episode is played whose worker died, before it counts as failed."""


def play_in_processes(contest: Contest, jobs: Sequence[Job], workers: int) -> Iterator[tuple[Result, Timing]]:
    """The results of all jobs, in the order in which they end.

    Raises:
        SplatsimError: no worker can be started, or the suite cannot be played.
    """
    pool = _Pool(contest, jobs, min(workers, len(jobs)))
    try:
        yield from pool.results()
    finally:
        pool.end()


class _Worker:
    """A process, the pipe to it, and what it is doing."""

    def __init__(self, contest: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, contest), daemon=True)
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.ready, self.idle = False, False
        self.deadline = time.monotonic() + START_SECONDS

    def end(self) -> None:
        """Kill it: a worker has nothing that could be lost."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Pool:
    def __init__(self, contest: Contest, jobs: Sequence[Job], count: int) -> None:
        self._contest, self._count = contest, count
        # Not through the pipe, which would make each worker's start wait for the one before.
        self._folder = tempfile.TemporaryDirectory(prefix="splatsim-bench-")
        self._file = Path(self._folder.name) / "contest.pickle"
        self._file.write_bytes(pickle.dumps(contest))
        self._waiting, self._tries = deque(jobs), dict.fromkeys(jobs, 0)
        self._workers: list[_Worker] = []

    def results(self) -> Iterator[tuple[Result, Timing]]:
        left = len(self._waiting)
        while left:
            while len(self._workers) < min(self._count, left):
                self._workers.append(_Worker(self._file))
            self._hand_out()
            for result in self._news():
                left -= 1
                yield result

    def _hand_out(self) -> None:
        """Jobs to whom has none."""
        for worker in self._workers:
            if worker.idle and self._waiting:
                worker.idle, worker.job = False, self._waiting.popleft()
                worker.deadline = time.monotonic() + self._patience(worker.job)
                with suppress(OSError):  # who has died meanwhile is found by whoever listens
                    worker.pipe.send(worker.job)

    def _patience(self, job: Job) -> float:
        return max(self._contest.entrants[job.entrant].seconds, MAKE_SECONDS) + SILENCE_SECONDS

    def end(self) -> None:
        for worker in self._workers:
            worker.end()
        self._folder.cleanup()

    def _news(self) -> Iterator[tuple[Result, Timing]]:
        """What the workers have to say, those who say nothing any more included."""
        wait([worker.pipe for worker in self._workers], timeout=1.0)
        for worker in list(self._workers):
            try:
                while worker in self._workers and worker.pipe.poll():
                    yield from self._told(worker, *worker.pipe.recv())
                alive = worker not in self._workers or worker.process.is_alive() or worker.pipe.poll()
            except (EOFError, OSError):
                alive = False
            if not alive:
                worker.process.join()
                yield from self._give_up(worker, f"its process ended with exit code {worker.process.exitcode}", TRIES)
            elif not worker.idle and time.monotonic() > worker.deadline:
                yield from self._give_up(worker, "its process gave no sign of life", 1)

    def _told(self, worker: _Worker, kind: str, what: Any) -> Iterator[tuple[Result, Timing]]:
        if kind == "error":
            raise SplatsimError(what)
        if kind == "result":
            worker.job = None
            yield what
        elif kind == "spent":
            self._workers.remove(worker)
            worker.end()
            return
        worker.ready, worker.idle = True, kind in ("ready", "next")
        if worker.job is not None:
            worker.deadline = time.monotonic() + self._patience(worker.job)

    def _give_up(self, worker: _Worker, why: str, tries: int) -> Iterator[tuple[Result, Timing]]:
        self._workers.remove(worker)
        worker.end()
        if not worker.ready:
            raise SplatsimError(f"a worker cannot be started: {why}; expected enough memory for one more process.")
        if worker.job is None:
            return
        self._tries[worker.job] += 1
        if self._tries[worker.job] < tries:
            self._waiting.appendleft(worker.job)
        else:
            yield Player(self._contest).give_up(worker.job, why)


def _work(pipe: Connection, contest: Path) -> None:
    """What a worker does: play what it is sent."""
    torch.set_num_threads(1)
    last = 0.0

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last > BEAT_SECONDS:
            last = time.monotonic()
            pipe.send(("alive", None))

    try:
        player = Player(pickle.loads(contest.read_bytes()), beat)
        pipe.send(("ready", None))
        while True:
            job = pipe.recv()
            pipe.send(("result", player.play(job)))
            if player.spent:
                pipe.send(("spent", None))
                return
            pipe.send(("next", None))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return  # the run has ended
    except Exception as error:  # noqa: BLE001 - told to whoever started the run
        pipe.send(("error", str(error) if isinstance(error, SplatsimError) else told(error)))
