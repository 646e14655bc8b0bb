"""FrameSet: saved and loaded, and refused when damaged."""

from pathlib import Path

import pytest

from splatsim.errors import FormatError
from splatsim.reconstruction.frameset import Dropped, Finding, Frame, FrameSet


def test_saving_keeps_everything(tmp_path: Path) -> None:
    frames = FrameSet(
        tmp_path,
        "photos",
        (Frame("a.jpg", 0.0, 64, 48, 1.0), Frame("b.jpg", 1.0, 48, 64, 0.7, 1, 1, 55.5, (47.1, 8.5, 400.0))),
        (Dropped(2.0, "unreadable"),),
        (Finding("blur", 0.5, 1.5, "Sharpness is 0.2 of its neighbours'."),),
        decoded=3,
    )
    frames.save()
    assert FrameSet.load(tmp_path) == frames


def test_damage_is_named(tmp_path: Path) -> None:
    (tmp_path / "frames.json").write_text('{"frames": [{"name": "a.jpg"}]}', encoding="utf-8")
    with pytest.raises(FormatError, match=r"frames\.json"):
        FrameSet.load(tmp_path)
