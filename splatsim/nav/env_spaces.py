"""Observations as arrays of fixed shapes, and the spaces that they lie in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from splatsim.nav.birdseye import EGO_CELLS
from splatsim.nav.episode import Episode
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Setup
from splatsim.nav.unicycle import Step
from splatsim.nav.world import World

if TYPE_CHECKING:
    from gymnasium import spaces

FAR = 1e6
"""What no metre, second or radian exceeds."""
NOWHERE = 0.0
"""What stands in the rows of the people table that nobody takes; its last column is 1 for people, else 0."""


def action_space_of(setup: Setup) -> "spaces.Space[Any]":
    """Four steps, or a speed in m/s, a turn in rad/s, and above one half a wish to stop for good."""
    from gymnasium import spaces

    if setup.discrete:
        return spaces.Discrete(len(Step))
    drive = setup.drive
    low = np.array([-drive.max_speed / 2, -drive.max_turn, 0], np.float32)
    return spaces.Box(low, np.array([drive.max_speed, drive.max_turn, 1], np.float32))


def observation_space_of(world: World, setup: Setup, episodes: Sequence[Episode]) -> "spaces.Space[Any]":
    """What `arrays_of` returns: only what the sensors have, and goals where an episode has one of the kind."""
    from gymnasium import spaces

    sensors, tasks = setup.sensors, {episode.task for episode in episodes}
    picture = (sensors.height, sensors.width)
    table: dict[str, spaces.Space[Any]] = {"seconds": _numbers((1,), 0)}
    if sensors.rgb:
        table["rgb"] = spaces.Box(0, 255, (*picture, 3), np.uint8)
    if sensors.depth:
        table["depth"] = _numbers(picture, 0)
    if sensors.semantic:
        table["semantic"] = spaces.Box(0, 255, picture, np.uint8)
    if sensors.pose:
        table["pose"] = _numbers((3,))
    if sensors.bev != "none":
        cells = (EGO_CELLS, EGO_CELLS) if sensors.bev == "ego" else world.nav_map.frame.shape
        table["bev_cells"] = spaces.Box(0, 2, cells, np.uint8)
        table["bev_people"] = spaces.Box(0, 1, cells, np.uint8)
        table["bev_velocities"] = _numbers((*cells, 2))
        table["bev_visited"] = spaces.Box(0, 1, cells, np.uint8)
        if sensors.bev_colors:
            table["bev_colors"] = spaces.Box(0, 255, (*cells, 3), np.uint8)
            table["bev_heights"] = _numbers(cells)
        if sensors.bev != "ego":
            table["map_pose"] = _numbers((3,))
    if sensors.people:
        table["people"] = _numbers((setup.humans.count, 6))
    if tasks & {"point goal", "social"}:
        table["goal"] = _numbers((2,))
    if "image goal" in tasks:
        table["goal_image"] = spaces.Box(0, 255, (*picture, 3), np.uint8)
    return spaces.Dict(table)


def arrays_of(seen: Observation, setup: Setup, goals: frozenset[str]) -> dict[str, NDArray[Any]]:
    """An observation as arrays. People are rows of x, y, vx, vy and radius in the robot's frame, and 1.

    Args:
        goals: Kinds of goals, `goal` and `goal_image`, to fill with zeros where this episode has none.
    """
    sensors = setup.sensors
    arrays: dict[str, NDArray[Any]] = {"seconds": np.array([seen.seconds], np.float32)}
    if seen.rgb is not None:
        arrays["rgb"] = _bytes(seen.rgb)
    if seen.depth is not None:
        arrays["depth"] = seen.depth.float().numpy()
    if seen.semantic is not None:
        arrays["semantic"] = seen.semantic.numpy().astype(np.uint8)
    for name in ("pose", "map_pose", "goal"):
        value = getattr(seen, name)
        if value is not None:
            arrays[name] = np.array(value, np.float32)
    if "goal" in goals and seen.goal is None:
        arrays["goal"] = np.zeros(2, np.float32)
    if seen.bev is not None:
        arrays |= _layers(seen, sensors.bev_colors)
    if seen.people is not None:
        arrays["people"] = _people(seen, setup.humans.count)
    if seen.goal_image is not None:
        arrays["goal_image"] = _bytes(seen.goal_image)
    elif "goal_image" in goals:
        arrays["goal_image"] = np.zeros((sensors.height, sensors.width, 3), np.uint8)
    return arrays


def _layers(seen: Observation, colors: bool) -> dict[str, NDArray[Any]]:
    bev = seen.bev
    assert bev is not None
    assert bev.cells is not None
    assert bev.people is not None
    assert bev.velocities is not None
    assert bev.visited is not None
    layers: dict[str, NDArray[Any]] = {
        "bev_cells": bev.cells.numpy(),
        "bev_people": bev.people.numpy().astype(np.uint8),
        "bev_velocities": bev.velocities.float().numpy(),
        "bev_visited": bev.visited.numpy().astype(np.uint8),
    }
    if colors:
        layers |= {"bev_colors": _bytes(bev.colors), "bev_heights": bev.heights.float().numpy()}
    return layers


def _people(seen: Observation, most: int) -> NDArray[np.float32]:
    table = np.full((most, 6), NOWHERE, np.float32)
    people = seen.people
    if people is not None:
        n = len(people)
        table[:n, :2], table[:n, 2:4] = people.places.numpy(), people.velocities.numpy()
        table[:n, 4], table[:n, 5] = people.radii.numpy(), 1
    return table


def _bytes(picture: Tensor) -> NDArray[np.uint8]:
    return np.asarray((picture.clamp(0, 1) * 255).round().numpy().astype(np.uint8))


def _numbers(shape: tuple[int, ...], low: float = -FAR) -> "spaces.Box":
    from gymnasium import spaces

    return spaces.Box(low, FAR, shape, np.float32)
