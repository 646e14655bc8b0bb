"""diagnose: when poses fail, what in the footage is to blame, where, and what to try next."""

from collections.abc import Sequence
from dataclasses import dataclass

from splatsim.reconstruction.frameset import Cause, FrameSet
from splatsim.reconstruction.poses import PoseReport

LEAST_SHARE = 0.5
"""Share of the frames below which a scene would be a fragment of the footage."""
GOOD_SHARE = 0.9
"""Share of the frames from which nothing is said."""
FEWEST_FRAMES = 5
"""Below, there is not enough overlap to reconstruct anything."""
FLAT_SHARE = 0.8
"""Share of the matching pairs that a homography explains, from which the camera only turned, or saw only a plane."""
ROTATION_STRETCH = 1.03
"""Up to here homographies are pure rotations: parallax of 3 % of the distance."""
LEAST_ANGLE_DEG = 1.0
"""Median angle of the rays to a point below which depth is a guess."""
FEW_KEYPOINTS = 150
"""Features per frame below which there is too little texture."""
FEW_LINKS = 1.0
"""Matching frames per frame below which features were found, but not again."""

ADVICE: dict[Cause | str, tuple[str, str]] = {
    "too few frames": ("take more pictures, each with 70 % of the one before", "--frames 300"),
    "low texture": (
        "film with more in view: furniture, edges of walls, things on the floor",
        "--features 8192 --frames 300",
    ),
    "pure rotation": ("walk while filming; a camera that only turns sees no depth", "--frames 300"),
    "static camera": ("walk while filming; a camera that stands still sees no depth", "--frames 300"),
    "blur": ("film more slowly or in more light", "--frames 300"),
    "exposure jump": ("lock the exposure before filming", "--features 8192"),
    "moving objects": ("mask what moves", "--masks MASKS"),
    "cut": ("give each take as a video of its own", "--frames 300"),
    "black frames": ("cut the black frames off", "--frames 300"),
    "unreadable": ("copy the file again from where it was taken", "--frames 300"),
}


@dataclass(frozen=True)
class Diagnosis:
    """Whether the poses are good enough to go on, and else why not."""

    ok: bool
    """Whether a scene of the largest model stands for the footage."""
    exit_code: int
    """0, or 2 where the poses failed."""
    cause: Cause | None
    """What in the footage is to blame; None where nothing is, or nothing stands out."""
    seconds: tuple[tuple[float, float], ...]
    """Stretches of the video without a pose in the largest model (index for photos)."""
    sentence: str
    """For the user: how many frames, what happened, when."""
    next_command: str | None
    """What to try; INPUT stands for the footage."""


def diagnose(frames: FrameSet, report: PoseReport) -> Diagnosis:
    """Judge the poses of some footage: a model of few frames, or without depth, is never let through silently."""
    lost = _stretches(frames, report)
    where = _where(frames, lost)
    said = f"{report.registered} of {report.given} frames found a pose in one model"
    degenerate = _turned_only(report) or _shallow(report)
    if report.share >= GOOD_SHARE and not degenerate:
        return Diagnosis(True, 0, None, lost, f"{said}{where}.", None)
    if not degenerate and (report.share >= LEAST_SHARE or _several_places(report)):
        cause = _cause(frames, report, lost)
        return Diagnosis(True, 0, cause, lost, f"{said}{where}. {_partly(report, frames, cause)}", _command(cause))
    cause = _cause(frames, report, lost) or ("pure rotation" if degenerate else None)
    if degenerate:
        lost = ((frames.frames[0].time, frames.frames[-1].time),)
        said, where = (
            f"{report.registered} of {report.given} frames found a pose, but nothing tells how far things are",
            "",
        )
    return Diagnosis(False, 2, cause, lost, f"{said}{where}. {_why(frames, report, cause)}", _command(cause))


def _turned_only(report: PoseReport) -> bool:
    """Every pair is a homography, and these are rotations: whatever model came out has no depth."""
    return (
        report.verified_pairs > 0
        and report.homography_share >= FLAT_SHARE
        and report.rotation_stretch is not None
        and report.rotation_stretch <= ROTATION_STRETCH
    )


def _shallow(report: PoseReport) -> bool:
    return bool(report.models) and report.models[0].median_triangulation_angle_deg < LEAST_ANGLE_DEG


