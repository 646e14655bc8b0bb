"""Gains of cameras by the floor, against gains that were put in."""

import numpy as np
import torch

from splatsim.avatar.fitting.colours import floor_gains, tinted
from splatsim.avatar.fitting.masks import Background
from splatsim.avatar.fitting.start import start_gaussians
from splatsim.avatar.fitting.views import Views
from splatsim.rendering import render
from tests.avatar.fitting.bodies import around, template

HEIGHT = 0.15
"""Of the floor, metres."""


def _background(views: Views, camera: int, gain: np.ndarray) -> Background:
    """A floor of coloured tiles, below a wall of stripes that are other ones for each camera."""
    width, height = views.sizes[camera]
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(views.Ks[camera]).T
    rays = rays @ views.viewmats[0, camera, :3, :3]
    eye = views.positions[0, camera]
    down = rays[..., 2] < -1e-3
    far = np.where(down, (HEIGHT - eye[2]) / np.where(down, rays[..., 2], -1.0), 0.0)
    x, y = (eye[axis] + far * rays[..., axis] for axis in (0, 1))
    tile = np.floor(x / 0.35).astype(int) * 31 + np.floor(y / 0.35).astype(int) * 17
    colours = np.random.default_rng(0).uniform(40, 140, (997, 3))[tile % 997]
    wall = np.random.default_rng(camera).uniform(40, 140, (width, 3))[None].repeat(height, 0)
    floor = down & (np.hypot(x, y) < 3)
    picture = np.where(floor[..., None], colours, wall) * gain
    return Background(picture.clip(0, 255).astype(np.uint8), np.ones((height, width), bool))


def test_gains_are_found_by_the_floor() -> None:
    views = around(1, 3, size=300)
    true = np.array([[1.0, 1.0, 1.0], [1.3, 1.2, 1.0], [0.8, 0.9, 1.1]])
    backgrounds = [_background(views, camera, true[camera]) for camera in range(3)]
    found = floor_gains(backgrounds, views, np.array([0.5, 0.0]))
    wanted = true / np.exp(np.log(true).mean(0))
    np.testing.assert_allclose(found, wanted, rtol=0.03)


def test_a_camera_that_shares_nothing_has_no_gain() -> None:
    views = around(1, 3, size=200)
    true = np.array([[1.0, 1.0, 1.0], [1.3, 1.2, 1.0], [0.8, 0.9, 1.1]])
    backgrounds: list[Background | None] = [_background(views, camera, true[camera]) for camera in range(3)]
    backgrounds[2] = None
    found = floor_gains(backgrounds, views, np.array([0.5, 0.0]))
    np.testing.assert_allclose(found[1] / found[0], true[1], rtol=0.03)
    np.testing.assert_allclose(found[2], 1.0)
    np.testing.assert_allclose(floor_gains([None] * 3, views, np.zeros(2)), 1.0)


def test_tinted_gaussians_have_other_colours() -> None:
    gaussians, _ = start_gaussians(template(), 50, np.random.default_rng(0))
    gaussians = gaussians.replace(sh=torch.rand(50, 4, 3))
    camera = around(1, 1, size=64).camera(0, 0)
    gain = torch.tensor([0.5, 0.8, 0.9])
    plain, found = (render(g, camera).colors for g in (gaussians, tinted(gaussians, gain)))
    torch.testing.assert_close(found, plain * gain)
