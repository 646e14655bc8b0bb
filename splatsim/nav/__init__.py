"""Navigation: episodes, the physics of a driving disc, and metrics."""

from splatsim.nav.episode import Episode as Episode
from splatsim.nav.episode import Trajectory as Trajectory
from splatsim.nav.metrics import PROFILES as PROFILES
from splatsim.nav.metrics import Profile as Profile
from splatsim.nav.metrics import measure as measure
