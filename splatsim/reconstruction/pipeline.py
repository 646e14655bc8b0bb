"""From footage to a scene folder: frames → poses → align → fit → semantics → results, each stage resumable."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

from splatsim.errors import ReconstructionError
from splatsim.reconstruction import stages
from splatsim.reconstruction.align import AlignConfig, align
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.diagnosis import Diagnosis, diagnose
from splatsim.reconstruction.fit.recipe import FitConfig
from splatsim.reconstruction.fit.result import FitResult
from splatsim.reconstruction.fit.run import fit
from splatsim.reconstruction.footage.frames import FrameConfig, select_frames
from splatsim.reconstruction.footage.sources import Kind, Source, open_source
from splatsim.reconstruction.frameset import FrameSet
from splatsim.reconstruction.imports import Imported, import_colmap, import_transforms
from splatsim.reconstruction.labelling import label_gaussians, open_labels
from splatsim.reconstruction.outcome import Origin, Outcome
from splatsim.reconstruction.page import REPORT, write_failure
from splatsim.reconstruction.poses import PoseConfig, Posed, estimate_poses
from splatsim.reconstruction.results import publish, write_outcome
from splatsim.scene import MANIFEST, Scene
from splatsim.semantics import Semantics

WORK = "work"
"""Folder below the scene's in which the stages lie; it may be deleted when the scene is finished."""
NAMED = 3
"""Files that are left out of the footage and named in a warning; of more, their number."""

logger = logging.getLogger("splatsim")


@dataclass(frozen=True)
class ReconstructConfig:
    """Everything that a reconstruction depends on, beside the footage."""

    frames: FrameConfig = field(default_factory=FrameConfig)
    """Which pictures are taken from the footage."""
    poses: PoseConfig = field(default_factory=PoseConfig)
    """How the camera poses are found."""
    align: AlignConfig = field(default_factory=AlignConfig)
    """Where up is, where the floor, and how long a metre."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How the Gaussians are fitted."""
    kind: Kind | None = None
    """What the footage is read as, where a folder can be several things."""
    place: int = 1
    """Which place is reconstructed where the footage shows several: 1 for the one with the most frames."""
    masks: Path | None = None
    """Folder of masks, one for each photo or frame: what is 0 there is not used."""
    labels: Path | None = None
    """Folder of label images, one for each photo or frame: class ids, from any segmenter."""
    classes: Path | None = None
    """File that names the classes of the label images."""

    def __post_init__(self) -> None:
        if (self.labels is None) != (self.classes is None):
            given, missing = ("classes", "labels") if self.labels is None else ("labels", "classes")
            raise ValueError(f"{given} were given without {missing}; expected both or neither.")
        if self.place < 1:
            raise ValueError(f"place is {self.place}; expected 1 for the largest, 2 for the next, ….")


