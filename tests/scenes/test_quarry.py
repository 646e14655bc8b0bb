"""The quarry: its maps agree with rays, its drive stays on the ground, and a small run gives the whole folder."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("embreex")

from splatsim.grids import FREE
from splatsim.scene import Scene
from tests.scenes import generators

# isort: split
from _worldgen.tracer import Tracer

SEED = 2
SMALL = ("--width=160", "--luxel=1.5", "--rays=3", "--every=70", "--views=2", "--surfels=20000", "--workers=1")


@pytest.fixture(scope="module")
def world():
    """The world before any light."""
    return generators.load("quarry").world(SEED)


@pytest.mark.slow
def test_occupancy_agrees_with_rays(world) -> None:
    grid, tracer, rng = world.occupancy, Tracer(world.model), np.random.default_rng(0)
    size = grid.frame.voxel_size
    free = np.argwhere(grid.states().numpy() == FREE)
    centers = np.array(grid.frame.origin) + (free[rng.integers(len(free), size=60_000)] + 0.5) * size
    assert not generators.crosses_surface(tracer, centers, size * 0.999).any()
    points = centers + rng.uniform(-0.49, 0.49, centers.shape) * size
    assert not generators.sees_inner_side(tracer, points, rng, 4).any()
    interior = np.argwhere(grid.interior.numpy())
    points = np.array(grid.frame.origin) + (interior[rng.integers(len(interior), size=10_000)] + 0.5) * size
    assert generators.sees_inner_side(tracer, points, rng, 60).all()


@pytest.mark.slow
def test_the_drive_is_calm_and_stays_over_free_ground(world) -> None:
    walk = world.walk
    assert 40 <= walk.seconds[-1] <= 60
    position = walk.world_from_cam[:, :3, 3]
    tracer = Tracer(world.model)
    below = tracer.first(position, np.tile([0.0, 0.0, -1.0], (len(position), 1)))
    assert below.distance.min() > 1.9
    assert below.distance.max() < 2.9
    assert not tracer.blocked(position[:-1], np.diff(position, axis=0), 1.0).any()
    west, north = world.nav_map.frame.north_west
    row, column = ((north - position[:, 1]) / 0.05).astype(int), ((position[:, 0] - west) / 0.05).astype(int)
    assert (world.nav_map.cells.numpy()[row, column] == FREE).all()


@pytest.mark.slow
def test_a_small_run_gives_the_whole_folder(tmp_path: Path) -> None:
    script = generators.SCENES / "quarry" / "make.py"
    command = [sys.executable, str(script), f"--seed={SEED}", f"--out={tmp_path / 'pit'}", *SMALL]
    subprocess.run(command, check=True, capture_output=True)
    names = {path.name for path in (tmp_path / "pit").iterdir()}
    assert names >= {"scene.toml", "mesh.glb", "quarry.mp4", "trajectory.json", "gaussians.spz", "map.png", "views"}
    scene = Scene.load(tmp_path / "pit")
    assert scene.occupancy is not None
    assert scene.occupancy.counts()["truck"] > 100
