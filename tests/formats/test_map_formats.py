"""Maps of ROS and InteriorGS: there and back, bytes that are known, and files that are damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatsim.errors import FormatError
from splatsim.formats.interior_gs import read_interior_gs, write_interior_gs
from splatsim.formats.ros_map import read_ros_map, write_ros_map
from splatsim.grids import GridFrame, NavMap

CELLS = torch.tensor([[0, 1, 2, 0], [0, 0, 0, 1], [2, 2, 0, 0]], dtype=torch.uint8)
MAP = NavMap(GridFrame((-1.5, 4.25), 0.05, (3, 4)), CELLS, (0.1, 1.8))


def test_ros_maps_come_back(tmp_path: Path) -> None:
    write_ros_map(tmp_path / "map.yaml", MAP)
    found = read_ros_map(tmp_path / "map.yaml")
    assert torch.equal(found.cells, CELLS)
    assert found.frame.north_west == pytest.approx(MAP.frame.north_west)
    assert (tmp_path / "map.pgm").read_bytes().startswith(b"P5\n4 3\n255\n\xfe\x00\xcd\xfe")
    # ROS counts from the south-west corner.
    assert "origin: [-1.5, 4.1, 0.0]" in (tmp_path / "map.yaml").read_text().replace("4.1000000000000005", "4.1")


def test_a_map_of_nav2_is_read(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255], [100, 205]], np.uint8)).save(tmp_path / "turtle.png")
    text = "# from SLAM\nimage: turtle.png\nmode: trinary\nresolution: 0.1\norigin: [-10.0, 5, 0]\nnegate: 0\n"
    (tmp_path / "m.yaml").write_text(text + "occupied_thresh: 0.65\nfree_thresh: 0.25\n")
    found = read_ros_map(tmp_path / "m.yaml", (0.0, 1.0))
    assert found.cells.tolist() == [[1, 0], [2, 0]]
    assert found.frame.north_west == pytest.approx((-10.0, 5.2))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.05", "-1", "resolution"),
        ("0.05", "nan", "resolution"),
        ("map.pgm", "../gone.pgm", "gone.pgm"),
        ("0.0]", "0.3]", "turned"),
        ("trinary", "raw", "trinary"),
        ("origin:", "orgin:", "origin"),
        ("negate: 0", "negate", "key: value"),
    ],
)
def test_wrong_ros_maps_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    write_ros_map(tmp_path / "map.yaml", MAP)
    text = (tmp_path / "map.yaml").read_text()
    assert old in text
    (tmp_path / "map.yaml").write_text(text.replace(old, new))
    with pytest.raises((FormatError, FileNotFoundError), match=words):
        read_ros_map(tmp_path / "map.yaml")


def test_interior_gs_maps_come_back(tmp_path: Path) -> None:
    write_interior_gs(tmp_path, MAP)
    found = read_interior_gs(tmp_path)
    assert torch.equal(found.cells, CELLS)
    assert found.frame.north_west == pytest.approx(MAP.frame.north_west)
    assert found.z_range == MAP.z_range
    assert np.asarray(Image.open(tmp_path / "occupancy.png"))[0].tolist() == [255, 0, 127, 255]


def test_pixels_of_interior_gs_lie_where_gn_bench_puts_them(tmp_path: Path) -> None:
    write_interior_gs(tmp_path, MAP)
    facts = json.loads((tmp_path / "occupancy.json").read_text())
    x, y = MAP.frame.centers(torch.tensor([2, 3])).tolist()
    wx, wy = -x, -y  # its world is ours after half a turn
    assert round((-wx - facts["lower"][0]) / facts["scale"] - 0.5) == 3
    assert round((facts["upper"][1] + wy) / facts["scale"] - 0.5) == 2


def test_wrong_interior_gs_maps_are_named(tmp_path: Path) -> None:
    write_interior_gs(tmp_path, MAP)
    facts = json.loads((tmp_path / "occupancy.json").read_text())
    for change, words in (({"scale": 0}, "scale"), ({"lower": [0, 0]}, "lower"), ({"scale": 0.5}, "expected the same")):
        (tmp_path / "occupancy.json").write_text(json.dumps(facts | change))
        with pytest.raises(FormatError, match=words):
            read_interior_gs(tmp_path)
    (tmp_path / "occupancy.json").write_text("[" * 100_000)
    with pytest.raises(FormatError, match="JSON"):
        read_interior_gs(tmp_path)
    (tmp_path / "occupancy.json").write_text(json.dumps(facts))
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "occupancy.png")
    with pytest.raises(FormatError, match="grey"):
        read_interior_gs(tmp_path)
    (tmp_path / "occupancy.png").write_bytes((tmp_path / "occupancy.png").read_bytes()[:40])
    with pytest.raises(FormatError, match="cannot be read"):
        read_interior_gs(tmp_path)


def test_a_picture_of_monstrous_size_is_refused(tmp_path: Path) -> None:
    write_ros_map(tmp_path / "map.yaml", MAP)
    (tmp_path / "map.pgm").write_bytes(b"P5\n4000000 4000000\n255\n\x00")
    with pytest.raises(FormatError, match="pixels"):
        read_ros_map(tmp_path / "map.yaml")
