"""The apartment: its maps agree with rays, its walk stays in free space, and a small run gives the whole folder."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("embreex")


from splatsim.errors import FormatError
from splatsim.grids import FREE, OCCUPIED
from splatsim.scene import Scene
from tests.conftest import read_video
from tests.scenes import generators

# isort: split
from _worldgen.tracer import Tracer

SEED = 3
SMALL = ("--width=160", "--luxel=0.25", "--rays=4", "--every=60", "--views=2", "--surfels=20000", "--workers=1")


@pytest.fixture(scope="module")
def world():
    """The world before any light."""
    return generators.load("apartment").world(SEED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder made by the script."""
    out = tmp_path_factory.mktemp("apartment") / "flat"
    assert run(out).returncode == 0
    return out


def run(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    script = generators.SCENES / "apartment" / "make.py"
    command = [sys.executable, str(script), f"--seed={SEED}", f"--out={out}", *SMALL, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def random_voxels(grid, states, state: int, count: int, rng) -> np.ndarray:
    index = np.argwhere(states == state)
    return index[rng.integers(len(index), size=count)]


def test_it_has_the_rooms_and_the_size_of_a_flat(world) -> None:
    assert 80 <= world.facts["area_m2"] <= 120
    assert 4 <= len([room for room in world.facts["rooms"] if not room.startswith("corridor")]) <= 6
    assert len(world.model.instance_names) > 500


def test_another_seed_is_another_flat(world) -> None:
    other = generators.load("apartment").design(SEED + 1)[1]
    assert other.corners.shape != world.model.corners.shape


def test_the_same_seed_is_the_same_flat(world) -> None:
    again = generators.load("apartment").design(SEED)[1]
    assert np.array_equal(again.corners, world.model.corners)
    assert again.instance_names == world.model.instance_names


def test_occupancy_agrees_with_rays(world) -> None:
    """Free voxels hold no surface and lie outside of solids; interior ones lie within; occupied ones hold a surface."""
    grid, tracer, rng = world.occupancy, Tracer(world.model), np.random.default_rng(0)
    states, size = grid.states().numpy(), grid.frame.voxel_size
    index = random_voxels(grid, states, FREE, 60_000, rng)
    centers = np.array(grid.frame.origin) + (index + 0.5) * size
    assert not generators.crosses_surface(tracer, centers, size * 0.999).any()
    points = centers + rng.uniform(-0.49, 0.49, centers.shape) * size
    assert not generators.sees_inner_side(tracer, points, rng, 4).any()
    interior = np.argwhere((grid.interior & grid.observed).numpy())
    points = np.array(grid.frame.origin) + (interior[rng.integers(len(interior), size=20_000)] + 0.5) * size
    assert generators.sees_inner_side(tracer, points, rng, 60).all()


def test_the_map_agrees_with_rays(world) -> None:
    """Nothing stands over free cells within the height band."""
    nav, tracer, rng = world.nav_map, Tracer(world.model), np.random.default_rng(1)
    cells = nav.cells.numpy()
    free = np.argwhere(cells == FREE)[rng.integers((cells == FREE).sum(), size=40_000)]
    west, north = nav.frame.north_west
    inside = rng.uniform(0.01, 0.99, free.shape)
    x, y = west + (free[:, 1] + inside[:, 1]) * 0.05, north - (free[:, 0] + inside[:, 0]) * 0.05
    low, high = nav.z_range
    start = np.stack([x, y, np.full(len(x), low + 1e-4)], -1)
    assert not tracer.blocked(start, np.tile([0.0, 0.0, high - low - 2e-4], (len(start), 1)), 1.0).any()
    assert (cells == OCCUPIED).sum() > 2000


def test_the_walk_is_calm_free_and_visits_all_rooms(world) -> None:
    walk = world.walk
    assert 40 <= walk.seconds[-1] <= 60
    position = walk.world_from_cam[:, :3, 3]
    assert np.linalg.norm(np.diff(position, axis=0), axis=1).max() * 15 < 1.5
    yaw = np.unwrap(np.arctan2(walk.world_from_cam[:, 1, 2], walk.world_from_cam[:, 0, 2]))
    assert np.degrees(np.abs(np.diff(yaw)).max() * 15) < 90
    tracer = Tracer(world.model)
    assert not tracer.blocked(position[:-1], np.diff(position, axis=0), 1.0).any(), "never through a wall"
    cell = world.nav_map.frame.cell_of(torch.from_numpy(position[:, :2]))
    assert bool((world.nav_map.cells[cell[:, 0], cell[:, 1]] == FREE).all())


@pytest.mark.slow
def test_a_small_run_gives_the_whole_folder(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    assert names >= {"scene.toml", "mesh.glb", "apartment.mp4", "trajectory.json", "gaussians.spz", "map.png", "views"}
    frames = read_video(made / "apartment.mp4")
    poses = json.loads((made / "trajectory.json").read_text())
    assert len(frames) == len(poses["world_from_cam"])
    assert frames.shape[1:] == (90, 160, 3)
    assert 40 < frames.mean() < 200
    assert len(list((made / "views").glob("*.jpg"))) == 2
    scene = Scene.load(made)
    assert scene.gaussians is not None
    assert len(scene.gaussians) > 15_000
    assert scene.provenance["licence"] == "CC0-1.0"


@pytest.mark.slow
def test_a_second_run_gives_the_same_bytes_and_nothing_is_overwritten(made: Path, tmp_path: Path) -> None:
    kept = (made / "checksums.txt").read_text()
    refused = run(made)
    assert refused.returncode != 0
    assert "holds a scene already" in refused.stderr
    assert run(tmp_path / "again").returncode == 0
    assert (tmp_path / "again" / "checksums.txt").read_text() == kept
    for line in kept.splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    assert sorted(path.name for path in made.parent.iterdir()) == ["flat"]


@pytest.mark.slow
def test_a_damaged_part_of_a_made_world_is_named(made: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(made, tmp_path / "copy")
    (copy / "occupancy.npz").write_bytes(b"half")
    with pytest.raises(FormatError, match="the part 'occupancy' is damaged"):
        Scene.load(copy)
