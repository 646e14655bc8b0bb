"""Contacts by exact geometry: nothing gets through, and what stands in the way is touched where it stands."""

import math

import numpy as np
import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.grids import GridFrame, NavMap
from splatsim.nav.physics import SKIN, Crowd, Space
from splatsim.nav.unicycle import Drive, Step, drive_on, take_step, within_limits

RADIUS = 0.2


def walled(columns: list[int], size: float = 0.02, rows: int = 200) -> NavMap:
    """Walls of one cell across the map, from south to north."""
    cells = torch.zeros(rows, 200, dtype=torch.uint8)
    cells[:, columns] = 1
    return NavMap(GridFrame((0.0, rows * size), size, (rows, 200)), cells, (0.1, 1.8))


def one(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def crowd(place: tuple[float, float], move: tuple[float, float], radius: float = 0.3) -> Crowd:
    return Crowd(one(*place), one(*move), torch.tensor([radius], dtype=torch.float64), torch.tensor([0, 1]))


def go(space: Space, place, move, people=None, **options):
    return space.move(one(*place), one(*move), torch.tensor([RADIUS], dtype=torch.float64), people, **options)


def test_a_thin_wall_stops_a_fast_robot_where_it_stands() -> None:
    moved = go(Space(walled([100])), (1.0, 2.0), (2.0, 0.0))
    assert moved.places[0].tolist() == pytest.approx([2.0 - RADIUS, 2.0], abs=2 * SKIN)
    assert moved.static.tolist() == [True]
    assert moved.human.tolist() == [False]


def test_a_corner_is_rounded() -> None:
    nav_map = walled([])
    cells = nav_map.cells.clone()
    cells[100, 100] = 1  # from (2, 1.98) to (2.02, 2)
    # Its corner lies 0.1 m beside the path: contact when the centre is √(0.2² - 0.1²) before it.
    moved = go(Space(nav_map.replace(cells=cells)), (1.0, 2.1), (1.5, 0.0))
    assert float(moved.places[0, 0]) == pytest.approx(2.0 - math.sqrt(0.03), abs=2 * SKIN)


def test_the_border_is_a_wall() -> None:
    assert float(go(Space(walled([])), (1.0, 2.0), (-3.0, 0.0)).places[0, 0]) == pytest.approx(RADIUS, abs=2 * SKIN)


def test_sliding_keeps_what_runs_along_the_wall() -> None:
    space = Space(walled([100]))
    assert go(space, (1.7, 1.0), (1.0, 1.0)).places[0].tolist() == pytest.approx([1.8, 1.1], abs=1e-5)
    assert go(space, (1.7, 1.0), (1.0, 1.0), sliding=True).places[0].tolist() == pytest.approx([1.8, 2.0], abs=1e-5)


def test_a_person_is_met_where_both_are_then() -> None:
    # 2 m apart, closing by 3 m, discs of 0.2 and 0.3: contact after half of the step.
    moved = go(Space(walled([])), (1.0, 2.0), (1.0, 0.0), crowd((3.0, 2.0), (-2.0, 0.0)))
    assert moved.places[0].tolist() == pytest.approx([1.5, 2.0], abs=2 * SKIN)
    assert (moved.static.tolist(), moved.human.tolist()) == ([False], [True])


def test_who_stands_still_is_run_into() -> None:
    moved = go(Space(walled([])), (1.0, 2.0), (0.0, 0.0), crowd((3.0, 2.0), (-2.0, 0.0)))
    assert moved.places[0].tolist() == [1.0, 2.0]
    assert moved.human.tolist() == [True]


def test_crossing_paths_at_other_times_is_no_contact() -> None:
    moved = go(Space(walled([])), (1.0, 2.0), (1.0, 0.0), crowd((1.9, 0.2), (0.0, 0.5)))
    assert moved.human.tolist() == [False]


def test_an_overlap_may_be_left_but_not_deepened() -> None:
    space = Space(walled([100]))
    assert float(go(space, (1.9, 2.0), (-0.5, 0.0)).places[0, 0]) == pytest.approx(1.4)
    inward = go(space, (1.9, 2.0), (0.5, 0.0))
    assert float(inward.places[0, 0]) == pytest.approx(1.9)
    assert inward.static.tolist() == [True]


def gap(a: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Distance of segments [n 2] from an upright strip low..high in x that runs from south to north without end."""
    left, right = np.minimum(a[:, 0], b[:, 0]), np.maximum(a[:, 0], b[:, 0])
    return np.maximum(0, np.maximum(low - right, left - high))


def wander(robots: int, steps: int, seed: int) -> None:
    """Random commands up to 2 m/s among thin walls and people who walk at random; every step is checked."""
    columns = [40, 90, 91, 150]
    space = Space(walled(columns))
    random = np.random.default_rng(seed)
    lanes = np.array([0.4, 1.3, 2.4, 3.5])[random.integers(0, 4, robots)]
    places = torch.from_numpy(np.stack([lanes, random.uniform(0.3, 3.7, robots)], -1))
    people = torch.from_numpy(random.uniform(0, 4, (3 * robots, 2)))
    radii = torch.full((robots,), RADIUS, dtype=torch.float64)
    first = torch.arange(0, 3 * robots + 1, 3)
    for step in range(steps):
        moves = torch.from_numpy(random.normal(size=(robots, 2)))
        moves = moves / moves.norm(dim=-1, keepdim=True) * torch.from_numpy(random.uniform(0, 0.4, (robots, 1)))
        walks = torch.from_numpy(random.normal(scale=0.15, size=(3 * robots, 2)))
        others = Crowd(people, walks, torch.full((3 * robots,), 0.3, dtype=torch.float64), first)
        before = (people.view(robots, 3, 2) - places[:, None]).norm(dim=-1)
        moved = space.move(places, moves, radii, others, sliding=bool(step % 2))
        a, b = places.numpy(), moved.places.numpy()
        for column in columns:
            assert (gap(a, b, np.float64(column * 0.02), np.float64(column * 0.02 + 0.02)) >= RADIUS - 1e-9).all()
        assert ((b >= RADIUS - 1e-9) & (b <= 4 - RADIUS + 1e-9)).all()
        if not step % 2:  # straight moves: nobody is passed through unnoticed
            clear = ~moved.human & (before > 0.5).all(1)
            start, change = (
                people.view(robots, 3, 2) - places[:, None],
                walks.view(robots, 3, 2) - (moved.places - places)[:, None],
            )
            free = clear & ~moved.static
            time = (-(start * change).sum(-1) / change.square().sum(-1)).clamp(0, 1)
            nearest = (start + time[..., None] * change).norm(dim=-1)
            assert bool((nearest[free] >= 0.5 - 1e-9).all())
        places, people = moved.places, (people + walks).clamp(0, 4)


def test_no_tunnelling() -> None:
    wander(robots=500, steps=100, seed=0)


@pytest.mark.slow
def test_no_tunnelling_in_a_million_steps() -> None:
    wander(robots=2000, steps=500, seed=1)


def test_the_number_of_threads_changes_nothing() -> None:
    space, random = Space(walled([40, 90])), torch.Generator().manual_seed(0)
    places = torch.rand(1000, 2, generator=random).double() * 3 + 0.5
    moves = torch.rand(1000, 2, generator=random).double() - 0.5
    radii = torch.full((1000,), 0.1, dtype=torch.float64)
    together = space.move(places, moves, radii).places
    parts = [space.move(places[i : i + 10], moves[i : i + 10], radii[i : i + 10]).places for i in range(0, 1000, 10)]
    assert torch.equal(together, torch.cat(parts))


def test_arcs_have_their_true_ends() -> None:
    space = Space(walled([]))
    radii = torch.tensor([RADIUS], dtype=torch.float64)
    # A quarter of a circle of radius 0.5 m to the left.
    pose, moved = drive_on(space, one(1.0, 1.0, 0.0), one(0.25 * math.pi, math.pi / 2), radii, 1.0)
    assert pose[0].tolist() == pytest.approx([1.5, 1.5, math.pi / 2])
    assert not bool(moved.static[0])


def test_limits_are_kept() -> None:
    drive = Drive()
    velocity = within_limits(one(9.0, -9.0), one(0.0, 0.0), drive, 0.1)
    assert velocity[0].tolist() == pytest.approx([0.2, -math.radians(36)])
    for _ in range(50):
        velocity = within_limits(one(9.0, -9.0), velocity, drive, 0.1)
    assert velocity[0].tolist() == pytest.approx([1.0, -math.radians(90)])


def test_discrete_steps() -> None:
    space, drive = Space(walled([])), Drive()
    radii = torch.tensor([RADIUS] * 4, dtype=torch.float64)
    poses = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64).repeat(4, 1)
    after, _ = take_step(space, poses, torch.tensor([0, 1, 2, 3]), radii, drive)
    expected = [[1, 1, 0], [1.25, 1, 0], [1, 1, math.radians(15)], [1, 1, -math.radians(15)]]
    assert after.numpy() == pytest.approx(np.array(expected))
    assert drive.seconds(Step.FORWARD) == 0.25


def test_commands_that_are_no_numbers() -> None:
    space, radii = Space(walled([])), torch.tensor([RADIUS], dtype=torch.float64)
    with pytest.raises(EpisodeError, match="command 0"):
        within_limits(one(math.nan, 0.0), one(0.0, 0.0), Drive(), 0.1)
    with pytest.raises(EpisodeError, match="finite"):
        space.move(one(1.0, 1.0), one(math.inf, 0.0), radii)
    with pytest.raises(EpisodeError, match="expected 0 stop"):
        take_step(space, one(1.0, 1.0, 0.0), torch.tensor([7]), radii, Drive())
