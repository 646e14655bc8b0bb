"""The numbers behind a fit of an avatar."""

from dataclasses import dataclass, field

from splatsim.avatar.fitting.evidence import EvidenceRecipe
from splatsim.avatar.fitting.posing import PoseTrust
from splatsim.fitting.splats import Rates

RATES = Rates(means=1.6e-3, quats=2e-3, log_scales=1e-2, logit_opacities=3e-2, sh=8e-3)


@dataclass(frozen=True)
class AvatarRecipe:
    """The numbers behind a fit."""

    gaussians: int = 8_000
    """At the start."""
    most_gaussians: int = 16_000
    """At the end."""
    ssim_weight: float = 0.2
    mask_weight: float = 0.1
    """Of the mean difference between coverage and mask."""
    rates: Rates = RATES
    length: float = 0.1
    """Unit of the means' learning rate, metres."""
    growth: tuple[float, float] = (0.1, 0.7)
    move_every: int = 200
    least_opacity: float = 0.02
    largest_scale: float = 0.03
    """Metres; larger Gaussians are drawn together."""
    largest_ratio: float = 12.0
    """Of a Gaussian's longest to its shortest axis."""
    shape_weight: float = 1.0
    off_surface: float = 0.05
    """Metres from the body's surface that are free, or nearly."""
    off_surface_weight: float = 1.0
    pull: float = 2e-4
    """Of the mean distance from the surface, in units of what is free."""
    opacity_weight: float = 1e-2
    """Of what the mean opacity lacks to 1: nobody sees through a person."""
    flatness: float = 2e-4
    """Of the mean thickness, in units of 5 mm."""
    neighbour_weight: float = 2e-3
    """Of the differences in colour and opacity between neighbours."""
    isometry_weight: float = 0.1
    """Of changes of distance between neighbours when the body is posed."""
    neighbours: int = 5
    neighbour_sample: int = 2_000
    coarse_until: float = 0.5
    """Shots are fitted at half their size before: that is fast, and poses find their way from farther away."""
    early_settling: tuple[int, ...] = (36, 60, 90, 120, 180, 240, 300, 390, 480, 540)
    """Steps after which all poses make one step: often at first, before the Gaussians have learnt wrong poses."""
    settling: tuple[float, ...] = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
    """Shares of the steps after which they make another one."""
    settling_views: int = 4
    """At most so many pictures of each time are looked at then."""
    trust: PoseTrust = field(default_factory=PoseTrust)
    evidence: EvidenceRecipe = field(default_factory=EvidenceRecipe)
    camera_start: float = 0.04
    """Cameras and their colours stay where they are before."""
    camera_rate: float = 0.0
    """Radians and metres; 0 leaves the cameras where they are."""
    exposure_rate: float = 0.0
    """Of the cameras' gains and offsets; 0 takes all cameras for alike."""
    exposure_pull: float = 0.02
    """Of the squares of log gains and offsets."""
    steps_of_weights: int = 400
    """After so many steps Gaussians look up their weights again, at the places to which they have moved."""
