"""Occupancy files of the public sets: bytes made by hand from their specifications, round trips, and bad input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.errors import FormatError
from splatsim.formats.occ3d import Occ3D, read_occ3d, write_occ3d
from splatsim.formats.semantic_kitti import (
    SemanticKittiVoxels,
    read_semantic_kitti,
    read_sscbench,
    write_semantic_kitti,
    write_sscbench,
)
from splatsim.formats.sparse_voxels import (
    read_openoccupancy,
    read_surroundocc,
    read_unscenes3d,
    write_openoccupancy,
    write_surroundocc,
    write_unscenes3d,
)
from splatsim.formats.voxel_labels import (
    OCC3D_NUSCENES,
    OCC3D_WAYMO,
    OPENOCCUPANCY,
    SEMANTIC_KITTI,
    SSCBENCH_KITTI360,
    SURROUNDOCC,
    UNSCENES3D,
    VoxelSet,
)
from splatsim.grids import OccupancyGrid


def random_labels(kind: VoxelSet, *, unknown: float = 0.2, seed: int = 0) -> OccupancyGrid:
    rng = np.random.default_rng(seed)
    free = kind.class_names.index("free")
    labels = rng.integers(0, len(kind.class_names), kind.frame.shape)
    labels[rng.random(kind.frame.shape) < 0.9] = free
    observed = rng.random(kind.frame.shape) >= unknown
    labels[~observed] = free
    return OccupancyGrid(
        kind.frame, torch.from_numpy(labels.astype(np.uint8)), kind.class_names, torch.from_numpy(observed)
    )


def same(a: OccupancyGrid, b: OccupancyGrid) -> bool:
    return a.frame == b.frame and torch.equal(a.observed, b.observed) and torch.equal(a.labels, b.labels)


def test_occ3d_of_real_data(data: Path) -> None:
    frame = read_occ3d(data / "occ3d" / "labels.npz")
    grid = frame.grid
    assert int((grid.labels != grid.free_label).sum()) == 39_092
    assert grid.counts()["driveable_surface"] == 8_433
    assert int((~frame.mask_lidar & (grid.labels == grid.free_label)).sum()) == 580_417
    # What nobody has seen is stored as free there, and is not free here.
    assert int((grid.observed & (grid.labels == grid.free_label)).sum()) < 60_000
    assert grid.frame.frame == "ego"


@pytest.mark.parametrize(("dataset", "kind"), [("nuscenes", OCC3D_NUSCENES), ("waymo", OCC3D_WAYMO)])
def test_occ3d_comes_back_with_its_masks(dataset: str, kind: VoxelSet, tmp_path: Path) -> None:
    grid = random_labels(kind, unknown=0.0)
    rng = np.random.default_rng(1)
    lidar, camera = (torch.from_numpy(rng.random(kind.frame.shape) < 0.1) for _ in range(2))
    grid = grid.replace(observed=lidar | camera | (grid.labels != grid.free_label))
    write_occ3d(tmp_path / "a.npz", Occ3D(grid, lidar, camera), dataset)  # type: ignore[arg-type]
    back = read_occ3d(tmp_path / "a.npz", dataset)  # type: ignore[arg-type]
    assert same(back.grid, grid)
    assert torch.equal(back.mask_lidar, lidar)
    assert torch.equal(back.mask_camera, camera)
    with np.load(tmp_path / "a.npz") as archive:  # numpy itself reads what we write
        name = "semantics" if dataset == "nuscenes" else "voxel_label"
        assert archive[name].dtype == np.uint8
        assert np.array_equal(archive[name], grid.labels.numpy())


SPARSE = [
    (SURROUNDOCC, read_surroundocc, write_surroundocc),
    (OPENOCCUPANCY, read_openoccupancy, write_openoccupancy),
    (UNSCENES3D, read_unscenes3d, write_unscenes3d),
]


@pytest.mark.parametrize(("kind", "read", "write"), SPARSE, ids=["surroundocc", "openoccupancy", "unscenes3d"])
def test_rows_come_back(
    kind: VoxelSet,
    read: Callable[..., OccupancyGrid],
    write: Callable[[Path, OccupancyGrid], None],
    tmp_path: Path,
) -> None:
    grid = random_labels(kind, unknown=0.0)
    write(tmp_path / "a.npy", grid)
    assert same(read(tmp_path / "a.npy"), grid)
    careful = read(tmp_path / "a.npy", rest="unknown")
    assert torch.equal(careful.observed, grid.labels != grid.free_label)


def test_the_order_of_columns_and_noise(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.array([[1, 2, 3, 4], [5, 6, 7, 0]]))
    found = read_surroundocc(tmp_path / "s.npy")
    assert found.labels[1, 2, 3] == 4
    assert found.class_names[4] == "car"
    assert not bool(found.observed[5, 6, 7]), "noise is unknown, not free"
    assert bool(found.observed[0, 0, 0])
    # OpenOccupancy: z, y, x; with flow between; the majority of the rows of a voxel counts.
    rows = [
        [3, 2, 1, 0.1, 0.2, 0.3, 4],
        [3, 2, 1, 0, 0, 0, 9],
        [3, 2, 1, 0, 0, 0, 9],
        [9, 8, 7, 0, 0, 0, 5],
        [9, 8, 7, 0, 0, 0, 2],
    ]
    np.save(tmp_path / "o.npy", np.array(rows))
    with pytest.raises(FormatError, match="no whole numbers"):
        read_openoccupancy(_changed(tmp_path / "o.npy", tmp_path / "p.npy", 0, 6, 4.5))
    found = read_openoccupancy(tmp_path / "o.npy")
    assert found.labels[1, 2, 3] == 9
    assert found.labels[7, 8, 9] == 2, "of equal votes the lowest label"
    assert int((found.labels > 0).sum()) == 2


def _changed(source: Path, target: Path, row: int, column: int, value: float) -> Path:
    array = np.load(source)
    array[row, column] = value
    np.save(target, array)
    return target


def test_semantic_kitti_by_hand(tmp_path: Path) -> None:
    raw = np.zeros((256, 256, 32), "<u2")
    raw[1, 2, 3], raw[4, 5, 6], raw[7, 8, 9], raw[10, 11, 12] = 40, 252, 99, 70
    raw.tofile(tmp_path / "000007.label")
    packed = np.zeros(256 * 256 * 32 // 8, np.uint8)
    flat = (10 * 256 + 11) * 32 + 12
    packed[flat // 8] = 0x80 >> flat % 8  # the highest bit is the first voxel
    packed.tofile(tmp_path / "000007.invalid")
    found = read_semantic_kitti(tmp_path / "000007.label")
    grid = found.grid
    assert grid.class_names[int(grid.labels[1, 2, 3])] == "road"
    assert grid.class_names[int(grid.labels[4, 5, 6])] == "car", "moving ones as well"
    assert (~grid.observed).nonzero().tolist() == [[7, 8, 9], [10, 11, 12]]
    assert found.invalid is not None
    assert found.invalid.nonzero().tolist() == [[10, 11, 12]]
    assert found.occluded is None


def test_semantic_kitti_comes_back(tmp_path: Path) -> None:
    grid = random_labels(SEMANTIC_KITTI)
    rng = np.random.default_rng(2)
    invalid = ~grid.observed & torch.from_numpy(rng.random(grid.frame.shape) < 0.5)
    occluded, scanned = (torch.from_numpy(rng.random(grid.frame.shape) < 0.3) for _ in range(2))
    write_semantic_kitti(tmp_path / "000001", SemanticKittiVoxels(grid, invalid, occluded, scanned))
    assert (tmp_path / "000001.label").stat().st_size == 4_194_304
    assert (tmp_path / "000001.bin").stat().st_size == 262_144
    back = read_semantic_kitti(tmp_path / "000001")
    assert same(back.grid, grid)
    for mine, other in ((back.invalid, invalid), (back.occluded, occluded), (back.scanned, scanned)):
        assert mine is not None
        assert torch.equal(mine, other)


def test_sscbench_comes_back(tmp_path: Path) -> None:
    grid = random_labels(SSCBENCH_KITTI360)
    write_sscbench(tmp_path / "000000_1_1.npy", grid)
    assert same(read_sscbench(tmp_path / "000000_1_1.npy"), grid)
    assert set(np.unique(np.load(tmp_path / "000000_1_1.npy"))) <= {*range(19), 255}


class Mischief:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, ("raise SystemExit('a pickle was run')",)


def bad_files(folder: Path) -> dict[str, tuple[Callable[[], object], str]]:
    """What may be wrong, and the sentence that says so."""
    np.save(folder / "pickle.npy", np.array([Mischief()], dtype=object), allow_pickle=True)
    np.save(folder / "outside.npy", np.array([[0, 0, 200, 1]]))
    np.save(folder / "label.npy", np.array([[0, 0, 0, 17]]))
    np.save(folder / "wide.npy", np.zeros((3, 5), int))
    np.save(folder / "float.npy", np.zeros((3, 4)))
    np.save(folder / "transposed.npy", np.zeros((32, 256, 256), np.uint8))
    np.save(folder / "unknown.npy", np.full((256, 256, 32), 77, np.uint8))
    whole = np.zeros((200, 200, 16), np.uint8)
    np.savez(folder / "axes.npz", semantics=whole.transpose(2, 1, 0), mask_lidar=whole, mask_camera=whole)
    np.savez(folder / "half.npz", semantics=whole)
    np.savez(folder / "high.npz", semantics=whole + 18, mask_lidar=whole, mask_camera=whole)
    (folder / "text.npy").write_text("hello")
    (folder / "text.npz").write_text("hello")
    data = (folder / "unknown.npy").read_bytes()
    (folder / "short.npy").write_bytes(data[:-9])
    header = data[:128].replace(b"(256, 256, 32)", b"(1 << 40, 9, 9)"[:14])
    (folder / "header.npy").write_bytes(header + data[128:])
    (folder / "a.label").write_bytes(b"\0" * 17)
    swapped = np.zeros(256 * 256 * 32, ">u2")
    swapped[5] = 40
    (folder / "b.label").write_bytes(swapped.tobytes())
    (folder / "c.label").write_bytes(np.zeros(256 * 256 * 32, "<u2").tobytes())
    (folder / "c.invalid").write_bytes(b"\0" * 5)
    return {
        "pickle": (lambda: read_surroundocc(folder / "pickle.npy"), "dtype object; expected an array of numbers"),
        "outside": (lambda: read_surroundocc(folder / "outside.npy"), r"voxel \[0, 0, 200\] .* order of its columns"),
        "label": (lambda: read_surroundocc(folder / "label.npy"), "labels from 17 to 17; expected 0 to 16"),
        "wide": (lambda: read_surroundocc(folder / "wide.npy"), r"shape \[3, 5\] .* rows of 4 numbers"),
        "float": (lambda: read_surroundocc(folder / "float.npy"), "dtype float64; expected"),
        "transposed": (
            lambda: read_sscbench(folder / "transposed.npy"),
            r"expected an array of shape \[256, 256, 32\]",
        ),
        "unknown": (lambda: read_sscbench(folder / "unknown.npy"), "labels from 77 to 77; expected 0 to 18"),
        "axes": (lambda: read_occ3d(folder / "axes.npz"), r"array semantics holds .* \[16, 200, 200\]"),
        "half": (lambda: read_occ3d(folder / "half.npz"), "expected mask_camera among them"),
        "high": (lambda: read_occ3d(folder / "high.npz"), "labels from 18 to 18; expected 0 to 17"),
        "text": (lambda: read_sscbench(folder / "text.npy"), "is no .npy array"),
        "text z": (lambda: read_occ3d(folder / "text.npz"), "is damaged .* expected a .npz archive"),
        "short": (lambda: read_sscbench(folder / "short.npy"), "bytes of data in .* expected 2097152"),
        "header": (lambda: read_sscbench(folder / "header.npy"), "is no .npy array|expected"),
        "size": (lambda: read_semantic_kitti(folder / "a"), "has 17 bytes; expected 4194304"),
        "swapped": (
            lambda: read_semantic_kitti(folder / "b"),
            "the id 10240; .* The bytes of each number seem swapped",
        ),
        "bits": (lambda: read_semantic_kitti(folder / "c"), "c.invalid has 5 bytes; expected 262144"),
    }


def test_bad_files_are_named(tmp_path: Path) -> None:
    for name, (run, sentence) in bad_files(tmp_path).items():
        with pytest.raises(FormatError, match=sentence) as caught:
            run()
        assert str(tmp_path) in str(caught.value), name
    for read in (read_surroundocc, read_sscbench, read_occ3d, read_semantic_kitti):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "missing")


def test_other_grids_are_not_written(tmp_path: Path) -> None:
    grid = random_labels(SSCBENCH_KITTI360)
    with pytest.raises(ValueError, match="the grid lies on"):
        write_surroundocc(tmp_path / "a.npy", grid)
    with pytest.raises(ValueError, match="the grid has the classes"):
        write_semantic_kitti(tmp_path / "a", SemanticKittiVoxels(grid))
    assert not list(tmp_path.iterdir())
