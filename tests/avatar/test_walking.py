"""Walking: feet that stand do not move, the path is met, poses are continuous, whatever the body's size."""

import numpy as np
import pytest
import torch

from splatsim.avatar import Pose, joint_roles, world_from_joints
from splatsim.avatar._rotations import about, around, between, frame
from splatsim.avatar.gait import GaitStyle, cadence, stance_share
from splatsim.avatar.gait_pose import STRAIGHTEST, two_bones
from splatsim.avatar.motion import SampledMotion, blend_quats
from splatsim.avatar.motion_metrics import motion_quality
from splatsim.avatar.travel import travel_along, travel_through
from splatsim.avatar.walkers import Walkers
from splatsim.avatar.walking import Walk, walk_along
from tests.avatar.people import humanoid

CIRCLE = 2 * np.stack([np.cos(np.linspace(0, 6, 60)), np.sin(np.linspace(0, 6, 60))], axis=-1)
PATHS: dict[str, dict[str, object]] = {
    "straight": {"path": [[0.0, 0], [6, 0]]},
    "curved": {"path": CIRCLE},
    "stop and go": {"path": [[0.0, 0], [2, 0], [4, 0.5], [5, 0.5]], "pauses": {1: 1.2}},
    "corners": {"path": [[0.0, 0], [2, 0], [2, 2]]},
}


def feet_places(walk: Walk, times: torch.Tensor) -> np.ndarray:
    roles = joint_roles(walk.skeleton)
    places = world_from_joints(walk.skeleton, walk.at(times))[..., :3, 3].double().numpy()
    return places[:, [roles["left_toe"], roles["right_toe"]]]


@pytest.mark.parametrize("height", [1.2, 1.9])
@pytest.mark.parametrize("name", PATHS)
def test_bars_of_motion(name: str, height: float) -> None:
    walk = walk_along(humanoid(height), **PATHS[name])  # type: ignore[arg-type]
    quality = motion_quality(walk, PATHS[name]["path"])  # type: ignore[arg-type]
    assert quality.skate_ratio < 0.02
    assert quality.skate_speed < 0.03
    assert quality.penetration < 0.01
    assert quality.path_rmse < 0.02
    assert quality.jump < 2.5
    assert quality.turn < np.radians(20)


@pytest.mark.parametrize(("height", "speed"), [(1.2, 2.4), (1.2, 3.3), (1.3, 2.4), (1.9, 3.3)])
def test_runners_of_all_sizes_lift_their_feet_before_they_move_them(height: float, speed: float) -> None:
    walk = walk_along(humanoid(height), [[0.0, 0], [12, 0]], speed=speed)
    assert motion_quality(walk, [[0, 0], [12, 0]]).skate_ratio < 0.02


def test_the_ball_of_a_standing_foot_keeps_its_place() -> None:
    """Between the flat foot and the rise of the toes nothing moves, to a tenth of a millimetre, at any times."""
    walk = walk_along(humanoid(), [[0.0, 0], [5, 1]])
    for side, steps in enumerate(walk.steps):
        flat = steps.strikes[:-1] + 0.2 * steps.stances[:-1]
        rises = steps.lifts[1:] - 0.35 * steps.stances[1:]
        for start, end, ball in zip(flat, rises, steps.balls[1:-1], strict=True):
            times = torch.linspace(float(start), float(end), 7, dtype=torch.float64)
            np.testing.assert_allclose(feet_places(walk, times)[:, side, :2], np.tile(ball, (7, 1)), atol=1e-4)


def test_people_move_forward_as_people_do() -> None:
    """Knees bend forward, elbows backward, feet take turns, the arm goes with the leg of the other side."""
    walk = walk_along(humanoid(), [[0.0, 0], [8, 0]])
    times = torch.linspace(2, 5, 121, dtype=torch.float64)
    roles = joint_roles(walk.skeleton)
    places = world_from_joints(walk.skeleton, walk.at(times))[..., :3, 3].double().numpy()
    at = {role: places[:, joint] for role, joint in roles.items()}
    for side in ("left", "right"):
        chord = at[f"{side}_ankle"] - at[f"{side}_hip"]
        middle = at[f"{side}_hip"] + 0.5 * chord
        across = np.stack([-chord[:, 2], np.zeros(len(chord)), chord[:, 0]], axis=-1)  # forward of hip to ankle
        assert (((at[f"{side}_knee"] - middle) * across).sum(-1) > 0).all()
        arm = at[f"{side}_wrist"] - at[f"{side}_shoulder"]
        across = np.stack([-arm[:, 2], np.zeros(len(arm)), arm[:, 0]], axis=-1)
        assert (((at[f"{side}_elbow"] - at[f"{side}_shoulder"] - 0.5 * arm) * across).sum(-1) < 0.02).all()
    legs = at["left_ankle"][:, 0] - at["right_ankle"][:, 0]
    arms = at["left_wrist"][:, 0] - at["right_wrist"][:, 0]
    assert np.corrcoef(legs, arms)[0, 1] < -0.8
    assert walk.grounded(times).any(axis=1).all()  # a walk has no flight
    running = walk_along(humanoid(), [[0.0, 0], [20, 0]], speed=3.5)
    assert not running.grounded(torch.linspace(3, 5, 200, dtype=torch.float64)).any(axis=1).all()  # a run has


