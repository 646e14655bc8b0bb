"""Bodies: what pictures show of people. Avatars who set foot before foot, or upright stand-ins of a few Gaussians.

Bodies follow the people's places and decide nothing: without pictures there are none, and nothing else changes.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from splatsim.avatar import Avatar
from splatsim.avatar.gait import GaitStyle
from splatsim.avatar.people import TOPS, make_person
from splatsim.avatar.staging import Ambience, lit, shadows
from splatsim.avatar.walkers import Walkers
from splatsim.gaussians import Gaussians
from splatsim.nav.setup import Humans
from splatsim.nav.world import World
from splatsim.spherical_harmonics import C0

Array = NDArray[np.float64]

GAUSSIANS = 4_000
"""Of each avatar: one of 1.7 m that is 3 m away is 70 pixels high in a picture of 128 rows."""
WARDROBE = 12
"""Different people whom all episodes share, so that few have to be made."""
STACK = ((0.25, 0.11, 0.16), (0.6, 0.12, 0.18), (0.95, 0.13, 0.18), (1.27, 0.14, 0.13), (1.6, 0.08, 0.1))
"""Height, half-width and half-height of the Gaussians of a stand-in, metres."""


class Bodies:
    """Of the people of `count` lanes, for a world with Gaussians."""

    def __init__(self, world: World, humans: Humans, count: int) -> None:
        self._humans, self._floor = humans, world.floor
        self._capsules: list[list[Gaussians]] = [[] for _ in range(count)]
        self._avatars: list[list[Avatar]] = [[] for _ in range(count)]
        self._walkers: list[Walkers | None] = [None] * count
        avatars = world.gaussians is not None and humans.bodies == "avatars" and humans.count > 0
        self._ambience = Ambience.of(world.gaussians) if avatars and world.gaussians is not None else None

    def reset(self, lane: int, seed: int, places: Array, yaws: Array) -> None:
        """Give the people of a lane their bodies, by the episode's seed."""
        rng = np.random.default_rng([seed, 0xB0D1])
        rounds = [rng.permutation(WARDROBE).tolist() for _ in range(math.ceil(len(places) / WARDROBE))]
        numbers = [number for order in rounds for number in order][: len(places)]
        if self._humans.bodies == "capsules":
            self._capsules[lane] = [_capsule(number) for number in numbers]
            return
        self._avatars[lane] = [dressed(number) for number in numbers]
        styles = [GaitStyle.vary(number) for number in numbers]
        skeletons = [avatar.skeleton for avatar in self._avatars[lane]]
        self._walkers[lane] = Walkers(skeletons, places, yaws, styles=styles, floor=self._floor)

    def walk(self, lane: int, seconds: float, places: Array, velocities: Array) -> None:
        """Go on to these places, within this time."""
        walkers = self._walkers[lane]
        if walkers is not None and seconds > 1e-6:
            walkers.step(seconds, places, velocities)

    def gaussians(self, lane: int, places: Array) -> Gaussians | None:
        """Everybody in a lane as they are now, and the shadows under them; None where nobody is."""
        if not len(places):
            return None
        if self._humans.bodies == "capsules":
            offsets = torch.from_numpy(np.pad(places, ((0, 0), (0, 1)), constant_values=self._floor)).float()
            stacks = zip(self._capsules[lane], offsets, strict=True)
            return Gaussians.concat([body.replace(means=body.means + offset) for body, offset in stacks])
        walkers = self._walkers[lane]
        assert walkers is not None
        poses = walkers.poses()
        factors = np.ones(len(places)) if self._ambience is None else self._ambience.at(places)
        parts = []
        for index, avatar in enumerate(self._avatars[lane]):
            pose = poses[index]
            parts += [shadows(avatar, pose, self._floor), lit(avatar.pose(pose), float(factors[index]))]
        return Gaussians.concat(parts)


@lru_cache(maxsize=2 * WARDROBE)
def dressed(number: int) -> Avatar:
    """One of the people whom all episodes share."""
    return make_person(1 + number).to_avatar(GAUSSIANS)


def _capsule(number: int) -> Gaussians:
    """A stand-in above the origin, in the colour of a top."""
    n = len(STACK)
    color = torch.tensor(TOPS[number % len(TOPS)])
    return Gaussians(
        torch.tensor([[0.0, 0.0, height] for height, _, _ in STACK]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(n, 1),
        torch.tensor([[wide, wide, high] for _, wide, high in STACK]),
        torch.full((n,), 0.97),
        ((color - 0.5) / C0).expand(n, 1, 3).clone(),
    )
