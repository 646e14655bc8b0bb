"""The whole stage on real files: what is chosen, and what is said of footage that is hard."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from splatsim.errors import FormatError, ReconstructionError
from splatsim.reconstruction.footage import frames as stage
from splatsim.reconstruction.footage.frames import FrameConfig, select_frames
from splatsim.reconstruction.footage.sources import open_source
from splatsim.reconstruction.frameset import FrameSet
from tests.reconstruction.films import ffmpeg, panning, relief, slide, texture, video

APARTMENT = Path(__file__).parents[3] / "scenes" / "apartment" / "apartment.mp4"
CONFIG = FrameConfig(frames=20)


def select(path: Path, masks: Path | None = None, config: FrameConfig = CONFIG) -> FrameSet:
    return select_frames(open_source(path), path.parent / f"{path.stem}.frames", config, masks=masks)


def causes(found: FrameSet) -> dict[str, tuple[float, float]]:
    """Seconds of every cause that was found."""
    return {finding.cause: (finding.start, finding.end) for finding in found.findings}


@pytest.fixture(scope="module")
def walk() -> list[np.ndarray]:
    return relief(90, 5)


def test_a_good_video(tmp_path: Path, walk: list[np.ndarray]) -> None:
    found = select(video(tmp_path / "walk.mp4", walk))
    assert found.findings == ()
    assert len(found) == pytest.approx(20, abs=3)
    assert (found.kind, found.decoded, found.seconds) == ("video", 90, 6)
    for frame in found.frames:
        assert (frame.width, frame.height, frame.segment) == (320, 240, 0)
        number = int(Path(frame.name).stem)
        assert frame.time == pytest.approx(number / 15, abs=1e-3)
        stored = np.asarray(Image.open(found.folder / "images" / frame.name)).astype(int)
        errors = [np.abs(stored - walk[other]).mean() for other in (number, (number + 9) % 90)]
        assert errors[0] < 0.3 * errors[1]
    assert FrameSet.load(found.folder) == found
    assert sorted(path.name for path in found.folder.iterdir()) == ["frames.json", "images"]


@pytest.mark.parametrize("blurred", [1, 2])
def test_sharp_frames_are_taken(tmp_path: Path, walk: list[np.ndarray], blurred: int) -> None:
    shaken = [cv2.blur(frame, (9, 9)) if number % 3 < blurred else frame for number, frame in enumerate(walk)]
    found = select(video(tmp_path / "a.mp4", shaken))
    sharp = [int(Path(frame.name).stem) % 3 >= blurred for frame in found.frames]
    assert np.mean(sharp) > 0.9
    if blurred == 1:  # where most frames are blurred, that is the measure
        assert {entry.reason for entry in found.dropped} == {"blur"}
        assert all(int(entry.name) % 3 == 0 for entry in found.dropped)


def test_static_camera(tmp_path: Path, walk: list[np.ndarray]) -> None:
    found = select(video(tmp_path / "still.mp4", [walk[0]] * 40))
    assert causes(found)["static camera"] == pytest.approx((0, 39 / 15), abs=0.01)
    assert "too few frames" in causes(found)
    assert len(found) == 1
    paused = select(video(tmp_path / "pause.mp4", walk[:30] + [walk[30]] * 45 + walk[30:60]))
    assert causes(paused) == {"static camera": pytest.approx((2, 5), abs=0.2)}


def test_something_that_moves_before_a_static_camera(tmp_path: Path) -> None:
    frames = [texture(240, 320).copy() for _ in range(40)]
    for number, frame in enumerate(frames):
        frame[60:160, 20 + 4 * number : 100 + 4 * number] = texture(100, 80, 7)
    finding = next(f for f in select(video(tmp_path / "a.mp4", frames)).findings if f.cause == "static camera")
    assert "moves by itself" in finding.detail


def test_black_frames(tmp_path: Path, walk: list[np.ndarray]) -> None:
    black = np.full_like(walk[0], 5)
    found = select(video(tmp_path / "some.mp4", walk[:30] + [black] * 6 + walk[36:75]))
    assert causes(found) == {"black frames": pytest.approx((2, 35 / 15), abs=0.01)}
    assert not {int(Path(frame.name).stem) for frame in found.frames} & set(range(30, 36))
    only = select(video(tmp_path / "only.mp4", [black] * 30))
    assert set(causes(only)) == {"black frames", "too few frames"}
    assert len(only) == 0


def test_two_places(tmp_path: Path, walk: list[np.ndarray]) -> None:
    softer = [cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in relief(45, 5, seed=50)]  # another camera: no blur
    found = select(video(tmp_path / "a.mp4", walk[:45] + softer))
    assert causes(found) == {"cut": pytest.approx((44 / 15, 45 / 15), abs=0.01)}
    assert {frame.segment for frame in found.frames} == {0, 1}
    assert all((int(Path(frame.name).stem) >= 45) == frame.segment for frame in found.frames)


def test_pure_rotation(tmp_path: Path) -> None:
    found = select(video(tmp_path / "a.mp4", panning(60, 0.02)))
    start, end = causes(found)["pure rotation"]
    assert start < 0.5
    assert end > 3


def test_a_flat_wall_is_no_rotation(tmp_path: Path) -> None:
    assert select(video(tmp_path / "a.mp4", slide(60, 5))).findings == ()


def test_blank_wall(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    light = np.linspace(170, 200, 320)[None, :, None]
    frames = [(light + rng.normal(0, 2, (240, 320, 1))).repeat(3, -1).clip(0, 255).astype(np.uint8) for _ in range(40)]
    found = select(video(tmp_path / "a.mp4", frames))
    assert causes(found)["low texture"] == pytest.approx((0, 39 / 15), abs=0.2)
    assert "static camera" not in causes(found)


def test_a_stretch_of_blur(tmp_path: Path, walk: list[np.ndarray]) -> None:
    frames = walk[:30] + [cv2.GaussianBlur(frame, (0, 0), 5) for frame in walk[30:50]] + walk[50:]
    found = select(video(tmp_path / "a.mp4", frames))
    assert causes(found) == {"blur": pytest.approx((2, 49 / 15), abs=0.15)}


def test_a_jump_of_exposure(tmp_path: Path, walk: list[np.ndarray]) -> None:
    frames = [(frame * (0.5 if number < 45 else 0.9)).astype(np.uint8) for number, frame in enumerate(walk)]
    found = select(video(tmp_path / "a.mp4", frames))
    assert set(causes(found)) == {"exposure jump"}
    start, end = causes(found)["exposure jump"]
    assert start < 45 / 15 <= end + 1e-3


def test_a_video_that_breaks_off(tmp_path: Path, walk: list[np.ndarray]) -> None:
    whole = video(tmp_path / "whole.mp4", walk).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    found = select(tmp_path / "half.mp4")
    start, end = causes(found)["unreadable"]
    assert 1 < start < 5
    assert end == pytest.approx(6)
    assert 3 < len(found) < 20


def test_one_frame_is_no_video(tmp_path: Path, walk: list[np.ndarray]) -> None:
    with pytest.raises(FormatError, match=r"one.mp4 has 1 frame\(s\) that can be decoded; expected a video"):
        select(video(tmp_path / "one.mp4", walk[:1]))


def test_masks_of_a_video(tmp_path: Path, walk: list[np.ndarray]) -> None:
    path = video(tmp_path / "a.mp4", walk)
    mask = np.zeros((240, 320), np.uint8)
    mask[:, :200] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = select(path, tmp_path / "mask.png")
    for frame in found.frames:
        np.testing.assert_array_equal(np.asarray(Image.open(found.folder / "masks" / f"{frame.name}.png")), mask)
    (tmp_path / "masks").mkdir()
    for number in range(0, 90, 2):
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    found = select(path, tmp_path / "masks")
    for frame in found.frames:
        number = int(Path(frame.name).stem)
        assert (found.folder / "masks" / f"{frame.name}.png").exists() == (number % 2 == 0)


def test_same_result_again_and_over_an_earlier_one(tmp_path: Path, walk: list[np.ndarray]) -> None:
    path = video(tmp_path / "a.mp4", walk)

    def content(found: FrameSet) -> dict[str, bytes]:
        return {str(f.relative_to(found.folder)): f.read_bytes() for f in found.folder.rglob("*") if f.is_file()}

    select(path, config=FrameConfig(frames=8))
    first = content(select(path))
    shutil.rmtree(tmp_path / "a.frames")
    assert content(select(path)) == first


@pytest.mark.parametrize("moment", ["analyse", "_write_frames", "_install"])
def test_an_interrupted_run_leaves_what_was_there(
    tmp_path: Path, walk: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = video(tmp_path / "a.mp4", walk)
    before = select(path)

    def interrupt(function: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            if moment != "_install":
                function(*arguments)
            raise KeyboardInterrupt

        return run

    monkeypatch.setattr(stage, moment, interrupt(getattr(stage, moment)))
    with pytest.raises(KeyboardInterrupt):
        select(path, config=FrameConfig(frames=5))
    assert FrameSet.load(before.folder) == before
    assert len(list((before.folder / "images").iterdir())) == len(before)
    assert not list(before.folder.glob(".*"))


@pytest.fixture
def photos(tmp_path: Path, walk: list[np.ndarray]) -> Path:
    """Five photos, one of another size, with a mask for one, beside a text file, half a photo and a black one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        exif = Image.Exif()
        exif[271], exif[272], exif[274] = "Maker", "Phone", 6 if number == 2 else 1
        pixels = np.rot90(walk[9 * number]) if number == 2 else walk[9 * number]
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"IMG_{number + 8}.jpg", exif=exif, quality=95)
    Image.fromarray(texture(300, 400)).save(folder / "other.png")
    (folder / "IMG_8b.jpg").write_bytes((folder / "IMG_8.jpg").read_bytes()[:2000])
    (folder / "notes.txt").write_text("kitchen, Sunday")
    Image.fromarray(np.zeros((240, 320, 3), np.uint8)).save(folder / "pocket.jpg")
    return folder


