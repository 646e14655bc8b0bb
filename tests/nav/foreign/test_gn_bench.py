"""GN-Bench's files, written by hand after its loader, with what trips it up."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch

from splatsim.errors import BackendUnavailable, EpisodeError, FormatError
from splatsim.grids import GridFrame
from splatsim.nav.foreign import read_gn_bench, write_gn_bench
from tests.sentences import check_sentences

LEGACY = {
    "scene": "0001_839920",
    "label": {"ins_id": "17", "label": "sofa", "goal_pixel": [40, 20]},
    "start": {"world": {"x": -1.0, "y": -2.0}},
    "start_facing": {"world": {"unit_dx": -1.0, "unit_dy": 0.0, "heading_degrees": 180.0}},
    "goal": {"world": {"x": -4.0, "y": -2.0}},
    "instruction": "Go to the sofa.",
    "grounded_instruction": "Go to the sofa <17>.",
    # Straight along an axis: GN-Bench's own fit of an affine map has no answer here.
    "path": {"raster_world": [{"x": -1.0, "y": -2.0}, {"x": -4.0, "y": -2.0}], "raster_pixel": [[10, 20], [40, 20]]},
}
ROW = {
    "scene": "0001_839920",
    "trajectory_id": "t3",
    "instruction": "Go to the sofa.",
    "grounded_instruction": "Go to the sofa <17>.",
    "label_ins_id": "17",
    "label_label": "sofa",
    "label_goal_pixel_x": 40.0,
    "label_goal_pixel_y": 20.0,
    "start_world_x": -1.0,
    "start_world_y": -2.0,
    "start_facing_unit_dx": 0.0,
    "start_facing_unit_dy": -1.0,
    "start_facing_heading_degrees": -90.0,
    "goal_world_x": -4.0,
    "goal_world_y": -6.0,
    "path_raster_world_x": [-1.0, -1.0, -4.0],
    "path_raster_world_y": [-2.0, -6.0, -6.0],
    "path_raster_pixel_x": [10.0, 10.0, 40.0],
    "path_raster_pixel_y": [60.0, 20.0, 20.0],
}


def write_table(path: Path, *rows: dict) -> Path:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(list(rows)), path)
    return path


def test_a_straight_path_is_turned_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "t1.json"
    path.write_text(json.dumps(LEGACY))
    (episode,) = read_gn_bench(path).episodes
    assert (episode.name, episode.scene, episode.max_steps) == ("0001_839920/t1", "0001_839920", 500)
    assert episode.start == pytest.approx((1.0, 2.0, 0.0))
    assert episode.goal == (4.0, 2.0)
    assert episode.reference.tolist() == [[1.0, 2.0], [4.0, 2.0]]
    assert episode.shortest == 3.0
    assert (episode.task, episode.instruction) == ("instruction", "Go to the sofa.")
    assert episode.info["goal_class"] == "sofa"


def test_a_table(tmp_path: Path) -> None:
    read = read_gn_bench(write_table(tmp_path / "a.parquet", ROW, {**ROW, "instruction": "Once more."}))
    first, second = read.episodes
    assert first.name == "0001_839920/t3"
    assert second.name == "0001_839920/t3#2"
    assert first.start == pytest.approx((1.0, 2.0, math.pi / 2))
    assert first.shortest == 7.0
    assert len(read.lost) == 1


def test_an_empty_path_is_told(tmp_path: Path) -> None:
    row = {**ROW, **{key: [] for key in ROW if key.startswith("path_")}}
    read = read_gn_bench(write_table(tmp_path / "a.parquet", {**ROW, "trajectory_id": "full"}, row))
    assert read.episodes[1].reference.tolist() == [[1.0, 2.0], [4.0, 6.0]]
    assert read.episodes[1].shortest == 5.0
    assert "no path" in read.lost[0]
    write_gn_bench(tmp_path / "b.parquet", read.episodes)
    assert read_gn_bench(tmp_path / "b.parquet").episodes[1].reference.tolist() == [[1.0, 2.0], [4.0, 6.0]]


def test_tables_and_files_come_back(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [ROW, {**ROW, "trajectory_id": "t4", "goal_world_x": -4.5, "label_goal_pixel_x": 45.0}]
    first = read_gn_bench(write_table(tmp_path / "a.parquet", *rows)).episodes
    write_gn_bench(tmp_path / "b.parquet", first)
    for got, row in zip(parquet.read_table(tmp_path / "b.parquet").to_pylist(), rows, strict=True):
        assert list(got) == list(row)
        for key, value in row.items():
            assert got[key] == (pytest.approx(value, abs=1e-9) if not isinstance(value, str) else value)
    write_gn_bench(tmp_path / "t3.json", first[:1])
    (again,) = read_gn_bench(tmp_path / "t3.json").episodes
    assert again.start == pytest.approx(first[0].start)
    assert torch.equal(again.reference, first[0].reference)
    assert (again.goal, again.info, again.name) == (first[0].goal, first[0].info, first[0].name)


def test_pixels_of_other_episodes_need_the_map(tmp_path: Path) -> None:
    (episode,) = read_gn_bench(write_table(tmp_path / "a.parquet", ROW)).episodes
    ours = episode.replace(info={})
    with pytest.raises(EpisodeError, match="pixels"):
        write_gn_bench(tmp_path / "b.parquet", [ours])
    write_gn_bench(tmp_path / "b.parquet", [ours], GridFrame((0.0, 10.0), 0.05, (200, 200)))
    (again,) = read_gn_bench(tmp_path / "b.parquet").episodes
    kept = again.info["gn_bench"]
    # x = 1, y = 2 is 20 cells east of the corner, and 8 m south of it.
    assert kept["path_pixels"][0] == [20.0, 160.0]


def test_without_pyarrow_json_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(BackendUnavailable, match=r"splatsim\[parquet\]"):
        read_gn_bench(tmp_path / "a.parquet")
    (tmp_path / "t1.json").write_text(json.dumps(LEGACY))
    assert len(read_gn_bench(tmp_path / "t1.json").episodes) == 1


def test_every_cut_of_a_table_is_an_error(tmp_path: Path) -> None:
    data = write_table(tmp_path / "a.parquet", ROW).read_bytes()
    for length in range(0, len(data), len(data) // 40):
        (tmp_path / "cut.parquet").write_bytes(data[:length])
        with pytest.raises(FormatError):
            read_gn_bench(tmp_path / "cut.parquet")


def test_the_sentences(tmp_path: Path) -> None:
    def table(**changes) -> object:
        row = {key: value for key, value in {**ROW, **changes}.items() if value is not ...}
        found = read_gn_bench(write_table(tmp_path / "a.parquet", row))
        return "\n".join(found.lost) if found.lost else found

    def legacy(**changes) -> object:
        row = {key: value for key, value in {**LEGACY, **changes}.items() if value is not ...}
        (tmp_path / "t1.json").write_text(json.dumps(row))
        return read_gn_bench(tmp_path / "t1.json")

    cases = {
        "no file": lambda: read_gn_bench(tmp_path / "none.parquet"),
        "a column missing": lambda: table(goal_world_y=...),
        "an empty goal": lambda: table(goal_world_y=None),
        "no number": lambda: table(goal_world_y="far"),
        "not finite": lambda: table(start_world_x=math.nan),
        "lists of two lengths": lambda: table(path_raster_pixel_x=[1.0]),
        "no facing": lambda: table(start_facing_unit_dx=0.0, start_facing_unit_dy=0.0),
        "two facings": lambda: table(start_facing_heading_degrees=90.0),
        "no path in JSON": lambda: legacy(path=...),
        "lists of two lengths in JSON": lambda: legacy(path={**LEGACY["path"], "raster_pixel": []}),
        "a wrong point in JSON": lambda: legacy(path={**LEGACY["path"], "raster_world": [1, 2]}),
        "a list for an episode": lambda: legacy(label=[]),
        "no scene": lambda: legacy(scene=None),
    }
    check_sentences(Path(__file__).with_name("gn_bench_errors.txt"), cases, tmp_path)
