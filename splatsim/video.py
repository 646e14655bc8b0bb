"""Pictures and videos on disk: written frame by frame, and whole or not at all."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from splatsim.errors import FormatError, SplatsimError

PICTURES = (".png", ".jpg", ".jpeg")
VIDEOS = (".mp4",)
CRF = 18
"""Quality of H.264, 0 (without loss) to 51; at 18 the difference is hard to see."""


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise unless a picture or a video can be written here; called before the work that would be lost.

    Raises:
        FormatError: the extension is none that can be written.
        FileNotFoundError: the folder does not exist.
        FileExistsError: the file exists and `overwrite` is false, or it is a folder.
    """
    if path.suffix.lower() not in (*PICTURES, *VIDEOS):
        expected = ", ".join((*VIDEOS, *PICTURES))
        raise FormatError(f'{path} has the extension "{path.suffix}"; expected one of {expected} for what is rendered.')
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make the folder first.")
    if path.is_dir():
        raise FileExistsError(f"cannot write {path}: it is a folder; expected the path of a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; choose another name, or pass --overwrite to replace it.")


def to_bytes(colors: Float[Tensor, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Colours in [0, 1] as bytes; what lies outside is cut off."""
    array: UInt8[np.ndarray, "h w 3"] = (colors.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return array


def write_picture(path: Path, frame: UInt8[np.ndarray, "h w 3"]) -> None:
    """One picture, as .png or .jpg.

    Raises:
        OSError: the disk refuses.
    """
    with _replacing(path) as temporary:
        iio.imwrite(temporary, frame)


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "h w 3"]], *, fps: float) -> None:
    """A video in H.264 that any player shows. One frame is in memory at a time.

    The format stores colour for squares of two by two pixels, so the last column or row of a picture with an odd side
    is repeated once: 101 pixels become 102.

    Raises:
        ValueError: there are no frames, or they differ in size.
        SplatsimError: ffmpeg is missing or fails.
    """
    with _replacing(path) as temporary:
        iterator = iter(frames)
        first = next(iterator, None)
        if first is None:
            raise ValueError(f"no frames for {path}; expected at least one.")
        size = first.shape
        with _ffmpeg(temporary, _even(first), fps) as encode:
            encode(_even(first))
            for frame in iterator:
                if frame.shape != size:
                    raise ValueError(f"a frame for {path} has shape {frame.shape}; expected {size} as the first.")
                encode(_even(frame))


class _Encoder:
    """A running ffmpeg that takes frames on its standard input."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def __call__(self, frame: UInt8[np.ndarray, "h w 3"]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(np.ascontiguousarray(frame).data)


@contextmanager
def _ffmpeg(path: Path, like: UInt8[np.ndarray, "h w 3"], fps: float) -> Iterator[_Encoder]:
    """Run ffmpeg until the block ends; kill it when the block fails."""
    height, width, _ = like.shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    target = ["-an", "-c:v", "libx264", "-crf", str(CRF), "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    command = [ffmpeg_program(), "-y", "-v", "error", *source, *target, str(path)]
    # Not imageio's own writer: it forks with a Python callback, which Python 3.12 warns of once there are threads, and
    # it does not tell when ffmpeg fails. A process group of its own keeps Ctrl-C away from ffmpeg.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, process_group=0)
        try:
            yield _Encoder(process)
            assert process.stdin is not None
            process.stdin.close()
            failed = process.wait() != 0
        except BrokenPipeError:
            failed = True
        finally:
            _end(process)
        if failed:
            log.seek(0)
            said = log.read().decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise SplatsimError(f"ffmpeg failed in the folder {path.parent}: {said}; expected a finished video.")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Leave no process and no open pipe behind, whatever happened."""
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdin is not None and not process.stdin.closed:
        with suppress(BrokenPipeError):
            process.stdin.close()


def ffmpeg_program() -> str:
    """The path of ffmpeg, which the package imageio-ffmpeg brings along.

    Raises:
        SplatsimError: there is none.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise SplatsimError(
            "no ffmpeg was found; install the package imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE to its path."
        ) from error


def _even(frame: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The frame with its last row or column repeated where the number of them is odd."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder that becomes `path` when the block ends, and vanishes when it fails."""
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix.lower()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
