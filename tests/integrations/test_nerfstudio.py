"""nerfstudio's plugin on a stand-in: `make test-nerfstudio` runs it in nerfstudio itself."""

import importlib
import json
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from splatsim import render
from splatsim.cameras import Cameras
from splatsim.formats.transforms import PosedPicture, opengl_from_viewmats, write_transforms
from splatsim.formats.transforms_reading import read_transforms_json
from splatsim.gaussians import Gaussians
from splatsim.integrations.nerfstudio.cameras import cameras_from_nerfstudio
from splatsim.integrations.nerfstudio.data import scene_as_data
from splatsim.integrations.nerfstudio.splat_fit import SplatFit, typical_depth
from splatsim.reconstruction.imports import _entries
from splatsim.scene import Scene
from splatsim.spherical_harmonics import C0
from splatsim.transforms import apply
from tests.conftest import cameras_around, random_gaussians
from tests.integrations import nerfstudio_stub
from tests.sentences import check_sentences

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = Path(__file__).with_name("nerfstudio_sentences.txt")


def ring(count: int = 6, width: int = 40, height: int = 30) -> Cameras:
    angles = torch.arange(count) * 2 * torch.pi / count
    eyes = torch.stack([3 * angles.cos(), 3 * angles.sin(), torch.full((count,), 1.0)], dim=1)
    return Cameras.look_at(eyes, [0.0, 0, 0], fov_deg=50, width=width, height=height)


def theirs(cameras: Cameras) -> nerfstudio_stub.Cameras:
    """As nerfstudio has them: [c 1] columns."""
    poses = opengl_from_viewmats(cameras.viewmats)[:, :3]
    numbers = [cameras.Ks[:, row, column, None] for row, column in ((0, 0), (1, 1), (0, 2), (1, 2))]
    return nerfstudio_stub.Cameras(poses, *numbers, (cameras.width, cameras.height))


def blobs() -> Gaussians:
    return random_gaussians(40, k=1, smallest=0.1, largest=0.3).replace(opacities=torch.full((40,), 0.9))


