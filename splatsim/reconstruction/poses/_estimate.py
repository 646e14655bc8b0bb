"""estimate_poses: features, matches, mapping, a second and a third try where pictures are left over, and the report."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.errors import FormatError
from splatsim.reconstruction.capture import IMAGES, MASKS, Capture
from splatsim.reconstruction.frameset import FrameSet
from splatsim.reconstruction.poses._capture import Source, make_capture, without_spaces
from splatsim.reconstruction.poses._config import PoseConfig
from splatsim.reconstruction.poses._database import fingerprint_of, keypoint_counts, lenses, prepare, read_links
from splatsim.reconstruction.poses._features import extract, match, read_descriptors
from splatsim.reconstruction.poses._mapping import (
    loose_share,
    map_globally,
    map_incrementally,
    registered,
    write_models,
)
from splatsim.reconstruction.poses._measure import report_frames, report_model, rotation_stretch
from splatsim.reconstruction.poses._merge import merge_models
from splatsim.reconstruction.poses._pairs import (
    Pairs,
    alike_pairs,
    exhaustive_pairs,
    sequential_pairs,
    similarity,
)
from splatsim.reconstruction.poses._report import PoseReport
from splatsim.reconstruction.poses._worker import quiet_colmap

LINKED = ".frames"
"""Copies of the frames for the time of the work, where their names have spaces."""
FEATURES = {"video": 4096, "photos": 2048}
"""Most features per picture where the configuration leaves it open."""
ENOUGH = 0.98
"""Share of the frames in the largest model at which nothing more is tried."""
LOOSE = 0.05
"""Share of the pictures with an untied scale at which a global solution is refused."""
RETRIEVED = 20
"""Pictures that each picture of a large photo folder is matched with, and each that is left over."""


@dataclass(frozen=True)
class Posed:
    """Posed pictures and how they were found."""

    captures: tuple[Capture, ...]
    """One for each model, largest first; empty where no pose was found."""
    report: PoseReport
    """How many frames found a pose, how well, and why others did not."""


def estimate_poses(frames: FrameSet, folder: Path, config: PoseConfig | None = None) -> Posed:
    """Find the poses of the frames' cameras by structure from motion, and write everything into a folder.

    The folder gets COLMAP's database, its models (`sparse/0` …, with distortion) and the pictures without distortion
    (`models/0` …). What an earlier call with the same frames left there is used again: features and matches always,
    the result if the configuration is the same too.

    Raises:
        FormatError: a picture cannot be read.
        ReconstructionError: COLMAP failed.
    """
    quiet_colmap()
    config = config or PoseConfig()
    if not config.features:
        config = replace(config, features=FEATURES[frames.kind])
    folder.mkdir(parents=True, exist_ok=True)
    frames = _with_plain_names(frames, folder / LINKED)
    names = [frame.name for frame in frames.frames]
    pictures = frames.folder / IMAGES
    begun = fingerprint_of(pictures, names, *_feature_facts(frames, config))
    finished = fingerprint_of(pictures, [], begun, config, frames.kind)
    stored = _stored(folder, finished)
    if stored is not None:
        return stored
    posed = _Estimate(frames, folder, config, begun, finished).run()
    shutil.rmtree(folder / LINKED, ignore_errors=True)
    return posed


def _with_plain_names(frames: FrameSet, folder: Path) -> FrameSet:
    """The same frames under names without spaces: as links in `folder`, where any has spaces."""
    names = [without_spaces(frame.name) for frame in frames.frames]
    if all(name == frame.name for name, frame in zip(names, frames.frames, strict=True)):
        return frames
    names = [name if names.count(name) == 1 else f"{k}_{name}" for k, name in enumerate(names)]
    shutil.rmtree(folder, ignore_errors=True)
    for name, frame in zip(names, frames.frames, strict=True):
        for source, target in (
            (f"{IMAGES}/{frame.name}", f"{IMAGES}/{name}"),
            (f"{MASKS}/{frame.name}.png", f"{MASKS}/{name}.png"),
        ):
            if (frames.folder / source).is_file():
                (folder / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(frames.folder / source, folder / target)
    renamed = tuple(replace(frame, name=name) for name, frame in zip(names, frames.frames, strict=True))
    return replace(frames, folder=folder, frames=renamed)


def _feature_facts(frames: FrameSet, config: PoseConfig) -> tuple[object, ...]:
    facts = [(frame.width, frame.height, frame.camera, frame.focal) for frame in frames.frames]
    masks = [(frames.folder / MASKS / f"{frame.name}.png").is_file() for frame in frames.frames]
    return (facts, masks, config.camera_model, config.max_image_side, config.features, config.seed)


def _stored(folder: Path, fingerprint: str) -> Posed | None:
    try:
        report = PoseReport.load(folder)
        if report.fingerprint != fingerprint:
            return None
        return Posed(tuple(Capture.load(folder / "models" / str(k)) for k in range(len(report.models))), report)
    except (FileNotFoundError, FormatError):
        return None


class _Estimate:
    """One run: the values that its steps share."""

    def __init__(self, frames: FrameSet, folder: Path, config: PoseConfig, begun: str, finished: str) -> None:
        self.frames, self.folder, self.config = frames, folder, config
        self.begun, self.finished = begun, finished
        self.names = [frame.name for frame in frames.frames]
        self.pictures, self.masks = frames.folder / IMAGES, frames.folder / MASKS
        self.seconds: dict[str, float] = {}
        self.attempts: list[str] = []
        self.mapper = config.mapper
        self.alike: Any = None

    def run(self) -> Posed:
        self.lenses, pictures = lenses(self.frames.frames, self.config.camera_model)
        self.lens_of = [picture.lens for picture in pictures]
        self.database = prepare(self.folder, self.lenses, pictures, self.begun)
        with self._timed("features"):
            masks = self.masks if self.masks.is_dir() else None
            extract(self.database, self.pictures, masks, self.names, self.config)
        with self._timed("matching"):
            match(self.database, self.names, self._first_pairs(), self.config.seed)
        models = self._map()
        if self.config.retries:
            models = self._retry(models)
        return self._finish(models)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start

    def _first_pairs(self) -> Pairs:
        count = len(self.names)
        if self.frames.kind == "photos":
            if count <= self.config.exhaustive:
                return exhaustive_pairs(count)
            return alike_pairs(self._similarity(), RETRIEVED, ~np.eye(count, dtype=bool), range(count))
        pairs = sequential_pairs([frame.segment for frame in self.frames.frames], self.config.overlap)
        if not self.config.loops:
            return pairs
        allowed = ~np.eye(count, dtype=bool)
        for first, second in pairs:
            allowed[first, second] = allowed[second, first] = False
        far = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) > 4
        return pairs + alike_pairs(self._similarity(), self.config.loops, allowed & far, range(count))

    def _similarity(self) -> Any:
        if self.alike is None:
            self.alike = similarity(read_descriptors(self.database, self.names), self.config.seed)
        return self.alike

    def _map(self, *, relaxed: bool = False) -> list[Any]:
        with self._timed("mapping"):
            count = len(self.names)
            if self.mapper == "global":
                models = map_globally(self.database, self.pictures, count, self.config.seed)
                loose = loose_share(models[0]) if models else 1.0
                if loose <= LOOSE:
                    self._note("global mapper", models)
                    return models
                self._note(f"global mapper, refused: the scale of {loose:.0%} of its pictures is not tied", models)
                self.mapper = "incremental"
            models = map_incrementally(self.database, self.pictures, count, self.config.seed, relaxed=relaxed)
            self._note("incremental mapper" + (", lower thresholds" if relaxed else ""), models)
            return self._merge(models)

    def _merge(self, models: list[Any]) -> list[Any]:
        if len(models) < 2:
            return models
        merged = merge_models(models, self.database, self.pictures, self.config.seed)
        if len(merged) < len(models):
            self._note("models merged over the frames they share", merged)
        return merged

    def _note(self, what: str, models: list[Any]) -> None:
        sizes = ", ".join(str(model.num_reg_images()) for model in models) or "none"
        self.attempts.append(f"{what}: {sizes} of {len(self.names)} frames")

    def _retry(self, models: list[Any]) -> list[Any]:
        """More pairs for the frames that are left over, then lower thresholds; the better result is kept."""
        if self._enough(models):
            return models
        pairs = self._more_pairs(models)
        before = len(read_links(self.database, self.names).pairs)
        with self._timed("matching"):
            match(self.database, self.names, pairs, self.config.seed, "matching more pictures")
        found = len(read_links(self.database, self.names).pairs) - before
        self.attempts.append(f"{len(pairs)} more pairs for frames that were left over: {found} match")
        if found > 0:
            models = self._better(models, self._map())
        if self._enough(models) or self._all_placed(models):
            return models
        return self._better(models, self._map(relaxed=True))

    def _enough(self, models: list[Any]) -> bool:
        return registered(models) >= ENOUGH * len(self.names)

    def _all_placed(self, models: list[Any]) -> bool:
        placed = {name for model in models for name in _names(model)}
        return len(placed) >= ENOUGH * len(self.names)

    @staticmethod
    def _better(old: list[Any], new: list[Any]) -> list[Any]:
        return new if registered(new) > registered(old) else old

    def _more_pairs(self, models: list[Any]) -> Pairs:
        """Frames outside the largest model with the ones inside it, and with each other, that look most like them."""
        inside = _names(models[0]) if models else set()
        outside = [place for place, name in enumerate(self.names) if name not in inside]
        count = len(self.names)
        near = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        alike = self._similarity() + 1.0 * ((near > 0) & (near <= 4))  # neighbours in time first
        return alike_pairs(alike, RETRIEVED, near > 0, outside)

    def _finish(self, models: list[Any]) -> Posed:
        report = self._report(models)
        write_models(models, self.folder / "sparse")
        start = time.perf_counter()
        captures = tuple(self._capture(model, number) for number, model in enumerate(models))
        seconds = {**self.seconds, "pictures": time.perf_counter() - start}
        report = replace(report, seconds={step: round(value, 2) for step, value in seconds.items()})
        report.save(self.folder)
        return Posed(captures, report)

    def _capture(self, model: Any, number: int) -> Capture:
        sources = [
            Source(frame.name, self.pictures / frame.name, self.masks / f"{frame.name}.png", frame.time)
            for frame in self.frames.frames
        ]
        (self.folder / "models").mkdir(exist_ok=True)
        return make_capture(model, sources, self.folder / "models" / str(number), self.config.max_size)

    def _report(self, models: list[Any]) -> PoseReport:
        import pycolmap

        links = read_links(self.database, self.names)
        keypoints = keypoint_counts(self.database, self.names)
        share, stretch = rotation_stretch(links, self.lenses, self.lens_of)
        return PoseReport(
            given=len(self.names),
            kind=self.frames.kind,
            models=tuple(report_model(model, self.frames, self.lenses) for model in models),
            frames=report_frames(self.frames, models, keypoints, links),
            median_keypoints=float(np.median(keypoints)) if len(keypoints) else 0.0,
            verified_pairs=len(links.pairs),
            homography_share=share,
            rotation_stretch=stretch,
            mapper=self.mapper,
            attempts=tuple(self.attempts),
            versions={"pycolmap": pycolmap.__version__},
            fingerprint=self.finished,
        )


def _names(model: Any) -> set[str]:
    return {model.images[number].name for number in model.reg_image_ids()}