def test_any_time_and_always_the_same() -> None:
    one, two = (walk_along(humanoid(), [[0.0, 0], [3, 1]]) for _ in range(2))
    times = torch.rand(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * one.duration
    together = one.at(times)
    for index in (0, 7, 19):
        alone = two.at(float(times[index]))
        torch.testing.assert_close(alone.rotations, together.rotations[index], rtol=0, atol=1e-6)
        torch.testing.assert_close(alone.root, together.root[index], rtol=0, atol=1e-6)
    torch.testing.assert_close(one.at(-5.0).root, one.at(0.0).root)
    assert one.at(torch.zeros(2, 3)).rotations.shape == (2, 3, len(one.skeleton), 4)
    with pytest.raises(ValueError, match="not finite"):
        one.at(float("nan"))


def test_turning_on_the_spot_steps() -> None:
    walk = walk_along(humanoid(), [[0.0, 0], [-2, 0]], heading=0.0)
    turning = (walk.travel.speeds < 0.02) & (np.abs(walk.travel.turn_rates) > 0.5)
    times = 0.01 * np.flatnonzero(turning)
    strikes = np.concatenate([steps.strikes for steps in walk.steps])
    assert ((strikes > times.min()) & (strikes < times.max())).sum() >= 4
    assert motion_quality(walk, [[0, 0], [-2, 0]]).skate_ratio < 0.02


def test_a_motion_through_places_at_times_is_there_then() -> None:
    places, times = [[0.0, 0], [1, 0.2], [2, 0.1], [2, 0.1], [3, 1]], [0.0, 1, 2, 3.5, 5]
    walk = walk_along(humanoid(), places, times=times)
    assert walk.duration == pytest.approx(5.0)
    roots = walk.at(torch.tensor(times, dtype=torch.float64)).root[:, :2].numpy()
    assert np.linalg.norm(roots - np.array(places), axis=-1).max() < 0.035  # the hips sway by so much


def test_two_bones_reach_and_bend_to_the_right_side() -> None:
    rng = np.random.default_rng(0)
    root, tip = np.zeros((50, 3)), rng.normal(size=(50, 3)) * 0.3
    upper, lower = np.full(50, 0.45), np.full(50, 0.40)
    hinge = np.cross(tip, rng.normal(size=(50, 3)))
    middle, reached, axis = two_bones(root, tip, upper, lower, hinge)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=-1), 0.45, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(reached - middle, axis=-1), 0.40, atol=1e-9)
    near = (np.linalg.norm(tip, axis=-1) < STRAIGHTEST * 0.85) & (np.linalg.norm(tip, axis=-1) > 0.06)
    np.testing.assert_allclose(reached[near], tip[near], atol=1e-9)
    np.testing.assert_allclose((axis * tip).sum(-1), 0, atol=1e-9)
    assert ((np.cross(reached, axis) * middle).sum(-1) >= 0).all()


def test_rotations_are_rotations() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 20, 3))
    unit = a / np.linalg.norm(a, axis=-1, keepdims=True)
    for rotation in (about(1, rng.normal(size=20)), between(a, b), frame(a, b), around(unit, rng.normal(size=20))):
        np.testing.assert_allclose(rotation @ np.swapaxes(rotation, -1, -2), np.tile(np.eye(3), (20, 1, 1)), atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-9)
    turned = (between(a, b) @ a[..., None])[..., 0]
    np.testing.assert_allclose(np.cross(turned, b), 0, atol=1e-9)


