"""Masks find their pictures, in whatever way they were named and turned."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatsim.errors import FormatError
from splatsim.reconstruction.masks import Masks, read_mask


def save(path: Path, mask: np.ndarray, white: int = 255) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray((mask * white).astype(np.uint8)).save(path)
    return path


MASK = np.zeros((30, 40), bool)
MASK[:10, :15] = True


@pytest.mark.parametrize("name", ["IMG_1.png", "IMG_1.jpg.png", "img_1.PNG"])
def test_by_the_name_of_the_photo(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "m" / name, MASK)
    masks = Masks.open(tmp_path / "m")
    assert masks
    assert masks.of("IMG_1.jpg") == path
    assert masks.of("IMG_2.jpg") is None


@pytest.mark.parametrize("name", ["12.png", "000012.png"])
def test_by_the_number_of_the_frame(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "m" / name, MASK)
    assert Masks.open(tmp_path / "m").of("12") == path


def test_one_for_all_and_none(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", MASK)
    assert Masks.open(path).of("anything.jpg") == path
    assert not Masks.open(None)
    with pytest.raises(FileNotFoundError, match=r"nowhere holds no masks; expected a picture, or a folder"):
        Masks.open(tmp_path / "nowhere")


@pytest.mark.parametrize("white", [255, 1])
def test_scaled_and_read_at_any_white(tmp_path: Path, white: int) -> None:
    read = read_mask(save(tmp_path / "m.png", MASK, white), (80, 60))
    assert read.shape == (60, 80)
    np.testing.assert_array_equal(read[::2, ::2], MASK)


def test_all_black_hides_everything(tmp_path: Path) -> None:
    assert not read_mask(save(tmp_path / "m.png", np.zeros((30, 40))), (40, 30)).any()


@pytest.mark.parametrize(("orientation", "stored"), [(6, np.rot90), (8, lambda m: np.rot90(m, -1))])
def test_a_mask_that_lies_as_the_file_of_its_photo(tmp_path: Path, orientation: int, stored: object) -> None:
    assert callable(stored)
    path = save(tmp_path / "m.png", stored(MASK))
    np.testing.assert_array_equal(read_mask(path, (40, 30), orientation), MASK)


def test_sentences(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"m.png is 40x30; expected the proportions of its picture, 100x20"):
        read_mask(save(tmp_path / "m.png", MASK), (100, 20))
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(FormatError, match=r"text.png cannot be read .*; expected a mask, white where"):
        read_mask(tmp_path / "text.png", (100, 20))
