"""`splatsim reconstruct`: what is most often chosen, as flags; the library's ReconstructConfig has the rest."""

import logging
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from splatsim.reconstruction import ReconstructConfig, reconstruct
from splatsim.reconstruction.page import REPORT
from splatsim.reconstruction.pipeline import default_folder
from splatsim.reconstruction.results import PREVIEW

UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Choices:
    """What a reconstruction is to be like."""

    budget: str | None = None
    """Time for the fit, such as 90s, 5min or 1h: becomes a number of steps by a short trial, and is kept."""
    steps: int | None = None
    """Steps of the fit, in place of a time: the same number gives the same scene, bit for bit."""
    quality: Literal["fast", "standard", "best"] = "standard"
    """Sets steps and number of Gaussians where they are not given."""
    max_gaussians: int | None = None
    """No more Gaussians than this."""
    max_size: int = 640
    """Long side of the pictures that the fit sees, pixels; 0 leaves them as they are."""
    holdout: int = 8
    """Every so-manieth picture is kept out of the fit and only measured; 0 fits all."""
    poses: Literal["incremental", "global"] = "incremental"
    """How poses are found: one picture after the other, or all at once (checked, and incremental where it fails)."""
    refine_poses: bool = False
    """Let the fit move the cameras a little."""
    frames: int = 150
    """Most pictures that are taken from a video."""
    features: int = 0
    """Most features per picture, for the poses; 0 takes what suits the footage."""
    kind: Literal["video", "photos", "colmap", "transforms"] | None = None
    """What the input is read as, where a folder can be several things: photos beside a transforms.json, say."""
    place: int = 1
    """Where the footage shows several places: which one, 1 for the one with the most pictures."""
    camera_height: float | None = None
    """Height of the camera above the floor while filming, metres: gives the scene its scale."""
    known_distance: tuple[str, str, float] | None = None
    """Two pictures, and how far apart they were taken, metres: gives the scene its scale."""
    scale: float | None = None
    """Metres per unit of the poses."""
    input_units: bool = False
    """Poses that come with the input are in metres."""
    up: Literal["auto", "keep"] = "auto"
    """Find up and the floor, or keep the frame of the poses that come with the input: z up, floor at z = 0."""
    masks: Path | None = None
    """Folder of masks, one for each photo or frame: what is black there is not used."""
    labels: Path | None = None
    """Folder of label images, one for each photo or frame: class numbers, from any segmenter."""
    classes: Path | None = None
    """File with the names of the classes."""
    seed: int = 0
    """Decides everything that is random."""

    def config(self) -> ReconstructConfig:
        """The library's configuration.

        Raises:
            ValueError: a value is out of range, or two exclude each other.
        """
        default = ReconstructConfig()
        budget = None if self.budget is None else seconds_of(self.budget)
        return replace(
            default,
            frames=replace(default.frames, frames=self.frames),
            poses=replace(
                default.poses, mapper=self.poses, max_size=self.max_size, features=self.features, seed=self.seed
            ),
            align=replace(
                default.align,
                camera_height=self.camera_height,
                known_distance=self.known_distance,
                scale=self.scale,
                input_units=self.input_units,
                up=self.up,
            ),
            fit=replace(
                default.fit,
                budget=budget,
                steps=self.steps,
                quality=self.quality,
                max_gaussians=self.max_gaussians,
                holdout=self.holdout,
                refine_poses=self.refine_poses,
                seed=self.seed,
            ),
            kind=self.kind,
            place=self.place,
            masks=self.masks,
            labels=self.labels,
            classes=self.classes,
        )


def seconds_of(text: str) -> float:
    """Seconds of a time such as 90s, 5min or 1h.

    Raises:
        ValueError: it is no such time.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if not found or found[2] not in UNITS:
        raise ValueError(f'budget is "{text}"; expected a time such as 90s, 5min or 1h.')
    return float(found[1]) * UNITS[found[2]]


def reconstruct_footage(
    footage: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="INPUT")],
    out: Path | None = None,
    choices: Annotated[Choices, tyro.conf.arg(name="")] = Choices(),
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Turn a video, photos, a COLMAP model or a transforms.json into a scene folder.

    Args:
        footage: A video; a folder of photos; a COLMAP model with its images; or a transforms.json.
        out: Folder for the scene; NAME_scene by default.
        choices: What it is to be like.
        resume: Go on with what an interrupted run left in the folder.
        overwrite: Begin anew although the folder holds a scene; the old one stays until the new one is finished.
    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("splatsim").setLevel(logging.INFO)
    out = out or default_folder(footage)
    scene = reconstruct(footage, choices.config(), out=out, resume=resume, overwrite=overwrite)
    assert scene.gaussians is not None
    print(f"{out}: {len(scene.gaussians)} Gaussians; see {out / REPORT} and {out / PREVIEW}")
