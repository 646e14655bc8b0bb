"""What can be chosen about the poses."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PoseConfig:
    """How camera poses are found from the pictures alone.

    Raises:
        ValueError: a number is out of its range.
    """

    mapper: Literal["incremental", "global"] = "incremental"
    """"incremental" adds one picture after the other; "global" solves all at once: faster with hundreds of pictures."""
    camera_model: Literal["simple_radial", "radial", "opencv", "opencv_fisheye", "pinhole"] = "simple_radial"
    """The lens: "simple_radial" has one focal length and one distortion, "opencv" two of one and four of the other."""
    max_image_side: int = 1080
    """Features are found on pictures of at most this size, long side in pixels; 0 takes them as they are."""
    features: int = 0
    """Most features per picture; 0 takes 4096 of a video and 2048 of photos, which are matched all with all."""
    overlap: int = 10
    """Video: each frame is matched with the ones 1, 2, 4, 8 … further on, so many times doubled."""
    loops: int = 3
    """Video: each frame is matched with so many more that look like it, to find returns to a place; 0 for none."""
    exhaustive: int = 150
    """Photos: up to so many, each is matched with every other one; of more, each with those that look like it."""
    retries: bool = True
    """Match more pairs and lower the thresholds where pictures are left without a pose."""
    max_size: int = 640
    """Long side of the pictures that the fit trains on, pixels; 0 leaves them as they are."""
    seed: int = 0
    """Of everything drawn at random."""

    def __post_init__(self) -> None:
        smallest = {"max_image_side": 0, "features": 100, "overlap": 1, "loops": 0, "exhaustive": 2, "max_size": 0}
        for name, least in smallest.items():
            if getattr(self, name) < least and not (name == "features" and self.features == 0):
                raise ValueError(f"PoseConfig.{name} is {getattr(self, name)}; expected at least {least}.")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"PoseConfig.seed is {self.seed}; expected 0 to {2**31 - 1}.")
