"""`splatsim render`: a picture or a video of a scene."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from jaxtyping import Float, UInt8
from tqdm import tqdm

from splatsim import camera_paths, video
from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable
from splatsim.formats.trajectory import load_cameras
from splatsim.gaussians import Gaussians
from splatsim.rendering import Backend, choose_backend, render
from splatsim.scene import Scene, open_scene
from splatsim.semantics import label_colors, render_labels

Frame = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class FlyThrough:
    """How a fly-through looks."""

    width: int | None = None
    """Pixels; by default those of the scene's cameras, or 960. A file of cameras brings its own size."""
    height: int | None = None
    """Pixels, likewise, or 540. In a video an odd width or height grows by one pixel, a copy of the last row."""
    fov_deg: float | None = None
    """Horizontal field of view, degrees; by default that of the scene's cameras, or 75."""
    seconds: float | None = None
    """Length of the video; by default 8, or as long as is calm. With given cameras there is one frame for each."""
    fps: float = 30.0
    """Frames per second."""
    path: Literal["smooth", "cameras", "orbit", "inside"] | Path | None = None
    """Smoothly past the scene's cameras (the default where it has some), through each of them as it stands, around the
    scene (the default of a file), in its middle, turning, for rooms; or a .json file of cameras."""
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Red, green and blue behind the Gaussians, each in [0, 1]."""
    antialiased: bool | None = None
    """Keep the energy of footprints smaller than a pixel (Mip-Splatting); by default as the scene says."""
    semantics: bool = False
    """Show the class of each pixel in a colour of its own."""
    depth: bool = False
    """Show depth: white is near, black is far."""
    backend: Backend = "auto"
    """Who renders; auto takes CUDA where it runs."""

    def __post_init__(self) -> None:
        if not (0 < self.fps <= 1000):
            raise ValueError(f"fps is {self.fps}; expected more than 0 and at most 1000 frames per second.")
        if self.seconds is not None and not (0 < self.seconds <= 3600):
            raise ValueError(f"seconds is {self.seconds}; expected more than 0 and at most 3600.")
        if not all(0 <= value <= 1 for value in self.background):
            raise ValueError(f"background is {self.background}; expected red, green and blue in [0, 1].")
        if self.semantics and self.depth:
            raise ValueError("semantics and depth were both asked for; expected one of them.")


def fly_through(
    scene: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SCENE")],
    out: Path,
    look: Annotated[FlyThrough, tyro.conf.arg(name="")] = FlyThrough(),
    overwrite: bool = False,
) -> None:
    """Render a scene folder or a .ply, .splat or .spz file: a video of a fly-through, or a picture of its first frame.

    Args:
        scene: The scene.
        out: The video (.mp4) or the picture (.png, .jpg) to write.
        look: How it looks.
        overwrite: Replace `out` if it exists.
    """
    video.check_target(out, overwrite=overwrite)
    opened = open_scene(scene)
    cameras = plan(opened, look)
    device = _device(look.backend)
    started = perf_counter()
    if out.suffix.lower() in video.PICTURES:
        cameras = cameras[:1]
        video.write_picture(out, next(_frames(opened, cameras, look, device)))
    else:
        frames = _frames(opened, cameras, look, device)
        video.write_video(out, _with_progress(frames, len(cameras), out.name), fps=look.fps)
    print(
        f"{out}: {len(_gaussians(opened))} Gaussians, {len(cameras)} frames of {cameras.width} × {cameras.height} "
        f"pixels in {perf_counter() - started:.1f} s"
    )


def plan(scene: Scene, look: FlyThrough) -> Cameras:
    """The cameras of a fly-through, one for each frame.

    Raises:
        FileNotFoundError, FormatError: the file of cameras cannot be read.
        ValueError: the path is neither a known word nor a .json file, the scene has no cameras to follow, or a number
            is out of range.
    """
    path = look.path or ("smooth" if scene.cameras is not None else "orbit")
    if path in ("orbit", "inside"):
        place = camera_paths.orbit if path == "orbit" else camera_paths.inside
        width, height = (960 if look.width is None else look.width), (540 if look.height is None else look.height)
        fov = 75.0 if look.fov_deg is None else look.fov_deg
        return place(_gaussians(scene), _count(look, 8.0), fov_deg=fov, width=width, height=height)
    if path in ("smooth", "cameras"):
        if scene.cameras is None:
            raise ValueError(f'path is "{path}" but the scene "{scene.name}" has no cameras; expected orbit or inside.')
        cameras = scene.cameras.to(torch.float32)
        if path == "cameras":
            return camera_paths.resized(cameras, look.width, look.height)
        count = _count(look, camera_paths.calm_seconds(cameras) if look.seconds is None else look.seconds)
        return camera_paths.fly_through(cameras, count, fov_deg=look.fov_deg, width=look.width, height=look.height)
    if Path(path).suffix.lower() != ".json":
        raise ValueError(f'path is "{path}"; expected smooth, cameras, orbit, inside, or a .json file of cameras.')
    return load_cameras(Path(path))


def _count(look: FlyThrough, seconds: float) -> int:
    return max(1, round((look.seconds or seconds) * look.fps))


def _gaussians(scene: Scene) -> Gaussians:
    if scene.gaussians is None:
        raise ValueError(f'the scene "{scene.name}" has no Gaussians; expected some to render.')
    return scene.gaussians


def _frames(scene: Scene, cameras: Cameras, look: FlyThrough, device: torch.device) -> Iterator[Frame]:
    """The pictures of a fly-through, one after the other."""
    gaussians, cameras = _gaussians(scene).to(device), cameras.to(device)
    semantics = scene.semantics
    if look.semantics and semantics is None:
        raise ValueError(f'the scene "{scene.name}" has no semantics; expected a class for each Gaussian.')
    shared = {
        "antialiased": scene.antialiased if look.antialiased is None else look.antialiased,
        "backend": look.backend,
    }
    far = None
    for index in range(len(cameras)):
        if look.semantics and semantics is not None:
            labels = render_labels(gaussians, semantics, cameras[index], **shared).labels[0]  # type: ignore[arg-type]
            yield label_colors(labels.cpu().numpy(), len(semantics.class_names))
            continue
        with torch.no_grad():
            seen = render(gaussians, cameras[index], background=look.background, depths=look.depth, **shared)  # type: ignore[call-overload]
        if look.depth:
            far = far or _typical(seen.depths[0])  # of the first frame for all, so that brightness does not flicker
            yield video.to_bytes(_shades(seen.depths[0], far))
        else:
            yield video.to_bytes(seen.colors[0])


def _typical(depths: Float[torch.Tensor, "h w"]) -> float:
    met = depths[depths > 0]
    return float(met.median()) if len(met) else 1.0


def _shades(depths: Float[torch.Tensor, "h w"], typical: float) -> Float[torch.Tensor, "h w 3"]:
    """White at the camera, half as bright at the typical depth and at every further one; black where nothing is."""
    return torch.where(depths > 0, 0.5 ** (depths / typical), 0)[..., None].expand(-1, -1, 3)


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
