"""Capsules against shapes whose capsules and volumes are known, and the voxels that they fill."""

import numpy as np
import pytest
import torch

from splatsim import Gaussians
from splatsim.avatar import Pose, SkinWeights
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.capsule_around import segment_distance
from splatsim.avatar.capsules import Capsules, fit_capsules, held, surface_volume
from splatsim.avatar.people import make_person
from splatsim.avatar.people_occupancy import people_occupancy, with_people
from splatsim.avatar.skeleton import world_from_joints
from splatsim.avatar.walking import walk_along
from splatsim.grids import OccupancyGrid, VoxelFrame
from tests.avatar.people import humanoid


def tubes(count: int = 250) -> Avatar:
    """A person of tubes of 6 cm radius around the bones below the roles."""
    skeleton = humanoid()
    generator = torch.Generator().manual_seed(0)
    points, joints = [], []
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            continue
        start, way = skeleton.joints[parent], skeleton.joints[joint] - skeleton.joints[parent]
        around = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
        points.append(start + torch.rand(count, 1, generator=generator) * way + 0.06 * around)
        joints.append(torch.full((count, 1), parent))
    means = torch.cat(points)
    n = len(means)
    gaussians = Gaussians(
        means, torch.tensor([1.0, 0, 0, 0]).repeat(n, 1), torch.full((n, 3), 0.003), torch.ones(n), torch.zeros(n, 1, 3)
    )
    return Avatar(gaussians, skeleton, SkinWeights(torch.cat(joints), torch.ones(n, 1)))


def test_capsules_of_tubes() -> None:
    """They hold what they are asked to, at rest and posed, in little more than the tubes' own volume."""
    avatar = tubes()
    capsules = fit_capsules(avatar)
    assert held(avatar, capsules) >= 0.985
    rotations = avatar.skeleton.rest().rotations.clone()
    rotations[avatar.skeleton.index("lowerarm_l")] = torch.tensor([0.8, 0, -0.6, 0])
    assert held(avatar, capsules, Pose(rotations, torch.tensor([3.0, 2, 1]))) >= 0.975
    bones = np.array([[avatar.skeleton.joints[p].tolist(), avatar.skeleton.joints[j].tolist()]
                      for j, p in enumerate(avatar.skeleton.parents) if p >= 0])  # fmt: skip
    exact = Capsules(np.zeros(len(bones), np.int64), bones, np.full(len(bones), 0.06))
    assert capsules.volume() < 1.3 * exact.volume()


def test_volumes_are_those_of_formulas() -> None:
    capsule = Capsules(np.zeros(2, np.int64), np.array([[[0.0, 0, 0], [0.3, 0.4, 0]]] * 2), np.full(2, 0.1))
    exact = np.pi * 0.01 * (0.5 + 0.4 / 3)
    assert capsule.volume() == pytest.approx(exact, rel=0.02)  # two at one place count once
    corners = torch.tensor([[x, y, z] for x in (0.0, 0.5) for y in (0.0, 0.4) for z in (0.0, 0.3)])
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = torch.tensor([[a, b, c] for a, b, c, _ in sides] + [[a, c, d] for a, _, c, d in sides])
    assert surface_volume(corners, faces) == pytest.approx(0.06, rel=0.03)
    assert surface_volume(corners, faces[[0, 1, 2, 3, 6, 7, 8, 9]]) == pytest.approx(0.06, rel=0.05)  # open hems


def test_distance_to_a_segment_by_search() -> None:
    rng = np.random.default_rng(0)
    points, ends = rng.normal(size=(30, 3)), rng.normal(size=(2, 3))
    line = ends[0] + np.linspace(0, 1, 5001)[:, None] * (ends[1] - ends[0])
    brute = np.linalg.norm(points[:, None] - line, axis=-1)
    gap, share = segment_distance(points, ends[0], ends[1])
    np.testing.assert_allclose(gap, brute.min(axis=1), atol=1e-4)
    np.testing.assert_allclose(share, brute.argmin(axis=1) / 5000, atol=1e-3)


def moved() -> tuple[Pose, Pose]:
    """One person who moves by 10 cm along x and turns."""
    rest = humanoid().rest()
    before = Pose(rest.rotations[None], rest.root[None])
    rotations = before.rotations.clone()
    rotations[0, 0] = torch.tensor([np.cos(0.1), 0, 0, np.sin(0.1)], dtype=torch.float32)
    return before, Pose(rotations, rest.root[None] + torch.tensor([0.1, 0, 0]))


def test_voxels_of_people_and_how_fast_they_move() -> None:
    skeleton = humanoid()
    arm = skeleton.index("lowerarm_l")
    ends = np.stack([skeleton.joints[arm].numpy(), skeleton.joints[skeleton.index("hand_l")].numpy()])[None].astype(
        float
    )
    capsules = Capsules(np.array([arm]), ends, np.array([0.05]))
    frame = VoxelFrame.covering((-1, -1, 0), (1, 1, 2), 0.02)
    before, now = moved()
    people = people_occupancy(frame, [skeleton], [capsules], before, now, 0.5)
    inside = people.occupied.nonzero()
    assert len(inside) * 0.02**3 == pytest.approx(capsules.volume(0.005), rel=0.05)
    centers = frame.centers(inside)
    bones = [world_from_joints(skeleton, pose[0])[arm].double() for pose in (before, now)]
    own = torch.linalg.solve(bones[1], torch.cat([centers, torch.ones(len(centers), 1)], dim=1).T.double())
    earlier = (bones[0] @ own)[:3].T
    truth = (centers - earlier) / 0.5
    found = people.velocity[tuple(inside.T)].double()
    assert (found - truth).norm(dim=1).max() < 0.05 * 0.2 / 0.5 + 1e-3  # the axis' motion, off by the radius' turn
    grid_frame, cells, speeds = people.flat((0.0, 2.0))
    row, column = (int(v) for v in grid_frame.cell_of(centers[0, :2]))
    assert bool(cells[row, column])
    x, y = (int(v) for v in inside[0, :2])
    pillar = people.velocity[x, y][people.occupied[x, y]]
    torch.testing.assert_close(speeds[row, column], pillar[:, :2].mean(dim=0))
    empty = OccupancyGrid(
        frame, torch.zeros(frame.shape, dtype=torch.uint8), ("free",), torch.zeros(frame.shape, dtype=torch.bool)
    )
    peopled = with_people(empty, people)
    assert peopled.counts() == {"free": 0, "person": len(inside)}


def test_a_long_skirt_is_held_while_it_walks() -> None:
    """At the moments between those that the fit looks at, too."""
    avatar = make_person(3).to_avatar(3_000)
    capsules = fit_capsules(avatar)
    walk = walk_along(avatar.skeleton, [[0.0, 0], [4, 0]])
    least = min(held(avatar, capsules, walk.at(float(t))) for t in np.linspace(1.0, walk.duration - 1.0, 5))
    assert least >= 0.98
