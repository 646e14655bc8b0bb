"""From footage to a scene: frames, poses, alignment, fit and semantics; each stage can be called alone."""

from splatsim.reconstruction.capture import Capture as Capture
