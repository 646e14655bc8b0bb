"""Small videos and photos with known contents, made for the tests."""

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from splatsim.video import ffmpeg_program, write_video


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; it raises when that fails."""
    command = [ffmpeg_program(), "-y", "-v", "error", "-nostdin", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@cache
def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Clouds of all sizes with sharp boxes on them: something to track everywhere."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for size in (8, 16, 32, 64):
        noise = rng.random((height // size + 2, width // size + 2, 3), dtype=np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * size**0.5
    picture = (picture - picture.min()) / np.ptp(picture)
    for _ in range(height * width // 1500):
        x, y, w, h = (int(value) for value in rng.integers((0, 0, 8, 8), (width, height, 40, 40)))
        cv2.rectangle(picture, (x, y), (x + w, y + h), rng.random(3).tolist(), -1)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def slide(count: int, shift: float, *, size: tuple[int, int] = (320, 240), seed: int = 0) -> list[np.ndarray]:
    """Frames that move over a texture by `shift` pixels each, to the right."""
    width, height = size
    wall = texture(height + 20, width + int(abs(shift) * count) + 20, seed)
    return [
        cv2.warpAffine(wall, np.float32([[1, 0, -shift * i], [0, 1, -10]]), size, flags=cv2.INTER_LINEAR)
        for i in range(count)
    ]


def relief(count: int, step: float, *, size: tuple[int, int] = (320, 240), seed: int = 0) -> list[np.ndarray]:
    """Frames of a camera that goes sideways past three textured layers: near ones move faster than far ones."""
    width, height = size
    frames = []
    for i in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        for layer, depth in enumerate((4.0, 2.0, 1.0)):
            wall = texture(height, width + int(step * count) + 8, seed + layer)
            moved = cv2.warpAffine(wall, np.float32([[1, 0, -step * i / depth], [0, 1, 0]]), size)
            rows = slice(height * layer // 3, height * (layer + 1) // 3)
            frame[rows] = moved[rows]
        frames.append(frame)
    return frames


def panning(count: int, step: float, *, size: tuple[int, int] = (320, 240), focal: float = 260) -> list[np.ndarray]:
    """Frames of a camera in the middle of a panorama that turns by `step` radians each, nodding a little."""
    panorama = texture(1024, 2048, 5)
    width, height = size
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rays = np.stack([x, y, np.full_like(x, focal)], axis=-1)
    frames = []
    for i in range(count):
        yaw, pitch = step * i, 0.1 * np.sin(i / 10)
        turn, _ = cv2.Rodrigues(np.array([0, yaw, 0]))
        nod, _ = cv2.Rodrigues(np.array([pitch, 0, 0]))
        d = rays @ (turn @ nod).T
        u = (np.arctan2(d[..., 0], d[..., 2]) / (2 * np.pi) + 0.5) * panorama.shape[1]
        v = (np.arctan2(d[..., 1], np.hypot(d[..., 0], d[..., 2])) / np.pi + 0.5) * panorama.shape[0]
        frames.append(
            cv2.remap(
                panorama, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
            )
        )
    return frames


def video(path: Path, frames: Iterable[np.ndarray], fps: float = 15) -> Path:
    """A video of these frames."""
    write_video(path, frames, fps=fps)
    return path
