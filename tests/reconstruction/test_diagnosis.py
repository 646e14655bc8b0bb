"""What is said of poses that failed: reports and findings that were made up, one cause each."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from splatsim.cli.reconstruct import Choices
from splatsim.reconstruction.diagnosis import ADVICE, Diagnosis, diagnose
from splatsim.reconstruction.frameset import Cause, Finding, Frame, FrameSet
from splatsim.reconstruction.poses import FrameReport, ModelReport, PoseReport

GOOD = ModelReport(40, ((0.0, 20.0),), 5000, 6.0, 0.6, 8.0, ((700.0, 520.0, False),), ("x",), 1.5, 3.0, 0)


def footage(count: int = 40, findings: tuple[Finding, ...] = (), kind: str = "video") -> FrameSet:
    frames = tuple(Frame(f"{k}.png", k / 2, 640, 480, 1.0) for k in range(count))
    return FrameSet(Path("nowhere"), "video" if kind == "video" else "photos", frames, findings=findings, seconds=20.0)


def report(registered: int, given: int = 40, **changes: object) -> PoseReport:
    """The first frames in the largest model, the rest without a pose."""
    frames = tuple(
        FrameReport(f"{k}.png", k / 2, 0 if k < registered else None, 1500, 8, 300, None) for k in range(given)
    )
    models = (replace(GOOD, frames=registered),) if registered else ()
    made = PoseReport(given, "video", models, frames, 1500.0, 6 * given, 0.3, 1.15, "incremental", ("one",))
    return replace(made, **changes)  # type: ignore[arg-type]


def judge(made: PoseReport, *findings: Finding, count: int = 40) -> Diagnosis:
    return diagnose(footage(count, findings), made)


def test_good_poses_pass_without_a_word() -> None:
    found = judge(report(40))
    assert (found.ok, found.exit_code, found.cause, found.seconds) == (True, 0, None, ())


def test_three_of_four_frames_pass_and_are_said() -> None:
    found = judge(report(30))
    assert (found.ok, found.exit_code) == (True, 0)
    assert found.seconds == ((15.0, 19.5),)
    assert "30 of 40 frames" in found.sentence
    assert "15.0 to 19.5 s" in found.sentence


@pytest.mark.parametrize("registered", [0, 2, 19])
def test_a_fragment_never_passes(registered: int) -> None:
    found = judge(report(registered))
    assert (found.ok, found.exit_code) == (False, 2)
    assert f"{registered} of 40 frames" in found.sentence
    assert found.next_command is not None


@pytest.mark.parametrize(
    "cause",
    ["blur", "exposure jump", "moving objects", "pure rotation", "static camera", "black frames", "low texture"],
)
def test_what_was_found_where_poses_are_missing_is_the_cause(cause: Cause) -> None:
    found = judge(report(10), Finding(cause, 5.0, 19.0, "seen"), Finding("cut", 0.0, 1.0, "elsewhere"))
    assert (found.exit_code, found.cause) == (2, cause)
    assert ADVICE[cause][0] in found.sentence


def test_a_finding_elsewhere_is_not_the_cause() -> None:
    assert judge(report(10), Finding("blur", 0.0, 4.0, "seen")).cause is None


def test_a_model_without_depth_never_passes() -> None:
    """All frames have a pose, and every pair is a rotation: the model that came out means nothing."""
    found = judge(report(40, homography_share=1.0, rotation_stretch=1.005))
    assert (found.ok, found.exit_code, found.cause) == (False, 2, "pure rotation")
    assert found.seconds == ((0.0, 19.5),)
    shallow = report(40, models=(replace(GOOD, median_triangulation_angle_deg=0.4),))
    assert (judge(shallow).exit_code, judge(shallow).cause) == (2, "pure rotation")


def test_a_flat_wall_passed_by_is_no_rotation() -> None:
    assert judge(report(40, homography_share=1.0, rotation_stretch=1.3)).ok


def test_too_little_texture_is_named() -> None:
    found = judge(report(0, median_keypoints=40.0, verified_pairs=0))
    assert (found.exit_code, found.cause) == (2, "low texture")
    assert "40 features per frame" in found.sentence


def test_two_photos_are_too_few() -> None:
    found = judge(report(0, given=2), count=2)
    assert (found.exit_code, found.cause) == (2, "too few frames")


def test_two_places_are_said() -> None:
    frames = tuple(FrameReport(f"{k}.png", k / 2, int(k >= 18), 1500, 8, 300, None) for k in range(40))
    models = (replace(GOOD, frames=22), replace(GOOD, frames=18))
    for made in (report(18, frames=frames, models=models), report(18, frames=frames, models=models[::-1])):
        found = judge(made)
        assert (found.ok, found.exit_code) == (True, 0)
        assert "2 places" in found.sentence


def test_no_frames_at_all() -> None:
    found = judge(report(0, given=0), count=0)
    assert (found.ok, found.exit_code, found.cause) == (False, 2, "too few frames")


def test_the_next_commands_exist() -> None:
    """Their options are those of the command line."""
    known = {field.name.replace("_", "-") for field in fields(Choices)}
    for _, options in ADVICE.values():
        assert set(re.findall(r"--([a-z-]+)", options)) <= known
