"""The exact truth of a model on grids: what fills each voxel, and where a robot may drive."""

import numpy as np
import torch

from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap, OccupancyGrid, VoxelFrame

BLOCK = 2_000_000


def occupancy_grid(model, frame, known):
    """Voxels touched by a surface are occupied, voxels within solids are interior, all others free.

    Args:
        known: a function from x, y arrays to whether that column belongs to the world; others stay unobserved.
    """
    touched, label = _surface_labels(model, frame)
    inside, inner_label = _interior(model, frame)
    labels = np.where(touched, label, np.where(inside, inner_label, 0)).astype(np.uint8)
    index = np.indices(frame.shape[:2]).reshape(2, -1).T
    x = frame.origin[0] + (index[:, 0] + 0.5) * frame.voxel_size
    y = frame.origin[1] + (index[:, 1] + 0.5) * frame.voxel_size
    column = known(x, y).reshape(frame.shape[:2])
    observed = np.repeat(column[..., None], frame.shape[2], axis=2)
    return OccupancyGrid(
        frame,
        torch.from_numpy(labels),
        tuple(model.class_names),
        torch.from_numpy(observed),
        torch.from_numpy(inside & ~touched),
    )


def nav_map(grid, z_range):
    """The map of the layers of a grid that lie within a height band; a column counts as occupied if anything is."""
    frame = grid.frame
    first = round((z_range[0] - frame.origin[2]) / frame.voxel_size)
    last = round((z_range[1] - frame.origin[2]) / frame.voxel_size)
    states = grid.states()[:, :, first:last]
    cells = torch.full(states.shape[:2], FREE, dtype=torch.uint8)
    cells[(states == UNKNOWN).any(dim=2)] = UNKNOWN
    cells[(states == OCCUPIED).any(dim=2)] = OCCUPIED
    nx, ny, _ = frame.shape
    north_west = (frame.origin[0], frame.origin[1] + ny * frame.voxel_size)
    return NavMap(GridFrame(north_west, frame.voxel_size, (ny, nx)), cells.T.flip(0).contiguous(), z_range)


def voxel_frame(model, voxel_size, low=None, high=None):
    """A frame over the model, or over the box from `low` to `high`."""
    corners = model.corners.reshape(-1, 3)
    low = corners.min(axis=0) if low is None else low
    high = corners.max(axis=0) if high is None else high
    return VoxelFrame.covering(tuple(map(float, low)), tuple(map(float, high)), voxel_size)


