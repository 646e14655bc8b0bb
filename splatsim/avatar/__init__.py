"""People as Gaussians: bodies, their skeletons and poses, skinning, motion, and fitting to footage."""

from splatsim.avatar.avatar import Avatar as Avatar
from splatsim.avatar.body import Body as Body
from splatsim.avatar.body import ShapedBody as ShapedBody
from splatsim.avatar.roles import ROLES as ROLES
from splatsim.avatar.roles import joint_roles as joint_roles
from splatsim.avatar.skeleton import Pose as Pose
from splatsim.avatar.skeleton import Skeleton as Skeleton
from splatsim.avatar.skeleton import world_from_joints as world_from_joints
from splatsim.avatar.skeleton import world_from_rest as world_from_rest
from splatsim.avatar.skin_weights import SkinWeights as SkinWeights
from splatsim.avatar.skinning import skin_gaussians as skin_gaussians
from splatsim.avatar.skinning import skin_points as skin_points
