"""Grids: indices and centres are each other's inverse, row 0 is north, and unknown is never free."""

import pytest
import torch

from splatsim.grids import FREE, OCCUPIED, UNKNOWN, BevMap, GridFrame, NavMap, OccupancyGrid, VoxelFrame

VOXELS = VoxelFrame((-1.0, 2.0, 0.0), 0.05, (40, 20, 10))
CELLS = GridFrame((-1.0, 3.0), 0.05, (20, 40))


def all_indices(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.cartesian_prod(*(torch.arange(n) for n in shape))


def occupancy() -> OccupancyGrid:
    labels = torch.zeros(VOXELS.shape, dtype=torch.uint8)
    labels[:, :, 0] = 1
    observed = torch.ones(VOXELS.shape, dtype=torch.bool)
    observed[0] = False
    return OccupancyGrid(VOXELS, labels, ("free", "floor"), observed)


def nav_map() -> NavMap:
    cells = torch.full((20, 40), FREE, dtype=torch.uint8)
    cells[3, 7] = OCCUPIED
    return NavMap(CELLS, cells, (0.1, 1.8))


def test_centres_fall_back_into_their_own_voxel() -> None:
    index = all_indices(VOXELS.shape)
    assert torch.equal(VOXELS.index_of(VOXELS.centers(index)), index)


def test_centres_fall_back_into_their_own_cell() -> None:
    index = all_indices(CELLS.shape)
    assert torch.equal(CELLS.cell_of(CELLS.centers(index)), index)


def test_row_zero_is_north_and_column_zero_is_west() -> None:
    north_west = torch.tensor([[-0.99, 2.99]])
    south_east = torch.tensor([[0.99, 2.01]])
    assert CELLS.cell_of(north_west).tolist() == [[0, 0]]
    assert CELLS.cell_of(south_east).tolist() == [[19, 39]]


def test_a_map_overlays_the_overhead_picture() -> None:
    from splatsim.cameras import Cameras
    from splatsim.transforms import apply

    camera = Cameras.overhead(CELLS.north_west, CELLS.resolution, 40, 20, z=5.0)
    cells = all_indices(CELLS.shape)
    points = torch.cat([CELLS.centers(cells).float(), torch.zeros(len(cells), 1)], dim=-1)
    pixels = apply(camera.viewmats, points[None])[0] @ camera.Ks[0].T
    assert torch.allclose(pixels[:, :2], cells.flip(-1) + 0.5, atol=1e-3)


def test_covering_holds_the_box_and_lies_on_multiples_of_the_step() -> None:
    frame = VoxelFrame.covering((-0.07, 0.0, 0.3), (1.01, 2.0, 0.6), 0.05)
    assert frame.shape == (23, 40, 6)
    assert frame.origin == pytest.approx((-0.1, 0.0, 0.3))
    cells = GridFrame.covering((-0.07, 0.0), (1.01, 2.0), 0.05)
    assert cells.shape == (40, 23)
    assert cells.north_west == pytest.approx((-0.1, 2.0))


def test_unknown_is_never_free() -> None:
    grid = occupancy()
    points = torch.tensor([[0.0, 2.5, 0.02], [0.0, 2.5, 0.3], [-0.99, 2.5, 0.3], [9.0, 9.0, 9.0]])
    assert grid.at(points).tolist() == [OCCUPIED, FREE, UNKNOWN, UNKNOWN]
    assert grid.counts() == {"free": 39 * 20 * 9, "floor": 39 * 20}


def test_nav_map_outside_is_unknown() -> None:
    assert nav_map().at(torch.tensor([[0.0, 2.5], [50.0, 0.0]])).tolist() == [FREE, UNKNOWN]


def test_inflation_keeps_a_disc_away_from_obstacles_and_from_the_unknown() -> None:
    grown = nav_map().inflate(0.1)
    distance = (CELLS.centers(all_indices(CELLS.shape)) - CELLS.centers(torch.tensor([3, 7]))).norm(dim=-1)
    cells = grown.cells.flatten()
    assert bool((cells[distance < 0.1] == OCCUPIED).all())
    assert bool((grown.cells[0] != FREE).all()), "the disc would reach over the border, where nothing is known"
    assert grown.cells[10, 20] == FREE
    assert torch.equal(nav_map().inflate(0.0).cells, nav_map().cells)


def test_bev_map_takes_labels_only_with_names() -> None:
    colors, heights = torch.zeros(20, 40, 3), torch.zeros(20, 40)
    observed, labels = torch.ones(20, 40, dtype=torch.bool), torch.zeros(20, 40, dtype=torch.uint8)
    BevMap(CELLS, colors, heights, observed, labels, ("floor",))
    with pytest.raises(ValueError, match="only one of labels and class_names"):
        BevMap(CELLS, colors, heights, observed, labels)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: VoxelFrame((0.0, 0.0, 0.0), 0.0, (1, 1, 1)), "VoxelFrame.voxel_size is 0.0; expected a positive"),
        (lambda: VoxelFrame((0.0, float("nan"), 0.0), 1.0, (1, 1, 1)), "VoxelFrame.origin .* expected finite"),
        (lambda: GridFrame((0.0, 0.0), 0.05, (0, 4)), r"GridFrame.shape is \(0, 4\); expected at least 1"),
        (lambda: GridFrame.covering((0.0, 1.0), (1.0, 1.0), 0.05), "is empty; expected low < high"),
        (lambda: nav_map().replace(z_range=(1.0, 1.0)), r"NavMap.z_range is \(1.0, 1.0\); expected a lower"),
        (lambda: nav_map().replace(cells=torch.full((20, 40), 7, dtype=torch.uint8)), "NavMap.cells holds 7; expected"),
        (lambda: nav_map().replace(cells=torch.zeros(2, 2, dtype=torch.uint8)), r"shape \[2, 2\]; expected \[20, 40\]"),
        (lambda: nav_map().inflate(-1.0), "radius is -1.0; expected metres"),
        (lambda: occupancy().replace(class_names=("air", "floor")), 'expected exactly one "free"'),
        (lambda: occupancy().replace(class_names=("free",)), "holds 1 but there are 1 class names"),
    ],
)
def test_bad_input_is_named(make: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()  # type: ignore[operator]
