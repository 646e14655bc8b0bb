"""Captures of a person: a folder with calibrated cameras, pictures, and whatever is known of masks and poses.

    calibration.toml   cameras that stand still (anipose, Pose2Sim) …
    transforms.json    … or a camera for each picture (nerfstudio); or sparse/0/*.txt (COLMAP as text)
    NAME.mp4           a video for each camera, or a folder NAME/ or images/NAME/ of pictures in order
    masks/NAME/*.png   optional: white is the person
    NAME_keypoints.json   optional, or keypoints/NAME.json, or a folder keypoints/NAME/ of OpenPose's files

A camera's NAME is that of the calibration; underscores, dashes and case do not matter. With transforms.json or COLMAP
it is the folder of the picture, and pictures with equal places in their folders' order are of one time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from splatsim.avatar.fitting.calibration import (
    Lens,
    read_anipose,
    read_colmap,
    read_scene_cameras,
    read_transforms,
)
from splatsim.avatar.fitting.folder import has_picture, keypoint_files, masks_of, picture_at, source_of
from splatsim.avatar.fitting.keypoints import Keypoints, read_keypoints
from splatsim.avatar.fitting.views import Views, undistort_points
from splatsim.decoding import decode_chosen, probe_video
from splatsim.errors import FormatError

PADDING = 0.01
"""A picture that is narrower or shorter than the calibration says by so much was cut on the right or at the bottom."""


@dataclass(frozen=True, eq=False)
class PersonCapture:
    """What a folder holds, before any picture is decoded."""

    folder: Path
    views: Views
    """At the size of the calibration."""
    sources: tuple[Path | tuple[Path, ...], ...]
    """Of each camera, a video or its pictures in order."""
    masks: tuple[tuple[Path, ...] | None, ...]
    """Of each camera, in order."""
    keypoints: Keypoints | None
    """Of everybody in the pictures, without distortion."""
    fps: float
    """Frames a second."""

    def select(self, cameras: list[int]) -> "PersonCapture":
        """Some of the cameras."""
        return replace(
            self,
            views=self.views.select(cameras),
            sources=tuple(self.sources[c] for c in cameras),
            masks=tuple(self.masks[c] for c in cameras),
            keypoints=self.keypoints and self.keypoints.select(cameras),
        )

    def scaled(self, side: int) -> Views:
        """The views of pictures whose long side is `side` pixels at most."""
        sizes, Ks = [], self.views.Ks.copy()
        for camera, (width, height) in enumerate(self.views.sizes):
            factor = min(1.0, side / max(width, height))
            sizes.append((max(1, round(width * factor)), max(1, round(height * factor))))
            Ks[camera, 0] *= sizes[-1][0] / width
            Ks[camera, 1] *= sizes[-1][1] / height
        return replace(self.views, sizes=tuple(sizes), Ks=Ks)


def load_capture(
    folder: Path, *, fps: float | None = None, layout: str = "auto", scene: Path | None = None
) -> PersonCapture:
    """Read calibration and keypoints, and find pictures and masks.

    Args:
        fps: Frames a second; by default what the video says, or 30 for pictures.
        layout: Of the keypoints, as for `read_keypoints`.
        scene: A scene folder whose cameras.json has a camera for each picture of the folder, by name.

    Raises:
        FileNotFoundError: there is no such folder, or no calibration in it.
        FormatError: something is missing or not what it should be; names the camera or the frame.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; expected one with calibrated cameras and pictures.")
    if scene is None and (folder / "calibration.toml").is_file():
        lenses = read_anipose(folder / "calibration.toml")
        sources = [source_of(folder, lens.name) for lens in lenses]
        moving = [[lens] for lens in lenses]
    else:
        groups = _grouped(folder) if scene is None else {"camera": _of_scene(folder, scene)}
        moving = list(groups.values())
        sources = [tuple(picture_at(folder, lens.name) for lens in group) for group in moving]
        lenses = [replace(group[0], name=name) for name, group in groups.items()]
    rates = [probe_video(source).rate for source in sources if isinstance(source, Path)]
    names = [lens.name for lens in lenses]
    files = keypoint_files(folder, names)
    keypoints = read_keypoints(files, layout) if files else None
    counts = _frame_counts(names, sources, keypoints)
    t = min(counts.values())
    views = _views(lenses, moving, t)
    if keypoints is not None:
        keypoints = _undistorted(views, replace(keypoints, places=keypoints.places[:t], scores=keypoints.scores[:t]))
    masks = tuple(masks_of(folder, name, t) for name in names)
    return PersonCapture(folder, views, tuple(sources), masks, keypoints, fps or (rates[0] if rates else 30.0))


def _views(lenses: list[Lens], moving: list[list[Lens]], t: int) -> Views:
    viewmats = np.stack(
        [np.stack([(group[time] if len(group) > 1 else group[0]).viewmat for time in range(t)]) for group in moving], 1
    )
    return Views(
        tuple(lens.name for lens in lenses),
        tuple(lens.size for lens in lenses),
        np.stack([lens.K for lens in lenses]),
        viewmats,
        np.stack([lens.distortion for lens in lenses]),
    )


