"""A scene and its layers to look at: in the browser through viser, or in a file for rerun."""

from splatsim.viewer.avatars import read_avatars as read_avatars
from splatsim.viewer.avatars import stand as stand
from splatsim.viewer.server import Viewer as Viewer
from splatsim.viewer.server import check_port as check_port
from splatsim.viewer.server import view as view
from splatsim.viewer.splats import covariances as covariances
from splatsim.viewer.splats import most_important as most_important
