"""The pool of threads under what users do to it: forks, several callers, many threads."""

import multiprocessing
import sys
import threading

import pytest
import torch

from splatsim import native, render
from tests.conftest import cameras_around, random_gaussians


def picture() -> torch.Tensor:
    return render(random_gaussians(500), cameras_around(), depths=False).colors


def picture_sum(queue: "multiprocessing.Queue[float]") -> None:
    queue.put(float(picture().sum()))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of forking with threads: that is the test
def test_render_after_fork() -> None:
    """As in a DataLoader's workers: the threads of the parent are gone in the child."""
    expected = float(picture().sum())
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[float] = context.Queue()
    child = context.Process(target=picture_sum, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=60) == expected
    finally:
        child.join(timeout=10)
        child.kill()


def test_several_python_threads_at_once() -> None:
    expected, results = picture(), []

    def work() -> None:
        results.extend(torch.equal(picture(), expected) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 20


def test_more_threads_than_cores() -> None:
    before, expected = torch.get_num_threads(), picture()
    try:
        torch.set_num_threads(17)
        assert torch.equal(picture(), expected)
    finally:
        torch.set_num_threads(before)


def test_instruction_sets() -> None:
    sets = native.instruction_sets()
    assert sets[0] == "scalar"
    assert native.kernels().name == sets[-1]
    with pytest.raises(ValueError, match="no kernels named 'avx9000'"):
        native.kernels("avx9000")


def test_pool_memory_is_handed_on() -> None:
    first = native.empty(1000, 1000)
    address = first.data_ptr()
    del first
    assert native.empty(1000, 1000).data_ptr() == address
    assert native.empty(0, 3).shape == (0, 3)
