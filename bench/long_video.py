"""A 3-minute 4K video (182 s, 5,460 frames of 3840 × 2160): the apartment's, forwards and backwards, scaled up.

Made for the memory of `splatsim reconstruct`, not for pictures: `python bench/reconstruction.py "4K, 3 minutes"`.
"""

import subprocess
from pathlib import Path

import imageio_ffmpeg

SECONDS = 182
BOUNCE = "[0:v]split[a][b];[b]reverse[r];[a][r]concat=n=2:v=1[v]"


def make_long_video(source: Path, target: Path) -> None:
    """Write the video, whole or not at all; minutes of two cores."""
    target.parent.mkdir(parents=True, exist_ok=True)
    bounce, part = target.with_suffix(".bounce.mp4"), target.with_suffix(".partial.mp4")
    _ffmpeg("-i", source, "-filter_complex", BOUNCE, "-map", "[v]", "-crf", "12", bounce)
    wide = ("-vf", "scale=3840:2160:flags=bicubic,fps=30", "-t", str(SECONDS), "-crf", "20")
    _ffmpeg("-stream_loop", "5", "-i", bounce, *wide, part)
    part.replace(target)
    bounce.unlink()


def _ffmpeg(*arguments: str | Path) -> None:
    *given, out = map(str, arguments)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *given, "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, out], check=True)
