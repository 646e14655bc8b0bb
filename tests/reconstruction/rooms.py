"""A textured box of a room, traced ray by ray: real pictures with exact poses, for less than a second."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from splatsim.reconstruction.frameset import Frame, FrameSet

SIZE = np.array([6.0, 5.0, 2.6])
"""Of the room, metres; one corner stands at the origin, z is up."""
WIDTH, HEIGHT, FOCAL = 320, 240, 260.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def look(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """world_from_cam, held level."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    return pose


def walk(count: int = 20, turn: float = 0.6) -> np.ndarray:
    """A walk along one wall that looks at the opposite one, in a shallow bow and with some bob."""
    poses = []
    for t in np.linspace(0, 1, count):
        eye = np.array([1.2 + 3.2 * t, 1.0 + 0.5 * np.sin(np.pi * t), 1.5 + 0.06 * np.sin(9 * t)])
        target = np.array([3.0 + 2.0 * (t - 0.5) * turn, 5.0, 0.7 + 0.3 * t])
        poses.append(look(eye, target))
    return np.stack(poses)


def turning(count: int = 20) -> np.ndarray:
    """A camera that only turns."""
    eye = np.array([3.0, 2.5, 1.5])
    angles = np.linspace(0, 2.0, count)
    return np.stack([look(eye, eye + np.array([np.cos(a), np.sin(a), -0.25])) for a in angles])


def textures(seed: int) -> list[np.ndarray]:
    """Noise of many sizes for the six faces, in colours of their own."""
    generator = np.random.default_rng(seed)
    faces = []
    for _ in range(6):
        grey = np.zeros((512, 512), np.float32)
        for cells, strength in ((8, 40), (32, 40), (128, 45), (256, 25)):
            noise = generator.uniform(-1, 1, (cells, cells)).astype(np.float32)
            grey += strength * cv2.resize(noise, (512, 512), interpolation=cv2.INTER_CUBIC)
        faces.append(np.clip(grey[..., None] + generator.uniform(90, 170, 3), 0, 255).astype(np.float32))
    return faces


def rays(distortion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)) -> np.ndarray:
    """Directions in the camera's frame, of unit depth; `distortion` is OpenCV's k1 k2 p1 p2."""
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    seen = np.stack([(columns - K[0, 2]) / FOCAL, (rows - K[1, 2]) / FOCAL], axis=-1).reshape(-1, 2)
    plane = seen.copy()
    k1, k2, p1, p2 = distortion
    for _ in range(60):  # of the pinhole's points, those that the lens moves to the pixels
        x, y = plane.T
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2 * r2
        shift = np.stack([2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], axis=1)
        plane = (seen - shift) / radial[:, None]
    return np.c_[plane, np.ones(len(plane))]


def picture(
    pose: np.ndarray, faces: list[np.ndarray], directions: np.ndarray, shape: tuple[int, int] = (HEIGHT, WIDTH)
) -> np.ndarray:
    """What the camera sees, bytes."""
    eye, ray = pose[:3, 3], directions @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        reach = np.where(ray > 0, (SIZE - eye) / ray, -eye / ray)
    axis = reach.argmin(1)
    hit = eye + ray * reach.min(1)[:, None]
    image = np.zeros((len(ray), 3), np.float32)
    for number, face in enumerate(faces):
        a, side = number // 2, number % 2
        on = (axis == a) & ((ray[:, a] > 0) == bool(side))
        maps = [(hit[:, k] / SIZE.max() * 511).astype(np.float32).reshape(shape) for k in range(3) if k != a]
        image[on] = cv2.remap(face, *maps, cv2.INTER_LINEAR).reshape(-1, 3)[on]
    return np.clip(np.round(image), 0, 255).astype(np.uint8).reshape(*shape, 3)


def film(
    folder: Path, poses: np.ndarray, *, seed: int = 0, kind: str = "video", first: int = 0, segment: int = 0
) -> FrameSet:
    """Frames of a walk through the room, as chosen frames on disk."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    faces, directions = textures(seed), rays()
    frames = []
    for number, pose in enumerate(poses, start=first):
        name = f"{number:04d}.png"
        cv2.imwrite(str(folder / "images" / name), picture(pose, faces, directions)[..., ::-1])
        frames.append(Frame(name, number / 2, WIDTH, HEIGHT, 1.0, segment=segment, camera=segment))
    frameset = FrameSet(folder, "video" if kind == "video" else "photos", tuple(frames), decoded=len(frames))
    return replace(frameset, seconds=len(frames) / 2)


def joined(first: FrameSet, second: FrameSet) -> FrameSet:
    """One video, cut together from two in the same folder."""
    return replace(first, frames=first.frames + second.frames, seconds=first.seconds + second.seconds)
