"""What this machine can run, said in lines that help to find out why something does not."""

import importlib.metadata
import os
import platform
import sys

import torch

from splatsim import native
from splatsim.errors import BackendUnavailable, SplatsimError
from splatsim.rendering import Backend, choose_backend
from splatsim.video import ffmpeg_program

PACKAGES = ("splatsim", "numpy", "imageio", "imageio-ffmpeg", "tyro", "gsplat")
BACKENDS: tuple[tuple[Backend, str], ...] = (("cpu", "cpu"), ("cuda", "cuda"), ("reference", "cpu"))
"""Each with the device its tensors must be on."""


def report() -> list[str]:
    """Versions, cores, instruction sets, back ends, ffmpeg: one line each."""
    sets = native.instruction_sets()
    return [
        _line("python", f"{platform.python_version()}, {platform.system()} {platform.machine()}, {sys.executable}"),
        _line("torch", torch.__version__),  # with its build, which says whether it has CUDA
        *(_line(name, _version(name)) for name in PACKAGES),
        _line("cores", f"{_cores()}; torch and the native kernels use {native.threads()} threads"),
        _line("instruction sets", f"{', '.join(sets)}; the native kernels run with {sets[-1]}"),
        *(_line(f"back end {name}", _backend(name, device)) for name, device in BACKENDS),
        _line("ffmpeg", _ffmpeg()),
    ]


def _line(name: str, what: str) -> str:
    return f"{name:<20}{what}"


def _backend(name: Backend, device: str) -> str:
    try:
        choose_backend(name, torch.device(device))
    except BackendUnavailable as error:
        return f"not here: {error}"
    return "runs"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cores() -> int:
    """The cores that this process may use, which in a container are often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ffmpeg() -> str:
    try:
        return ffmpeg_program()
    except SplatsimError as error:
        return f"not found: {error}"
