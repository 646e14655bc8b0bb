"""FrameSet: the pictures chosen from footage, and what was found wrong with the rest."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from splatsim.errors import FormatError

FILE = "frames.json"
IMAGES, MASKS = "images", "masks"

Cause = Literal[
    "black frames",
    "blur",
    "cut",
    "exposure jump",
    "low texture",
    "moving objects",
    "pure rotation",
    "static camera",
    "too few frames",
    "unreadable",
]


@dataclass(frozen=True)
class Frame:
    """One chosen picture, as a file without rotation flags: what one sees is what is stored."""

    name: str
    """File name in `images`. Of a video it is the number of the frame, from 0, with six digits: `000042.jpg`."""
    time: float
    """Seconds in the video; the index for photos."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    sharpness: float
    """Relative to its neighbours in time: 1 is as sharp as they are."""
    segment: int = 0
    """Number of the take: cuts begin a new one."""
    camera: int = 0
    """Pictures with the same number were taken with the same camera and zoom."""
    focal: float | None = None
    """Pixels, where the file says so (EXIF)."""
    gps: tuple[float, float, float] | None = None
    """Latitude and longitude in degrees, altitude in metres, where the file says so (EXIF)."""


@dataclass(frozen=True)
class Finding:
    """A stretch of the footage with something wrong."""

    cause: Cause
    """What it is."""
    start: float
    """Seconds in the video; the index for photos."""
    end: float
    """Seconds in the video; the index for photos."""
    detail: str
    """One sentence with the figure that shows it."""


@dataclass(frozen=True)
class Dropped:
    """One picture that was read and not chosen."""

    time: float
    """Seconds in the video; the index for photos."""
    reason: str
    """Such as "blur", "near duplicate", "unreadable"."""
    name: str = ""
    """File name of a photo; the number of a video's frame."""


@dataclass(frozen=True)
class FrameSet:
    """The chosen pictures in `folder/images`, and masks, where there are any, as `folder/masks/NAME.png`."""

    folder: Path
    """Where the pictures lie."""
    kind: Literal["video", "photos"]
    """What they were chosen from."""
    frames: tuple[Frame, ...]
    """In the order of the footage."""
    dropped: tuple[Dropped, ...] = ()
    """Pictures that were read and not chosen; of a video only those that were near to being chosen."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with the footage."""
    decoded: int = 0
    """Pictures that were read."""
    seconds: float = 0.0
    """Length of the video; 0 for photos."""

    def __len__(self) -> int:
        return len(self.frames)

    def save(self) -> None:
        """Write `frames.json` into the folder, at once or not at all; the pictures are there already."""
        content = {key: value for key, value in asdict(self).items() if key != "folder"}
        temporary = self.folder / f".{FILE}.partial"
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(temporary, self.folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "FrameSet":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there are no chosen frames in this folder.
            FormatError: the file cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            raise FileNotFoundError(f"{folder} has no {FILE}; expected a folder of chosen frames.")
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            content["frames"] = tuple(_frame(entry) for entry in content["frames"])
            content["dropped"] = tuple(Dropped(**entry) for entry in content["dropped"])
            content["findings"] = tuple(Finding(**entry) for entry in content["findings"])
            return cls(folder, **content)
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{path} cannot be read ({error}); expected what FrameSet.save wrote.") from error


def _frame(entry: dict[str, Any]) -> Frame:
    gps = entry.pop("gps", None)
    return Frame(**entry, gps=None if gps is None else tuple(gps))
