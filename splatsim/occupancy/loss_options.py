"""What gs_refinement_loss() is made of: its terms, their weights, and who renders."""

from dataclasses import dataclass
from typing import Literal

from splatsim.occupancy.voxel_shapes import VoxelShape
from splatsim.rendering import Backend


@dataclass(frozen=True)
class LossOptions:
    """What the loss is made of. A weight of 0 leaves a term out, and its cost as well.

    Raises:
        ValueError: a number or a word is out of range.
    """

    semantic: float = 1.0
    """Weight of the cross-entropy of labels, or the divergence from soft ones."""
    silhouette: float = 0.2
    """Weight of coverage against sky."""
    depth: float = 0.05
    """Weight of depth, per metre or per unit of SILog."""
    returns: float = 0.2
    """Weight of the likelihood of LiDAR returns."""
    carve: float = 0.2
    """Weight of free space before LiDAR returns."""
    entropy: float = 0.0
    """Weight of the entropy of being occupied."""
    distortion: float = 0.0
    """Weight of spread along rays, in squares of a voxel."""
    depth_kind: Literal["l1", "silog"] = "l1"
    """Metres, or scale-invariant."""
    by_class: tuple[float, ...] | None = None
    """Weight of each label (`class_weights` makes them); 1, if None."""
    focal: float = 0.0
    """Exponent of the focal loss; 0 is plain cross-entropy."""
    per: Literal["pixel", "voxel", "ray"] = "pixel"
    """Each pixel counts the same; or each voxel that is seen; or each solid angle."""
    band: int = 0
    """Pixels beside a border between labels that are left out on either side."""
    margin: float = 0.0
    """Voxels before and behind that of a LiDAR return in which a hit is right as well."""
    renderer: Literal["splat", "rays"] = "splat"
    """Gaussians, which see far and fast; or exact rays, whose gradient also fills empty voxels."""
    shape: VoxelShape = VoxelShape()  # noqa: RUF009 - frozen
    """How voxels become Gaussians."""
    pixels: int | None = None
    """With "rays": how many pixels are drawn for each set of cameras; all, if None."""
    backend: Backend = "auto"
    """Who renders the Gaussians."""

    def __post_init__(self) -> None:
        for name in ("semantic", "silhouette", "depth", "returns", "carve", "entropy", "distortion", "focal", "margin"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"LossOptions.{name} is {value}; expected a number of 0 or more.")
        for name, words in (("depth_kind", ("l1", "silog")), ("per", ("pixel", "voxel", "ray"))):
            if getattr(self, name) not in words:
                raise ValueError(f"LossOptions.{name} is {getattr(self, name)!r}; expected one of {', '.join(words)}.")
        if self.renderer not in ("splat", "rays"):
            raise ValueError(f'LossOptions.renderer is {self.renderer!r}; expected "splat" or "rays".')
        if self.band < 0 or (self.pixels is not None and self.pixels < 1):
            raise ValueError(f"LossOptions has band {self.band} and pixels {self.pixels}; expected ≥ 0 and ≥ 1.")
