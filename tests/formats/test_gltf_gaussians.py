"""KHR_gaussian_splatting: trees made by hand, a file that we did not write, what others see in ours, and refusals."""

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from splatsim import Gaussians
from splatsim.errors import FormatError
from splatsim.formats import read_gltf_gaussians, read_ply, write_gltf_gaussians
from splatsim.spherical_harmonics import C0, sh_basis
from splatsim.transforms import rotmat_from_quat

KHR = "KHR_gaussian_splatting"
DATA = Path(__file__).parent / "data"
CODES = {"f4": 5126, "u1": 5121, "u2": 5123, "i1": 5120}
KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
Z_UP_FROM_Y_UP = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def one(**changes):
    """The attributes of one Gaussian, as (array, normalised)."""
    given = {
        "POSITION": np.float32([[1, 2, 3]]),
        f"{KHR}:ROTATION": np.float32([[0, 0, 0, 1]]),
        f"{KHR}:SCALE": np.float32([[0.1, 0.2, 0.3]]),
        f"{KHR}:OPACITY": np.float32([[0.25]]),
        f"{KHR}:SH_DEGREE_0_COEF_0": np.float32([[0.1, 0.2, 0.3]]),
    }
    return given | changes


def tree(attributes, nodes=({"mesh": 0},), extension=None, normalized=(), **changes):
    """A .gltf tree around one primitive."""
    data, views, accessors = b"", [], []
    for name, rows in attributes.items():
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": rows.nbytes})
        accessors.append(
            {
                "bufferView": len(accessors),
                "componentType": CODES[rows.dtype.str[1:]],
                "count": len(rows),
                "type": KINDS[rows.shape[1]],
                "normalized": name in normalized,
            }
        )
        data += rows.tobytes() + b"\0" * (-rows.nbytes % 4)
    primitive = {
        "mode": 0,
        "attributes": {name: i for i, name in enumerate(attributes)},
        "extensions": {KHR: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"} | (extension or {})},
    }
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    return {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": [primitive]}],
        "nodes": list(nodes),
        "buffers": [{"byteLength": len(data), "uri": uri}],
        "bufferViews": views,
        "accessors": accessors,
    } | changes


def read(tmp_path, *args, **kwargs):
    (tmp_path / "a.gltf").write_text(json.dumps(tree(*args, **kwargs)))
    return read_gltf_gaussians(tmp_path / "a.gltf")


def chunks(path):
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def test_one_gaussian_made_by_hand(tmp_path):
    gaussians = read(tmp_path, one())
    assert gaussians.means.tolist() == [[1, -3, 2]]
    torch.testing.assert_close(gaussians.scales, torch.tensor([[0.1, 0.2, 0.3]]))
    assert gaussians.opacities.tolist() == [0.25]
    torch.testing.assert_close(rotmat_from_quat(gaussians.quats)[0], Z_UP_FROM_Y_UP[:3, :3])
    torch.testing.assert_close(gaussians.sh, torch.tensor([[[0.1, 0.2, 0.3]]]))


def test_colours_are_those_of_the_appendix(tmp_path):
    """Y(1,-1) = -0.4886 y, Y(2,2) = 0.5463 (x² - y²), in the file's axes."""
    sh = {f"{KHR}:SH_DEGREE_{d}_COEF_{k}": np.zeros((1, 3), np.float32) for d in (0, 1, 2) for k in range(2 * d + 1)}
    sh[f"{KHR}:SH_DEGREE_1_COEF_0"] += np.float32([1, 0, 0])
    sh[f"{KHR}:SH_DEGREE_2_COEF_4"] += np.float32([0, 1, 0])
    gaussians = read(tmp_path, one(**sh))
    x, y, z = 0.6, 0.64, 0.48  # in the file
    color = sh_basis(torch.tensor([[x, -z, y]]), 2) @ gaussians.sh[0]
    torch.testing.assert_close(
        color, torch.tensor([[-0.4886025119 * y, 0.5462742153 * (x * x - y * y), 0]]), rtol=0, atol=1e-6
    )


def test_small_types(tmp_path):
    attributes = one(
        **{
            f"{KHR}:ROTATION": np.int8([[0, 0, 127, 0]]),
            f"{KHR}:SCALE": np.uint8([[1, 2, 3]]),
            f"{KHR}:OPACITY": np.uint16([[13107]]),
        }
    )
    gaussians = read(tmp_path, attributes, normalized=(f"{KHR}:ROTATION", f"{KHR}:OPACITY"))
    assert gaussians.scales.tolist() == [[1, 2, 3]]
    torch.testing.assert_close(gaussians.opacities, torch.tensor([0.2]))
    half_turn = torch.diag(torch.tensor([-1.0, -1, 1]))
    torch.testing.assert_close(rotmat_from_quat(gaussians.quats)[0], Z_UP_FROM_Y_UP[:3, :3] @ half_turn)


def covariances(gaussians: Gaussians) -> torch.Tensor:
    axes = rotmat_from_quat(gaussians.quats.double()) * gaussians.scales.double()[:, None]
    return axes @ axes.mT


def test_nodes_move_turn_and_stretch(tmp_path):
    half = 0.5**0.5
    nodes = [
        {"children": [1], "translation": [10, 0, 0], "rotation": [0, half, 0, half], "scale": [2, 2, 2]},
        {"mesh": 0, "translation": [0, 1, 0], "scale": [1, 3, 1]},
    ]
    gaussians = read(tmp_path, one(), nodes=nodes)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # a quarter about y: z becomes x
    linear = 2 * turn @ np.diag([1, 3, 1])
    up = Z_UP_FROM_Y_UP[:3, :3].numpy()
    mean = up @ (2 * turn @ np.array([1, 6 + 1, 3]) + [10, 0, 0])
    np.testing.assert_allclose(gaussians.means[0], mean, rtol=1e-6)
    axes = up @ linear @ np.diag([0.1, 0.2, 0.3])
    np.testing.assert_allclose(covariances(gaussians)[0], axes @ axes.T, rtol=1e-5, atol=1e-7)


def test_only_the_scene_is_shown_and_meshes_may_stand_twice(tmp_path):
    nodes = [{"mesh": 0}, {"children": [2]}, {"mesh": 0, "translation": [0, 5, 0]}, {"mesh": 0}]
    gaussians = read(tmp_path, one(), nodes=nodes, scene=1, scenes=[{"nodes": [3]}, {"nodes": [0, 1]}])
    assert sorted(gaussians.means.tolist()) == [[1, -3, 2], [1, -3, 7]]
    assert len(read(tmp_path, one(), nodes=nodes)) == 3


def test_reads_what_splat_transform_writes(tmp_path):
    """It takes the y of a PLY file to point down, and turns it by half a turn about z."""
    truth = read_ply(DATA / "cloud.ply").transform(Z_UP_FROM_Y_UP @ torch.diag(torch.tensor([-1.0, -1, 1, 1])))
    found = read_gltf_gaussians(DATA / "cloud.glb")
    for name in ("means", "scales", "opacities", "sh"):
        torch.testing.assert_close(getattr(found, name), getattr(truth, name), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(covariances(found), covariances(truth), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("extension", [".glb", ".gltf"])
def test_round_trip_keeps_float32(tmp_path, cloud, degree, extension):
    before = cloud(degree, features=2)
    write_gltf_gaussians(tmp_path / f"a{extension}", before)
    after = read_gltf_gaussians(tmp_path / f"a{extension}")
    for name in ("means", "scales", "opacities"):
        assert torch.equal(getattr(after, name), getattr(before, name))
    torch.testing.assert_close(after.sh, before.sh, rtol=0, atol=2e-6)
    torch.testing.assert_close(covariances(after), covariances(before), rtol=1e-5, atol=1e-7)
    assert after.features is None


def test_what_stands_in_the_file(tmp_path, cloud):
    """Named, typed and valued as the text of the extension asks, read here without our reader."""
    gaussians = cloud(1, count=5)
    write_gltf_gaussians(tmp_path / "a.glb", gaussians)
    made, binary = chunks(tmp_path / "a.glb")
    primitive = made["meshes"][0]["primitives"][0]
    assert made["extensionsUsed"] == [KHR]
    assert "extensionsRequired" not in made
    assert primitive["mode"] == 0
    assert primitive["extensions"][KHR] == {
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "projection": "perspective",
        "sortingMethod": "cameraDistance",
    }
    values = {}
    for name, index in primitive["attributes"].items():
        accessor = made["accessors"][index]
        view = made["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        dtype = {5126: np.float32, 5121: np.uint8}[accessor["componentType"]]
        assert accessor["count"] == 5
        assert view["byteOffset"] % 4 == 0
        values[name] = np.frombuffer(binary, dtype, 5 * width, view["byteOffset"]).reshape(5, width)
    wanted = [f"SH_DEGREE_1_COEF_{k}" for k in range(3)] + ["SH_DEGREE_0_COEF_0", "ROTATION", "SCALE", "OPACITY"]
    assert set(values) == {f"{KHR}:{name}" for name in wanted} | {"POSITION", "COLOR_0"}
    x, y, z = gaussians.means.numpy().T
    np.testing.assert_array_equal(values["POSITION"], np.stack([x, z, -y], axis=1))
    position = made["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_array_equal(position["min"], values["POSITION"].min(axis=0))
    np.testing.assert_array_equal(position["max"], values["POSITION"].max(axis=0))
    np.testing.assert_allclose(np.linalg.norm(values[f"{KHR}:ROTATION"], axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(values[f"{KHR}:OPACITY"][:, 0], gaussians.opacities)
    # At one half sRGB is 0.2140 in linear light.
    color = (gaussians.sh[:, 0] * C0 + 0.5).numpy().clip(0, 1)
    linear = np.where(color < 0.04, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(values["COLOR_0"][:, :3], linear * 255, atol=0.51)


def test_programs_without_the_extension_see_points(tmp_path, cloud):
    gaussians = cloud(0, count=6)
    write_gltf_gaussians(tmp_path / "a.glb", gaussians)
    points = next(iter(trimesh.load(tmp_path / "a.glb").geometry.values()))
    x, y, z = gaussians.means.numpy().T
    np.testing.assert_allclose(points.vertices, np.stack([x, z, -y], axis=1))
    assert points.colors.shape == (6, 4)


@pytest.mark.parametrize("scale", [[1e-50] * 3, [1e-120, 1, 1]])
def test_scales_that_a_node_makes_too_small_stay_above_zero(tmp_path, scale):
    gaussians = read(tmp_path, one(), nodes=[{"mesh": 0, "scale": scale}])
    assert bool((gaussians.scales > 0).all())


@pytest.mark.parametrize("node", [{"scale": [1e39] * 3}, {"scale": [1e100, 1, 1]}, {"translation": [0, 1e39, 0]}])
def test_a_node_may_not_lead_out_of_float32(tmp_path, node):
    with pytest.raises(FormatError, match=r"which takes their means out of float32; expected numbers below 3e38\."):
        read(tmp_path, one(), nodes=[{"mesh": 0, **node}])


def test_a_name_that_is_too_long_for_any_disk(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"refers to x{77}\.\.\., which is not there; keep both in one folder\."
    ):
        read(tmp_path, one(), buffers=[{"byteLength": 12, "uri": "x" * 5000}])


def test_nothing_cannot_be_written(tmp_path, cloud):
    with pytest.raises(ValueError, match=r"there are no Gaussians to write to .*a\.glb; expected at least one"):
        write_gltf_gaussians(tmp_path / "a.glb", cloud(0, count=0))
    assert not list(tmp_path.iterdir())


def test_endless_copies_are_refused_before_they_are_made(tmp_path):
    """One mesh in 20,000 nodes, with 100 primitives of the same Gaussian: two million from two megabytes of text."""
    made = tree(one(), nodes=[{"mesh": 0}] * 20_000)
    made["meshes"][0]["primitives"] *= 100
    (tmp_path / "a.gltf").write_text(json.dumps(made))
    with pytest.raises(FormatError, match=r"asks for 2000000 Gaussians or more from \d+ bytes; expected less than 64"):
        read_gltf_gaussians(tmp_path / "a.gltf")
