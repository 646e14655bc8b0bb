"""From chosen frames to posed pictures: structure from motion by COLMAP. The only place that knows pycolmap."""

from splatsim.reconstruction.poses._capture import Source as Source
from splatsim.reconstruction.poses._capture import without_spaces as without_spaces
from splatsim.reconstruction.poses._config import PoseConfig as PoseConfig
from splatsim.reconstruction.poses._database import Lens as Lens
from splatsim.reconstruction.poses._estimate import Posed as Posed
from splatsim.reconstruction.poses._estimate import estimate_poses as estimate_poses
from splatsim.reconstruction.poses._export import write_model as write_model
from splatsim.reconstruction.poses._known import capture_from_model as capture_from_model
from splatsim.reconstruction.poses._known import triangulate as triangulate
from splatsim.reconstruction.poses._originals import Original as Original
from splatsim.reconstruction.poses._originals import read_originals as read_originals
from splatsim.reconstruction.poses._report import FrameReport as FrameReport
from splatsim.reconstruction.poses._report import ModelReport as ModelReport
from splatsim.reconstruction.poses._report import PoseReport as PoseReport
