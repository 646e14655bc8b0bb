"""Pages: they hold everything themselves, escape what they are given, and are written whole."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from splatsim.report import Page, _ticks


class Tags(HTMLParser):
    """Collects what a browser would load, and checks that tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of SVG: nothing stays open, nothing is loaded."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page() -> Page:
    built = Page("A <room>", "Five & more")
    built.section("Views")
    built.text("blur < 0.2", alarm=True)
    built.table(["view", "PSNR"], [["a<b>", 28.123456], ["b", float("nan")], ["c", 12345]])
    red = np.zeros((8, 12, 3), np.uint8)
    red[..., 0] = 250
    built.pictures([(red, "seen"), (red, "drawn")], columns=2)
    built.curves({"PSNR": ([0, 10, 20], [20.0, float("inf"), 28.0])}, x_label="s", y_label="dB", caption="fit")
    return built


def test_a_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page().write(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.loads) == 2
    assert all(load.startswith("data:image/jpeg;base64,") for load in tags.loads)
    assert "<room>" not in text
    assert "a<b>" not in text
    assert "28.12" in text
    assert "12,345" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_pictures_come_back(tmp_path: Path) -> None:
    page().write(tmp_path / "report.html")
    found = re.findall(r"base64,([^\"]+)", (tmp_path / "report.html").read_text(encoding="utf-8"))
    picture = iio.imread(io.BytesIO(base64.b64decode(found[0])), extension=".jpg")
    assert picture.shape == (8, 12, 3)
    assert abs(int(picture[4, 4, 0]) - 250) < 12


def test_a_failed_write_keeps_the_old_page(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        page().write(target)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("values", [[0.0, 28.3], [5.0, 5.0], [-1e-3, 2e-3], [1e6, 3.4e6], [0.0]])
def test_ticks_enclose_the_values(values: list[float]) -> None:
    ticks = _ticks(values)
    assert ticks[0] <= min(values)
    assert ticks[-1] >= max(values)
    assert 2 <= len(ticks) <= 9
