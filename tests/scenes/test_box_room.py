"""The generated room: the same each time, as many Gaussians as asked for, and no hole in its walls."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from splatsim import Cameras, Gaussians, render
from splatsim.formats import load_gaussians

MAKE = Path(__file__).resolve().parents[2] / "scenes" / "box_room" / "make.py"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("box_room_make", MAKE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def room(make: ModuleType) -> Gaussians:
    made: Gaussians = make.make_room()
    return made


def test_the_same_seed_makes_the_same_room(make: ModuleType, room: Gaussians) -> None:
    again, other = make.make_room(seed=0), make.make_room(seed=1)
    for name, tensor in room.tensors().items():
        assert torch.equal(tensor, getattr(again, name)), name
    assert not torch.equal(room.means, other.means)


def test_there_are_as_many_as_asked_for(make: ModuleType, room: Gaussians) -> None:
    assert len(room) == 2000
    assert len(make.make_room(2500)) == 2500
    with pytest.raises(ValueError, match="count is 10; expected at least"):
        make.make_room(10)


def test_the_room_is_metric_and_stands_on_the_floor(room: Gaussians) -> None:
    low, high = room.means.amin(0), room.means.amax(0)
    assert torch.allclose(low, torch.tensor([-2.5, -2.0, 0.0]), atol=0.1)
    assert torch.allclose(high, torch.tensor([2.5, 2.0, 2.6]), atol=0.15)
    assert room.sh_degree == 1
    assert (room.scales > 0).all()


@pytest.mark.parametrize("eye", [(0.0, -0.6, 1.3), (-1.7, -1.2, 1.6), (-1.7, 1.2, 0.6), (1.6, -1.2, 1.9)])
def test_no_light_passes_the_walls(room: Gaussians, eye: tuple[float, float, float]) -> None:
    # Nearer than some 0.7 m to a wall, the rasteriser itself draws wide Gaussians at the edge of the view too small.
    ways = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (1e-3, 0, 1), (1e-3, 0, -1)]
    targets = [[here + step for here, step in zip(eye, way, strict=True)] for way in ways]
    cameras = Cameras.look_at(torch.tensor([eye] * 6), torch.tensor(targets), fov_deg=91, width=200, height=200)
    alphas = render(room, cameras).alphas
    assert alphas.min() >= 0.99, [float(alpha.min()) for alpha in alphas]


def test_the_floor_is_glossy(room: Gaussians) -> None:
    """The same board is brighter when the window mirrors in it."""
    board = room.select((room.means[:, 2] == 0) & (room.means[:, 1] < -1.6) & (room.means[:, 0].abs() < 1))
    target = board.means.mean(0)
    eyes = target + torch.tensor([[0.0, -1.0, 0.7], [0.0, 1.0, 0.7]])
    towards, away = render(board, Cameras.look_at(eyes, target[None], fov_deg=20, width=32, height=32)).colors
    assert towards.mean() > 1.1 * away.mean()


def test_the_script_writes_a_file(make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "new" / "room.ply"
    monkeypatch.setattr(sys, "argv", ["make.py", "--out", str(out), "--seed", "3"])
    make.main()
    assert len(load_gaussians(out)) == 2000