def _undistorted(views: Views, keypoints: Keypoints) -> Keypoints:
    places = keypoints.places.copy()
    for camera in range(len(views.names)):
        shape = places[:, camera].shape
        flat = undistort_points(views, camera, places[:, camera].reshape(-1, 2))
        places[:, camera] = flat.reshape(shape)
    seen = keypoints.scores > 0
    return replace(keypoints, places=np.where(seen[..., None], places, 0.0))


def _grouped(folder: Path) -> dict[str, list[Lens]]:
    """Lenses of each camera in the order of their pictures."""
    if (folder / "transforms.json").is_file():
        lenses = read_transforms(folder / "transforms.json")
    elif (folder / "sparse" / "0").is_dir():
        lenses = read_colmap(folder / "sparse" / "0")
    else:
        raise FileNotFoundError(
            f"{folder} has no calibration.toml, transforms.json or sparse/0; expected one of them, or --scene SCENE."
        )
    groups: dict[str, list[Lens]] = {}
    for lens in sorted(lenses, key=lambda lens: lens.name):
        groups.setdefault(Path(lens.name).parent.name or "camera", []).append(lens)
    for name, group in groups.items():
        first = group[0]
        for lens in group:
            if lens.size != first.size or not np.allclose(lens.K, first.K, rtol=1e-3):
                raise FormatError(f"the pictures of camera {name!r} differ in size or focal length: {lens.name}.")
    return groups


def _of_scene(folder: Path, scene: Path) -> list[Lens]:
    """The cameras of a reconstructed scene whose pictures lie in the folder."""
    lenses = [lens for lens in read_scene_cameras(scene / "cameras.json") if has_picture(folder, lens.name)]
    if not lenses:
        raise FormatError(
            f"none of the pictures that {scene / 'cameras.json'} names lies in {folder}; expected them under these "
            "names."
        )
    return lenses


def _frame_counts(
    names: list[str], sources: list[Path | tuple[Path, ...]], keypoints: Keypoints | None
) -> dict[str, int]:
    counts = {}
    for name, source in zip(names, sources, strict=True):
        if isinstance(source, Path):
            counts[name] = probe_video(source).expected_frames or 10**9
        else:
            counts[name] = len(source)
    if keypoints is not None:
        counts["keypoints"] = len(keypoints.places)
    fewest, most = min(counts.values()), max(v for v in counts.values() if v < 10**9)
    if fewest < 1 or most > 1.1 * fewest + 5:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise FormatError(
            f"the cameras have different numbers of frames: {listed}; expected pictures that are in step."
        )
    return counts


@contextmanager
def decoded(capture: PersonCapture, camera: int, views: Views) -> Iterator[Iterator[UInt8[np.ndarray, "h w 3"]]]:
    """The pictures of one camera in order, without distortion, at the size of `views`.

    Raises:
        FormatError: a picture is damaged, or of a shape that the calibration does not have.
    """
    source = capture.sources[camera]
    if isinstance(source, Path):
        with decode_chosen(probe_video(source), range(views.times), 1 << 16) as decoding:
            yield (_brought(str(source), frame, capture, camera, views) for frame in decoding.frames)
    else:
        yield (_brought(str(path), _read(path), capture, camera, views) for path in source[: views.times])


def read_mask(path: Path, capture: PersonCapture, camera: int, views: Views) -> UInt8[np.ndarray, "h w"]:
    """A mask of the user's, 0 to 255, as `decoded` brings the pictures.

    Raises:
        FormatError: it cannot be read or has another size than the pictures.
    """
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise FormatError(f"{path} cannot be read; expected a mask as PNG.")
    if pixels.ndim == 3:
        pixels = pixels[..., 3] if pixels.shape[2] == 4 else pixels.max(-1)
    if pixels.dtype != np.uint8:
        raise FormatError(f"{path} has values of {pixels.dtype}; expected 8 bits, 0 and 255.")
    if pixels.max() == 1:
        pixels = pixels * 255
    return _brought(str(path), pixels, capture, camera, views)


def _read(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise FormatError(f"{path} cannot be read; expected a picture.")
    return np.ascontiguousarray(pixels[..., ::-1])


def _brought(where: str, pixels: np.ndarray, capture: PersonCapture, camera: int, views: Views) -> np.ndarray:
    """Filled up to the calibration's size where the codec cut it, made smaller, and without distortion."""
    import cv2

    (width, height), (h, w) = capture.views.sizes[camera], pixels.shape[:2]
    if (w, h) != (width, height):
        short = (width - w, height - h)
        if min(short) >= 0 and short[0] <= PADDING * width and short[1] <= PADDING * height:
            pad = ((0, short[1]), (0, short[0]), (0, 0))[: pixels.ndim]
            pixels = np.pad(pixels, pad, mode="edge")
        elif abs(w / width - h / height) > 0.01 * w / width:
            raise FormatError(
                f"{where} has {w} x {h} pixels, and the calibration of camera {capture.views.names[camera]!r} says "
                f"{width} x {height}; expected the same size, or the same shape."
            )
    size = views.sizes[camera]
    if pixels.shape[1::-1] != size:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    distortion = views.distortions[camera]
    if distortion.any():
        K = views.Ks[camera] - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # OpenCV's pixel centres
        pixels = cv2.undistort(pixels, K, distortion)
    return np.asarray(pixels)
