"""Navigation: episodes, the physics of a driving disc, and metrics."""

from splatsim.nav.agent import Agent as Agent
from splatsim.nav.agent import Briefing as Briefing
from splatsim.nav.apartment import apartment_suite as apartment_suite
from splatsim.nav.apartment import apartment_world as apartment_world
from splatsim.nav.courses import Lengths as Lengths
from splatsim.nav.episode import Episode as Episode
from splatsim.nav.episode import Trajectory as Trajectory
from splatsim.nav.generation import generate_suite as generate_suite
from splatsim.nav.metrics import PROFILES as PROFILES
from splatsim.nav.metrics import Profile as Profile
from splatsim.nav.metrics import measure as measure
from splatsim.nav.observation import Observation as Observation
from splatsim.nav.setup import Humans as Humans
from splatsim.nav.setup import Sensors as Sensors
from splatsim.nav.setup import Setup as Setup
from splatsim.nav.suite import Suite as Suite
from splatsim.nav.world import World as World