def reconstruct(
    path: Path,
    config: ReconstructConfig | None = None,
    *,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Scene:
    """Turn a video, a folder of photos, a COLMAP model or a transforms.json into a scene folder.

    Args:
        path: The footage.
        out: The folder of the scene; `NAME_scene` in the current folder by default.
        resume: Go on with what an interrupted call left in the folder.
        overwrite: Begin anew although the folder holds a scene. The old one stays until the new one is finished.

    Raises:
        ReconstructionError: the footage cannot be reconstructed; `report.html` in the folder tells why.
        FileExistsError: the folder holds something, and neither `resume` nor `overwrite` is set.
        FileNotFoundError, FormatError: the footage cannot be read.
    """
    config = config or ReconstructConfig()
    source = open_source(Path(path), kind=config.kind)
    out = default_folder(Path(path)) if out is None else Path(out)
    _check_folder(out, resume, overwrite)
    with stages.locked(out / WORK):
        if overwrite and not resume:
            _clear(out / WORK)
        return _Job(source, config, out).run()


def default_folder(path: Path) -> Path:
    """Where the scene of some footage goes: NAME_scene in the current folder."""
    named = path.resolve()
    return Path(f"{named.parent.name if named.name == 'transforms.json' else named.stem}_scene")


class _Job:
    """One reconstruction: what every stage needs to know, and how long each took."""

    def __init__(self, source: Source, config: ReconstructConfig, out: Path) -> None:
        self.source, self.config, self.out, self.work = source, config, out, out / WORK
        self.seconds: dict[str, float] = {}
        self.input = stages.file_digest(source.path)
        self._check_input()

    def run(self) -> Scene:
        frames = report = diagnosis = None
        if self.source.kind in ("video", "photos"):
            frames = self._frames()
            posed = self._poses(frames)
            report, diagnosis = posed.report, diagnose(frames, posed.report)
            capture = self._place(frames, posed, diagnosis)
        else:
            capture = self._known_poses()
        alignment = align(capture, self.config.align, frames=frames)
        capture = capture.moved(alignment.b_from_a, alignment.scale)
        fitted = self._fit(capture)
        semantics, ious = self._semantics(capture, fitted)
        logger.info("results")
        staging = self.work / ".result"
        outcome = Outcome(
            self._origin(), frames, report, diagnosis, capture, alignment, fitted, semantics, label_ious=ious
        )
        scene = write_outcome(outcome, staging)
        publish(staging, self.out)
        return scene

    def _frames(self) -> FrameSet:
        def make(folder: Path) -> None:
            shutil.rmtree(folder / "chosen", ignore_errors=True)
            select_frames(self.source, folder / "chosen", self.config.frames, masks=self.config.masks)

        frames = FrameSet.load(self._stage("frames", make, "frames") / "chosen")
        _say_unreadable(frames)
        return frames

    def _poses(self, frames: FrameSet) -> Posed:
        def make(folder: Path) -> None:
            estimate_poses(frames, folder, self.config.poses)

        return estimate_poses(frames, self._stage("poses", make, "frames", "poses"), self.config.poses)

    def _known_poses(self) -> Capture:
        def make(folder: Path) -> None:
            target, size = folder / "capture", self.config.poses.max_size
            if self.source.kind == "transforms":
                found = import_transforms(self.source.path, target, size)
            else:
                assert self.source.images is not None
                masks = self.config.masks
                found = import_colmap(self.source.path, self.source.images, target, size, masks_folder=masks)
            _say_missing(found, self.source.path)

        return Capture.load(self._stage("poses", make, "poses") / "capture")

    def _place(self, frames: FrameSet, posed: Posed, diagnosis: Diagnosis) -> Capture:
        """The posed pictures of the place that was asked for; says what else there is."""
        command = (diagnosis.next_command or "").replace("INPUT", str(self.source.path))
        diagnosis = replace(diagnosis, next_command=f"{command} --overwrite" if command else None)
        if not diagnosis.ok:
            write_failure(self.out, frames, posed.report, diagnosis)
            raise ReconstructionError(
                f"{diagnosis.sentence} See {self.out / REPORT}. To try next: {diagnosis.next_command}"
            )
        if not 1 <= self.config.place <= len(posed.captures):
            raise ReconstructionError(
                f"place {self.config.place} was asked for and {len(posed.captures)} were found in {self.source.path}; "
                f"expected 1 to {len(posed.captures)}."
            )
        for number, model in enumerate(posed.report.models, start=1):
            if len(posed.captures) > 1:
                when = ", ".join(f"{start:.1f}–{end:.1f}" for start, end in model.stretches)
                taken = "taken" if number == self.config.place else f"pass --place {number} for it"
                logger.warning("place %d: %d pictures, %s: %s", number, model.frames, when, taken)
        return posed.captures[self.config.place - 1]

    def _fit(self, capture: Capture) -> FitResult:
        """Fitted Gaussians. A second call on the folder of a finished fit reads its last state."""
        results: list[FitResult] = []

        def make(folder: Path) -> bool:
            results.append(fit(capture, self.config.fit, folder, resume=True))
            return not results[0].interrupted

        folder = self._stage("fit", make, "frames", "poses", "align", "place", "fit")
        return results[0] if results else fit(capture, self.config.fit, folder, resume=True)

    def _semantics(self, capture: Capture, fitted: FitResult) -> tuple[Semantics | None, dict[str, float]]:
        """Classes from the label images of fitted pictures, and how well they predict those of the others."""
        if self.config.labels is None or self.config.classes is None:
            return None, {}
        logger.info("semantics")
        started = perf_counter()
        capture = capture.replace(viewmats=fitted.viewmats.to(capture.viewmats))
        labels = open_labels(self.config.labels, self.config.classes, capture, fitted.train)
        found = label_gaussians(fitted.gaussians, capture, labels, antialiased=self.config.fit.antialiased)
        self.seconds["semantics"] = perf_counter() - started
        return found

    def _stage(self, name: str, make: Callable[[Path], bool | None], *depends_on: str) -> Path:
        """The folder of a finished stage, which depends on the footage, the masks, and these parts of the settings."""
        logger.info(name)
        settings = {part: getattr(self.config, part) for part in depends_on}
        masks = None if self.config.masks is None else stages.file_digest(self.config.masks)
        folder = stages.run(self.work, name, {"input": self.input, "masks": masks, **settings}, make)
        self.seconds[name] = stages.seconds(folder)
        return folder

    def _origin(self) -> Origin:
        name = default_folder(self.source.path).name.removesuffix("_scene")
        return Origin(name, self.source.path.name, self.input, stages.plain(self.config), self.seconds)

    def _check_input(self) -> None:
        """A folder belongs to the footage it was begun with.

        Raises:
            FileExistsError: it was begun with another.
        """
        note = self.work / "input.json"
        facts = {"name": self.source.path.name, "sha256": self.input}
        if note.is_file():
            begun = json.loads(note.read_text(encoding="utf-8"))
            if begun != facts:
                raise FileExistsError(
                    f"{self.out} was begun with {begun.get('name')} (SHA-256 {str(begun.get('sha256'))[:12]}…), not "
                    f"with {self.source.path} (SHA-256 {self.input[:12]}…); name another folder, or pass --overwrite."
                )
        stages.write_json(note, facts)


def _say_missing(found: Imported, path: Path) -> None:
    if found.missing:
        count, first = (
            len(found.missing),
            ", ".join(found.missing[:NAMED]) + (", …" if len(found.missing) > NAMED else ""),
        )
        listed = count + len(found.capture)
        logger.warning("%d of %d pictures of %s do not exist; they are left out: %s", count, listed, path, first)


def _say_unreadable(frames: FrameSet) -> None:
    """Files, or the end of a video, that are left out because they are damaged."""
    details = [finding.detail for finding in frames.findings if finding.cause == "unreadable"]
    for detail in details[:NAMED]:
        logger.warning("left out: %s", detail)
    if len(details) > NAMED:
        logger.warning("left out: %d more that cannot be read; the report lists them", len(details) - NAMED)


def _check_folder(out: Path, resume: bool, overwrite: bool) -> None:
    """Raise unless a reconstruction may be written to this folder."""
    if not out.exists():
        return
    if not out.is_dir():
        raise FileExistsError(f"{out} is a file; expected a folder for the scene.")
    begun, scene = (out / WORK).is_dir(), (out / MANIFEST).is_file()
    if not begun and not scene and any(out.iterdir()):
        raise FileExistsError(f"{out} holds files that are no scene; expected a scene folder, an empty or a new one.")
    if (begun or scene) and not (resume or overwrite):
        what = "a scene" if scene else "an unfinished reconstruction"
        raise FileExistsError(f"{out} holds {what}; pass --resume to go on with it or --overwrite to begin anew.")


def _clear(work: Path) -> None:
    """Drop all stages, but not the lock that is held."""
    for entry in work.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != stages.LOCK:
            entry.unlink()
