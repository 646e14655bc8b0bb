"""Crowds: people who walk to their goals past walls, each other and robots."""

from splatsim.avatar.crowd.guides import Straight as Straight
from splatsim.avatar.crowd.orca import OrcaOptions as OrcaOptions
from splatsim.avatar.crowd.simulation import Crowd as Crowd
from splatsim.avatar.crowd.simulation import Others as Others
from splatsim.avatar.crowd.simulation import overlap as overlap
from splatsim.avatar.crowd.simulation import run as run
from splatsim.avatar.crowd.social_force import SocialForceOptions as SocialForceOptions
from splatsim.avatar.crowd.walls import Walls as Walls
from splatsim.avatar.crowd.ways import Ways as Ways
from splatsim.avatar.crowd.ways import ways_to as ways_to
from splatsim.avatar.crowd.ways import ways_to_each as ways_to_each
