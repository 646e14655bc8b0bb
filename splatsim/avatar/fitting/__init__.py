"""Fitting avatars to captures: keypoints to poses, masks, the alignment gate, Gaussians by differentiable rendering."""

from splatsim.avatar.fitting.capture import PersonCapture as PersonCapture
from splatsim.avatar.fitting.capture import load_capture as load_capture
from splatsim.avatar.fitting.person import Dials as Dials
from splatsim.avatar.fitting.results import AvatarFit as AvatarFit
from splatsim.avatar.fitting.results import AvatarFitConfig as AvatarFitConfig
from splatsim.avatar.fitting.run import fit_avatar as fit_avatar