def surface_points(model, spacing, quads=None):
    """Points on the quads about `spacing` apart, in blocks of (quad index, points [n 3], st [n 2])."""
    c = model.corners
    quads = np.arange(len(c)) if quads is None else quads
    along_s = np.maximum(np.linalg.norm(c[:, 1] - c[:, 0], axis=-1), np.linalg.norm(c[:, 2] - c[:, 3], axis=-1))[quads]
    along_t = np.maximum(np.linalg.norm(c[:, 3] - c[:, 0], axis=-1), np.linalg.norm(c[:, 2] - c[:, 1], axis=-1))[quads]
    counts = np.ceil(np.stack([along_s, along_t], -1) / spacing).astype(np.int64) + 1
    number = counts.prod(axis=-1)
    block = np.cumsum(number) // BLOCK
    for k in np.unique(block):
        rows = np.flatnonzero(block == k)
        quad = np.repeat(quads[rows], number[rows])
        start = np.repeat(np.cumsum(number[rows]) - number[rows], number[rows])
        local = np.arange(len(quad)) - start
        per = np.repeat(counts[rows], number[rows], axis=0)
        st = np.stack([local % per[:, 0], local // per[:, 0]], -1) / np.maximum(per - 1, 1)
        s, t = st[:, :1], st[:, 1:]
        p = c[quad]
        yield (
            quad,
            p[:, 0] * ((1 - s) * (1 - t)) + p[:, 1] * (s * (1 - t)) + p[:, 2] * (s * t) + p[:, 3] * ((1 - s) * t),
            st,
        )


def _surface_labels(model, frame):
    """Which voxels a surface passes through, and the class that covers most of it there."""
    shape, classes = frame.shape, len(model.class_names)
    quad_class = model.instance_classes[model.instances]
    keys, counts = [], []
    for quad, points, _ in surface_points(model, frame.voxel_size / 4):
        index = np.floor((points - frame.origin) / frame.voxel_size).astype(np.int64)
        ok = ((index >= 0) & (index < shape)).all(axis=1)
        flat = np.ravel_multi_index(tuple(index[ok].T), shape) * classes + quad_class[quad[ok]]
        key, count = np.unique(flat, return_counts=True)
        keys.append(key)
        counts.append(count)
    key, which = np.unique(np.concatenate(keys), return_inverse=True)
    votes = np.bincount(which, np.concatenate(counts))
    order = np.argsort(votes, kind="stable")
    touched = np.zeros(int(np.prod(shape)), bool)
    label = np.zeros(int(np.prod(shape)), np.uint8)
    # Later assignments win: the class with the most votes is written last.
    label[key[order] // classes] = key[order] % classes
    touched[key // classes] = True
    return touched.reshape(shape), label.reshape(shape)


def _interior(model, frame):
    """Which voxel centres lie within a solid (winding number of the column from below), and of which class."""
    nx, ny, nz = frame.shape
    column, height, sign, quad = column_crossings(model, frame)
    first = np.ceil((height - frame.origin[2]) / frame.voxel_size - 0.5).astype(np.int64)
    keep = first < nz
    column, first, sign, quad = column[keep], np.maximum(first[keep], 0), sign[keep], quad[keep]
    winding = np.zeros((nx * ny, nz), np.int32)
    np.add.at(winding, (column, first), sign)
    inside = np.cumsum(winding, axis=1) > 0
    entered = np.full((nx * ny, nz), -1, np.int32)
    enters = sign > 0
    entered[column[enters], first[enters]] = model.instance_classes[model.instances[quad[enters]]]
    last = np.maximum.accumulate(np.where(entered >= 0, np.arange(nz), -1), axis=1)
    label = np.where(last >= 0, np.take_along_axis(entered, np.maximum(last, 0), axis=1), 0)
    return inside.reshape(nx, ny, nz), label.reshape(nx, ny, nz).astype(np.uint8)


def column_crossings(model, frame, shift=(1.37e-5, 2.11e-5)):
    """All places where the vertical lines through the voxel centres cross solids: column, z, +1 entering upwards.

    The lines stand some micrometres beside the centres, so that they miss the edges of what is built on whole numbers.
    """
    nx, ny, _ = frame.shape
    quads = np.flatnonzero(model.solid)
    triangles = model.corners[quads][:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)
    owner = np.repeat(quads, 2)
    xy = (triangles[..., :2] - np.array(frame.origin[:2]) - shift) / frame.voxel_size - 0.5
    low = np.clip(np.ceil(xy.min(axis=1)), 0, [nx, ny]).astype(np.int64)
    high = np.clip(np.floor(xy.max(axis=1)), -1, [nx - 1, ny - 1]).astype(np.int64)
    size = np.maximum(high - low + 1, 0)
    number = size.prod(axis=1)
    parts = []
    for rows in np.array_split(np.flatnonzero(number), max(1, int(number.sum() // BLOCK) + 1)):
        tri = np.repeat(rows, number[rows])
        local = np.arange(len(tri)) - np.repeat(np.cumsum(number[rows]) - number[rows], number[rows])
        ix = low[tri, 0] + local % size[tri, 0]
        iy = low[tri, 1] + local // size[tri, 0]
        a, b, c = xy[tri, 0], xy[tri, 1], xy[tri, 2]
        area = _cross(b - a, c - a)
        p = np.stack([ix, iy], -1) - a
        upright = np.abs(area) < 1e-12
        safe = np.where(upright, 1.0, area)
        u, v = _cross(p, c - a) / safe, _cross(b - a, p) / safe
        hit = ~upright & (u >= 0) & (v >= 0) & (u + v <= 1)
        z = triangles[tri, :, 2]
        height = z[:, 0] + u * (z[:, 1] - z[:, 0]) + v * (z[:, 2] - z[:, 0])
        column = ix * ny + iy
        parts.append((column[hit], height[hit], np.where(area[hit] > 0, -1, 1), owner[tri[hit]]))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
