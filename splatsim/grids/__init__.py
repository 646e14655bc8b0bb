"""Grids over the world: voxels in 3D, cells in 2D. What nobody has seen is UNKNOWN, and unknown is never free.

Voxels are indexed x, y, z from the minimum corner. Cells are indexed row, column from the north-west corner: row 0 is
north (largest y) and rows run south, as in a picture, so that maps and overhead renders overlay without a flip.
"""

from splatsim.grids._checks import FREE as FREE
from splatsim.grids._checks import FREE_CLASS as FREE_CLASS
from splatsim.grids._checks import OCCUPIED as OCCUPIED
from splatsim.grids._checks import UNKNOWN as UNKNOWN
from splatsim.grids.bev import BevMap as BevMap
from splatsim.grids.bev import EgoFrame as EgoFrame
from splatsim.grids.cells import GridFrame as GridFrame
from splatsim.grids.cells import NavMap as NavMap
from splatsim.grids.voxels import OccupancyGrid as OccupancyGrid
from splatsim.grids.voxels import VoxelFrame as VoxelFrame