def test_gaits_are_alike_at_the_same_froude_number() -> None:
    """Alexander's law: cadence times the root of the leg's length depends on the Froude number alone."""
    small, tall = np.array([0.5]), np.array([1.0])
    one = cadence(np.sqrt(0.2 * 9.81 * small), np.zeros(1), small, np.ones(1)) * np.sqrt(small)
    two = cadence(np.sqrt(0.2 * 9.81 * tall), np.zeros(1), tall, np.ones(1)) * np.sqrt(tall)
    np.testing.assert_allclose(one, two, rtol=1e-9)
    steps = 120 * cadence(np.array([1.4]), np.zeros(1), np.array([0.9]), np.ones(1))
    assert 105 < float(steps[0]) < 130  # steps a minute of adults at 1.4 m/s
    assert float(stance_share(np.array([1.4]), np.array([0.9]))[0]) == pytest.approx(0.62, abs=0.01)


def test_walkers_follow_and_do_not_slide() -> None:
    """The online walkers on the same way as the planned walk, at the bars of motion."""
    skeletons = [humanoid(1.2), humanoid(1.8)]
    travel = travel_along([[0.0, 0], [1.5, 0], [2.2, 1]], pauses={1: 0.5})
    times = np.arange(0, travel.duration, 1 / 30)
    places = travel.read("places", times)
    velocities = np.gradient(places, 1 / 30, axis=0)
    walkers = Walkers(skeletons, [places[0]] * 2, [0.0, 0.0])
    poses = []
    for place, velocity in zip(places, velocities, strict=True):
        walkers.step(1 / 30, [place] * 2, [velocity] * 2)
        poses.append(walkers.poses())
    for person, skeleton in enumerate(skeletons):
        chosen = Pose(torch.stack([p.rotations[person] for p in poses]), torch.stack([p.root[person] for p in poses]))
        quality = motion_quality(SampledMotion(skeleton, chosen, 30.0), [[0, 0], [1.5, 0], [2.2, 1]])
        assert quality.skate_ratio < 0.02
        assert quality.path_rmse < 0.02
        assert quality.jump < 4.0
    for _ in range(60):
        walkers.step(1 / 30, [places[-1]] * 2, np.zeros((2, 2)))
    assert not walkers.walking.any()


def test_metrics_see_what_is_wrong() -> None:
    """A body that glides upright without stepping skates; one sunk by 5 cm penetrates; a jump is a jump."""
    skeleton = humanoid()
    rest = skeleton.rest()
    count = 60
    root = rest.root.repeat(count, 1)
    root[:, 0] = torch.linspace(0, 1.3, count)
    rotations = rest.rotations.repeat(count, 1, 1)
    glide = motion_quality(SampledMotion(skeleton, Pose(rotations, root), 60.0), [[0, 0], [2, 0]])
    assert glide.skate_ratio > 0.9
    assert glide.skate_speed == pytest.approx(1.3 * 60 / 59, rel=0.02)
    sunk = root.clone()
    sunk[:, 2] -= 0.072
    assert motion_quality(SampledMotion(skeleton, Pose(rotations, sunk), 60.0), [[0, 0], [2, 0]]).penetration == (
        pytest.approx(0.05, abs=1e-5)
    )
    bent = rotations.clone()
    bent[30:, 5] = torch.tensor([0.9, 0.4359, 0, 0])
    jumped = motion_quality(SampledMotion(skeleton, Pose(bent, root), 60.0), [[0, 0], [2, 0]])
    assert jumped.turn > 0.5 > glide.turn
    assert motion_quality(SampledMotion(skeleton, Pose(rotations, root), 60.0), [[0, 1], [2, 1]]).path_rmse == (
        pytest.approx(1.0)
    )


def test_blended_quaternions_take_the_shorter_arc() -> None:
    half = float(np.sqrt(0.5))
    start, end = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[-half, 0, 0, -half]])
    middle = blend_quats(start, end, torch.tensor([0.5]))
    expected = torch.tensor([[np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)]], dtype=torch.float32)
    torch.testing.assert_close(middle, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": [[0.0, float("nan")]]}, "point 0 of the path"),
        ({"path": [[0.0, 0], [1, 0]], "speed": 9.0}, "speed is 9.0"),
        ({"path": [[0.0, 0], [1, 0]], "pauses": {5: 1.0}}, "at point 5"),
        ({"path": np.zeros((0, 2))}, r"shape \[0, 2\]"),
        ({"path": [[0.0, 0], [1e9, 0]]}, "m long"),
    ],
)
def test_wrong_paths_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        travel_along(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="times that increase"):
        travel_through([[0, 0], [1, 0]], [1.0, 1.0])


def test_styles_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"GaitStyle.stride is 9; expected 0.6 to 1.5"):
        GaitStyle(stride=9)
    assert GaitStyle.vary(3) == GaitStyle.vary(3) != GaitStyle.vary(4)