def test_a_point_falls_on_the_pixel_that_opengl_gives() -> None:
    """By OpenGL's own rule: x right, y up, the camera looks along -z."""
    cameras = cameras_around(83, 61)
    points = 0.4 * torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    for index in range(2):
        pose = opengl_from_viewmats(cameras.viewmats)[index].double()
        seen = (points.double() - pose[:3, 3]) @ pose[:3, :3]
        fx, fy, cx, cy = (float(cameras.Ks[index, i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        u = cx + fx * seen[:, 0] / -seen[:, 2]
        v = cy - fy * seen[:, 1] / -seen[:, 2]
        back = cameras_from_nerfstudio(theirs(cameras[index]))
        ours = apply(back.viewmats[0], points)
        pixels = ours[:, :2] / ours[:, 2:] * back.Ks[0, [0, 1], [0, 1]] + back.Ks[0, :2, 2]
        torch.testing.assert_close(pixels.double(), torch.stack([u, v], 1), atol=1e-3, rtol=0)


def test_smaller_pictures_see_the_same() -> None:
    half = cameras_from_nerfstudio(theirs(cameras_around(84, 60)), 2)
    assert (half.width, half.height) == (42, 30)
    torch.testing.assert_close(half.Ks[:, :2] * 2, cameras_around(84, 60).Ks[:, :2])


def test_what_is_written_is_read_by_reconstruct(tmp_path: Path) -> None:
    """Intrinsics and distortion of each frame, and poses, arrive where COLMAP takes them."""
    from splatsim.video import write_picture

    (tmp_path / "images").mkdir()
    sizes, pictures = ((40, 30), (20, 32)), []
    for index, (width, height) in enumerate(sizes):
        camera = cameras_around(width, height)[index]
        camera = camera.replace(Ks=camera.Ks + torch.tensor([[0.0, 0, index], [0, 1.5, 0.25], [0, 0, 0]]))
        write_picture(tmp_path / f"images/{index}.png", np.zeros((height, width, 3), np.uint8))
        pictures.append(PosedPicture(f"images/{index}.png", camera, {"k1": 0.1 * index, "p2": -0.01}))
    write_transforms(tmp_path / "transforms.json", pictures, facts={"splatsim": 1})
    path = tmp_path / "transforms.json"
    entries, missing = _entries(path, read_transforms_json(path))
    assert not missing
    for entry, picture, size in zip(entries, pictures, sizes, strict=True):
        K, lens = picture.camera.Ks[0], entry.lens
        np.testing.assert_allclose(entry.viewmat, picture.camera.viewmats[0].double(), atol=1e-6)
        assert (lens.width, lens.height) == size
        expected = [K[0, 0], K[1, 1], K[0, 2], K[1, 2], picture.distortion["k1"], 0, 0, -0.01]
        np.testing.assert_allclose(lens.params, expected, atol=1e-4)


def test_a_scene_becomes_data_once(tmp_path: Path) -> None:
    scene = Scene("small", blobs(), ring())
    scene.save(tmp_path / "scene")
    folder = scene_as_data(tmp_path / "scene", max_size=20, max_pictures=4)
    assert folder == tmp_path / "scene" / "nerfstudio"
    content = json.loads((folder / "transforms.json").read_text())
    assert [frame["w"] for frame in content["frames"]] == [20] * 4
    assert all((folder / frame["file_path"]).is_file() for frame in content["frames"])
    header, _, body = (folder / "points.ply").read_bytes().partition(b"end_header\n")
    assert b"element vertex 40" in header
    rows = np.frombuffer(body, [("position", "<f4", 3), ("color", "u1", 3)])
    np.testing.assert_allclose(rows["position"], scene.gaussians.means)
    np.testing.assert_allclose(rows["color"] / 255, (0.5 + C0 * scene.gaussians.sh[:, 0]).clamp(0, 1), atol=0.003)
    before = (folder / "transforms.json").stat().st_mtime_ns
    scene_as_data(tmp_path / "scene", max_size=20, max_pictures=4)
    assert (folder / "transforms.json").stat().st_mtime_ns == before
    scene_as_data(tmp_path / "scene", max_size=20, max_pictures=3)
    assert len(json.loads((folder / "transforms.json").read_text())["frames"]) == 3
    assert len(list((folder / "images").iterdir())) == 3
    assert len(Scene.load(tmp_path / "scene").gaussians) == 40  # the scene is what it was


def test_pictures_that_the_scene_was_made_of_are_taken(tmp_path: Path) -> None:
    from splatsim.video import write_picture

    cameras = ring(3)
    Scene("small", blobs(), cameras).save(tmp_path / "scene")
    images = tmp_path / "scene" / "work" / "poses" / "images"
    images.mkdir(parents=True)
    for index in range(3):
        write_picture(images / f"p{index}.png", np.full((30, 40 - index, 3), 60 * index, np.uint8))
    frames = [{"name": f"p{index}.png"} for index in range(3)]
    (tmp_path / "scene" / "cameras.json").write_text(json.dumps({"frames": frames}))
    folder = scene_as_data(tmp_path / "scene", tmp_path / "data")
    content = json.loads((folder / "transforms.json").read_text())
    assert [frame["w"] for frame in content["frames"]] == [40, 39, 38]
    assert (folder / content["frames"][2]["file_path"]).read_bytes() == (images / "p2.png").read_bytes()


def test_the_fit_brings_pictures_back() -> None:
    """From points near the truth, 60 steps come closer to pictures of it by several dB."""
    truth, cameras = blobs(), ring(4)
    with torch.no_grad():
        targets = render(truth, cameras, antialiased=True).colors
    grey = torch.full((40, 3), 128, dtype=torch.uint8)
    fit = SplatFit(truth.means.clone(), grey, most_gaussians=80, sh_degree=1)
    fit.begin(60, [cameras[index] for index in range(4)])
    assert fit.splats.length == pytest.approx(typical_depth(truth.means, [cameras[i] for i in range(4)]))
    losses = []
    for step in range(60):
        fit.prepare()
        picture = render(fit.gaussians(), cameras[step % 4], antialiased=True)
        loss = (picture.colors[0] - targets[step % 4]).square().mean()
        loss.backward()
        fit.advance(picture.visible[0])
        losses.append(float(loss.detach()))
    assert np.mean(losses[-4:]) < 0.3 * np.mean(losses[:4])
    assert len(fit.splats) == 80
    again = SplatFit(truth.means[:5].clone(), grey[:5], most_gaussians=80, sh_degree=1)
    again.load(fit.state())
    torch.testing.assert_close(again.splats.gaussians().detach().means, fit.splats.gaussians().detach().means)
    assert (again.step, again.steps) == (60, 60)


def test_entry_points_name_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    nerfstudio_stub.install(monkeypatch)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    found = {}
    for group in ("nerfstudio.method_configs", "nerfstudio.dataparser_configs"):
        for name, place in groups[group].items():
            module, attribute = place.split(":")
            found[name] = getattr(importlib.import_module(module), attribute)
    assert isinstance(found["splatsim"], nerfstudio_stub.MethodSpecification)
    assert found["splatsim"].config.method_name == "splatsim"
    assert isinstance(found["splatsim-scene"], nerfstudio_stub.DataParserSpecification)


def test_the_dataparser_reads_the_made_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nerfstudio_stub.install(monkeypatch)
    dataparser = importlib.import_module("splatsim.integrations.nerfstudio.dataparser")
    Scene("small", blobs(), ring(3)).save(tmp_path / "scene")
    parser = dataparser.SplatsimSceneConfig(data=tmp_path / "scene", max_size=24).setup()
    outputs = parser._generate_dataparser_outputs("val")
    assert (outputs.folder, outputs.split) == (tmp_path / "scene" / "nerfstudio", "val")
    assert parser.config.data == tmp_path / "scene"


def training(monkeypatch: pytest.MonkeyPatch, folder: Path, steps: int) -> tuple[Any, list[Any], Any]:
    """A model, its callbacks and its cameras, as a pipeline of nerfstudio would hold them."""
    nerfstudio_stub.install(monkeypatch)
    model = importlib.import_module("splatsim.integrations.nerfstudio.model")
    truth, cameras = blobs(), theirs(ring(4))
    box = SimpleNamespace(aabb=torch.tensor([[-1.0, -1, -1], [1, 1, 1]]))
    seeds = (truth.means, torch.full((40, 3), 128, dtype=torch.uint8))
    made = model.SplatsimModelConfig(max_gaussians=60).setup(
        scene_box=box, num_train_data=4, device="cpu", seed_points=seeds
    )
    turn = torch.tensor([[0.0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, 0]])
    outputs = SimpleNamespace(cameras=cameras, dataparser_transform=turn, dataparser_scale=0.5)
    pipeline = SimpleNamespace(datamanager=SimpleNamespace(train_dataparser_outputs=outputs))
    trainer = SimpleNamespace(config=SimpleNamespace(max_num_iterations=steps), base_dir=folder)
    attributes = nerfstudio_stub.TrainingCallbackAttributes(None, None, pipeline, trainer)
    return made, made.get_training_callbacks(attributes), cameras


def test_the_model_trains_evaluates_and_writes_a_scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, callbacks, cameras = training(monkeypatch, tmp_path, 24)
    place = nerfstudio_stub.TrainingCallbackLocation
    with torch.no_grad():
        targets = render(blobs(), ring(4), antialiased=True).colors

    def at(location: Any, step: int) -> None:
        for callback in callbacks:
            callback.run_callback_at_location(step, location)

    model.train()
    for step in range(24):
        at(place.BEFORE_TRAIN_ITERATION, step)
        batch = {"image": (255 * targets[step % 4]).round().to(torch.uint8)}
        outputs = model(cameras[step % 4 : step % 4 + 1])
        assert float(model.get_metrics_dict(outputs, batch)["psnr"]) > 0
        sum(model.get_loss_dict(outputs, batch).values()).backward()
        at(place.AFTER_TRAIN_ITERATION, step)
    at(place.AFTER_TRAIN, 23)
    model.eval()
    seen = model.get_outputs_for_camera(cameras[:1])
    assert seen["rgb"].shape == (30, 40, 3)
    assert seen["depth"].shape == seen["accumulation"].shape == (30, 40, 1)
    figures, images = model.get_image_metrics_and_images(seen, {"image": targets[0]})
    assert figures["psnr"] > 15
    assert images["img"].shape == (30, 80, 3)
    scene = Scene.load(tmp_path / "splatsim")
    # p_trained = 0.5 · (turn · p_data + shift): undone for the written scene.
    means = model.fit.splats.gaussians().detach().means * 2 - torch.tensor([0.5, 0, 0])
    torch.testing.assert_close(scene.gaussians.means, torch.stack([means[:, 1], -means[:, 0], means[:, 2]], 1))
    assert scene.antialiased
    other, _, _ = training(monkeypatch, tmp_path, 24)
    other.load_state_dict(model.state_dict())
    other.eval()
    torch.testing.assert_close(other.get_outputs_for_camera(cameras[:1])["rgb"], seen["rgb"])


def test_masks_and_alpha_leave_pixels_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, _, _ = training(monkeypatch, tmp_path, 4)
    shown = torch.rand(30, 40, 3)
    image = torch.zeros(30, 40, 4)
    mask = torch.zeros(30, 40, 1)
    assert float(model.get_loss_dict({"rgb": shown}, {"image": image, "mask": mask})["photometric"]) < 1e-6
    assert float(model.get_loss_dict({"rgb": shown}, {"image": image})["photometric"]) > 0.1
    # Where alpha is 0 the target is the background, which is black.
    black = model.get_loss_dict({"rgb": torch.zeros(30, 40, 3)}, {"image": image + torch.tensor([1.0, 1, 1, 0])})
    assert float(black["photometric"]) < 1e-6


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = ring(2)
    Scene("blind", blobs()).save(tmp_path / "blind")
    Scene("empty", None, cameras).save(tmp_path / "empty")
    Scene("small", blobs(), cameras).save(tmp_path / "small")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    fish = PosedPicture("b.png", cameras[0], lens="OPENCV_FISHEYE")
    infinite = PosedPicture("a.png", cameras[0].replace(Ks=torch.full((1, 3, 3), torch.inf)))
    model, _, _ = training(monkeypatch, tmp_path, 4)
    both = SimpleNamespace(width=torch.tensor([4, 5]), height=torch.tensor([4, 4]))
    cases = {
        "no cameras": lambda: scene_as_data(tmp_path / "blind"),
        "no Gaussians": lambda: scene_as_data(tmp_path / "empty"),
        "no scene": lambda: scene_as_data(tmp_path / "full"),
        "other files": lambda: scene_as_data(tmp_path / "small", tmp_path / "full"),
        "size": lambda: scene_as_data(tmp_path / "small", max_size=1),
        "no pictures": lambda: write_transforms(tmp_path / "t.json", []),
        "mixed lenses": lambda: write_transforms(tmp_path / "t.json", [PosedPicture("a.png", cameras[0]), fish]),
        "not finite": lambda: write_transforms(tmp_path / "t.json", [infinite]),
        "coefficient": lambda: PosedPicture("a.png", cameras[0], {"k9": 1.0}),
        "two cameras": lambda: PosedPicture("a.png", cameras),
        "rays": lambda: model(torch.zeros(3)),
        "sizes": lambda: cameras_from_nerfstudio(both),
    }
    check_sentences(SENTENCES, cases, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blind", "empty", "full", "small"]
