"""Footage that is no good, as files, and what `splatsim reconstruct` says of it."""

import errno
import io
import json
import logging
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from splatsim import cli
from splatsim.reconstruction import results
from tests.reconstruction.films import relief, video
from tests.reconstruction.test_imports import write_transforms

SMALL = ("--steps", "2", "--max-gaussians", "200", "--max-size", "120")


def said(path: Path, *options: str, out: Path | None = None) -> str:
    """The warnings of the command, and its sentence where it fails."""
    heard, errors, log = io.StringIO(), io.StringIO(), logging.getLogger("splatsim")
    handler = logging.StreamHandler(heard)
    handler.setLevel(logging.WARNING)
    log.addHandler(handler)
    out = path.parent / f"{path.stem}.out" if out is None else out
    try:
        with redirect_stderr(errors), redirect_stdout(io.StringIO()):
            code = cli.main(["reconstruct", str(path), "--out", str(out), *SMALL, *options])
    finally:
        log.removeHandler(handler)
    sentence = [line for line in errors.getvalue().splitlines() if line.startswith("splatsim: ")]
    return "\n".join([*(f"warning: {line}" for line in heard.getvalue().splitlines()), *sentence, f"exit code {code}"])


def cases(folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that may be wrong with footage and with the folder of the scene, by a short name."""
    folder = folder / "footage"
    folder.mkdir()
    return {
        "footage: not there": lambda: said(folder / "nothing.mp4"),
        "footage: not a video": lambda: said(_bytes(folder / "text.mp4", b"no video\n" * 100)),
        "footage: empty file": lambda: said(_bytes(folder / "empty.mp4", b"")),
        "footage: cut off at the start": lambda: said(_cut(folder / "start.mp4", 600)),
        "footage: cut off after one frame": lambda: said(video(folder / "one.mp4", relief(1, 5))),
        "footage: cut off in the middle": lambda: said(_cut(folder / "half.mp4", 0.4)),
        "footage: no motion": lambda: said(video(folder / "still.mp4", relief(1, 5) * 40)),
        "footage: black": lambda: said(video(folder / "black.mp4", [np.full((240, 320, 3), 5, np.uint8)] * 30)),
        "footage: two photos": lambda: said(_photos(folder / "two", 2)),
        "footage: a damaged photo and a text file": lambda: said(_photos(folder / "eight", 8, damaged=True)),
        "footage: missing pictures": lambda: said(_transforms(folder / "some")),
        "footage: all pictures missing": lambda: said(_transforms(folder / "none", pictures=False)),
        "footage: a pose that is not finite": lambda: said(_transforms(folder / "nan", bad_pose=True)),
        "footage: known distance of a frame without a pose": lambda: said(
            _transforms(folder / "far"), "--known-distance", "0.png", "99.png", "2"
        ),
        "output: holds a scene": lambda: _twice(folder / "again"),
        "output: holds another's files": lambda: _among_files(folder / "notes"),
        "output: cannot be made": lambda: said(
            _transforms(folder / "below"), out=_bytes(folder / "file", b"precious") / "scene"
        ),
        "output: full disk": lambda: _on_a_full_disk(folder / "full"),
    }


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cut(path: Path, end: float) -> Path:
    """A video of which only so many bytes, or that share of them, were copied."""
    content = video(path, relief(60, 5)).read_bytes()
    return _bytes(path, content[: int(end if end > 1 else end * len(content))])


def _photos(folder: Path, good: int, *, damaged: bool = False) -> Path:
    folder.mkdir()
    for number, pixels in enumerate(relief(8 * good, 5)[::8]):
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    if damaged:
        _bytes(folder / "0b.jpg", (folder / "0.jpg").read_bytes()[:2000])
        (folder / "notes.txt").write_text("kitchen, Sunday", encoding="utf-8")
    return folder


def _transforms(folder: Path, *, pictures: bool = True, bad_pose: bool = False) -> Path:
    folder.mkdir()
    path = write_transforms(folder)
    if not pictures:
        for picture in (folder / "images").iterdir():
            picture.unlink()
    if bad_pose:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["frames"][1]["transform_matrix"][0][3] = float("nan")
        path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _twice(folder: Path) -> str:
    path = _transforms(folder)
    said(path, out=folder / "scene")
    return said(path, out=folder / "scene")


def _among_files(folder: Path) -> str:
    path = _transforms(folder)
    return said(path, out=folder / "images")


def _on_a_full_disk(folder: Path) -> str:
    def full(path: Path, gaussians: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with mock.patch.object(results, "save_gaussians", full):
        return said(_transforms(folder))
