"""What is written for other programs, read back by other programs or by hand."""

import json
import pickle
import struct
from pathlib import Path

import gsply
import numpy as np
import pytest
import torch
import trimesh

from splatsim.avatar import Avatar, Pose, Skeleton, world_from_rest
from splatsim.avatar.captured import read_motion
from splatsim.avatar.export import surfels, write_animated_glb, write_habitat, write_ply_sequence
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.people import make_person
from tests.avatar.bodies import cloud, random_skin


def moving(n: int = 60, seed: int = 0) -> tuple[Avatar, SampledMotion]:
    """A cloud on five joints, and a motion of three poses."""
    generator = torch.Generator().manual_seed(seed)
    skeleton = Skeleton(("a", "b", "c", "d", "e"), (-1, 0, 1, 1, 3), torch.randn(5, 3, generator=generator))
    rotations = torch.tensor([1.0, 0, 0, 0]) + 0.4 * torch.randn(3, 5, 4, generator=generator)
    rotations = torch.nn.functional.normalize(rotations, dim=-1)
    motion = SampledMotion(skeleton, Pose(rotations, torch.randn(3, 3, generator=generator)), 2.0)
    return Avatar(cloud(n, k=4, seed=seed), skeleton, random_skin(n, 5, k=5), "cloud", "CC0"), motion


def test_a_ply_for_every_frame(tmp_path: Path) -> None:
    avatar, motion = moving()
    assert write_ply_sequence(tmp_path / "out", avatar, motion, fps=4.0) == 5
    for index in range(5):
        read = gsply.plyread(tmp_path / "out" / f"frame_{index:05d}.ply")
        posed = avatar.pose(motion.at(index / 4.0))
        np.testing.assert_allclose(read.means, posed.means.numpy(), atol=1e-6)
        np.testing.assert_allclose(np.exp(read.scales), posed.scales.numpy(), rtol=1e-5)
    with pytest.raises(FileExistsError, match="holds files already"):
        write_ply_sequence(tmp_path / "out", avatar, motion)


def accessor(tree: dict, data: bytes, index: int) -> np.ndarray:  # type: ignore[type-arg]
    """Rows, read from the bytes by the standard's words."""
    entry = tree["accessors"][index]
    view = tree["bufferViews"][entry["bufferView"]]
    dtype = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[entry["componentType"]]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[entry["type"]]
    start = view["byteOffset"]
    return np.frombuffer(data, dtype, entry["count"] * width, start).reshape(entry["count"], width)


