"""Maps from Gaussians alone: floor, free space, where a robot may drive, how far it is, and the view from above."""

from splatsim.maps.bev import BevOptions as BevOptions
from splatsim.maps.bev import bird_view as bird_view
from splatsim.maps.carving import Carving as Carving
from splatsim.maps.carving import carve as carve
from splatsim.maps.clearance import Clearance as Clearance
from splatsim.maps.clearance import clearance_of as clearance_of
from splatsim.maps.distance import DistanceField as DistanceField
from splatsim.maps.distance import distance_field as distance_field
from splatsim.maps.distance import length_of as length_of
from splatsim.maps.driving import Robot as Robot
from splatsim.maps.driving import drive_map as drive_map
from splatsim.maps.floor import Floor as Floor
from splatsim.maps.floor import fit_floor as fit_floor
from splatsim.maps.fog import FogOfWar as FogOfWar
from splatsim.maps.people import People as People
from splatsim.maps.scene_maps import MapOptions as MapOptions
from splatsim.maps.scene_maps import SceneMaps as SceneMaps
from splatsim.maps.scene_maps import map_gaussians as map_gaussians
from splatsim.maps.scene_maps import map_scene as map_scene
from splatsim.maps.views import Views as Views
