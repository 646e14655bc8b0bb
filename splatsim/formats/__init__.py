"""Files of Gaussians, one module per format. Only here are logits, logarithms and foreign axes converted."""

from splatsim.formats.ply import read_ply as read_ply
from splatsim.formats.ply import write_ply as write_ply
from splatsim.formats.splat import read_splat as read_splat
from splatsim.formats.splat import write_splat as write_splat
from splatsim.formats.spz import read_spz as read_spz
from splatsim.formats.spz import write_spz as write_spz
