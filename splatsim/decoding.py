"""Videos as streams of frames: ffmpeg decodes in a process of its own, and one frame is in memory at a time."""

import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8

from splatsim.errors import FormatError
from splatsim.video import ffmpeg_program

THREADS = min(8, os.cpu_count() or 1)
"""Of the decoder: each holds frames of its own, so that more of them would cost gigabytes at 4K."""
HDR = ("smpte2084", "arib-std-b67")
"""Transfer curves that ordinary screens do not show: PQ and HLG."""

_DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)")
_STREAM = re.compile(r"Stream #.*: Video: (?!.*attached pic).*")
_RATE = re.compile(r"([\d.]+) (?:fps|tbr)")
_TIME = re.compile(r"showinfo.*\] n: *(\d+) pts: *\S+ pts_time:(\S+)")


@dataclass(frozen=True)
class Video:
    """What ffmpeg says of a video before it decodes all of it."""

    path: Path
    seconds: float
    """Declared length; 0 where the file does not say."""
    rate: float
    """Nominal frames per second; 0 where the file does not say."""
    hdr: bool
    """Its brightness follows PQ or HLG."""

    @property
    def expected_frames(self) -> int | None:
        """For a progress bar."""
        return round(self.seconds * self.rate) or None


def probe_video(path: Path) -> Video:
    """Decode the first frame of a video.

    Raises:
        FormatError: there is no frame that ffmpeg can decode.
    """
    with tempfile.TemporaryFile() as log:
        with closing(_run(path, "null", gray=True, log=log, limit=("-frames:v", "1"))) as frames:
            found = next(frames, None) is not None
        said = _read(log)
    stream = _STREAM.search(said)
    if not found or stream is None:
        raise FormatError(f"{path} cannot be read as a video ({_complaint(said)}); expected one that ffmpeg decodes.")
    rate = _RATE.search(stream[0])
    return Video(path, _declared(said), float(rate[1]) if rate else 0.0, any(curve in stream[0] for curve in HDR))


@dataclass
class Decoding:
    """Frames on their way out of ffmpeg; `times` is complete once they have all been taken."""

    frames: Iterator[UInt8[np.ndarray, "..."]]
    log: IO[bytes]
    rate: float

    def complaint(self) -> str:
        """What ffmpeg said was wrong."""
        return _complaint(_read(self.log))

    def times(self) -> list[float]:
        """Seconds of every frame, as the file gives them; counted where it gives none."""
        times: list[float] = []
        for number, text in _TIME.findall(_read(self.log)):
            try:
                times.append(float(text))
            except ValueError:  # NOPTS
                times.append(int(number) / (self.rate or 30.0))
        return times


@contextmanager
def decode_gray(video: Video, side: int) -> Iterator[Decoding]:
    """All frames, upright, as brightness, scaled down to at most `side` pixels."""
    filters = ",".join(["showinfo=checksum=0", *_fit(side, "area"), *_tone(video)])
    with _decoding(video, filters, gray=True) as decoding:
        yield decoding


@contextmanager
def decode_chosen(video: Video, numbers: Sequence[int], side: int) -> Iterator[Decoding]:
    """The frames of these numbers (in rising order), upright, in colour, scaled down to at most `side` pixels."""
    filters = ",".join(
        [
            f"select='{_is_one_of(numbers)}'",
            *_fit(side, "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"),
            *_tone(video),
        ]
    )
    with _decoding(video, filters, gray=False, limit=("-frames:v", str(len(numbers)))) as decoding:
        yield decoding


@contextmanager
def _decoding(video: Video, filters: str, *, gray: bool, limit: Sequence[str] = ()) -> Iterator[Decoding]:
    with (
        tempfile.TemporaryFile() as log,
        closing(_run(video.path, filters, gray=gray, log=log, limit=limit)) as frames,
    ):
        yield Decoding(frames, log, video.rate)


def _is_one_of(numbers: Sequence[int]) -> str:
    """ffmpeg's expression for it, as a search tree: long sums are too deep for its parser."""
    if len(numbers) == 1:
        return f"eq(n,{numbers[0]})"
    middle = len(numbers) // 2
    return f"if(lt(n,{numbers[middle]}),{_is_one_of(numbers[:middle])},{_is_one_of(numbers[middle:])})"


def _fit(side: int, flags: str) -> list[str]:
    """Filters that make pixels square and the picture small enough."""
    scale = f"min(1,{side}/max(iw*sar,ih))"
    return [f"scale=w='max(1,round(iw*sar*{scale}))':h='max(1,round(ih*{scale}))':flags={flags}", "setsar=1"]


def _tone(video: Video) -> list[str]:
    """Filters that bring high dynamic range to what screens show (Hable's curve)."""
    if not video.hdr:
        return []
    if "zscale" not in _filters() or "tonemap" not in _filters():
        return []  # an ffmpeg of the user's own: flat colours are better than none
    linear = ["zscale=t=linear:npl=100", "format=gbrpf32le", "zscale=p=bt709", "tonemap=hable:desat=0"]
    return [*linear, "zscale=t=bt709:m=bt709:r=tv", "format=yuv444p"]


def _filters() -> str:
    command = [ffmpeg_program(), "-v", "error", "-filters"]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).stdout.decode()


def _run(
    path: Path, filters: str, *, gray: bool, log: IO[bytes], limit: Sequence[str] = ()
) -> Generator[UInt8[np.ndarray, "..."]]:
    """Frames of one run of ffmpeg, which ends with the generator.

    A playlist that poses as a video must not reach the network, so only files are allowed as protocol.
    """
    source = ["-nostdin", "-threads", str(THREADS), "-protocol_whitelist", "file", "-i", f"file:{path}"]
    shape = ["-map", "0:V:0", "-an", "-sn", "-dn", "-vf", filters, "-fps_mode", "passthrough", *limit]
    sink = ["-f", "image2pipe", "-c:v", "pgm" if gray else "ppm", "-pix_fmt", "gray" if gray else "rgb24", "-"]
    # A process group of its own keeps Ctrl-C away from ffmpeg.
    process = subprocess.Popen(
        [ffmpeg_program(), "-hide_banner", "-nostats", *source, *shape, *sink],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        bufsize=1 << 20,
        process_group=0,
    )
    assert process.stdout is not None
    try:
        while (frame := _read_netpbm(process.stdout, 1 if gray else 3)) is not None:
            yield frame
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()


def _read_netpbm(stream: IO[bytes], channels: int) -> UInt8[np.ndarray, "..."] | None:
    """The next picture, or None at the end."""
    magic, sides, depth = stream.readline(), stream.readline(), stream.readline()
    if not depth:
        return None
    width, height = (int(side) for side in sides.split())
    assert magic in (b"P5\n", b"P6\n")
    assert depth == b"255\n"
    pixels = stream.read(width * height * channels)
    if len(pixels) < width * height * channels:
        return None  # ffmpeg was stopped in the middle of a frame
    frame = np.frombuffer(pixels, np.uint8)
    return frame.reshape(height, width) if channels == 1 else frame.reshape(height, width, channels)


def _read(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")


def _declared(said: str) -> float:
    found = _DURATION.search(said)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0


def _complaint(said: str) -> str:
    """The line of ffmpeg's output that names the cause best."""
    lines = [line.split("] ", 1)[-1].strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"not found|[Ii]nvalid|matches no|[Ee]rror|No such|denied", line)]
    return (telling or lines or ["no frame came out"])[0].rstrip(".")
