"""Footage to simulator: scenes and people as 3D Gaussians, rendered and fitted on a CPU or a GPU."""

from splatsim.cameras import Cameras as Cameras
from splatsim.cameras import Rig as Rig
from splatsim.gaussians import Gaussians as Gaussians
