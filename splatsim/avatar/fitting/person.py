"""From a capture to a person: body, poses and the cameras put right, from keypoints or from poses that were given."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from splatsim.avatar.body import Body
from splatsim.avatar.captured import read_motion
from splatsim.avatar.fitting.association import associate_person
from splatsim.avatar.fitting.capture import PersonCapture
from splatsim.avatar.fitting.ik import ONE_CAMERA, IkResult, solve_ik
from splatsim.avatar.fitting.keypoints import Keypoints, attachments
from splatsim.avatar.fitting.poses_file import is_poses, read_poses
from splatsim.avatar.fitting.template import Template
from splatsim.avatar.fitting.triangulation import Triangulation, refine_cameras, resected, triangulate_person
from splatsim.avatar.fitting.views import Views, project
from splatsim.avatar.retargeting import retarget
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_joints
from splatsim.errors import FormatError, ReconstructionError


@dataclass(frozen=True)
class Dials:
    """What is known of the body; height and lengths of bones are measured."""

    sex: float = 0.5
    """From 0, female, to 1, male."""
    age: float = 30.0
    """Years."""
    height: float | None = None
    """Metres; measured from keypoints where there are some."""
    weight: float = 0.5
    """From 0, lean, to 1, heavy; 0.5 is average."""
    muscle: float = 0.5
    """From 0 to 1, likewise."""


@dataclass(frozen=True, eq=False)
class Person:
    """Poses and body of the person, from keypoints or from poses that were given."""

    views: Views
    """At the calibration's size, cameras put right."""
    keypoints: Keypoints | None
    """Of this person alone."""
    template: Template
    pose: Pose
    """One for each time."""
    before: float
    """Median error of plain triangulation, pixels; nan without keypoints."""
    triangulated: float
    """Median error of robust triangulation with the cameras put right, pixels."""
    errors: Float[np.ndarray, "t c k"]
    """Of the body's keypoints, pixels."""
    offsets: Float[np.ndarray, "k 3"] | None = None
    """Where the keypoints sit on the body, from their joints in the rest pose, metres."""

    def errors_of(self, pose: Pose) -> Float[np.ndarray, "t c k"]:
        """As `errors`, of other poses of the same body; nan without keypoints."""
        if self.keypoints is None or self.offsets is None:
            return np.full_like(self.errors, np.nan)
        points = _body_keypoints(self.template.skeleton, pose, self.keypoints.names, self.offsets)
        return _errors(self.views, self.keypoints, points)


def find_person(capture: PersonCapture, fitted: list[int], dials: Dials, *, move_cameras: bool = True) -> Person:
    """The person of a capture by its keypoints; cameras that are not in `fitted` have no say in where anything is.

    Raises:
        ReconstructionError: nobody is seen by two cameras at once, or by the only one whose height is known.
    """
    if capture.keypoints is None:
        raise ReconstructionError(
            f"{capture.folder} has neither keypoints nor poses; expected NAME_keypoints.json for each camera, or "
            "--poses."
        )
    views = capture.views.select(fitted)
    everybody = capture.keypoints.select(fitted)
    chosen = associate_person(views, everybody)
    if not ((chosen >= 0).sum(1) >= min(2, len(fitted))).any():
        raise ReconstructionError(
            f"nobody in {capture.folder} is seen by two of the cameras {', '.join(views.names)} at once; "
            "expected one person in step in all of them, and a calibration in metres."
        )
    person = everybody.person(chosen)
    if len(fitted) == 1:
        return _seen_by_one(capture, fitted, person, dials)
    plain = triangulate_person(views, person, tolerance=float("inf"))
    moved = refine_cameras(views, person) if move_cameras and len(fitted) > 1 and _stand_still(views) else views
    found = triangulate_person(moved, person)
    result, template = _shaped(moved, person, found, capture.fps, dials)
    everything, all_keypoints, errors = _all_cameras(capture, fitted, moved, person, result)
    return Person(
        everything,
        all_keypoints,
        template,
        result.pose,
        plain.median_error(),
        found.median_error(),
        errors,
        result.offsets,
    )


def _seen_by_one(capture: PersonCapture, fitted: list[int], person: Keypoints, dials: Dials) -> Person:
    """From one camera's keypoints and the height, without which nothing tells how far away the person is."""
    views = capture.views.select(fitted)
    if dials.height is None:
        raise ReconstructionError(
            f"only camera {views.names[0]!r} of {capture.folder} is fitted, and one camera cannot tell a small person "
            "from one who is far away; expected the person's --height in metres, a second camera, or --poses."
        )
    shape = Body.load().shape(dials.sex, dials.age, dials.height, weight=dials.weight, muscle=dials.muscle)
    nowhere = np.full((capture.views.times, len(person.names), 3), np.nan)
    try:
        result = solve_ik(shape.skeleton, views, person, nowhere, fps=capture.fps, options=ONE_CAMERA)
    except ValueError as error:
        raise ReconstructionError(str(error)) from error
    template = Template.of(shape).proportioned(result.scales)
    everything, all_keypoints, errors = _all_cameras(capture, fitted, views, person, result)
    return Person(everything, all_keypoints, template, result.pose, float("nan"), float("nan"), errors, result.offsets)


