"""Rigged models as avatars: a person of boxes with known answers, CesiumMan, and models that are wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.avatar.captured import read_motion
from splatsim.avatar.rigged_models import read_rigged_model
from splatsim.avatar.role_shapes import find_roles
from splatsim.errors import FormatError
from splatsim.formats.gltf import read_gltf
from tests.avatar.models import NAMES, PERSON, write_model


def places() -> torch.Tensor:
    """Of the joints in the body's axes."""
    return torch.tensor([[z, x, y] for _, (x, y, z) in PERSON.values()], dtype=torch.float32)


def test_a_person_of_boxes(tmp_path: Path) -> None:
    read = read_rigged_model(write_model(tmp_path / "boxes.glb"), gaussians=1000)
    skeleton = read.avatar.skeleton
    order = [skeleton.names.index(name) for name in NAMES]
    torch.testing.assert_close(skeleton.joints[order], places(), atol=1e-5, rtol=0)
    assert read.notes == []
    assert read.avatar.licence == "test"
    # Every Gaussian hangs wholly on the joint of its box, and has the colour of the material, in sRGB.
    nearest = torch.cdist(read.avatar.gaussians.means, skeleton.joints).argmin(1)
    assert (read.avatar.skin.dense(len(skeleton)).gather(1, nearest[:, None]) > 0.999).all()
    color = 0.5 + 0.28209479 * read.avatar.gaussians.sh[0, 0]
    torch.testing.assert_close(color, torch.tensor([0.7354, 0.5371, 0.0]), atol=1e-3, rtol=0)


def test_the_clip_bends_the_elbow_and_lifts_the_body(tmp_path: Path) -> None:
    read = read_rigged_model(write_model(tmp_path / "boxes.glb"), gaussians=1000)
    times, poses = read.clips["wave"]
    assert times.tolist() == [0, 0.5, 1]
    skeleton = read.avatar.skeleton
    from splatsim.avatar import world_from_joints

    joints = world_from_joints(skeleton, poses[1])[:, :3, 3]
    hand, elbow = joints[skeleton.index("hand_l")], joints[skeleton.index("fore_l")]
    torch.testing.assert_close(elbow, torch.tensor([0, 0.5, 1.5]), atol=1e-5, rtol=0)
    # A turn by 90° about the vertical takes the forearm, which pointed left, backwards or forwards.
    assert abs(abs(float(hand[0])) - 0.25) < 1e-4
    torch.testing.assert_close(hand[1:], elbow[1:], atol=1e-4, rtol=0)
    rest = world_from_joints(skeleton, poses[0])[:, :3, 3]
    torch.testing.assert_close(rest, skeleton.joints, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("scale", "unit"), [(100.0, "centimetres"), (1000.0, "millimetres"), (10.0, "decimetres")])
def test_units_are_found_and_said(scale: float, unit: str, tmp_path: Path) -> None:
    read = read_rigged_model(write_model(tmp_path / "boxes.glb", scale=scale), gaussians=1000)
    assert any(unit in note for note in read.notes)
    assert float(read.avatar.gaussians.means[:, 2].max()) == pytest.approx(1.63, abs=0.02)


def test_a_model_that_looks_aside_is_turned(tmp_path: Path) -> None:
    aside = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # forward is the file's x
    read = read_rigged_model(write_model(tmp_path / "boxes.glb", turn=aside), gaussians=1000)
    assert any("feet point along the file's x" in note for note in read.notes)
    order = [read.avatar.skeleton.names.index(name) for name in NAMES]
    torch.testing.assert_close(read.avatar.skeleton.joints[order], places(), atol=1e-5, rtol=0)


def test_roles_by_shape(tmp_path: Path) -> None:
    skeleton = read_rigged_model(write_model(tmp_path / "boxes.glb"), gaussians=1000).avatar.skeleton
    roles, how = find_roles(skeleton)
    assert how == "shape"
    named = {role: skeleton.names[joint] for role, joint in roles.items()}
    assert named["pelvis"] == "root"
    assert named["left_elbow"] == "fore_l"
    assert named["right_knee"] == "shin_r"
    assert named["left_toe"] == "toe_l"
    assert named["head"] == "head"


def test_cesium_man(data: Path) -> None:
    read = read_rigged_model(data / "people" / "cesium_man.gltf", gaussians=5000)
    assert len(read.avatar.skeleton) == 19
    assert any("weights of 210 of 3273 vertices" in note for note in read.notes)
    assert 1.4 < float(read.avatar.gaussians.means[:, 2].max()) < 1.6
    motion, _ = read_motion(data / "people" / "cesium_man.gltf")
    assert motion.duration == pytest.approx(2.0, abs=0.05)
    assert find_roles(motion.skeleton)[1] == "shape"


def test_wrong_models(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has a mesh but no skin"):
        read_rigged_model(write_model(tmp_path / "a.glb", skin=False))
    with pytest.raises(FormatError, match=r"weights of vertex 0 sum to 0.5, those of 100%"):
        read_rigged_model(write_model(tmp_path / "a.glb", weight=0.5))
    assert any("0.980" in note for note in read_rigged_model(write_model(tmp_path / "a.glb", weight=0.98)).notes)
    with pytest.raises(FormatError, match="needs KHR_draco_mesh_compression"):
        read_rigged_model(write_model(tmp_path / "a.glb", extensionsRequired=["KHR_draco_mesh_compression"]))
    with pytest.raises(ValueError, match=r"expected a person of 0.5 to 2.6 m"):
        read_rigged_model(write_model(tmp_path / "a.glb", scale=2))
    lying = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    with pytest.raises(ValueError, match="it lies on its face or back"):
        read_rigged_model(write_model(tmp_path / "a.glb", turn=lying))


def test_files_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(b"x" * 100)
    inner = tmp_path / "inner"
    inner.mkdir()
    tree = {"asset": {"version": "2.0"}, "buffers": [{"uri": "../secret.bin", "byteLength": 100}]}
    accessor = {"bufferView": 0, "componentType": 5126, "count": 1, "type": "VEC3"}
    tree |= {"bufferViews": [{"buffer": 0, "byteLength": 100}], "accessors": [accessor]}
    tree |= {"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "nodes": [{"mesh": 0}]}
    (inner / "a.gltf").write_text(json.dumps(tree))
    with pytest.raises(FormatError, match="outside its folder"):
        read_gltf(inner / "a.gltf")


def test_damaged_models_never_crash(tmp_path: Path) -> None:
    data = write_model(tmp_path / "a.glb").read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(150):
        broken = bytearray(data)
        if trial % 2:
            broken = broken[: int(rng.integers(0, len(data)))]
        else:
            for _ in range(4):
                broken[int(rng.integers(20, 3000))] = int(rng.integers(32, 127))
        (tmp_path / "b.glb").write_bytes(broken)
        try:
            read_gltf(tmp_path / "b.glb")
        except (FormatError, FileNotFoundError):
            continue
