"""Occupancy: voxels as Gaussians and back, dense maps from sparse grids, and how good a grid is."""
