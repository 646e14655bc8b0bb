"""Footage to simulator: scenes and people as 3D Gaussians, rendered and fitted on a CPU or a GPU."""

from typing import TYPE_CHECKING, Any

from splatsim import fitting as fitting
from splatsim.cameras import Cameras as Cameras
from splatsim.cameras import Rig as Rig
from splatsim.formats import load_gaussians as load_gaussians
from splatsim.formats import save_gaussians as save_gaussians
from splatsim.gaussians import Gaussians as Gaussians
from splatsim.occupancy import refine as refine
from splatsim.rendering import Render as Render
from splatsim.rendering import Surface as Surface
from splatsim.rendering import render as render
from splatsim.rendering import render_surface as render_surface
from splatsim.scene import Scene as Scene

if TYPE_CHECKING:
    from splatsim.reconstruction import ReconstructConfig as ReconstructConfig
    from splatsim.reconstruction import reconstruct as reconstruct


def __getattr__(name: str) -> Any:
    """What needs OpenCV and COLMAP is imported when it is asked for, so that the rest works without them."""
    if name in ("ReconstructConfig", "reconstruct"):
        from splatsim import reconstruction

        return getattr(reconstruction, name)
    raise AttributeError(f"module 'splatsim' has no attribute {name!r}")
