"""The command line: tyro over functions of the library, whose docstrings and field strings are its help."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from tqdm import tqdm

from splatsim import camera_paths, doctor, video
from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable, SplatsimError
from splatsim.formats import load_gaussians
from splatsim.formats.trajectory import load_cameras
from splatsim.gaussians import Gaussians
from splatsim.rendering import Backend, choose_backend, render

Frame = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class FlyThrough:
    """How a fly-through looks."""

    width: int = 960
    """Pixels. A file of cameras brings its own size."""
    height: int = 540
    """Pixels. In a video an odd width or height grows by one pixel, a copy of the last column or row."""
    fov_deg: float = 75.0
    """Horizontal field of view, degrees."""
    seconds: float = 8.0
    """Length of the video. With a file of cameras there is one frame for each camera."""
    fps: float = 30.0
    """Frames per second."""
    path: Literal["orbit", "inside"] | Path = "orbit"
    """Around the scene; in its middle, turning, for rooms; or a .json file of cameras."""
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Red, green and blue behind the Gaussians, each in [0, 1]."""
    antialiased: bool = False
    """Keep the energy of footprints smaller than a pixel (Mip-Splatting)."""
    backend: Backend = "auto"
    """Who renders; auto takes CUDA where it runs."""

    def __post_init__(self) -> None:
        if not (0 < self.fps <= 1000):
            raise ValueError(f"fps is {self.fps}; expected more than 0 and at most 1000 frames per second.")
        if not (0 < self.seconds <= 3600):
            raise ValueError(f"seconds is {self.seconds}; expected more than 0 and at most 3600.")
        if not all(0 <= value <= 1 for value in self.background):
            raise ValueError(f"background is {self.background}; expected red, green and blue in [0, 1].")


def fly_through(
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")],
    out: Path,
    look: Annotated[FlyThrough, tyro.conf.arg(name="")] = FlyThrough(),
    overwrite: bool = False,
) -> None:
    """Render a .ply, .splat or .spz file: a video of a fly-through, or a picture of its first frame.

    Args:
        file: The Gaussians.
        out: The video (.mp4) or the picture (.png, .jpg) to write.
        look: How it looks.
        overwrite: Replace `out` if it exists.
    """
    video.check_target(out, overwrite=overwrite)
    gaussians = load_gaussians(file)
    cameras = plan(gaussians, look)
    device = _device(look.backend)
    started = perf_counter()
    if out.suffix.lower() in video.PICTURES:
        cameras = cameras[:1]
        video.write_picture(out, next(_frames(gaussians.to(device), cameras.to(device), look)))
    else:
        frames = _frames(gaussians.to(device), cameras.to(device), look)
        video.write_video(out, _with_progress(frames, len(cameras), out.name), fps=look.fps)
    print(
        f"{out}: {len(gaussians)} Gaussians, {len(cameras)} frames of {cameras.width} × {cameras.height} pixels "
        f"in {perf_counter() - started:.1f} s"
    )


def plan(gaussians: Gaussians, look: FlyThrough) -> Cameras:
    """The cameras of a fly-through, one for each frame.

    Raises:
        FileNotFoundError, FormatError: the file of cameras cannot be read.
        ValueError: the path is neither a known word nor a .json file, or a number is out of range.
    """
    if look.path in ("orbit", "inside"):
        place = camera_paths.orbit if look.path == "orbit" else camera_paths.inside
        count = max(1, round(look.seconds * look.fps))
        return place(gaussians, count, fov_deg=look.fov_deg, width=look.width, height=look.height)
    path = Path(look.path)
    if path.suffix.lower() != ".json":
        raise ValueError(f'path is "{path}"; expected orbit, inside, or a .json file of cameras.')
    return load_cameras(path)


def _frames(gaussians: Gaussians, cameras: Cameras, look: FlyThrough) -> Iterator[Frame]:
    for index in range(len(cameras)):
        with torch.no_grad():
            seen = render(
                gaussians,
                cameras[index],
                background=look.background,
                antialiased=look.antialiased,
                depths=False,
                backend=look.backend,
            )
        yield video.to_bytes(seen.colors[0])


def _with_progress(frames: Iterator[Frame], total: int, name: str) -> Iterator[Frame]:
    """The same frames, with a bar and the time that is left on a terminal."""
    with tqdm(total=total, desc=name, unit="frame", disable=None, leave=False) as bar:
        for frame in frames:
            yield frame
            bar.update()


def _device(backend: Backend) -> torch.device:
    """Where the tensors must be for this back end."""
    if backend in ("cpu", "reference"):
        return torch.device("cpu")
    try:
        choose_backend("cuda", torch.device("cuda"))
    except BackendUnavailable:
        if backend == "cuda":
            raise
        return torch.device("cpu")
    return torch.device("cuda")


def diagnose() -> None:
    """Print versions, cores, instruction sets, which back ends run here and why others do not, and ffmpeg."""
    print("\n".join(doctor.report()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code: 0, or 2 with one sentence where the request cannot be met."""
    commands: dict[str, Callable[..., Any]] = {"render": fly_through, "doctor": diagnose}
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands, prog="splatsim", description="Gaussian splatting for robotics.", args=arguments
        )
    except KeyboardInterrupt:
        print("splatsim: interrupted; nothing was written.", file=sys.stderr)
        return 130
    except (SplatsimError, ValueError, FileNotFoundError, FileExistsError, PermissionError) as error:
        print(f"splatsim: {error}", file=sys.stderr)
        return 2
    return 0
