"""Clips along a path: strides are cut where they begin, feet stay where they stand, and nothing pops."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.avatar.captured import read_motion
from splatsim.avatar.clip_blend import ClipBlend
from splatsim.avatar.gait import GaitStyle
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.motion_metrics import motion_quality
from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose, world_from_joints
from splatsim.avatar.strides import CARRIED, cut_strides
from splatsim.avatar.walking import walk_along
from tests.avatar.people import humanoid

RATE = 60.0


def recorded(speed: float, style: GaitStyle | None = None, path: list[list[float]] | None = None) -> SampledMotion:
    """A clip of somebody else's steady walk: poses at 60 Hz, without its start and its end."""
    walk = walk_along(humanoid(), path or [[0.0, 0], [12 * speed, 0]], speed=speed, style=style)
    times = torch.arange(3.0, walk.duration - 3.0, 1 / RATE, dtype=torch.float64)
    return SampledMotion(humanoid(), walk.at(times), RATE)


def standing(lean: float) -> SampledMotion:
    pose = humanoid().rest()
    rotations = pose.rotations.repeat(120, 1, 1)
    chest = joint_roles(humanoid())["chest"]
    rotations[:, chest, 0], rotations[:, chest, 2] = math.cos(lean / 2), math.sin(lean / 2)
    return SampledMotion(humanoid(), Pose(rotations, pose.root.repeat(120, 1)), RATE)


@pytest.mark.parametrize("speed", [0.9, 1.5])
def test_a_stride_is_what_the_recorded_walk_did(speed: float) -> None:
    walk = walk_along(humanoid(), [[0.0, 0], [12 * speed, 0]], speed=speed)
    strikes = walk.steps[0].strikes
    steady = strikes[(strikes > 3) & (strikes < walk.duration - 3)]
    cycle = cut_strides(recorded(speed))
    assert cycle.speed == pytest.approx(speed, rel=0.01)
    assert cycle.seconds == pytest.approx(np.diff(steady).mean(), rel=0.01)
    assert abs(cycle.turn_rate) < 0.01
    assert cycle.strides >= 5


def test_a_clip_in_place_has_the_speed_of_its_standing_foot() -> None:
    clip = recorded(1.3)
    root = clip.poses.root.clone()
    root[:, 0] -= 1.3 * torch.arange(len(root)) / RATE
    cycle = cut_strides(SampledMotion(clip.skeleton, Pose(clip.poses.rotations, root), RATE))
    assert cycle.speed == pytest.approx(1.3, rel=0.05)


def test_a_clip_played_at_its_own_speed_is_the_recorded_walk() -> None:
    style = GaitStyle(arm_swing=1.8, sway=1.5, lean_deg=6.0)
    told = walk_along(humanoid(), [[0.0, 0], [12, 0]], speed=1.3, clips=[recorded(1.3, style)])
    wanted = walk_along(humanoid(), [[0.0, 0], [12, 0]], speed=1.3, style=style)
    plain = walk_along(humanoid(), [[0.0, 0], [12, 0]], speed=1.3)
    times = torch.arange(4.0, 7.0, 0.05, dtype=torch.float64)
    roles = [joint_roles(humanoid())[role] for role in CARRIED]
    places = [world_from_joints(humanoid(), w.at(times))[:, roles, :3, 3] for w in (told, wanted, plain)]
    assert float((places[0] - places[1]).norm(dim=-1).mean()) < 0.012
    assert float((places[2] - places[1]).norm(dim=-1).mean()) > 0.04  # the walk without the clip is another


def test_feet_stay_and_nothing_pops_whatever_the_clips() -> None:
    clips = [recorded(0.8), recorded(1.6, GaitStyle(arm_swing=1.6)), standing(0.2)]
    angles = np.linspace(0, 2 * np.pi, 60)
    for path, pauses in (
        ([[0.0, 0], [2, 0], [4, 0.5], [6, 0.5]], {1: 1.5}),
        (np.stack([2.5 * np.sin(angles), 1.5 * np.sin(2 * angles)], -1), None),
    ):
        walk = walk_along(humanoid(), path, clips=clips, pauses=pauses)
        plain = walk_along(humanoid(), path, pauses=pauses)
        quality, before = motion_quality(walk, path), motion_quality(plain, path)
        assert quality.skate_ratio < 0.02
        assert quality.path_rmse < 0.02
        assert quality.jump < max(1.5 * before.jump, 0.6)
        assert quality.turn < math.radians(15)


def test_who_stands_has_the_standing_clip_or_the_own_manner() -> None:
    roles = joint_roles(humanoid())
    for clips, lean in (([recorded(1.2), standing(0.3)], 0.3), ([recorded(1.2)], 0.0)):
        walk = walk_along(humanoid(), [[0.0, 0], [3, 0]], clips=clips)
        chest = world_from_joints(humanoid(), walk.at(0.2))[roles["chest"], :3, :3]
        assert math.atan2(float(chest[0, 2]), float(chest[0, 0])) == pytest.approx(lean, abs=0.04)


def test_weights_are_one_at_a_clip_and_share_between() -> None:
    blend = ClipBlend(humanoid(), [recorded(0.8), recorded(1.6)])
    weights = blend.weights(np.array([0.8, 1.2, 1.6]), np.zeros(3))
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert weights[0, 0] > 0.97
    assert weights[1, 2] > 0.97
    np.testing.assert_allclose(weights[:, 1], 0.5, atol=0.05)


def test_clips_that_cannot_be_used() -> None:
    short = recorded(1.3)
    with pytest.raises(ValueError, match=r"clip 1: the clip of 0\.65 s holds . strikes of the left foot"):
        ClipBlend(humanoid(), [short, SampledMotion(short.skeleton, short.poses[:40], RATE)])
    with pytest.raises(ValueError, match="none of the 1 clips walks"):
        ClipBlend(humanoid(), [standing(0.0)])


def test_a_captured_clip_walks_a_curve(data: Path) -> None:
    motion, _ = read_motion(data / "people" / "cmu_131_01.bvh")
    path = [[0.0, 0], [2, 0], [3.5, 1.0], [3.5, 3.0]]
    walk = walk_along(humanoid(), path, clips=[motion])
    quality = motion_quality(walk, path)
    assert quality.skate_ratio < 0.02
    assert quality.path_rmse < 0.03