def test_photos(photos: Path) -> None:
    found = select(photos)
    assert [frame.name for frame in found.frames] == ["IMG_8.jpg", "IMG_9.jpg", "IMG_10.jpg", "IMG_11.jpg", "other.png"]
    assert [frame.camera for frame in found.frames] == [0, 0, 0, 0, 1]
    assert {(frame.width, frame.height) for frame in found.frames[:4]} == {(320, 240)}
    assert {entry.name: entry.reason for entry in found.dropped} == {
        "IMG_8b.jpg": "unreadable",
        "notes.txt": "unreadable",
        "pocket.jpg": "black",
    }
    assert set(causes(found)) == {"unreadable", "black frames", "too few frames"}
    assert (found.folder / "images" / "IMG_8.jpg").read_bytes() == (photos / "IMG_8.jpg").read_bytes()
    assert (found.kind, found.decoded) == ("photos", 8)
    assert FrameSet.load(found.folder) == found


def test_photos_are_scaled_with_their_masks(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    mask = np.zeros((300, 400), np.uint8)
    mask[:150] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "other.png")
    found = select(photos, tmp_path / "masks", FrameConfig(max_size=200))
    assert {(frame.width, frame.height) for frame in found.frames} == {(200, 150)}
    assert [path.name for path in (found.folder / "masks").iterdir()] == ["other.jpg.png"]
    assert np.asarray(Image.open(found.folder / "masks" / "other.jpg.png"))[:, 0].tolist() == [255] * 75 + [0] * 75