def test_an_animated_mesh_moves_as_the_avatar(tmp_path: Path) -> None:
    """Skinned here by the words of the glTF standard: nodes, inverse bind matrices, weights, keys."""
    avatar, motion = moving()
    path = tmp_path / "a.glb"
    write_animated_glb(path, avatar, motion, fps=2.0)
    raw = path.read_bytes()
    length = struct.unpack_from("<I", raw, 12)[0]
    tree, data = json.loads(raw[20 : 20 + length]), raw[28 + length :]
    attributes = tree["meshes"][0]["primitives"][0]["attributes"]
    vertices = accessor(tree, data, attributes["POSITION"])
    joints = np.concatenate([accessor(tree, data, attributes[f"JOINTS_{k}"]) for k in (0, 1)], axis=1)
    weights = np.concatenate([accessor(tree, data, attributes[f"WEIGHTS_{k}"]) for k in (0, 1)], axis=1)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    inverse = accessor(tree, data, tree["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    for frame in range(3):
        worlds = pose_by_the_standard(tree, data, frame)
        bones = worlds @ inverse
        homogeneous = np.c_[vertices, np.ones(len(vertices))]
        moved = np.einsum("vk,vkab,vb->va", weights, bones[joints], homogeneous)[:, :3]
        corners = surfels(avatar)[0]
        skin = surfels(avatar)[3]
        from splatsim.avatar import skin_points

        expected = skin_points(corners, skin, world_from_rest(avatar.skeleton, motion.at(frame / 2.0)))
        np.testing.assert_allclose(moved[:, [2, 0, 1]], expected.numpy(), atol=2e-5)


def pose_by_the_standard(tree: dict, data: bytes, frame: int) -> np.ndarray:  # type: ignore[type-arg]
    from scipy.spatial.transform import Rotation

    animation, nodes = tree["animations"][0], tree["nodes"]
    local = [(np.array(node.get("translation", [0, 0, 0])), np.array([0.0, 0, 0, 1])) for node in nodes]
    for channel in animation["channels"]:
        value = accessor(tree, data, animation["samplers"][channel["sampler"]]["output"])[frame]
        node = channel["target"]["node"]
        moved, turned = local[node]
        local[node] = (value, turned) if channel["target"]["path"] == "translation" else (moved, value)
    worlds = {}

    def visit(node: int, above: np.ndarray) -> None:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = Rotation.from_quat(local[node][1]).as_matrix(), local[node][0]
        worlds[node] = above @ matrix
        for child in nodes[node].get("children", []):
            visit(child, worlds[node])

    for root in tree["scenes"][0]["nodes"]:
        visit(root, np.eye(4))
    return np.stack([worlds[joint] for joint in tree["skins"][0]["joints"]])


def test_trimesh_reads_a_person(tmp_path: Path) -> None:
    person = make_person(2)
    write_animated_glb(tmp_path / "p.glb", person, None)
    mesh = next(iter(trimesh.load(tmp_path / "p.glb", process=False).geometry.values()))
    np.testing.assert_allclose(mesh.vertices[:, [2, 0, 1]], person.mesh.vertices.numpy(), atol=1e-5)
    np.testing.assert_array_equal(mesh.faces, person.mesh.faces.numpy())
    colors = mesh.visual.vertex_attributes["color"][:, :3] / 65535
    linear = person.vertex_colors().double().numpy() ** 2.2  # about what sRGB's curve is
    np.testing.assert_allclose(colors, linear, atol=0.03)


def test_our_reader_reads_our_writer(tmp_path: Path) -> None:
    person = make_person(2)
    body = person.mesh
    rotations = torch.nn.functional.normalize(torch.tensor([1.0, 0, 0, 0]) + 0.2 * torch.randn(4, 52, 4), dim=-1)
    motion = SampledMotion(body.skeleton, Pose(rotations, body.skeleton.joints[0] + torch.rand(4, 3)), 10.0)
    write_animated_glb(tmp_path / "a.glb", person, motion, fps=10.0)
    read, notes = read_motion(tmp_path / "a.glb")
    assert notes == []
    order = [read.skeleton.names.index(name) for name in body.skeleton.names]
    same = (read.poses.rotations[:, order] * rotations).sum(-1).abs()
    assert same.min() > 1 - 1e-5
    torch.testing.assert_close(read.poses.root, motion.poses.root, atol=1e-4, rtol=0)


def test_habitat_files_move_as_the_avatar(tmp_path: Path) -> None:
    """By the words of its loader: y = Σ w M_j inv_bind_j p, y up."""
    avatar, motion = moving()
    write_habitat(tmp_path / "h", avatar, motion, fps=4.0)
    with np.load(tmp_path / "h" / "canonical_gs.npz") as archive:
        canonical = dict(archive)
    driver = pickle.loads((tmp_path / "h" / "driver.pkl").read_bytes())
    assert driver["joint_mats_space"] == "smpl_with_trans"
    assert driver["joint_mats"].shape == (5, driver["joint_mats_joint_count"], 4, 4)
    points = np.c_[canonical["means"], np.ones(len(avatar))]
    for frame in range(5):
        bones = driver["joint_mats"][frame] @ canonical["joints_inv_bind_matrix"]
        moved = np.einsum("nj,jab,nb->na", canonical["lbs_weights"], bones, points)[:, :3]
        expected = avatar.pose(motion.at(frame / 4.0), "affine").means.numpy()
        np.testing.assert_allclose(moved[:, [0, 2, 1]] * [1, -1, 1], expected, atol=2e-5)


def test_motions_of_others_are_refused(tmp_path: Path) -> None:
    avatar, motion = moving()
    other = SampledMotion(motion.skeleton.replace(names=("v", "w", "x", "y", "z")), motion.poses, 2.0)
    with pytest.raises(ValueError, match="retarget the motion first"):
        write_animated_glb(tmp_path / "a.glb", avatar, other)
    with pytest.raises(ValueError, match="retarget it first"):
        write_habitat(tmp_path / "h", avatar, other)
