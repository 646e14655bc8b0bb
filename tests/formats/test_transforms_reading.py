"""Damaged transforms.json: both readers give finite cameras or a FormatError that names the file and the field."""

import contextlib
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from splatsim.avatar.fitting.calibration import read_transforms
from splatsim.errors import FormatError
from splatsim.reconstruction import imports

EYE = np.eye(4).tolist()
Reader = Callable[[Path], list[tuple[str, np.ndarray, np.ndarray]]]


def of_people(path: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, numbers of the lens and pose of each picture, as the fit of avatars reads them."""
    return [
        (lens.name, np.concatenate([lens.size, lens.K.ravel(), lens.distortion]), lens.viewmat)
        for lens in read_transforms(path)
    ]


def of_scenes(path: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The same as a reconstruction reads them, before any picture is looked at closely."""
    found = []

    def triangulate(sources: Any, lenses: Any, lens_of: Any, viewmats: Any, *_: object) -> None:
        for source, lens, viewmat in zip(sources, lens_of, viewmats, strict=True):
            assert path.parent in source.path.parents
            numbers = np.array([lenses[lens].width, lenses[lens].height, *lenses[lens].params])
            found.append((source.name, numbers, viewmat))
        raise FarEnough

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(FarEnough):
        patch.setattr(imports, "triangulate", triangulate)
        imports.import_transforms(path, path.parent / "capture")
    return found


class FarEnough(Exception):
    """The file was read."""


@pytest.fixture(params=[of_people, of_scenes])
def read(request: pytest.FixtureRequest) -> Reader:
    """Each reader in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    """A file of two pictures that both readers take."""
    (tmp_path / "images").mkdir()
    for name in ("0.png", "1.png"):
        iio.imwrite(tmp_path / "images" / name, np.zeros((6, 8, 3), np.uint8))
    lens = {"w": 8, "h": 6, "fl_x": 9.0, "fl_y": 9.5, "cx": 4.0, "cy": 3.0, "k1": 0.1, "camera_model": "OPENCV"}
    pose = [[0.0, 0, 1, 2], [1, 0, 0, -1], [0, 1, 0, 0.5], [0, 0, 0, 1]]
    frames = [{"file_path": f"images/{k}.png", "transform_matrix": pose} for k in range(2)]
    return {**lens, "frames": frames}


def write(folder: Path, content: Any) -> Path:
    path = folder / "transforms.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def far(row: int, column: int, value: object) -> list[list[object]]:
    matrix: list[list[object]] = [list(line) for line in EYE]
    matrix[row][column] = value
    return matrix


FRAMES = {
    "file_path": [None, 7, "", "..", "/", "a/..", "x" * 5000, "a\0b", ["images/0.png"]],
    "transform_matrix": [
        None,
        "eye",
        [],
        EYE[:2],
        [EYE],
        far(0, 0, "one"),
        far(0, 3, float("nan")),
        far(1, 3, float("inf")),
        far(0, 3, 1e300),
        far(0, 0, 10**400),
        far(0, 0, 2.0),
        far(2, 2, -1.0),
        far(0, 1, 0.5),
        far(3, 0, 1.0),
        np.zeros((4, 4)).tolist(),
    ],
}
EVERYWHERE: dict[str, list[object]] = {
    "w": [None, "wide", True, 0, -8, float("nan"), 1e9, 10**400, [8]],
    "h": [{}, 0, float("inf"), 1e300],
    "fl_x": [[9], -9.0, float("nan"), 1e300, 1e-300, 10**400],
    "fl_y": ["9", -1, float("inf"), 1e12],
    "cx": [None, 1e300, -1e3],
    "cy": ["middle", float("nan")],
    "k1": ["strong", 1e9, float("nan"), 10**400, [0.1]],
    "p2": [-1e300],
    "camera_model": [None, 3, "EQUIRECTANGULAR", "x" * 10_000, ["OPENCV"], {}],
    "is_fisheye": ["no", []],
}
CASES = [(key, value) for key, values in (FRAMES | EVERYWHERE).items() for value in values]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{key}-{k}" for k, (key, _) in enumerate(CASES)])
def test_a_wrong_field_is_named(read: Reader, content: dict[str, Any], tmp_path: Path, number: int) -> None:
    key, value = CASES[number]
    content["frames"][1][key] = value
    path = write(tmp_path, content)
    with pytest.raises(FormatError) as caught:
        read(path)
    said = str(caught.value)
    assert str(path) in said
    assert key in said or (key.startswith("fl") and "focal length" in said)
    assert "frame 1" in said or "1.png" in said
    assert "expected" in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "{",
        '{"frames": 3}',
        '{"frames": []}',
        '{"frames": [3]}',
        "[" * 200_000,
        '{"frames": ' * 50_000,
        '{"w": ' + "9" * 5000 + "}",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_what_is_no_transforms_json_is_refused(read: Reader, tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FormatError, match="expected"):
        read(path)


def test_more_frames_and_bytes_than_any_capture_are_refused(read: Reader, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="lists 100001 frames; expected 1 to 100000"):
        read(write(tmp_path, '{"frames": [' + "{}," * 100_000 + "{}]}"))
    path = tmp_path / "transforms.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(FormatError, match="expected at most"):
        read(path)


def test_pictures_outside_the_folder_are_not_read(read: Reader, content: dict[str, Any], tmp_path: Path) -> None:
    """A path of another machine stands for the picture of that name; nothing beyond the folder is opened."""
    inside = tmp_path / "inside"
    inside.mkdir()
    iio.imwrite(tmp_path / "secret.png", np.zeros((6, 8, 3), np.uint8))
    iio.imwrite(inside / "here.png", np.zeros((6, 8, 3), np.uint8))
    outside = [str(tmp_path / "secret.png"), "../secret.png", "a/../../secret.png", "C:\\films\\secret.png"]
    labels = ["/home/someone/here.png", *outside]
    content["frames"] = [{**content["frames"][0], "file_path": label} for label in labels]
    read(write(inside, content))  # of_scenes looks where each picture lies
    if read is of_people:
        names = [name for name, _, _ in read(inside / "transforms.json")]
        assert names == ["here.png", *["secret.png"] * 4]


def test_changed_values_are_survived(read: Reader, content: dict[str, Any], tmp_path: Path) -> None:
    rng = random.Random(0)
    poison = [None, True, "", "x", [], {}, -1, 0, 1e-320, 1e308, 10**400, float("nan"), float("inf"), [[1]], "../../x"]
    good = 0
    for _ in range(300):
        changed = json.loads(json.dumps(content))
        changed |= {"applied_transform": EYE, "applied_scale": 1.0}
        for _ in range(rng.choice((1, 1, 2, 4))):
            where: Any = (
                rng.choice([changed, *changed["frames"]]) if isinstance(changed.get("frames"), list) else changed
            )
            if not isinstance(where, dict):
                continue
            key = rng.choice([*where, *EVERYWHERE])
            if key == "transform_matrix" and rng.random() < 0.7:
                where[key] = far(rng.randrange(4), rng.randrange(4), rng.choice(poison))
            else:
                where[key] = rng.choice(poison)
        path = write(tmp_path, changed)
        tracemalloc.start()
        outcome = attempt(read, path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20
        if isinstance(outcome, str):
            assert str(path) in outcome
            assert len(outcome) < 1000
            continue
        good += 1
        for _, numbers, viewmat in outcome:
            assert np.isfinite(numbers).all()
            np.testing.assert_allclose(viewmat[:3, :3] @ viewmat[:3, :3].T, np.eye(3), atol=1e-6)
            assert np.abs(viewmat).max() < 1e14
    assert good > 10


def attempt(read: Reader, path: Path) -> list[tuple[str, np.ndarray, np.ndarray]] | str:
    try:
        return read(path)
    except FormatError as error:
        return str(error)
