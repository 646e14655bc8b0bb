"""Poses from elsewhere: files written by the test, with pictures of a room whose poses are exact."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from splatsim.errors import FormatError
from splatsim.reconstruction import Capture
from splatsim.reconstruction.imports import import_colmap, import_transforms
from splatsim.transforms import apply, quat_from_rotmat
from tests.reconstruction import rooms

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
LENS = (-0.12, 0.03, 0.002, -0.001)
POSES = rooms.walk(8)


def write_transforms(folder: Path, *, distortion: tuple[float, ...] = (0, 0, 0, 0), **facts: Any) -> Path:
    """A transforms.json whose paths have no extension, and whose last frame has no picture."""
    (folder / "images").mkdir(exist_ok=True)
    faces, directions = rooms.textures(0), rooms.rays(distortion)  # type: ignore[arg-type]
    frames = []
    for number, pose in enumerate(POSES):
        image = rooms.picture(pose, faces, directions)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image[..., ::-1])
        frames.append({"file_path": f"images/{number}", "transform_matrix": (pose @ OPENGL).tolist()})
    frames.append({"file_path": "images/gone", "transform_matrix": np.eye(4).tolist()})
    k1, k2, p1, p2 = distortion
    lens = {"fl_x": rooms.FOCAL, "fl_y": rooms.FOCAL, "cx": rooms.WIDTH / 2, "cy": rooms.HEIGHT / 2}
    content = {"w": rooms.WIDTH, "h": rooms.HEIGHT, **lens, "k1": k1, "k2": k2, "p1": p1, "p2": p2, "frames": frames}
    path = folder / "transforms.json"
    path.write_text(json.dumps({**content, **facts}), encoding="utf-8")
    return path


def distance_to_walls(points: torch.Tensor) -> np.ndarray:
    array = points.double().numpy()
    return np.minimum(np.abs(array), np.abs(array - rooms.SIZE)).min(1)


def test_opengl_poses_and_a_lens_become_pinhole_pictures_and_points(tmp_path: Path) -> None:
    path = write_transforms(tmp_path, distortion=LENS)
    imported = import_transforms(path, tmp_path / "capture")
    capture = imported.capture
    assert imported.missing == ("images/gone",)
    assert capture.names == tuple(f"{number}.png" for number in range(8))
    np.testing.assert_allclose(capture.viewmats.numpy() @ POSES, np.tile(np.eye(4), (8, 1, 1)), atol=1e-5)
    assert len(capture.points) > 100
    assert np.median(distance_to_walls(capture.points)) < 0.02
    # The picture is what a pinhole camera of these intrinsics would have seen.
    width, height = capture.sizes[3]
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([columns.ravel(), rows.ravel(), np.ones(width * height)], 1)
    directions = pixels @ np.linalg.inv(capture.Ks[3].double().numpy()).T
    true = rooms.picture(POSES[3], rooms.textures(0), directions, (height, width))
    error = (capture.picture(3).astype(float) - true)[4:-4, 4:-4]
    assert 10 * np.log10(255**2 / (error**2).mean()) > 30


def test_a_smaller_size_keeps_the_geometry(tmp_path: Path) -> None:
    capture = import_transforms(write_transforms(tmp_path), tmp_path / "capture", 160).capture
    assert capture.sizes[0] == (160, 120)
    assert capture.Ks[0, 0, 0] == pytest.approx(rooms.FOCAL / 2)
    picture, point = capture.observations.long().unbind(1)
    seen = apply(capture.viewmats[picture], capture.points[point][:, None])[:, 0]
    assert (seen[:, 2] > 0).all()
    assert np.median(distance_to_walls(capture.points)) < 0.04


def test_an_applied_transform_and_scale_are_undone(tmp_path: Path) -> None:
    """nerfstudio turns and scales what it got; the poses here are those before that."""
    applied = np.array([[0, 1, 0, 0.5], [1, 0, 0, -1.0], [0, 0, -1, 2.0], [0, 0, 0, 1]])
    frames = []
    for number, pose in enumerate(POSES):
        moved = applied @ pose @ OPENGL
        moved[:3, 3] *= 0.25
        frames.append({"file_path": f"./images/{number}.png", "transform_matrix": moved[:3].tolist()})
    path = write_transforms(tmp_path, applied_transform=applied[:3].tolist(), applied_scale=0.25, frames=frames)
    capture = import_transforms(path, tmp_path / "capture").capture
    np.testing.assert_allclose(capture.viewmats.numpy() @ POSES, np.tile(np.eye(4), (8, 1, 1)), atol=1e-5)


def test_a_field_of_view_serves_as_focal_length(tmp_path: Path) -> None:
    angle = 2 * np.arctan(rooms.WIDTH / 2 / rooms.FOCAL)
    path = write_transforms(tmp_path, fl_x=0, fl_y=0, camera_angle_x=angle)
    capture = import_transforms(path, tmp_path / "capture").capture
    assert capture.Ks[0, 0, 0] == pytest.approx(rooms.FOCAL)
    assert capture.Ks[0, 1, 1] == pytest.approx(rooms.FOCAL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": []}, "lists 0 frames"),
        ({"frames": "many"}, 'no list "frames"'),
        ({"frames": [{"file_path": "a", "transform_matrix": [[1]]}]}, "of shape"),
        ({"frames": [{"transform_matrix": np.eye(4).tolist()}]}, 'the "file_path" None'),
        ({"frames": [{"file_path": "nowhere/a", "transform_matrix": np.eye(4).tolist()}]}, "none of the 1 pictures"),
        ({"fl_x": 0, "fl_y": 0}, "expected fl_x, or camera_angle_x"),
        ({"w": 100, "h": 400}, "320 x 240 pixels"),
        ({"applied_scale": 0}, "cannot be undone"),
        ({"cx": "middle"}, "a number from -320 to 640"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        import_transforms(write_transforms(tmp_path, **change), tmp_path / "capture")
    assert not (tmp_path / "capture").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.full((4, 4), np.nan), r"frame 1 \(images/1\) a \"transform_matrix\" that is not finite"),
        (np.diag([1.0, 1, -1, 1]), "no rotation"),
        (np.diag([2.0, 1, 1, 1]), "no rotation"),
    ],
)
def test_a_pose_that_is_none_is_named(tmp_path: Path, change: np.ndarray, message: str) -> None:
    path = write_transforms(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["frames"][1]["transform_matrix"] = change.tolist()
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        import_transforms(path, tmp_path / "capture")


def write_model(folder: Path) -> Path:
    """A COLMAP model in text, with a radial lens and a dozen points on the walls."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "model").mkdir(exist_ok=True)
    distortion = (LENS[0], 0.0, 0.0, 0.0)
    faces, directions = rooms.textures(0), rooms.rays(distortion)
    generator = np.random.default_rng(0)
    points = generator.uniform(0.3, 2.3, (12, 3)) * (2, 0, 1) + (0, 5, 0)
    lines, observed = [], [[] for _ in points]  # type: ignore[var-annotated]
    for number, pose in enumerate(POSES):
        cv2.imwrite(str(folder / "images" / f"shot{number}.png"), rooms.picture(pose, faces, directions)[..., ::-1])
        viewmat = np.linalg.inv(pose)
        quat = quat_from_rotmat(torch.from_numpy(viewmat[:3, :3])).tolist()
        lines.append(f"{number + 1} {' '.join(map(str, [*quat, *viewmat[:3, 3]]))} 1 shot{number}.png")
        seen = points @ viewmat[:3, :3].T + viewmat[:3, 3]
        plane = seen[:, :2] / seen[:, 2:]
        radial = 1 + LENS[0] * (plane**2).sum(1, keepdims=True)
        pixels = rooms.FOCAL * plane * radial + (rooms.WIDTH / 2, rooms.HEIGHT / 2)
        entries = []
        for k, (u, v) in enumerate(pixels):
            observed[k].append((number + 1, len(entries)))
            entries.append(f"{u} {v} {k + 1}")
        lines.append(" ".join(entries))
    model = folder / "model"
    lens = f"{rooms.FOCAL} {rooms.WIDTH / 2} {rooms.HEIGHT / 2} {LENS[0]}"
    (model / "cameras.txt").write_text(f"1 SIMPLE_RADIAL {rooms.WIDTH} {rooms.HEIGHT} {lens}\n", encoding="utf-8")
    (model / "images.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [
        f"{k + 1} {x} {y} {z} {10 * k} 20 30 0.5 " + " ".join(f"{image} {index}" for image, index in observed[k])
        for k, (x, y, z) in enumerate(points)
    ]
    (model / "points3D.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return model


def test_a_colmap_model_keeps_its_poses_and_points(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    (tmp_path / "images" / "shot5.png").unlink()
    imported = import_colmap(model, tmp_path / "images", tmp_path / "capture")
    capture = imported.capture
    assert imported.missing == ("shot5.png",)
    assert capture.names == tuple(f"shot{k}.png" for k in range(8) if k != 5)
    kept = POSES[[k for k in range(8) if k != 5]]
    np.testing.assert_allclose(capture.viewmats.numpy() @ kept, np.tile(np.eye(4), (7, 1, 1)), atol=1e-5)
    assert len(capture.points) == 12
    assert capture.point_colors[3].tolist() == [30, 20, 30]
    assert len(capture.observations) == 7 * 12
    assert Capture.load(tmp_path / "capture").names == capture.names


def test_a_colmap_model_of_other_pictures_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    with pytest.raises(FormatError, match="none of the 8 pictures"):
        import_colmap(model, tmp_path / "model", tmp_path / "capture")


@pytest.mark.parametrize("damage", ["cut", "missing", "not finite"])
def test_a_damaged_colmap_model_is_refused(tmp_path: Path, damage: str) -> None:
    model = write_model(tmp_path)
    images = model / "images.txt"
    if damage == "cut":
        images.write_text(images.read_text(encoding="utf-8")[:400], encoding="utf-8")
    elif damage == "missing":
        (model / "cameras.txt").unlink()
    else:
        lines = images.read_text(encoding="utf-8").splitlines()
        lines[0] = "1 1 0 0 0 nan 0 0 1 shot0.png"
        images.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(FormatError, match="expected"):
        import_colmap(model, tmp_path / "images", tmp_path / "capture")


def test_fox_has_fifty_of_its_pictures(data: Path, tmp_path: Path) -> None:
    """At a small size only: the list, the lens and the axes are those of a real instant-ngp file."""
    imported = import_transforms(data / "fox" / "transforms.json", tmp_path / "capture", 160)
    assert len(imported.capture) == 50
    assert len(imported.missing) == 17
    assert len(imported.capture.points) > 300
    assert float(imported.capture.point_errors.median()) < 1.0
