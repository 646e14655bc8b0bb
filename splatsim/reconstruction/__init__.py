"""From footage to a scene: frames, poses, alignment, fit and semantics; each stage can be called alone."""

from splatsim.reconstruction.capture import Capture as Capture
from splatsim.reconstruction.labels import Classes as Classes
from splatsim.reconstruction.labels import LabelFolder as LabelFolder
from splatsim.reconstruction.labels import read_labels as read_labels
from splatsim.reconstruction.pipeline import ReconstructConfig as ReconstructConfig
from splatsim.reconstruction.pipeline import reconstruct as reconstruct
from splatsim.reconstruction.semantics import lift_labels as lift_labels