def given_person(capture: PersonCapture, poses: Path, dials: Dials) -> Person:
    """The person of a capture by poses from elsewhere, on a body of the dials' shape.

    The poses are those of another fit, or any motion that `read_motion` reads, in the world of the cameras.

    Raises:
        FormatError: the file is none of poses, or has fewer frames than the capture.
    """
    shape = Body.load().shape(dials.sex, dials.age, dials.height, weight=dials.weight, muscle=dials.muscle)
    template = Template.of(shape)
    t = capture.views.times
    if poses.suffix == ".npz" and is_poses(poses):
        pose, _ = read_poses(poses, template.skeleton)
    else:
        motion = retarget(read_motion(poses)[0], template.skeleton)
        if motion.duration < (t - 1.5) / capture.fps:
            raise FormatError(
                f"{poses} lasts {motion.duration:.2f} s, the capture {t / capture.fps:.2f} s; expected as long."
            )
        pose = motion.at(torch.arange(t) / capture.fps)
    if len(pose.root) < t:
        raise FormatError(f"{poses} has {len(pose.root)} frames, the capture {t}; expected as many.")
    nothing = np.full((t, len(capture.views.names), 1), np.nan)
    return Person(capture.views, None, template, pose[:t], float("nan"), float("nan"), nothing)


def _stand_still(views: Views) -> bool:
    return bool(np.ptp(views.viewmats, axis=0).max() < 1e-9)


def _shaped(
    views: Views, person: Keypoints, found: Triangulation, fps: float, dials: Dials
) -> tuple[IkResult, Template]:
    """A body of the measured height, then of the measured proportions."""
    body = Body.load()
    shape = body.shape(dials.sex, dials.age, weight=dials.weight, muscle=dials.muscle)
    first = solve_ik(shape.skeleton, views, person, found.points, fps=fps)
    factor = float(np.exp(np.log(first.scales[1:]).mean()))
    try:
        shape = body.shape(dials.sex, dials.age, shape.height * factor, weight=dials.weight, muscle=dials.muscle)
    except ValueError as error:
        raise ReconstructionError(
            f"the keypoints make the person {shape.height * factor:.2f} m tall ({error}); expected a calibration in "
            "metres, or another --age."
        ) from error
    result = solve_ik(shape.skeleton, views, person, found.points, fps=fps)
    template = Template.of(shape).proportioned(result.scales)
    return result, template


def _all_cameras(
    capture: PersonCapture, fitted: list[int], moved: Views, person: Keypoints, result: IkResult
) -> tuple[Views, Keypoints, Float[np.ndarray, "t c k"]]:
    """Views and keypoints of all cameras: the held-out ones are put right against the fitted body's keypoints."""
    assert capture.keypoints is not None
    points = _body_keypoints(result.skeleton, result.pose, person.names, result.offsets)
    views = replace(capture.views, viewmats=capture.views.viewmats.copy())
    views.viewmats[:, fitted] = moved.viewmats
    t, c, _, k = capture.keypoints.scores.shape
    places, scores = np.zeros((t, c, 1, k, 2)), np.zeros((t, c, 1, k))
    places[:, fitted], scores[:, fitted] = person.places, person.scores
    for camera in sorted(set(range(c)) - set(fitted)):
        pixels = project(views, points)[:, camera]
        distance = np.linalg.norm(capture.keypoints.places[:, camera] - pixels[:, None], axis=-1)
        counted = np.where(capture.keypoints.scores[:, camera] > 0.25, distance, np.nan)
        enough = np.isfinite(counted).sum(-1) >= 5
        middle = np.where(enough, np.nan_to_num(np.nanmedian(np.where(enough[..., None], counted, 0.0), -1)), np.inf)
        nearest = middle.argmin(1)
        rows = np.arange(t)
        places[:, camera, 0] = capture.keypoints.places[rows, camera, nearest]
        scores[:, camera, 0] = capture.keypoints.scores[rows, camera, nearest] * enough[rows, nearest, None]
        keypoints = Keypoints(person.names, places, scores)
        views = resected(views, keypoints, camera, points, np.ones((t, k), bool))
    keypoints = Keypoints(person.names, places, scores)
    return views, keypoints, _errors(views, keypoints, points)


def _body_keypoints(
    skeleton: Skeleton, pose: Pose, names: tuple[str, ...], offsets: Float[np.ndarray, "k 3"]
) -> Float[np.ndarray, "t k 3"]:
    """Where the keypoints of the posed body are in the world."""
    carriers, _ = attachments(skeleton, names)
    frames = world_from_joints(skeleton, pose).double().numpy()[:, carriers]
    points: Float[np.ndarray, "t k 3"] = frames[..., :3, 3] + (frames[..., :3, :3] @ offsets[..., None])[..., 0]
    return points


def _errors(views: Views, keypoints: Keypoints, points: Float[np.ndarray, "t k 3"]) -> Float[np.ndarray, "t c k"]:
    errors = np.linalg.norm(project(views, points) - keypoints.places[:, :, 0], axis=-1)
    return np.where(keypoints.scores[:, :, 0] > 0.1, errors, np.nan)