def test_photos_that_share_a_name(tmp_path: Path, walk: list[np.ndarray]) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for number, name in enumerate(("a.bmp", "a.jpg", "a.tif")):
        Image.fromarray(walk[number]).save(folder / name)
    found = select(folder)
    assert len({frame.name for frame in found.frames}) == len(list((found.folder / "images").iterdir())) == 3


def test_two_usable_photos(photos: Path) -> None:
    for name in ("IMG_9.jpg", "IMG_10.jpg", "IMG_11.jpg"):
        (photos / name).unlink()
    with pytest.raises(ReconstructionError, match=r"holds 2 usable photos of 5 files .*IMG_8b.jpg: unreadable"):
        select(photos)
    assert not list(photos.parent.glob("*.frames/*"))


def test_posed_sources_and_wrong_settings(tmp_path: Path) -> None:
    (tmp_path / "transforms.json").write_text("{}")
    with pytest.raises(ValueError, match="has poses; expected a video or photos"):
        select(tmp_path / "transforms.json")
    for wrong in ({"frames": 2}, {"max_size": 10}, {"narrowest": 0.3}, {"blur": 1.0}, {"duplicate": 0.0}):
        with pytest.raises(ValueError, match=r"FrameConfig.*expected"):
            FrameConfig(**wrong)


@pytest.fixture(scope="session")
def kitchen(data: Path) -> Path:
    path = data / "kitchen" / "kitchen.mp4"
    if not path.is_file():
        pytest.skip(f"no video at {path}")
    return path


def test_a_real_hand_and_a_walk_have_no_cuts(kitchen: Path, tmp_path: Path) -> None:
    for number, path in enumerate((kitchen, APARTMENT)):
        ffmpeg("-ss", 4, "-t", 5, "-i", path, "-vf", "fps=15,scale=320:-2", "-crf", 18, tmp_path / f"{number}.mp4")
        assert select(tmp_path / f"{number}.mp4", config=FrameConfig()).findings == ()


def test_kitchen_then_apartment(kitchen: Path, tmp_path: Path) -> None:
    join = "[0:v]scale=320:240,fps=15[a];[1:v]scale=320:240,fps=15[b];[a][b]concat=n=2[v]"
    ffmpeg("-t", 3, "-i", kitchen, "-ss", 10, "-t", 3, "-i", APARTMENT, "-filter_complex", join, "-map", "[v]",
           tmp_path / "both.mp4")  # fmt: skip
    assert causes(select(tmp_path / "both.mp4")) == {"cut": pytest.approx((3 - 1 / 15, 3), abs=0.01)}


def test_a_person_before_a_static_camera(data: Path, tmp_path: Path) -> None:
    path = data / "balance" / "cam01.mp4"
    if not path.is_file():
        pytest.skip(f"no video at {path}")
    shutil.copy(path, tmp_path / "a.mp4")
    assert set(causes(select(tmp_path / "a.mp4"))) == {"static camera", "too few frames"}
