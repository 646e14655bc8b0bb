"""Scenes on disk: what is saved comes back, a damaged part is named, and no failure loses what stood there."""

from pathlib import Path

import pytest
import torch

from splatsim.cameras import Cameras
from splatsim.depth_pictures import DepthPictures
from splatsim.errors import FormatError
from splatsim.gaussians import Gaussians
from splatsim.grids import GridFrame, NavMap, OccupancyGrid, VoxelFrame
from splatsim.scene import WRITERS, Scene, Semantics


def full_scene() -> Scene:
    generator = torch.Generator().manual_seed(3)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    voxels = VoxelFrame((-1.0, 0.0, 0.5), 0.05, (5, 6, 7))
    labels = (rand(5, 6, 7) * 3).to(torch.uint8)
    cells = (rand(4, 9) * 3).to(torch.uint8)
    return Scene(
        name="flat",
        gaussians=Gaussians(rand(8, 3), rand(8, 4) + 0.1, rand(8, 3) + 0.01, rand(8) * 0.9 + 0.05, rand(8, 4, 3)),
        cameras=Cameras.look_at((1.0, 2.0, 1.5), (0.0, 0.0, 1.0), fov_deg=70.0, width=64, height=48),
        depths=DepthPictures((4 * rand(1, 6, 8)).half().float()),
        occupancy=OccupancyGrid(voxels, labels, ("free", "wall", "sofa"), rand(5, 6, 7) > 0.3, rand(5, 6, 7) > 0.8),
        nav_map=NavMap(GridFrame((0.0, 1.0), 0.05, (4, 9)), cells, (0.1, 1.8)),
        semantics=Semantics(torch.arange(8, dtype=torch.uint8) % 3, ("free", "wall", "sofa")),
        world_scale=0.5,
        scale_source="generated",
        provenance={
            "seed": 7,
            "licence": "CC0-1.0",
            "sizes": {"area": 98.5},
            "rooms": ["kitchen", "bath"],
            "a b": True,
        },
    )


def assert_same(a: Scene, b: Scene) -> None:
    for part in ("gaussians", "cameras", "occupancy", "nav_map"):
        ours, theirs = getattr(a, part), getattr(b, part)
        assert set(ours.tensors()) == set(theirs.tensors())
        for name, tensor in ours.tensors().items():
            torch.testing.assert_close(tensor, getattr(theirs, name), msg=f"{part}.{name}")
    assert a.occupancy is not None
    assert b.occupancy is not None
    assert a.occupancy.frame == b.occupancy.frame
    assert a.nav_map is not None
    assert b.nav_map is not None
    assert a.nav_map.frame == b.nav_map.frame
    assert a.semantics is not None
    assert b.semantics is not None
    assert torch.equal(a.semantics.labels, b.semantics.labels)
    assert (a.name, a.world_scale, a.scale_source, a.provenance) == (
        b.name,
        b.world_scale,
        b.scale_source,
        b.provenance,
    )


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    scene = full_scene()
    scene.save(tmp_path / "flat")
    assert_same(scene, Scene.load(tmp_path / "flat"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat"], "nothing is left beside the scene"


def test_compressed_gaussians_are_rounded_and_smaller_parts_are_found(tmp_path: Path) -> None:
    scene = full_scene()
    scene.save(tmp_path / "flat", compressed=True)
    assert (tmp_path / "flat" / "gaussians.spz").is_file()
    loaded = Scene.load(tmp_path / "flat")
    assert loaded.gaussians is not None
    assert scene.gaussians is not None
    torch.testing.assert_close(loaded.gaussians.means, scene.gaussians.means, atol=1e-3, rtol=0)
    scene.save(tmp_path / "flat", overwrite=True)
    assert not (tmp_path / "flat" / "gaussians.spz").exists()


def test_an_empty_scene_is_only_its_manifest(tmp_path: Path) -> None:
    Scene("nothing").save(tmp_path / "nothing")
    assert [path.name for path in (tmp_path / "nothing").iterdir()] == ["scene.toml"]
    assert Scene.load(tmp_path / "nothing").gaussians is None


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        full_scene().save(tmp_path / name)
    for file in ("cameras.npz", "occupancy.npz", "nav_map.npz", "semantics.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_scene_is_replaced_only_on_request_and_other_files_stay(tmp_path: Path) -> None:
    full_scene().save(tmp_path / "flat")
    (tmp_path / "flat" / "make.py").write_text("print()")
    (tmp_path / "flat" / "clips").mkdir()
    (tmp_path / "flat" / "clips" / "a.mp4").write_bytes(b"1")
    with pytest.raises(FileExistsError, match="holds a scene already; pass overwrite=True"):
        full_scene().save(tmp_path / "flat")
    Scene("other").save(tmp_path / "flat", overwrite=True)
    assert Scene.load(tmp_path / "flat").name == "other"
    assert (tmp_path / "flat" / "make.py").read_text() == "print()"
    assert (tmp_path / "flat" / "clips" / "a.mp4").read_bytes() == b"1"
    assert not (tmp_path / "flat" / "gaussians.ply").exists()


def test_a_folder_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"holds files but no scene\.toml"):
        Scene("flat").save(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_save_leaves_the_old_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_scene().save(tmp_path / "flat")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("splatsim.scene.WRITERS", {**WRITERS, "nav_map": fail})
    with pytest.raises(OSError, match="disk full"):
        full_scene().save(tmp_path / "flat", overwrite=True)
    assert Scene.load(tmp_path / "flat").name == "flat"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat"]


@pytest.mark.parametrize("part", ["gaussians", "semantics", "cameras", "occupancy", "nav_map"])
def test_a_missing_or_damaged_part_is_named(tmp_path: Path, part: str) -> None:
    full_scene().save(tmp_path / "flat")
    path = next(path for path in (tmp_path / "flat").iterdir() if path.stem == part)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(FormatError, match=rf"the part '{part}' is damaged, its SHA-256 is"):
        Scene.load(tmp_path / "flat")
    path.unlink()
    with pytest.raises(FormatError, match=rf"is missing: the part '{part}' is listed"):
        Scene.load(tmp_path / "flat")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("version = 1", "version = 9", r"has version 9; expected 1"),
        ("[parts.nav_map]", "[parts.nav_maps]", "names the part 'nav_maps'"),
        ("world_scale = 0.5", 'world_scale = "big"', "world_scale = 'big'; expected a float"),
        ("world_scale = 0.5", "world_scale = -1.0", "expected a positive number"),
        ('name = "flat"', "name = ", "not readable as TOML"),
        ('file = "cameras.npz"', 'file = "../../cameras.npz"', r"expected the file cameras\.npz"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    full_scene().save(tmp_path / "flat")
    path = tmp_path / "flat" / "scene.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(FormatError, match=sentence):
        Scene.load(tmp_path / "flat")


def test_no_scene_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no scene\.toml"):
        Scene.load(tmp_path)


def test_labels_match_the_gaussians() -> None:
    semantics = Semantics(torch.zeros(3, dtype=torch.uint8), ("wall",))
    with pytest.raises(ValueError, match="3 labels for 0 Gaussians"):
        Scene("flat", semantics=semantics)
    with pytest.raises(ValueError, match="holds 5 but there are 1 class names"):
        Semantics(torch.full((2,), 5, dtype=torch.uint8), ("wall",))