def _several_places(report: PoseReport) -> bool:
    return len(report.models) > 1 and sum(model.frames for model in report.models) >= GOOD_SHARE * report.given


def _stretches(frames: FrameSet, report: PoseReport) -> tuple[tuple[float, float], ...]:
    """Runs of frames that stand outside the largest model, as seconds."""
    runs: list[list[float]] = []
    before = False
    for frame in report.frames:
        outside = frame.model != 0
        if outside and before:
            runs[-1][1] = frame.time
        elif outside:
            runs.append([frame.time, frame.time])
        before = outside
    return tuple((first, last) for first, last in runs)


def _where(frames: FrameSet, stretches: Sequence[tuple[float, float]]) -> str:
    if not stretches:
        return ""
    unit = " s" if frames.kind == "video" else ""
    places = [f"{first:.1f}" if first == last else f"{first:.1f} to {last:.1f}" for first, last in stretches[:5]]
    if frames.kind == "photos":
        places = [f"{first:.0f}" if first == last else f"{first:.0f} to {last:.0f}" for first, last in stretches[:5]]
    more = f" and {len(stretches) - 5} more stretches" if len(stretches) > 5 else ""
    return f"; not those at {', '.join(places)}{unit}{more}"


def _cause(frames: FrameSet, report: PoseReport, lost: Sequence[tuple[float, float]]) -> Cause | None:
    """The most telling cause: what holds for the whole footage first, then what was found where poses are missing."""
    if report.given < FEWEST_FRAMES:
        return _longest(frames, None) or "too few frames"
    if report.median_keypoints < FEW_KEYPOINTS:
        return _longest(frames, {"black frames", "blur"}) or "low texture"
    if _turned_only(report):
        return _longest(frames, {"static camera"}) or "pure rotation"
    found = _longest(frames, None, lost)
    if found is not None:
        return found
    if _shallow(report):
        return "pure rotation"
    if 2 * report.verified_pairs < FEW_LINKS * report.given:
        return "low texture" if frames.kind == "video" else "too few frames"
    return None


def _longest(
    frames: FrameSet, causes: set[Cause] | None, stretches: Sequence[tuple[float, float]] | None = None
) -> Cause | None:
    """Of the findings, the cause that covers most of the stretches (of the whole footage), at least a third."""
    whole = [(frames.frames[0].time, frames.frames[-1].time)] if frames.frames else [(0.0, 0.0)]
    stretches = whole if stretches is None else stretches
    total = sum(last - first for first, last in stretches)
    covered: dict[Cause, float] = {}
    for finding in frames.findings:
        if causes is None or finding.cause in causes:
            shared = sum(max(0.0, min(last, finding.end) - max(first, finding.start)) for first, last in stretches)
            covered[finding.cause] = covered.get(finding.cause, 0.0) + shared
    if not covered:
        return None
    cause = max(covered, key=lambda name: covered[name])
    return cause if total == 0 or covered[cause] >= total / 3 else None


def _partly(report: PoseReport, frames: FrameSet, cause: Cause | None) -> str:
    others = report.models[1:]
    if others:
        kind = "video shows" if frames.kind == "video" else "photos show"
        times = ", ".join(f"{model.frames} frames in another" for model in others)
        return (
            f"The {kind} {len(report.models)} places that nothing ties together: {report.models[0].frames} frames in "
            f"one, {times}. The scene is made of the first; each place is kept as a model of its own."
        )
    because = f" Most likely: {cause}." if cause else ""
    return f"The scene shows only what these saw.{because}"


def _why(frames: FrameSet, report: PoseReport, cause: Cause | None) -> str:
    figures = (
        f"{report.median_keypoints:.0f} features per frame, {report.verified_pairs} pairs of frames match, "
        f"{report.homography_share:.0%} of them as a plane or a pure rotation would"
    )
    if cause is None:
        return f"No single cause stands out ({figures})."
    return f"Cause: {cause} ({figures}). To do: {ADVICE[cause][0]}."


def _command(cause: Cause | None) -> str:
    options = ADVICE[cause][1] if cause is not None else "--features 8192 --frames 300"
    return f"splatsim reconstruct INPUT {options}"
