"""What the pictures of a capture were made from, so that label images of the originals follow them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from splatsim.errors import FormatError
from splatsim.reconstruction.poses._database import Lens
from splatsim.reconstruction.poses._lenses import undistortion

FILE = "originals.json"


@dataclass(frozen=True)
class Original:
    """A picture before its distortion was removed."""

    name: str
    """File name."""
    lens: Lens
    """Its size and distortion."""
    max_size: int
    """Long side to which the picture of the capture was reduced, pixels; 0: it was not."""

    def undistort_labels(self, labels: UInt8[Tensor, "h w"]) -> UInt8[Tensor, "h2 w2"]:
        """Labels of the original as labels of the picture in the capture: each pixel takes the nearest."""
        return torch.from_numpy(undistortion(self.lens, self.max_size).labels(labels.numpy()))


def write_originals(folder: Path, originals: Sequence[Original]) -> None:
    """Beside the capture of the same pictures, in the same order."""
    content = [asdict(original) for original in originals]
    (folder / FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_originals(folder: Path) -> list[Original]:
    """What `write_originals` wrote.

    Raises:
        FormatError: it is missing or damaged.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [_original(entry) for entry in content]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{path} cannot be read ({error}); expected a list of pictures and their lenses.") from error


def _original(entry: dict[str, Any]) -> Original:
    lens = {**entry["lens"], "params": tuple(float(value) for value in entry["lens"]["params"])}
    return Original(entry["name"], Lens(**lens), int(entry["max_size"]))
