"""Footage is told apart, and what is no footage is refused in words."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatsim.errors import FormatError, ReconstructionError
from splatsim.reconstruction.sources import list_files, open_source
from tests.reconstruction.footage import slide, video


def photos(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((20, 30, 3), 128, np.uint8)).save(folder / name)
    return folder


def model(folder: Path, pictures: int = 1, end: str = ".bin") -> Path:
    folder.mkdir(parents=True)
    for name in ("cameras", "images", "points3D"):
        (folder / f"{name}{end}").write_bytes(b"x" * pictures)
    return folder


def test_video_is_probed(tmp_path: Path) -> None:
    source = open_source(video(tmp_path / "a.mp4", slide(8, 3), fps=20))
    assert source.kind == "video"
    assert source.video is not None
    assert (source.video.rate, source.video.seconds, source.video.expected_frames) == (20, 0.4, 8)
    assert not source.video.hdr


def test_photos_in_natural_order(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", "IMG_10.jpg", "IMG_9.jpg", "img_100.png", ".hidden.jpg")
    assert open_source(folder).kind == "photos"
    assert [path.name for path in list_files(folder)] == ["IMG_9.jpg", "IMG_10.jpg", "img_100.png"]


def test_photos_in_a_folder_named_images(tmp_path: Path) -> None:
    folder = photos(tmp_path / "images", "1.jpg", "2.jpg", "3.jpg")
    assert open_source(tmp_path).path == folder


@pytest.mark.parametrize("end", [".bin", ".txt"])
@pytest.mark.parametrize("place", [".", "sparse", "sparse/0"])
def test_colmap_models(tmp_path: Path, place: str, end: str) -> None:
    images = photos(tmp_path / "c" / "images", "1.jpg")
    folder = tmp_path / "c" / place
    (folder.parent if place == "." else folder).mkdir(parents=True, exist_ok=True)
    for name in ("cameras", "images", "points3D"):
        (folder / f"{name}{end}").write_bytes(b"x")
    source = open_source(tmp_path / "c")
    assert (source.kind, source.path.resolve(), source.images) == ("colmap", folder.resolve(), images)


def test_the_largest_colmap_model_is_taken(tmp_path: Path) -> None:
    photos(tmp_path / "images", "1.jpg")
    model(tmp_path / "sparse" / "0", 10)
    large = model(tmp_path / "sparse" / "1", 1000)
    assert open_source(tmp_path).path == large


def test_a_colmap_model_finds_pictures_beside_it(tmp_path: Path) -> None:
    images = photos(tmp_path / "images", "1.jpg")
    assert open_source(model(tmp_path / "sparse" / "0")).images == images


def test_transforms_by_file_and_by_folder(tmp_path: Path) -> None:
    photos(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    path = tmp_path / "transforms.json"
    path.write_text("{}")
    assert open_source(path) == open_source(tmp_path)
    assert open_source(tmp_path).kind == "transforms"
    assert open_source(tmp_path, kind="photos").kind == "photos"


def test_sentences(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    (tmp_path / "empty.mp4").touch()
    whole = video(tmp_path / "whole.mp4", slide(8, 3)).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[:600])
    (tmp_path / "nothing").mkdir()
    photos(tmp_path / "two", "1.jpg", "2.jpg")
    photos(tmp_path, "one.png")
    model(tmp_path / "alone" / "in" / "bare")
    (tmp_path / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    cases = {
        "text.mp4": (FormatError, "text.mp4 cannot be read as a video .*; expected one that ffmpeg decodes"),
        "playlist.mp4": (FormatError, "cannot be read as a video"),
        "empty.mp4": (FormatError, r"empty.mp4 is empty \(0 bytes\); expected a video"),
        "half.mp4": (FormatError, "half.mp4 cannot be read as a video"),
        "nothing": (ReconstructionError, "nothing holds no photos; expected at least 3 files such as .jpg"),
        "two": (ReconstructionError, "two holds 2 photos; expected at least 3"),
        "one.png": (ReconstructionError, "one.png is a single picture; expected a video, or a folder"),
        "alone/in/bare": (FileNotFoundError, "bare is a COLMAP model without pictures; expected a folder .*images"),
        "missing": (FileNotFoundError, "missing does not exist; expected a video"),
    }
    for name, (error, sentence) in cases.items():
        with pytest.raises(error, match=sentence):
            open_source(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"two has no transforms.json; expected one in it"):
        open_source(tmp_path / "two", kind="transforms")
