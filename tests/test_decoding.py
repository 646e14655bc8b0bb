"""Frames leave ffmpeg upright, in true time, whatever the video is like."""

from pathlib import Path

import numpy as np
import pytest

from splatsim.decoding import Video, decode_chosen, decode_gray, probe_video
from tests.reconstruction.films import ffmpeg, slide, texture, video


def decode(path: Path, side: int = 960) -> tuple[list[np.ndarray], list[float]]:
    with decode_gray(probe_video(path), side) as decoding:
        return list(decoding.frames), decoding.times()


def chosen(path: Path, *numbers: int, side: int = 960) -> list[np.ndarray]:
    with decode_chosen(probe_video(path), numbers, side) as decoding:
        return list(decoding.frames)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_chosen_frames_are_those_of_their_numbers(tmp_path: Path) -> None:
    frames = slide(260, 2, size=(160, 96))
    path = video(tmp_path / "a.mp4", frames)
    numbers = list(range(1, 260, 2))  # more than ffmpeg's parser takes as a sum
    decoded = chosen(path, *numbers)
    assert len(decoded) == len(numbers)
    for number, frame in list(zip(numbers, decoded, strict=True))[::20]:
        assert psnr(frame, frames[number]) > psnr(frame, frames[number - 1]) + 5


def test_rotation_flag(tmp_path: Path) -> None:
    frames = slide(4, 5, size=(160, 96))
    ffmpeg("-display_rotation:v:0", "90", "-i", video(tmp_path / "a.mp4", frames), "-c", "copy", tmp_path / "b.mp4")
    upright = chosen(tmp_path / "b.mp4", 2)[0]
    assert upright.shape == (160, 96, 3)
    assert psnr(upright, np.rot90(frames[2])) > 28


def test_odd_size(tmp_path: Path) -> None:
    frames = slide(4, 5, size=(101, 67))
    raw = tmp_path / "raw"
    raw.write_bytes(b"".join(frame.tobytes() for frame in frames))
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "101x67", "-r", "15", "-i", raw]
    ffmpeg(*source, "-pix_fmt", "yuv444p", "-c:v", "libx264", "-crf", "10", tmp_path / "a.mp4")
    assert psnr(chosen(tmp_path / "a.mp4", 3)[0], frames[3]) > 30
    assert [frame.shape for frame in decode(tmp_path / "a.mp4", 64)[0]] == [(42, 64)] * 4


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    ffmpeg("-i", video(tmp_path / "a.mp4", slide(4, 5, size=(160, 96))), "-vf", "setsar=2", tmp_path / "b.mp4")
    assert chosen(tmp_path / "b.mp4", 0)[0].shape == (96, 320, 3)


def test_sound_and_a_cover_picture_are_passed_over(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", slide(15, 5, size=(160, 96)))
    sound = ["-f", "lavfi", "-i", "sine=duration=1", "-i", path, "-map", "0:a", "-map", "1:v", "-c:v", "copy"]
    ffmpeg(*sound, tmp_path / "b.mp4")
    assert len(decode(tmp_path / "b.mp4")[0]) == 15


def test_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", slide(30, 5, size=(160, 96)), fps=30)
    thinned = ["-vf", "select='if(lt(n,10),1,not(mod(n,5)))'", "-fps_mode", "vfr"]
    ffmpeg("-i", path, *thinned, tmp_path / "b.mp4")
    times = decode(tmp_path / "b.mp4")[1]
    np.testing.assert_allclose(np.array(times) * 30, [*range(10), 10, 15, 20, 25], atol=0.02)


def test_high_dynamic_range_is_brought_to_the_screen(tmp_path: Path) -> None:
    wall = np.repeat(np.repeat(np.linspace(0, 255, 16).astype(np.uint8)[None], 96, 0), 10, 1)[..., None].repeat(3, 2)
    plain = video(tmp_path / "a.mp4", [wall] * 4)
    # The same light, coded as PQ with ten bits: decoded as if it were ordinary it would be flat and grey.
    curve = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt2020:t=smpte2084:m=bt2020nc:r=tv,format=yuv420p10le"
    tags = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    ffmpeg("-i", plain, "-vf", f"setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709,{curve}",
           "-c:v", "libx265", "-x265-params", tags, tmp_path / "hdr.mp4")  # fmt: skip
    assert probe_video(tmp_path / "hdr.mp4").hdr
    ramp = chosen(tmp_path / "hdr.mp4", 1)[0][48].mean(axis=-1)
    steps = ramp.reshape(16, 10)[:, 3:7].mean(axis=1)
    assert np.all(np.diff(steps) > 0)
    assert steps[0] < 30
    assert steps[-1] > 150
    undecoded = Video(tmp_path / "hdr.mp4", 0.2, 15, hdr=False)
    with decode_chosen(undecoded, [1], 960) as decoding:
        flat = next(decoding.frames)[48].mean(axis=-1)
    assert np.ptp(steps) > 1.15 * np.ptp(flat)


def test_large_frames_are_scaled_down(tmp_path: Path) -> None:
    frames = [texture(480, 640)] * 2
    path = video(tmp_path / "a.mp4", frames)
    assert [frame.shape for frame in chosen(path, 0, 1, side=200)] == [(150, 200, 3)] * 2
    assert decode(path, 200)[0][0].shape == (150, 200)


def children() -> set[str]:
    """Processes that this one has started and not yet seen the end of."""
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for path in lists for pid in path.read_text(encoding="utf-8").split()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks Linux for the children of a process")
def test_no_process_is_left_when_frames_are_not_taken(tmp_path: Path) -> None:
    path, before = video(tmp_path / "a.mp4", slide(200, 2)), children()
    with decode_gray(probe_video(path), 960) as decoding:
        next(decoding.frames)
        assert len(children() - before) == 1
    assert children() <= before
