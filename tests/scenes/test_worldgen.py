"""The shared parts of the generators: closed shapes, exact hits, true light, exact voxels, calm cameras."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("embreex")

from splatsim.cameras import Cameras
from splatsim.rendering import render
from tests.scenes import generators

# isort: split
from _worldgen import noise
from _worldgen.finish import Finish, FinishTable
from _worldgen.lidar import Lidar, sweep
from _worldgen.light import AreaLight, Bake, make_luxels
from _worldgen.meshes import write_glb
from _worldgen.options import parse
from _worldgen.patterns import PATTERNS
from _worldgen.pictures import Studio, measure
from _worldgen.produce import main
from _worldgen.shapes import Builder
from _worldgen.shooting import intrinsics, seen_mask, write_poses
from _worldgen.sky_shell import sky_gaussians
from _worldgen.surfels import Cells, count_pixels, surface_gaussians
from _worldgen.tracer import Tracer, on_quad
from _worldgen.voxels import nav_map, occupancy_grid, voxel_frame
from _worldgen.walk import Ground, camera, film

GREY = Finish("plain", (0.5, 0.5, 0.5))


def build(*shapes) -> object:
    builder = Builder(("free", "thing"))
    for shape in shapes:
        with builder.part("thing"):
            shape(builder)
    return builder.model()


def volume(model) -> float:
    triangles = model.corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)
    return float(np.linalg.det(triangles).sum() / 6)


BENT = np.stack([*np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 2, 4)), np.zeros((4, 5))], -1)
SHAPES = {
    "box": (lambda b: b.box((0, 0, 0), (1, 2, 3), GREY), 6.0, 1e-6),
    "cylinder": (lambda b: b.cylinder(0.5, 0, 2, GREY, 64), np.pi / 2, 0.01),
    "rod": (lambda b: b.rod((0, 0, 0), (1, 2, 2), 0.1, GREY, 64), 0.03 * np.pi, 0.01),
    "cushion": (lambda b: b.cushion((0, 0, 0), (2, 2, 2), GREY, 1.0, (60, 40)), 4 / 3 * np.pi, 0.02),
    "prism": (lambda b: b.prism([(0, 0), (2, 0), (3, 1), (2, 2), (0, 2)], 0, 2, GREY), 10.0, 1e-6),
    "slab": (lambda b: b.slab(BENT, 0.1, GREY), 0.2, 1e-6),
    "bowl": (lambda b: b.lathe([(1, 0), (1, 1), (0.5, 1), (0.5, 0.5)], GREY, 128), np.pi * (1 - 0.125), 0.01),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_closed_and_face_outwards(name: str) -> None:
    shape, expected, tolerance = SHAPES[name]
    model = build(shape)
    cross = np.cross(model.corners[:, 2] - model.corners[:, 0], model.corners[:, 3] - model.corners[:, 1]) / 2
    assert np.abs(cross.sum(axis=0)).max() < 1e-9, "the area vectors of a closed surface sum to nothing"
    assert volume(model) == pytest.approx(expected, rel=tolerance)


def test_a_placed_shape_keeps_its_volume() -> None:
    def turned(b):
        with b.place(1, 2, 3, 0.4, 0.5, 0.6, scale=2.0):
            b.box((0, 0, 0), (1, 1, 1), GREY)

    assert volume(build(turned)) == pytest.approx(8.0)


def test_hits_lie_where_quad_and_st_say() -> None:
    model = build(lambda b: b.cushion((0, 0, 0), (1, 2, 1.5), GREY, 0.4))
    rng = np.random.default_rng(0)
    origins, rays = rng.normal(size=(20_000, 3)) * 3, generators.directions(rng, 20_000)
    tracer = Tracer(model)
    hits = tracer.first(origins, rays)
    met = hits.quad >= 0
    place = on_quad(model.corners[hits.quad[met]], hits.st[met])
    assert met.sum() > 200
    assert np.abs(place - (origins + rays * hits.distance[:, None])[met]).max() < 1e-4
    assert tracer.blocked(origins[met], rays[met], 1e9).all()
    assert not tracer.blocked(origins[met], rays[met] * hits.distance[met, None], 0.99).any()


def test_noise_depends_on_the_seed_alone_and_fades_with_the_footprint() -> None:
    u = np.linspace(0, 30, 4000, dtype=np.float32)
    near, far = np.full(4000, 1e-4, np.float32), np.full(4000, 10.0, np.float32)
    first = noise.fbm(u, u * 0.3, np.uint32(7), 1.0, 4, near)
    assert np.array_equal(first, noise.fbm(u, u * 0.3, np.uint32(7), 1.0, 4, near))
    assert np.abs(first - noise.fbm(u, u * 0.3, np.uint32(8), 1.0, 4, near)).mean() > 0.1
    assert np.abs(noise.fbm(u, u * 0.3, np.uint32(7), 1.0, 4, far)).max() == 0
    nearest, second, owner = noise.worley(u, u, np.uint32(1))
    assert (nearest <= second).all()
    assert ((owner >= 0) & (owner < 1)).all()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_finite_varied_and_filtered(pattern: str) -> None:
    table = FinishTable([Finish(pattern, (0.6, 0.4, 0.2), (0.2, 0.3, 0.4), 0.1, 5)], PATTERNS)
    uv = np.random.default_rng(1).uniform(0, 2, (3000, 2)).astype(np.float32)
    sharp = table.albedo(np.zeros(3000, int), uv, np.full(3000, 1e-4, np.float32))
    assert np.isfinite(sharp).all()
    assert sharp.min() > 0
    assert sharp.max() < 1
    assert sharp.std() > 0.002
    assert np.array_equal(sharp, table.albedo(np.zeros(3000, int), uv, np.full(3000, 1e-4, np.float32)))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_at_a_point_does_not_depend_on_what_else_is_in_view(pattern: str) -> None:
    finishes = [Finish(pattern, (0.6, 0.4, 0.2), (0.2, 0.3, 0.4), scale, 5) for scale in (0.1, 0.25)]
    table, uv = FinishTable(finishes, PATTERNS), np.random.default_rng(1).uniform(0, 2, (400, 2)).astype(np.float32)
    which, footprint = np.arange(400) % 2, np.full(400, 1e-3, np.float32)
    together = table.albedo(which, uv, footprint)
    alone = table.albedo(which[::2], uv[::2], footprint[::2])
    assert np.array_equal(together[::2], alone)


def test_an_unknown_pattern_is_named() -> None:
    with pytest.raises(ValueError, match="the pattern 'velvet' is not known; expected one of brick"):
        FinishTable([Finish("velvet")], PATTERNS)


def studio_of(model, lights=(), sky=1.0, sun=None, size=0.1, rays=64) -> Studio:
    tracer, finishes, luxels = Tracer(model), FinishTable(model.finish_table, PATTERNS), make_luxels(model, size)

    def uniform(directions):
        return np.full((len(directions), 3), sky, np.float32)

    glow = np.zeros((len(model.corners), 3), np.float32)
    bake = Bake(tracer, luxels, finishes.mean_albedo(model), glow, uniform, np.random.default_rng(0))
    irradiance = bake.irradiance(list(lights), sun, 64, rays)
    return Studio(model, tracer, luxels, irradiance, finishes, uniform)


def floor_light(studio, x: float, y: float) -> float:
    down = np.array([[0.0, 0.0, -1.0]])
    hits = studio.tracer.first(np.array([[x, y, 0.5]]), down)
    return float(studio.luxels.lookup(studio.irradiance, hits.quad, hits.st)[0].mean())


def test_a_plane_under_an_even_sky_receives_pi() -> None:
    studio = studio_of(build(lambda b: b.box((-2, -2, -0.1), (2, 2, 0), GREY)))
    assert floor_light(studio, 0.0, 0.0) == pytest.approx(np.pi, rel=0.01)


def test_the_sun_gives_cosine_and_shadow() -> None:
    model = build(lambda b: b.box((-2, -2, -0.1), (2, 2, 0), GREY), lambda b: b.box((-1, -1, 1), (0, 1, 1.1), GREY))
    sun = np.array([0.0, 0.6, 0.8]), 1e-4, np.ones(3, np.float32)
    studio = studio_of(model, sky=0.0, sun=sun)
    assert floor_light(studio, 1.5, -1.5) == pytest.approx(0.8, rel=0.1)
    assert floor_light(studio, -0.5, -0.75) < 0.1


def test_a_square_light_gives_the_known_irradiance() -> None:
    """Half a metre square, one metre above: the form factor of parallel squares from a point, by its formula."""
    light = AreaLight(np.array([0, 0, 1.0]), np.array([0.25, 0, 0]), np.array([0, -0.25, 0]), np.ones(3), False)
    studio = studio_of(build(lambda b: b.box((-2, -2, -0.1), (2, 2, 0), GREY)), [light], sky=0.0)
    a = 0.25 / np.sqrt(1 + 0.25**2)
    corner = a * np.arctan(a) / np.pi * 2
    assert floor_light(studio, 0.0, 0.0) == pytest.approx(np.pi * 2 * corner, rel=0.03)


def test_voxels_of_a_box_are_counted_exactly() -> None:
    model = build(lambda b: b.box((0.02, 0.02, 0.02), (0.48, 0.48, 0.98), GREY))
    grid = occupancy_grid(model, voxel_frame(model, 0.1, (-0.2, -0.2, -0.2), (0.7, 0.7, 1.2)), lambda x, y: x < 10)
    assert int((grid.labels == 1).sum()) == 5 * 5 * 10
    assert int(grid.interior.sum()) == 3 * 3 * 8
    nav = nav_map(grid, (0.0, 0.5))
    assert int((nav.cells == 1).sum()) == 25


def test_overlapping_solids_have_no_hole_where_they_meet() -> None:
    model = build(
        lambda b: b.box((0, 0, 0), (1, 1, 1), GREY),
        lambda b: b.box((0.5, 0.5, 0.5), (1.5, 1.5, 1.5), GREY),
        lambda b: b.box((0, 0, 1), (1, 1, 2), GREY),
    )
    grid = occupancy_grid(model, voxel_frame(model, 0.1, (-0.3,) * 3, (2.3,) * 3), lambda x, y: x < 10)
    rng = np.random.default_rng(2)
    index = rng.integers(0, grid.frame.shape, (4000, 3))
    points = (np.array(grid.frame.origin) + (index + 0.5) * 0.1).astype(np.float32)
    low, high = [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0, 1)], [(1, 1, 1), (1.5, 1.5, 1.5), (1, 1, 2)]
    inside = np.any([((points > a) & (points < b)).all(axis=1) for a, b in zip(low, high, strict=True)], axis=0)
    label = grid.labels.numpy()[tuple(index.T)]
    assert (label[inside] == 1).all()
    assert (grid.interior.numpy()[tuple(index.T)] <= inside).all()


def test_cameras_look_where_they_should() -> None:
    pose = camera(1, 2, 3, np.pi / 2, 0.2)
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    assert np.allclose(pose[:3, 2], [0, np.cos(0.2), np.sin(0.2)], atol=1e-12)
    assert pose[2, 1] < 0, "y of the camera points down"
    assert pose[0, 0] == pytest.approx(1.0), "x points right: looking north, that is east"


def test_a_walk_is_smooth_and_keeps_off_obstacles() -> None:
    model = build(
        lambda b: b.box((0, 0, -0.1), (6, 4, 0), GREY),
        lambda b: b.box((2.5, 0, 0), (3, 2.8, 2), GREY),
        *(lambda b, c=c: b.box(*c, GREY) for c in [((-0.1, 0, 0), (0, 4, 2)), ((6, 0, 0), (6.1, 4, 2))]),
    )
    grid = occupancy_grid(model, voxel_frame(model, 0.05), lambda x, y: (x > 0) & (x < 6) & (y > 0) & (y < 4))
    ground = Ground(nav_map(grid, (0.1, 1.8)), 0.25)
    from _worldgen.walk import smooth_route

    way = smooth_route(ground, ground.route(ground.nearest(1, 1), ground.nearest(5, 1)), 0.2)
    walk = film(way, np.random.default_rng(0))
    position = walk.world_from_cam[:, :3, 3]
    assert ground.clearance[ground.cell(position[:, 0], position[:, 1])].min() > 0.15
    assert np.linalg.norm(np.diff(position, axis=0), axis=1).max() * 15 < 1.3
    yaw = np.unwrap(np.arctan2(walk.world_from_cam[:, 1, 2], walk.world_from_cam[:, 0, 2]))
    assert np.abs(np.diff(yaw)).max() * 15 < 1.5


def test_no_way_is_said() -> None:
    model = build(lambda b: b.box((0, 0, -0.1), (4, 2, 0), GREY), lambda b: b.box((1.9, 0, 0), (2.1, 2, 2), GREY))
    ground = Ground(nav_map(occupancy_grid(model, voxel_frame(model, 0.05), lambda x, y: x < 9), (0.1, 1.8)), 0.1)
    with pytest.raises(ValueError, match="not connected by free space"):
        ground.route(ground.nearest(1, 1), ground.nearest(3, 1))


def test_the_mesh_file_names_classes_and_instances(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    model = build(lambda b: b.box((0, 0, 0), (1, 2, 3), GREY), lambda b: b.cylinder(1, 5, 6, GREY))
    write_glb(tmp_path / "a.glb", model, FinishTable(model.finish_table, PATTERNS))
    scene = trimesh.load(tmp_path / "a.glb")
    assert np.allclose(np.sort(scene.extents), np.sort([2, 3, 6]), atol=1e-6)
    text = (tmp_path / "a.glb").read_bytes()[20:]
    nodes = json.loads(text[: text.index(b"BIN\0") - 4])["nodes"]
    assert [node["extras"]["instance_id"] for node in nodes[:2]] == [0, 1]
    assert nodes[0]["extras"]["class"] == "thing"


def test_lidar_returns_lie_on_surfaces_and_fade_with_distance() -> None:
    studio = studio_of(build(lambda b: b.box((-90, -90, -1), (90, 90, 0), GREY)), size=10.0, rays=4)
    pose = np.eye(4)
    pose[2, 3] = 2.0
    found = sweep(studio, pose, Lidar(), np.random.default_rng(0))
    points = found.points(Lidar())
    assert len(points) == (found.ranges > 0).sum() == (found.instances >= 0).sum()
    reach = np.linalg.norm(points, axis=1)
    error = reach - 2 / (-points[:, 2] / reach)
    assert error.std() == pytest.approx(0.02, rel=0.1)
    returned = (found.ranges > 0).mean(axis=1)
    assert (returned[:11] == 0).all(), "beams above the horizon meet nothing"
    assert returned[60] > 1.5 * returned[25]


def test_a_mask_counts_frames_that_saw_the_surface() -> None:
    studio = studio_of(build(lambda b: b.box((-2, 1, -2), (2, 1.1, 2), GREY)), size=1.0, rays=2)
    K, pose = intrinsics(64, 36, 80), camera(0, 0, 0, np.pi / 2)
    shot = studio.shoot(pose, K, 64, 36, 0)
    assert shot.depths[18, 32] == pytest.approx(1.0, abs=1e-4)
    away = camera(0, 0, 0, -np.pi / 2)
    assert seen_mask(shot, pose, K, [pose] * 3, [shot.depths] * 3).all()
    assert not seen_mask(shot, pose, K, [pose, pose, away], [shot.depths] * 2 + [shot.depths * 0]).any()


def test_measuring_gives_the_truth_of_a_picture() -> None:
    studio = studio_of(build(lambda b: b.cushion((0, 2, 0), (1, 1, 1), GREY)), size=1.0, rays=2)
    K, pose = intrinsics(64, 36, 80), camera(0, 0, 0, np.pi / 2, 0.1)
    shot, measured = studio.shoot(pose, K, 64, 36, 0), measure(studio.model, studio.tracer, pose, K, 64, 36)
    assert (shot.depths > 0).any()
    assert (shot.depths == 0).any()
    for name in ("depths", "normals", "instances"):
        assert np.array_equal(getattr(shot, name), getattr(measured, name))


def test_surfels_have_the_depth_of_the_surface_and_light_stops_at_the_outer_wall() -> None:
    """A room with walls 30 cm thick under a bright sky: expected depths meet the bar, and no sky shines in."""
    sides = [((-1.3, -1, 0), (-1, 1, 2)), ((1, -1, 0), (1.3, 1, 2)), ((-1.3, -1.3, 0), (1.3, -1, 2))]
    sides += [((-1.3, 1, 0), (1.3, 1.3, 2)), ((-1.3, -1.3, -0.3), (1.3, 1.3, 0)), ((-1.3, -1.3, 2), (1.3, 1.3, 2.3))]
    studio = studio_of(build(*(lambda b, c=c: b.box(*c, GREY) for c in sides)), size=0.5, rays=4)
    K, poses = intrinsics(96, 64, 80), np.stack([camera(0.3, 0.2, 1, k * 1.1, -0.3) for k in range(6)])
    pixels = count_pixels(studio.tracer, poses, K, 96, 64)
    gaussians, labels = surface_gaussians(studio, pixels, 20_000, 0.15)
    assert len(gaussians) == len(labels)
    assert len(sky_gaussians(studio, 20.0, poses, K, 96, 64)) == 0
    errors, alphas = [], []
    for pose in poses:
        viewmat = torch.from_numpy(np.linalg.inv(pose)).float()
        found = render(gaussians, Cameras(viewmat[None], torch.from_numpy(K).float()[None], 96, 64))
        truth = measure(studio.model, studio.tracer, pose, K, 96, 64).depths
        errors.append(np.median(np.abs(found.depths[0].numpy() - truth)))
        alphas.append(float(found.alphas.mean()))
    assert np.mean(errors) < 0.02
    assert np.mean(alphas) > 0.998


def test_cells_on_bent_quads_do_not_cover_themselves() -> None:
    """The two triangles of a bent quad lie above its bilinear middle."""
    u, v = np.meshgrid(np.linspace(0, 4, 9), np.linspace(0, 4, 9))
    ground = np.stack([u, v, 0.2 * np.sin(2 * u) * np.cos(2 * v)], -1)
    studio = studio_of(build(lambda b: b.slab(ground, 0.3, GREY)), size=0.5, rays=4)
    cells = Cells(studio, np.ones(len(studio.model.corners)), 0.25)
    assert (cells.error[studio.tracer.face_normals[cells.quad][:, 2] > 0.5] >= 0).all()


def test_sky_is_kept_where_it_is_seen_only() -> None:
    studio = studio_of(build(lambda b: b.box((-50, -50, -1), (50, 50, 0), GREY)), size=10.0, rays=2)
    K, poses = intrinsics(96, 64, 80), np.stack([camera(0, 0, 1, 0.0)])
    sky = sky_gaussians(studio, 200.0, poses, K, 96, 64)
    direction = sky.means.numpy()
    assert len(sky) > 500
    assert (direction[:, 0] > 0).all(), "only what lies before the camera"
    assert direction[:, 2].min() > -0.15 * 200


def test_poses_are_json(tmp_path: Path) -> None:
    poses = np.stack([camera(k, 0, 1, 0.1 * k) for k in range(3)])
    write_poses(tmp_path / "t.json", poses, intrinsics(64, 36, 80), 64, 36, fps=15)
    read = json.loads((tmp_path / "t.json").read_text())
    assert np.allclose(read["world_from_cam"], poses, atol=1e-8)
    assert read["fps"] == 15


@pytest.mark.parametrize("seed", ["x", "-1", "1.5", "", "99999999999"])
def test_a_seed_that_is_no_number_ends_with_one_sentence(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse("apartment", [f"--seed={seed}"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"--seed is {seed!r}; expected a whole number from 0 to 4294967295, such as 7.\n"


@pytest.mark.parametrize("world", ["apartment", "quarry"])
def test_a_folder_that_cannot_be_written_is_said_before_any_work(world: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"world cannot be made: .*file: (Not a directory|File exists)"):
        run_main(world, f"--out={tmp_path / 'file' / 'world'}")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match=r"notes holds files but no scene\.toml"):
        run_main(world, f"--out={tmp_path / 'notes'}", "--overwrite")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "mine.txt", "notes"]


def test_a_part_of_another_seed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scene.toml").write_text("[provenance]\nseed = 3\n")
    with pytest.raises(SystemExit, match="it is the world of seed 3; expected --seed 3"):
        run_main("apartment", f"--out={tmp_path}", "--overwrite", "--only=truth", "--seed=4")


def run_main(world: str, *arguments: str) -> None:
    def never(seed):
        raise AssertionError("the folder is looked at first")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["make.py", *arguments])
        main(world, never)
