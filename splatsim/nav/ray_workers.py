"""Episodes on a Ray cluster: an actor that dies is replaced, its episode played again, every result counted once."""

import logging
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from splatsim.errors import BackendUnavailable, SplatsimError
from splatsim.nav.playing import MAKE_SECONDS, Contest, Job, Player, Timing
from splatsim.nav.results import Result
from splatsim.nav.worker_processes import SILENCE_SECONDS, START_SECONDS, TRIES

Played = tuple[Result, Timing]


def play_on_ray(contest: Contest, jobs: Sequence[Job], address: str, workers: int = 0) -> Iterator[Played]:
    """The results of all jobs, in the order in which they end.

    Args:
        address: Of the cluster, such as "auto" or "10.0.0.1:6379"; "local" starts one on this machine.
        workers: Actors with one processor each; 0 takes one for each processor of the cluster.

    Raises:
        BackendUnavailable: the package ray is not installed.
        SplatsimError: there is no cluster at this address, or the suite cannot be played.
    """
    ray = _connected(address, workers)
    count = workers or int(ray.cluster_resources().get("CPU", 1))
    pool = _Pool(ray, contest, jobs, max(1, min(count, len(jobs))))
    try:
        yield from pool.results()
    finally:
        pool.end()


class _Actor:
    """What plays on the cluster."""

    def __init__(self, contest: Contest) -> None:
        torch.set_num_threads(1)
        self._player = Player(contest)

    def play(self, job: Job) -> tuple[Played, bool]:
        """A result, and whether an agent still hangs in this process."""
        return self._player.play(job), self._player.spent


class _Pool:
    def __init__(self, ray: Any, contest: Contest, jobs: Sequence[Job], count: int) -> None:
        self._ray, self._contest, self._count = ray, contest, count
        self._shared = ray.put(contest)
        self._class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._waiting, self._tries = deque(jobs), dict.fromkeys(jobs, 0)
        self._idle: list[Any] = []
        self._running: dict[Any, tuple[Any, Job, float]] = {}
        self._played = False

    def results(self) -> Iterator[Played]:
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._count:
                self._send(self._waiting.popleft())
            ready, _ = self._ray.wait(list(self._running), timeout=1.0)
            for task in ready:
                yield from self._ended(task)
            for task, (actor, job, deadline) in list(self._running.items()):
                if time.monotonic() > deadline:
                    del self._running[task]
                    self._ray.kill(actor)
                    yield Player(self._contest).give_up(job, "its process gave no sign of life")

    def end(self) -> None:
        for actor in [*self._idle, *(actor for actor, _, _ in self._running.values())]:
            self._ray.kill(actor)

    def _send(self, job: Job) -> None:
        actor = self._idle.pop() if self._idle else self._class.remote(self._shared)
        episode = self._contest.suite.episodes[job.episode]
        seconds = self._contest.entrants[job.entrant].seconds * (episode.max_steps + 2)
        deadline = time.monotonic() + START_SECONDS + MAKE_SECONDS + SILENCE_SECONDS + seconds
        self._running[actor.play.remote(job)] = actor, job, deadline

    def _ended(self, task: Any) -> Iterator[Played]:
        actor, job, _ = self._running.pop(task)
        try:
            played, spent = self._ray.get(task)
        except self._ray.exceptions.RayActorError as error:
            self._tries[job] += 1
            if self._tries[job] < TRIES:
                self._waiting.appendleft(job)
                return
            if not self._played:
                raise SplatsimError(f"no worker can be started on the Ray cluster: {_ends_of(error)}") from error
            yield Player(self._contest).give_up(job, "its process on the cluster ended")
            return
        except self._ray.exceptions.RayTaskError as error:
            raise SplatsimError(str(error.cause)) from error
        self._played = True
        if spent:
            self._ray.kill(actor)
        else:
            self._idle.append(actor)
        yield played


def _connected(address: str, workers: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise BackendUnavailable('--ray needs the package ray; install "splatsim[ray]".') from error
    if not ray.is_initialized():
        local = (
            {"num_cpus": workers or None, "include_dashboard": False} if address == "local" else {"address": address}
        )
        try:
            _knock(address)
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError, RuntimeError, OSError, OverflowError) as error:
            raise SplatsimError(
                f'there is no Ray cluster at "{address}" ({_ends_of(error)}); expected the address of one that '
                'runs, "auto" for the one that this machine belongs to, or "local".'
            ) from error
    return ray


def _knock(address: str) -> None:
    """Raise at once where nobody listens; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _ends_of(error: BaseException) -> str:
    """Of a message of many lines the first, and the last, which names the cause of a chain."""
    lines = str(error).strip().split("\n")
    return "; ".join(dict.fromkeys(line.strip()[:300] for line in (lines[0], lines[-1])))
