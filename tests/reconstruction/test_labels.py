"""Label images and classes from files, and the sentences with which wrong ones are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatsim.errors import FormatError
from splatsim.reconstruction.labels import LabelFolder, read_classes, read_labels


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def picture(path: Path, values: object, mode: str = "L") -> Path:
    array = np.array(values, np.uint16 if mode == "I;16" else np.uint8)
    Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "wall\nignore\nfloor\nwall\n\n"),
        ("a.json", '{"0": "wall", "2": "floor", "1": "Ignore", "3": "wall"}'),
        ("a.toml", '0 = "wall"\n1 = "ignore"\n2 = "floor"\n3 = "wall"\n'),
    ],
)
def test_classes_in_three_ways(tmp_path: Path, name: str, text: str) -> None:
    classes = read_classes(write(tmp_path / name, text))
    assert classes.names == ("wall", "floor")
    assert dict(classes.by_value) == {0: 0, 1: 255, 2: 1, 3: 0, 255: 255}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "names 0 classes; expected 1 to 254"),
        ("a.txt", "wall\n\nfloor\n", "the class 1 has the name ''"),
        ("a.txt", "\n".join(f"c{i}" for i in range(300)), "names 300 classes"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "[1]", "cannot be read (a list)"),
        ("a.json", '{"-1": "wall"}', 'the id "-1" is no whole number'),
        ("a.json", '{"70000": "wall"}', "0 to 65535"),
        ("a.json", '{"1": 3}', "the class 1 has the name '3'"),
        ("a.toml", "0 = ", "cannot be read"),
    ],
)
def test_broken_classes_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(FormatError) as refused:
        read_classes(write(tmp_path / name, text))
    assert said in str(refused.value)
    assert name in str(refused.value)


def folder(tmp_path: Path, sizes: list[tuple[int, int]]) -> LabelFolder:
    classes = write(tmp_path / "classes.txt", "wall\nfloor\nsofa\n")
    return read_labels(tmp_path, classes, [f"{i:03d}.jpg" for i in range(len(sizes))], sizes)


def test_label_images_are_found_by_name(tmp_path: Path) -> None:
    picture(tmp_path / "000.png", [[0, 1, 2], [2, 255, 0]])
    picture(tmp_path / "002.jpg.png", [[1, 1, 1], [1, 1, 1]], "I;16")
    labels = folder(tmp_path, [(3, 2), (3, 2), (3, 2)])
    assert (len(labels), labels.missing) == (3, 1)
    assert labels[0].tolist() == [[0, 1, 2], [2, 255, 0]]  # type: ignore[union-attr]
    assert labels[1] is None
    assert labels[2].dtype == torch.uint8  # type: ignore[union-attr]


def test_a_palette_is_read_by_its_numbers(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 2]], np.uint8)).convert("P")
    image.putdata([0, 1, 2, 2])
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "000.png")
    assert folder(tmp_path, [(2, 2)])[0].tolist() == [[0, 1], [2, 2]]  # type: ignore[union-attr]


def test_another_size_of_the_same_proportions_is_taken(tmp_path: Path) -> None:
    picture(tmp_path / "000.png", [[0, 1], [2, 255]])
    grown = folder(tmp_path, [(4, 4)])[0]
    assert grown.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 255, 255], [2, 2, 255, 255]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[0, 1, 2]], "has 3 x 1 pixels; expected 2 x 2 as its picture, or that ratio"),
        ([[0, 1], [2, 3]], "has the value 3 at row 1, column 1; expected the 4 values of the classes file"),
        ([[[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]], "has colours (mode RGB)"),
    ],
)
def test_images_that_do_not_fit_are_refused_before_anything_is_made(tmp_path: Path, values: object, said: str) -> None:
    picture(tmp_path / "000.png", values)
    with pytest.raises(FormatError) as refused:
        folder(tmp_path, [(2, 2)])
    assert said in str(refused.value)
    assert "000.png" in str(refused.value)


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds classes.txt: labels of none of 1 pictures; expected 000\.png"):
        folder(tmp_path, [(2, 2)])
    (tmp_path / "000.png").write_bytes(b"\x89PNG half")
    with pytest.raises(FormatError, match=r"000\.png cannot be read"):
        folder(tmp_path, [(2, 2)])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        read_labels(tmp_path / "no", tmp_path / "classes.txt", [], [])
    with pytest.raises(FileNotFoundError, match="names of the classes"):
        read_labels(tmp_path, tmp_path / "no.txt", [], [])
