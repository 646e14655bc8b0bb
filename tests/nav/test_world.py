"""World: what all episodes of a place share."""

import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.nav.world import World
from splatsim.scene import Scene
from tests.maps.gaussian_rooms import room
from tests.maps.rooms import drawn

PLAN = drawn("######\n#....#\n#....#\n######")


def test_a_scene_with_a_map_keeps_it() -> None:
    world = World.of(Scene("box", nav_map=PLAN))
    assert world.nav_map is PLAN
    assert world.floor == 0
    assert world.gaussians is None


def test_a_scene_without_a_map_gets_one_and_its_floor_is_found() -> None:
    gaussians, semantics = room(height=0.5)
    world = World.of(Scene("rooms", gaussians, semantics=semantics))
    assert world.floor == pytest.approx(0.5, abs=0.02)
    assert world.nav_map.at(torch.tensor([[3.0, 1.5], [2.05, 0.5], [0.8, 0.7]])).tolist()[:2] == [0, 1]
    mapped = World.of(Scene("rooms", gaussians, semantics=semantics, nav_map=world.nav_map))
    assert mapped.floor == pytest.approx(0.5, abs=0.02)


def test_the_hash_knows_map_gaussians_and_classes_but_not_the_last_bits_of_scales() -> None:
    gaussians, semantics = room()
    world = World("rooms", PLAN, 0.0, gaussians, semantics)
    shifted = PLAN.replace(cells=PLAN.cells.clone())
    shifted.cells[1, 1] = 1
    others = [
        World("rooms", shifted, 0.0, gaussians, semantics),
        World("rooms", PLAN, 0.0, gaussians.replace(means=gaussians.means + 0.01), semantics),
        World("rooms", PLAN, 0.0, gaussians.replace(scales=gaussians.scales * 1.01), semantics),
        World("rooms", PLAN, 0.0, gaussians),
        World("rooms", PLAN),
    ]
    assert len({world.content_hash, *(other.content_hash for other in others)}) == 6
    rounded = gaussians.replace(scales=gaussians.scales * (1 + 1e-7), quats=gaussians.quats * (1 - 1e-7))
    assert World("else", PLAN, 0.0, rounded, semantics).content_hash == world.content_hash


def test_an_inflated_map_is_made_once() -> None:
    world = World("box", PLAN)
    assert world.inflated(0.1) is world.inflated(0.1)
    assert torch.equal(world.inflated(0.1).cells, PLAN.inflate(0.1).cells)


def test_what_is_no_world_is_refused() -> None:
    with pytest.raises(EpisodeError, match="none is free"):
        World("wall", drawn("##\n##"))
    with pytest.raises(EpisodeError, match="no Gaussians"):
        World.of(Scene("void"))
    gaussians, semantics = room()
    with pytest.raises(EpisodeError, match="labels"):
        World("rooms", PLAN, 0.0, gaussians.map(lambda field: field[1:]), semantics)
    with pytest.raises(EpisodeError, match="floor"):
        World("box", PLAN, float("nan"))
