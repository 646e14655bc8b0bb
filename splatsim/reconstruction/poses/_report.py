"""PoseReport: how many pictures found a pose, how well, and what is known of those that did not."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from splatsim.errors import FormatError

FILE = "poses.json"


@dataclass(frozen=True)
class FrameReport:
    """What is known of one frame."""

    name: str
    """File name among the chosen frames."""
    time: float
    """Seconds in the video; the index for photos."""
    model: int | None
    """The model it stands in, 0 is the largest; None without a pose."""
    keypoints: int
    """Features found."""
    links: int
    """Other frames that it matches."""
    points: int
    """Triangulated points that it sees."""
    reason: str | None
    """Why it is not in the largest model."""


@dataclass(frozen=True)
class ModelReport:
    """How good one model is."""

    frames: int
    """Frames with a pose."""
    stretches: tuple[tuple[float, float], ...]
    """Seconds of the video that it covers (index for photos)."""
    points: int
    """Triangulated points."""
    mean_track_length: float
    """Frames that see a point."""
    median_reprojection_error: float
    """Over all observations, pixels."""
    median_triangulation_angle_deg: float
    """Widest angle under which a point is seen; below 2° nothing is certain about depth."""
    focals: tuple[tuple[float, float, bool], ...]
    """Of each lens: focal length before and after, pixels, and whether the first came from the files."""
    lenses: tuple[str, ...]
    """Of each lens: COLMAP's model and parameters."""
    largest_jump: float | None
    """Longest step between neighbouring frames over the median step around it; None for photos."""
    largest_jump_time: float | None
    """When that was, seconds."""
    loops: int
    """Returns to a place that was out of view in between."""


@dataclass(frozen=True)
class PoseReport:
    """How many frames found a pose, how well, and why others did not."""

    given: int
    """Frames to be posed."""
    kind: str
    """"video" or "photos"."""
    models: tuple[ModelReport, ...]
    """Largest first."""
    frames: tuple[FrameReport, ...]
    """In the order of the footage."""
    median_keypoints: float
    """Features per frame."""
    verified_pairs: int
    """Pairs of frames that match."""
    homography_share: float
    """Share of them that a homography explains: all of them for pure rotation and for a flat scene."""
    rotation_stretch: float | None
    """How far these homographies stretch the view beyond a rotation, median; 1 is pure rotation, None unknown."""
    mapper: str
    """The mapper that gave the models."""
    attempts: tuple[str, ...]
    """What was tried, in order, with its outcome."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Per step. Steps that were done before are not counted again."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of COLMAP."""
    fingerprint: str = ""
    """Of the frames and the configuration."""

    @property
    def registered(self) -> int:
        """Frames in the largest model."""
        return self.models[0].frames if self.models else 0

    @property
    def share(self) -> float:
        """Of the frames, those in the largest model."""
        return self.registered / max(1, self.given)

    def save(self, folder: Path) -> None:
        """Write `poses.json`, at once or not at all."""
        temporary = folder / f".{FILE}.partial"
        temporary.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        os.replace(temporary, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "PoseReport":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is none.
            FormatError: it cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            raise FileNotFoundError(f"{folder} has no {FILE}; expected a folder of poses.")
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            content["models"] = tuple(_model(entry) for entry in content["models"])
            content["frames"] = tuple(FrameReport(**entry) for entry in content["frames"])
            content["attempts"] = tuple(content["attempts"])
            return cls(**content)
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{path} cannot be read ({error}); expected what PoseReport.save wrote.") from error


def _model(entry: dict[str, Any]) -> ModelReport:
    for name in ("stretches", "focals"):
        entry[name] = tuple(tuple(row) for row in entry[name])
    entry["lenses"] = tuple(entry["lenses"])
    return ModelReport(**entry)
