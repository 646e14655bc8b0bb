"""The native kernels, written once and compiled for several instruction sets. Nothing here is public."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from splatsim.native import _ext

Frame = _ext.Frame
Kernels = _ext.Kernels
TooManyTiles = _ext.TooManyTiles
VoxelBox = _ext.VoxelBox
first_hits = _ext.first_hits
count_crossings = _ext.count_crossings
composite_rays = _ext.composite_rays
composite_rays_backward = _ext.composite_rays_backward
foresee = _ext.foresee
march = _ext.march
refine_stereo = _ext.refine_stereo
stereo = _ext.stereo
sweep = _ext.sweep
gaps = _ext.gaps
half_planes = _ext.half_planes
choose_velocities = _ext.choose_velocities
_threads: ContextVar[int | None] = ContextVar("threads", default=None)


def instruction_sets() -> list[str]:
    """What this machine can run, the fastest last."""
    return list(_ext.instruction_sets())


def kernels(instruction_set: str | None = None) -> Kernels:
    """The kernels of one instruction set, by default the fastest that this machine can run."""
    return _ext.kernels(instruction_set or instruction_sets()[-1])


def threads() -> int:
    """As many threads as torch uses: `torch.set_num_threads` rules both, but within `torch_on_one_thread`."""
    return _threads.get() or torch.get_num_threads()


@contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Within it the kernels have all threads, and torch computes on the caller's.

    torch's threads wait by spinning: after each of its operations they would hold a core against the kernels for longer
    than the operation took. Besides, no result of torch depends on the number of threads then.
    """
    count = threads()
    before = torch.get_num_threads()
    token = _threads.set(count)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _threads.reset(token)


def empty(*shape: int) -> Tensor:
    """An uninitialised float32 tensor, from memory that the last frames gave back.

    Large tensors from torch's own allocator come as fresh pages, each of which the system must clear at first touch;
    in a training step that costs as much as a stage of it.
    """
    return _ext.empty(list(shape))
