"""Up, floor, walls and scale of rooms and terrains that were made up, so that the truth is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.errors import ReconstructionError
from splatsim.reconstruction import Capture
from splatsim.reconstruction.align import AlignConfig, Alignment, align
from splatsim.reconstruction.frameset import Frame, FrameSet
from splatsim.reconstruction.metres import EARTH_RADIUS
from splatsim.transforms import apply, invert, rotmat_from_quat
from tests.reconstruction.rooms import look

UNITS = 0.37
"""Units of the made-up poses per metre."""


def room_points(generator: np.random.Generator) -> np.ndarray:
    """Floor, ceiling, walls and a table of a room 8 x 5 x 2.6 m, 1 cm of noise, and stray points, some far below."""

    def face(count: int, lows: tuple[float, ...], highs: tuple[float, ...]) -> np.ndarray:
        return generator.uniform(lows, highs, (count, 3))

    faces = [
        face(900, (0, 0, 0), (8, 5, 0)),
        face(700, (0, 0, 2.6), (8, 5, 2.6)),
        face(1200, (0, 0, 0), (8, 0, 2.6)),
        face(1200, (0, 5, 0), (8, 5, 2.6)),
        face(800, (0, 0, 0), (0, 5, 2.6)),
        face(800, (3, 2, 0.74), (4.6, 3, 0.74)),
    ]
    stray = face(400, (-3, -3, -2.5), (11, 8, 4))
    return np.concatenate([*faces, stray]) + generator.normal(0, 0.01, (sum(map(len, faces)) + 400, 3))


def terrain_points(generator: np.random.Generator) -> np.ndarray:
    """Hills without anything flat or upright."""
    xy = generator.uniform(-15, 15, (6000, 2))
    z = 1.2 * np.sin(0.35 * xy[:, 0]) * np.cos(0.3 * xy[:, 1] + 0.5) + 0.5 * np.sin(1.1 * xy[:, 0] + 0.8 * xy[:, 1])
    return np.c_[xy, z + generator.normal(0, 0.05, len(xy))]


def walk(generator: np.random.Generator, roll_deg: float = 3.0, ground: float = 0.0) -> np.ndarray:
    """Poses of a hand-held camera that looks around, 1.5 m above the ground, pitched down on the whole."""
    poses = []
    for t in np.linspace(0, 1, 60):
        eye = np.array([1 + 6 * t, 2 + np.sin(6 * t), ground + 1.5 + 0.05 * generator.normal()])
        angle = 5 * t
        pose = look(eye, eye + np.array([np.cos(angle), np.sin(angle), -0.35]))
        roll = np.radians(roll_deg) * generator.normal()
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
        poses.append(pose @ turn)
    return np.stack(poses)


def capture_of(points: np.ndarray, poses: np.ndarray) -> tuple[Capture, torch.Tensor]:
    """The scene as structure from motion would give it: in a frame and in units of its own, and that frame."""
    count = len(poses)
    true = Capture(
        Path("nowhere"),
        tuple(f"{number:03d}.png" for number in range(count)),
        ((640, 480),) * count,
        invert(torch.from_numpy(poses)).float(),
        torch.eye(3).repeat(count, 1, 1),
        torch.arange(float(count)),
        torch.from_numpy(points).float(),
        torch.zeros(len(points), 3, dtype=torch.uint8),
        torch.ones(len(points)),
        torch.zeros(0, 2, dtype=torch.int32),
    )
    b_from_a = torch.eye(4)
    b_from_a[:3, :3] = rotmat_from_quat(torch.tensor([0.3, -0.7, 0.5, 0.4]))
    b_from_a[:3, 3] = torch.tensor([1.0, -2.0, 0.5])
    return true.moved(b_from_a, UNITS), b_from_a


def world_from_true(
    capture: Capture, frame: torch.Tensor, config: AlignConfig
) -> tuple[Alignment, Callable[[np.ndarray], np.ndarray]]:
    """The alignment, and where it brings true points (metres)."""
    found = align(capture, config)

    def bring(points: np.ndarray) -> np.ndarray:
        there = apply(frame, UNITS * torch.from_numpy(points).float())
        return apply(found.b_from_a, found.scale * there).double().numpy()

    return found, bring


@pytest.fixture(scope="module")
def room() -> tuple[Capture, torch.Tensor]:
    generator = np.random.default_rng(0)
    return capture_of(room_points(generator), walk(generator))


def test_a_room_comes_upright_and_metric(room: tuple[Capture, torch.Tensor]) -> None:
    found, bring = world_from_true(*room, AlignConfig(camera_height=1.5))
    corners = bring(np.array([[0, 0, 0], [8, 0, 0], [0, 5, 0], [8, 5, 0], [0, 0, 1.0]], float))
    assert np.abs(corners[:4, 2]).max() < 0.02
    up = corners[4] - corners[0]
    assert np.degrees(np.arccos(up[2] / np.linalg.norm(up))) < 0.2
    assert np.linalg.norm(up) == pytest.approx(1.0, rel=0.02)
    assert (found.scale_source, found.up_source) == ("camera height", "floor")
    assert found.camera_height == pytest.approx(1.5, abs=1e-4)
    along = corners[1] - corners[0]  # a wall runs along an axis
    assert np.abs(along[:2] / np.linalg.norm(along)).max() > np.cos(np.radians(0.5))


def test_the_origin_is_the_floor_below_the_first_camera(room: tuple[Capture, torch.Tensor]) -> None:
    capture, _ = room
    found = align(capture)
    first = invert(capture.moved(found.b_from_a, found.scale).viewmats)[0, :3, 3]
    torch.testing.assert_close(first[:2], torch.zeros(2), atol=1e-4, rtol=0)


def test_no_source_of_scale_is_said(room: tuple[Capture, torch.Tensor]) -> None:
    found = align(room[0])
    assert found.scale_source == "arbitrary"
    assert any("not metres" in note for note in found.notes)


def test_the_other_frame_of_the_poses_does_not_matter(room: tuple[Capture, torch.Tensor]) -> None:
    """The world that comes out is the same whatever frame and units the poses had."""
    capture, _ = room
    turn = torch.eye(4)
    turn[:3, :3] = rotmat_from_quat(torch.tensor([0.1, 0.9, -0.3, 0.2]))
    moved = capture.moved(turn, 3.0)
    a, b = align(capture, AlignConfig(camera_height=1.5)), align(moved, AlignConfig(camera_height=1.5))
    here, there = capture.moved(a.b_from_a, a.scale), moved.moved(b.b_from_a, b.scale)
    torch.testing.assert_close(here.points, there.points, atol=5e-3, rtol=0)


def test_a_known_distance_gives_the_scale(room: tuple[Capture, torch.Tensor]) -> None:
    capture, _ = room
    places = invert(capture.viewmats)[:, :3, 3] / UNITS
    metres = float((places[3] - places[50]).norm())
    found = align(capture, AlignConfig(known_distance=("003.png", "050", metres)))
    assert (found.scale, found.scale_source) == (pytest.approx(1 / UNITS, rel=1e-4), "known distance")


def test_a_known_distance_between_the_same_place_is_refused(room: tuple[Capture, torch.Tensor]) -> None:
    with pytest.raises(ReconstructionError, match="nearly the same place"):
        align(room[0], AlignConfig(known_distance=("003", "003", 1.0)))
    with pytest.raises(ReconstructionError, match=r'"x\.png", which has no pose'):
        align(room[0], AlignConfig(known_distance=("x.png", "003", 1.0)))


def test_a_given_scale_is_taken(room: tuple[Capture, torch.Tensor]) -> None:
    found = align(room[0], AlignConfig(scale=2.5))
    assert (found.scale, found.scale_source) == (2.5, "scale")


def test_input_poses_may_keep_frame_and_units(room: tuple[Capture, torch.Tensor]) -> None:
    found = align(room[0], AlignConfig(input_units=True, up="keep"))
    assert (found.scale, found.scale_source, found.up_source) == (1.0, "input", "input")
    assert torch.equal(found.b_from_a, torch.eye(4))


def gps_frames(capture: Capture, noise: float, seed: int = 0) -> FrameSet:
    generator = np.random.default_rng(seed)
    places = (invert(capture.viewmats)[:, :3, 3] / UNITS).numpy()
    frames = []
    for name, place in zip(capture.names, places, strict=True):
        east, north, _ = place + generator.normal(0, noise, 3)
        latitude = 48 + np.degrees(north / EARTH_RADIUS)
        longitude = 9 + np.degrees(east / (EARTH_RADIUS * np.cos(np.radians(48))))
        frames.append(Frame(name, 0.0, 640, 480, 1.0, gps=(float(latitude), float(longitude), 300.0)))
    return FrameSet(Path("nowhere"), "photos", tuple(frames))


def test_gps_gives_the_scale_of_a_wide_walk_only() -> None:
    generator = np.random.default_rng(1)
    points, poses = terrain_points(generator), walk(generator, ground=1.5)
    wide = poses.copy()
    wide[:, :2, 3] *= 30
    flat = capture_of(points, wide)[0]
    upright = replace(flat, viewmats=invert(torch.from_numpy(wide)).float())
    upright = upright.moved(torch.eye(4), UNITS)
    found = align(upright, AlignConfig(up="keep"), frames=gps_frames(upright, 2.0))
    assert (found.scale, found.scale_source) == (pytest.approx(1 / UNITS, rel=0.05), "gps")
    near = replace(flat, viewmats=invert(torch.from_numpy(poses)).float()).moved(torch.eye(4), UNITS)
    refused = align(near, AlignConfig(up="keep"), frames=gps_frames(near, 5.0))
    assert refused.scale_source == "arbitrary"
    assert any("GPS positions were not used" in note for note in refused.notes)


def test_terrain_is_upright_to_the_cameras_and_said_to_have_no_floor() -> None:
    generator = np.random.default_rng(2)
    found, bring = world_from_true(*capture_of(terrain_points(generator), walk(generator, ground=1.0)), AlignConfig())
    up = bring(np.array([[0, 0, 1.0]])) - bring(np.zeros((1, 3)))
    assert np.degrees(np.arccos(up[0, 2] / np.linalg.norm(up))) < 3
    assert found.floor_height is None
    assert found.up_source == "cameras"
    assert any("no flat floor" in note for note in found.notes)


def test_few_points_do_not_break_it(room: tuple[Capture, torch.Tensor]) -> None:
    capture, _ = room
    empty = replace(
        capture,
        points=capture.points[:0],
        point_colors=capture.point_colors[:0],
        point_errors=capture.point_errors[:0],
    )
    found = align(empty, AlignConfig(scale=1.0))
    assert found.up_source == "cameras"
    with pytest.raises(ReconstructionError, match="no floor was found"):
        align(empty, AlignConfig(camera_height=1.5))


def test_two_sources_of_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="camera_height and scale both give the scale"):
        AlignConfig(camera_height=1.5, scale=2.0)
    with pytest.raises(ValueError, match="expected a positive number"):
        AlignConfig(scale=float("nan"))
