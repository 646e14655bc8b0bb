"""`splatsim avatar`: people made, read from rigged models, and written for other programs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from tqdm import tqdm

from splatsim import video
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.captured import read_motion
from splatsim.avatar.export import frame_times, write_animated_glb, write_habitat, write_ply_sequence
from splatsim.avatar.people import make_person
from splatsim.avatar.retargeting import retarget
from splatsim.avatar.rigged_models import read_rigged_model
from splatsim.avatar.skinning import Mode
from splatsim.cameras import Cameras
from splatsim.cli.avatar_fit import fit_capture
from splatsim.errors import FormatError
from splatsim.formats import write_usd_sequence
from splatsim.rendering import render

SKY = (0.75, 0.78, 0.80)
VIEWS, FRAMES = 6, 72
"""Pictures side by side in a preview, and frames of a turntable video."""


@dataclass(frozen=True)
class Preview:
    """A picture (.png, .jpg: six views side by side) or a turntable video (.mp4)."""

    preview: Path | None = None
    """Where to write it; by default beside the avatar, as .png."""
    height: int = 640
    """Pixels."""


def make(
    out: Path,
    seed: int = 0,
    gaussians: int = 30_000,
    mesh: Path | None = None,
    look: Annotated[Preview, tyro.conf.arg(name="")] = Preview(),
    overwrite: bool = False,
) -> None:
    """Make a pedestrian who does not exist, a different one for every seed, with a preview.

    Args:
        out: The avatar to write (.npz).
        seed: Who it is.
        gaussians: How many, about.
        mesh: Also write the dressed body as a rigged mesh (.glb).
        look: The preview.
        overwrite: Replace what exists.
    """
    preview = _targets(out, look, overwrite)
    person = make_person(seed)
    avatar = person.to_avatar(gaussians)
    avatar.save(out)
    if mesh is not None:
        write_animated_glb(mesh, person, None)
    _show(avatar, preview, look.height)
    print(f"{out}: {len(avatar)} Gaussians on {len(avatar.skeleton)} joints, {person.mesh.height:.2f} m; {preview}")


def from_mesh(
    model: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MODEL")],
    out: Path,
    gaussians: int = 30_000,
    look: Annotated[Preview, tyro.conf.arg(name="")] = Preview(),
    overwrite: bool = False,
) -> None:
    """Turn a rigged textured mesh (.glb, .gltf) into an avatar.

    Args:
        model: The model, with its skin.
        out: The avatar to write (.npz).
        gaussians: How many, about.
        look: The preview.
        overwrite: Replace what exists.
    """
    preview = _targets(out, look, overwrite)
    read = read_rigged_model(model, gaussians=gaussians)
    read.avatar.save(out)
    _show(read.avatar, preview, look.height)
    for note in read.notes:
        print(f"note: {note}.")
    print(f"{out}: {len(read.avatar)} Gaussians on {len(read.avatar.skeleton)} joints; {preview}")


def export(
    avatar: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="AVATAR")],
    motion: Path,
    out: Path,
    kind: Literal["ply", "glb", "habitat", "usd"] = "glb",
    fps: float = 30.0,
    mode: Mode = "polar",
    clip: str | None = None,
) -> None:
    """Write an avatar in motion for other programs.

    Args:
        avatar: The avatar (.npz).
        motion: A recorded motion: .bvh, AMASS .npz, AIST++ .pkl, or a model with animations.
        out: A new folder (ply, habitat), a .glb file, or a .usdc or .usda file (usd).
        kind: A PLY for every frame, an animated mesh, the files of Habitat-GS, or Gaussians with time samples.
        fps: Frames per second.
        mode: How the Gaussians follow the bones (ply, usd).
        clip: Which animation of a model.
    """
    person = Avatar.load(avatar)
    recorded, notes = read_motion(motion, clip=clip)
    moved = retarget(recorded, person.skeleton)
    for note in notes:
        print(f"note: {note}.")
    if kind == "ply":
        count = write_ply_sequence(out, person, moved, fps=fps, mode=mode)
        print(f"{out}: {count} frames of {len(person)} Gaussians")
        return
    if kind == "usd":
        times = frame_times(moved, fps).tolist()
        write_usd_sequence(out, ((time, person.pose(moved.at(time), mode)) for time in times))
        print(f"{out}: {len(times)} time samples of {len(person)} Gaussians")
        return
    if kind == "habitat":
        write_habitat(out, person, moved, fps=fps)
    else:
        write_animated_glb(out, person, moved, fps=fps)
    print(f"{out}: {moved.duration:.1f} s of {len(person.skeleton)} joints")


COMMANDS: dict[str, Callable[..., None]] = {"make": make, "from-mesh": from_mesh, "fit": fit_capture, "export": export}


def _targets(out: Path, look: Preview, overwrite: bool) -> Path:
    """Where the preview goes, after both places have been checked."""
    if out.suffix.lower() != ".npz":
        raise FormatError(f'{out} has the extension "{out.suffix}"; expected .npz for an avatar.')
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists already; choose another name, or pass --overwrite to replace it.")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"cannot write {out}: there is no folder {out.parent}; make the folder first.")
    preview = look.preview or out.with_suffix(".png")
    video.check_target(preview, overwrite=overwrite)
    return preview


def _show(avatar: Avatar, path: Path, height: int) -> None:
    """The rest pose from around, and the face in a picture."""
    g = avatar.pose(avatar.skeleton.rest())
    low, high = g.means.amin(0), g.means.amax(0)
    tall = float(high[2] - low[2])
    middle = ((low + high) / 2).tolist()
    width = int(height * min(1.2, max(0.5, 1.05 * float((high - low)[:2].max()) / tall)))
    moving = path.suffix.lower() in video.VIDEOS
    count = FRAMES if moving else VIEWS
    angles = 2 * np.pi * np.arange(count) / count + 0.35
    eyes = [
        [middle[0] + 3 * tall * np.cos(a), middle[1] + 3 * tall * np.sin(a), middle[2] + 0.25 * tall] for a in angles
    ]
    fov = 2 * np.rad2deg(np.arctan(0.55 / 3.0 * width / height))
    cameras = Cameras.look_at(eyes, middle, fov_deg=float(fov), width=width, height=height)
    with torch.no_grad():
        views = tqdm(range(count), desc=path.name, unit="view", disable=None, leave=False)
        frames = [video.to_bytes(render(g, cameras[index], background=SKY).colors[0]) for index in views]
        if not moving:
            head = [middle[0], middle[1], float(high[2]) - 0.075 * tall]
            near = [head[0] + 0.5 * tall, head[1] + 0.15 * tall, head[2] + 0.02 * tall]
            face = Cameras.look_at([near], head, fov_deg=22, width=height, height=height)
            frames.append(video.to_bytes(render(g, face, background=SKY).colors[0]))
    if moving:
        video.write_video(path, frames, fps=24)
    else:
        video.write_picture(path, np.concatenate(frames, axis=1))
