"""Outcome: all that a reconstruction found out, from the footage to the Gaussians."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from splatsim.reconstruction.align import Alignment
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.diagnosis import Diagnosis
from splatsim.reconstruction.fit.result import FitResult
from splatsim.reconstruction.frameset import FrameSet
from splatsim.reconstruction.poses import PoseReport
from splatsim.semantics import Semantics


@dataclass(frozen=True)
class Origin:
    """What a scene was made from, and how."""

    name: str
    """Short name of the footage."""
    input_name: str
    """File or folder name of the footage."""
    input_sha256: str
    """Of its content."""
    configuration: dict[str, Any]
    """All settings."""
    seconds: dict[str, float]
    """Wall clock of each stage."""


@dataclass(frozen=True)
class Outcome:
    """All that a reconstruction found out."""

    origin: Origin
    """Where it comes from."""
    frames: FrameSet | None
    """The chosen pictures; None where poses were given."""
    report: PoseReport | None
    """How the poses were found; None where they were given."""
    diagnosis: Diagnosis | None
    """What is wrong with the footage; None where poses were given."""
    capture: Capture
    """Posed pictures, in the frame of the scene."""
    alignment: Alignment
    """How that frame was found."""
    fitted: FitResult
    """The Gaussians, and how good they are."""
    semantics: Semantics | None = None
    """The class of every Gaussian, where label images were given."""
    label_ious: Mapping[str, float] = field(default_factory=dict)
    """Of each class, in the held-out pictures."""

    @property
    def refined(self) -> Capture:
        """The capture with the poses that the fit ended with."""
        return self.capture.replace(viewmats=self.fitted.viewmats.to(self.capture.viewmats))

    @property
    def antialiased(self) -> bool:
        """Whether the Gaussians were fitted with the compensation of small footprints."""
        return bool(self.origin.configuration["fit"]["antialiased"])
