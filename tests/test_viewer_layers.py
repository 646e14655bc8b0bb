"""What the viewer lays over the Gaussians: the cubes and pictures, where people stand, and the file for rerun."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from splatsim import cli
from splatsim.avatar import Avatar, Skeleton, SkinWeights
from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable, FormatError
from splatsim.gaussians import Gaussians
from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap, OccupancyGrid, VoxelFrame
from splatsim.maps import Floor
from splatsim.scene import Scene
from splatsim.semantics import palette
from splatsim.viewer import Viewer, read_avatars, stand
from splatsim.viewer.layers import bev_picture, nav_picture, surface_voxels
from splatsim.viewer.rerun_file import write_rerun
from tests.conftest import random_gaussians
from tests.test_viewer import free_port


def grid(size: int = 6) -> OccupancyGrid:
    """A solid cube of class 2 in free space, one corner of which nobody has seen."""
    labels = torch.zeros(size, size, size, dtype=torch.uint8)
    labels[1:5, 1:5, 1:5] = 2
    observed = torch.ones(size, size, size, dtype=torch.bool)
    observed[4, 4, 4] = False
    return OccupancyGrid(VoxelFrame((1.0, 2.0, 3.0), 0.5, (size,) * 3), labels, ("free", "tree", "rock"), observed)


def nav_map() -> NavMap:
    """8 by 6 cells of half a metre: free, a wall in the north row, the east column unknown."""
    cells = torch.full((6, 8), FREE, dtype=torch.uint8)
    cells[0], cells[:, 7] = OCCUPIED, UNKNOWN
    return NavMap(GridFrame((-2.0, 1.5), 0.5, (6, 8)), cells, (0.1, 1.0))


def flat_scene() -> Scene:
    """A level sheet of red Gaussians at z = 0, blue ones beside it in the north."""
    x, y = torch.meshgrid(torch.linspace(-2, 2, 30), torch.linspace(-1.5, 1.5, 24), indexing="ij")
    means = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    sh = torch.full((len(means), 1, 3), -1.7)
    sh[:, 0, 0] = torch.where(means[:, 1] > 0.75, -1.7, 1.7)
    sh[:, 0, 2] = -sh[:, 0, 0]
    scales = torch.tensor([0.09, 0.09, 0.005]).expand(len(means), 3)
    quats = torch.tensor([1.0, 0, 0, 0]).expand(len(means), 4)
    gaussians = Gaussians(means, quats.clone(), scales.clone(), torch.full((len(means),), 0.98), sh)
    cameras = Cameras.look_at([[1.5, -1.0, 1.6], [1.0, -1.2, 1.6]], [-1.0, 0, 0], fov_deg=70, width=64, height=48)
    return Scene("flat", gaussians, cameras, occupancy=grid(), nav_map=nav_map())


def person(name: str = "ann") -> Avatar:
    gaussians = random_gaussians(20, k=1)
    skin = SkinWeights(torch.zeros(20, 1, dtype=torch.int32), torch.ones(20, 1))
    return Avatar(gaussians, Skeleton(("root",), (-1,), torch.zeros(1, 3)), skin, name)


def test_voxels_are_those_of_the_surface() -> None:
    shown = surface_voxels(grid())
    assert shown is not None
    # 4³ voxels less the 2³ inside, less the unseen corner; a corner's loss lays no inner voxel bare.
    assert len(shown.centers) == 4**3 - 2**3 - 1
    assert shown.size == 0.5
    np.testing.assert_allclose(shown.centers.min(0), [1.75, 2.75, 3.75])
    assert (shown.colors == palette(3)[2]).all()
    assert surface_voxels(grid().replace(labels=torch.zeros(6, 6, 6, dtype=torch.uint8))) is None


def test_too_many_voxels_become_larger_ones() -> None:
    shown = surface_voxels(grid(), most=30)
    assert shown is not None
    # 3³ of twice the size, less the one in the middle and the corner of which all that is not free is unseen.
    assert (len(shown.centers), shown.size) == (27 - 2, 1.0)
    np.testing.assert_allclose(shown.centers.min(0), [1.5, 2.5, 3.5])


def test_ceilings_are_a_layer_of_their_own() -> None:
    """The cube of 2 m begins 0.5 m above z = 3; on a floor that falls to the east more of it is high."""
    shown = surface_voxels(grid())
    assert shown is not None
    low, high = shown.parted(Floor(2.5))
    np.testing.assert_allclose(np.unique(low.centers[:, 2]), [3.75, 4.25])  # of 3.75, 4.25, 4.75 and 5.25
    np.testing.assert_allclose(np.unique(high.centers[:, 2]), [4.75, 5.25])
    assert len(low.colors) + len(high.colors) == len(shown.colors)
    low, high = shown.parted(Floor(2.5, slope_x=-0.4))
    assert low.centers[:, 0].mean() < high.centers[:, 0].mean()
    assert len(shown.parted(Floor(2.5), height=10.0)[1].centers) == 0


def test_pictures_lie_where_their_cells_are() -> None:
    picture = nav_picture(nav_map(), Floor(0.5))
    assert picture.center == pytest.approx((0.0, 0.0, 0.54))
    assert (picture.width, picture.height) == (4.0, 3.0)
    assert picture.image[0, 0, 0] > 200  # red in the north
    assert picture.image[3, 2, 1] > 180  # green where it is free
    assert picture.image[3, 7, 3] == 0  # nothing where nobody knows
    above = bev_picture(flat_scene(), Floor(0.0))
    assert above.image.shape == (6, 8, 4)
    assert above.image[0, 3, 2] > 150 > above.image[0, 3, 0]  # the blue ones lie in the north
    assert above.image[4, 3, 0] > 150 > above.image[4, 3, 2]


def test_people_stand_apart_on_free_cells_and_face_the_camera() -> None:
    scene = flat_scene()
    standing = stand({"a": person(), "b": person()}, scene, Floor(0.25))
    first, second = (gaussians.means.mean(0) for gaussians in standing.values())
    assert float((first - second)[:2].norm()) > 0.3
    body = person().gaussians.means
    for gaussians in standing.values():
        torch.testing.assert_close(gaussians.means[:, 2], body[:, 2] + 0.25)
        # Rigid: from body to world by a turn about z and a shift.
        turned = gaussians.means - gaussians.means.mean(0)
        plain = body - body.mean(0)
        torch.testing.assert_close(turned.norm(dim=1), plain.norm(dim=1), atol=1e-5, rtol=1e-5)
    one = person()
    one = Avatar(one.gaussians.replace(means=torch.zeros(20, 3) + torch.tensor([1.0, 0, 0])), one.skeleton, one.skin)
    ahead = stand({"a": one}, scene, Floor(0.0))["a"].means[0, :2]
    back = Avatar(one.gaussians.replace(means=torch.zeros(20, 3)), one.skeleton, one.skin)
    foot = stand({"a": back}, scene, Floor(0.0))["a"].means[0, :2]
    towards = scene.cameras.positions[0, :2] - foot
    torch.testing.assert_close(ahead - foot, towards / towards.norm(), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_each_layer_has_a_switch_and_appears_when_it_is_set() -> None:
    low = grid().replace(frame=VoxelFrame((1.0, 2.0, 0.5), 0.5, (6, 6, 6)))  # some of it below 2.2 m
    shown = Viewer(replace(flat_scene(), occupancy=low), avatars={"ann": person()}, port=free_port())
    try:
        switches = {handle.label: handle for handle in shown.server.gui._gui_input_handle_from_uuid.values()}
        expected = {
            "Gaussians": True,
            "Cameras": True,
            "Occupancy": False,
            "Occupancy: ceilings": False,
            "NavMap": False,
            "BEV": False,
            "ann": True,
        }
        assert {name: switch.value for name, switch in switches.items()} == expected
        nodes = shown.server.scene._handle_from_node_name
        assert {"/gaussians", "/cameras/0", "/avatars/ann"} <= set(nodes)
        hidden = {"Occupancy": "/occupancy", "Occupancy: ceilings": "/ceilings", "NavMap": "/nav_map", "BEV": "/bev"}
        assert not set(hidden.values()) & set(nodes)
        for name, node in hidden.items():
            switches[name].value = True
            for callback in switches[name]._impl.update_cb:
                callback(SimpleNamespace())
            assert nodes[node].visible
    finally:
        shown.stop()


def test_avatars_are_read_by_the_names_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    person().save(tmp_path / "ann.npz")
    person().save(tmp_path / "other" / "ann.npz")
    assert list(read_avatars([tmp_path / "ann.npz", tmp_path / "other" / "ann.npz"])) == ["ann", "ann 2"]
    with pytest.raises(FileNotFoundError):
        read_avatars([tmp_path / "none.npz"])


class FakeRerun(ModuleType):
    """Keeps what is logged; every archetype is its name and what it was given."""

    def __init__(self) -> None:
        super().__init__("rerun")
        self.logged: dict[str, tuple[Any, ...]] = {}
        self.ViewCoordinates = SimpleNamespace(RIGHT_HAND_Z_UP="z up", RDF="right down forward")
        for name in ("GaussianSplats3D", "Transform3D", "Pinhole", "Boxes3D", "Mesh3D", "Quaternion"):
            setattr(
                self, name, lambda *given, _name=name, **options: SimpleNamespace(_name=_name, given=given, **options)
            )

    def RecordingStream(self, name: str) -> Any:
        def save(path: Path) -> None:
            Path(path).write_bytes(b"recording")

        def log(path: str, *parts: Any, static: bool) -> None:
            self.logged[path] = parts

        return SimpleNamespace(save=save, log=log, flush=lambda: None, disconnect=lambda: None)


def test_rerun_gets_every_layer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rerun = FakeRerun()
    monkeypatch.setitem(sys.modules, "rerun", rerun)
    scene = flat_scene()
    layers = write_rerun(tmp_path / "flat.rrd", scene, avatars={"ann": person()})
    assert layers == ["avatars", "bev", "cameras", "gaussians", "nav_map", "occupancy"]
    assert [path.name for path in tmp_path.iterdir()] == ["flat.rrd"]
    splats = rerun.logged["world/gaussians"][0]
    np.testing.assert_allclose(splats.quaternions[0], [0, 0, 0, 1])  # x y z w
    assert splats.colors[0].tolist() == [250, 5, 5, 250] or splats.colors.shape == (720, 4)
    pose, pinhole = rerun.logged["world/cameras/00001"]
    np.testing.assert_allclose(pose.translation, [1.0, -1.2, 1.6], atol=1e-6)
    assert pinhole.resolution == [64, 48]
    sheet = rerun.logged["world/nav_map"][0]
    # The picture's first row (texture coordinate v = 0) lies in the north.
    np.testing.assert_allclose(sheet.vertex_positions[sheet.vertex_texcoords[:, 1] == 0][:, 1], 1.5)
    a, b, c = sheet.vertex_positions[sheet.triangle_indices[0]]
    assert np.cross(b - a, c - a)[2] > 0  # it faces up
    boxes = rerun.logged["world/occupancy"][0]
    assert (boxes.half_sizes == 0.25).all()


def test_what_rerun_cannot_have_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scene, there = flat_scene(), tmp_path / "there.rrd"
    there.write_bytes(b"mine")
    with pytest.raises(FormatError, match=r'"\.txt"; expected \.rrd'):
        write_rerun(tmp_path / "a.txt", scene)
    with pytest.raises(FileExistsError, match="pass --overwrite"):
        write_rerun(there, scene)
    with pytest.raises(ValueError, match='the scene "none" has no Gaussians'):
        write_rerun(tmp_path / "a.rrd", Scene("none"))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_rerun(tmp_path / "no" / "a.rrd", scene)
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(BackendUnavailable, match=r'rerun cannot be imported .*"splatsim\[rerun\]"'):
        write_rerun(there, scene, overwrite=True)
    assert there.read_bytes() == b"mine"


def test_rerun_itself_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rerun")
    flat_scene().save(tmp_path / "flat")
    person().save(tmp_path / "ann.npz")
    command = ["view", str(tmp_path / "flat"), "--avatars", str(tmp_path / "ann.npz"), "--rerun"]
    assert cli.main([*command, str(tmp_path / "flat.rrd")]) == 0
    assert "avatars, bev, cameras, gaussians, nav_map, occupancy" in capsys.readouterr().out
    assert (tmp_path / "flat.rrd").read_bytes()[:4] == b"RRF2"
