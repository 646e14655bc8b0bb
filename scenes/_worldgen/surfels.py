"""A surface as flat Gaussians, without any fitting: cells of the quads, finer where colour changes and cameras look."""

import numpy as np
import torch

from _worldgen.pictures import srgb
from _worldgen.products import times
from _worldgen.tracer import on_quad
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0
from splatsim.transforms import quat_from_rotmat

THICKNESS = 0.0015
"""Standard deviation across the surface, metres."""
CLOSE = 0.06
"""What has something nearer than this before it counts as covered, metres."""
OPACITY = 1.0
SIZE_COST = 0.03
"""Error of a cell of the largest size, for its size: renderers give a Gaussian the depth of its middle, so that on a
slanting surface a cell is off by a third of its size."""


class Cells:
    """Rectangles in the s, t of quads, split in two again and again where the error is largest."""

    def __init__(self, studio, pixels, longest):
        self.studio, self.longest = studio, longest
        c = studio.model.corners
        self.length = np.stack(
            [
                np.maximum(np.linalg.norm(c[:, 1] - c[:, 0], axis=-1), np.linalg.norm(c[:, 2] - c[:, 3], axis=-1)),
                np.maximum(np.linalg.norm(c[:, 3] - c[:, 0], axis=-1), np.linalg.norm(c[:, 2] - c[:, 1], axis=-1)),
            ],
            -1,
        )
        area = self.length.prod(axis=1)
        # Less than proportional: what was seen from afar may be seen from nearby tomorrow.
        self.density = (pixels / np.maximum(area, 1e-8)) ** 0.8
        self.lay(np.flatnonzero((pixels > 0) & (area > 1e-8)), longest)
        self.error = self._errors(self.quad, self.low, self.high)

    def size(self, quad, low, high):
        """Metres along s and t."""
        return (high - low) * self.length[quad]

    def _errors(self, quad, low, high):
        """Squared colour error that a cell of one colour would leave, in pixels; edges of things count as changes."""
        steps = np.array([1 / 6, 0.5, 5 / 6])
        size = self.size(quad, low, high)
        footprint = (size.max(axis=1) / 3).astype(np.float32)
        colors = []
        for a in steps:
            for b in steps:
                st = low + (high - low) * (a, b)
                colors.append(self.color(quad, st, footprint))
        variance = np.var(np.stack(colors), axis=0).sum(axis=1)
        variance[self._covered(quad, low, high, size)] = -1.0
        at_edge = ((low < 1e-6) | (high > 1 - 1e-6)) & (size > 0.012)
        rim = (at_edge * size).max(axis=1) / np.maximum(size.max(axis=1), 1e-9)
        pixels = self.density[quad] * size.prod(axis=1)
        return np.where(
            variance < 0, -1.0, (variance + 0.004 * rim + SIZE_COST * (size.max(axis=1) / self.longest) ** 2) * pixels
        )

    def _covered(self, quad, low, high, size):
        """Whether something lies close upon the whole cell, such as a picture on a wall: such cells are never seen."""
        normal = self.studio.tracer.face_normals[quad]
        covered = size.max(axis=1) < 0.3
        for a, b in ((0.5, 0.5), (0.08, 0.08), (0.92, 0.08), (0.92, 0.92), (0.08, 0.92)):
            rows = np.flatnonzero(covered)
            st = low[rows] + (high[rows] - low[rows]) * (a, b)
            points = on_quad(self.studio.model.corners[quad[rows]], st) + 1e-3 * normal[rows]
            covered[rows] = self.studio.tracer.blocked(points, normal[rows], CLOSE)
        return covered

    def color(self, quad, st, footprint):
        """sRGB colour of places, averaged over the footprint."""
        light = self.studio.surface_radiance(quad, st.astype(np.float32), footprint)
        return srgb(np.clip(self.studio._respond(light), 0, 1))

    def split(self, count):
        """Split the `count` worst cells across their longer side."""
        worst = np.argsort(-self.error, kind="stable")[:count]
        quad, low, high = self.quad[worst], self.low[worst], self.high[worst]
        axis = self.size(quad, low, high).argmax(axis=1)
        row = np.arange(len(worst))
        middle = (low[row, axis] + high[row, axis]) / 2
        first_high, second_low = high.copy(), low.copy()
        first_high[row, axis] = middle
        second_low[row, axis] = middle
        keep = np.ones(len(self.quad), bool)
        keep[worst] = False
        new_quad = np.concatenate([quad, quad])
        new_low, new_high = np.concatenate([low, second_low]), np.concatenate([first_high, high])
        self.quad = np.concatenate([self.quad[keep], new_quad])
        self.low = np.concatenate([self.low[keep], new_low])
        self.high = np.concatenate([self.high[keep], new_high])
        self.error = np.concatenate([self.error[keep], self._errors(new_quad, new_low, new_high)])

    def lay(self, quads, size):
        """Cover these quads with even grids of cells up to `size` metres long, instead of what was there."""
        counts = np.maximum(np.ceil(self.length[quads] / size), 1).astype(int)
        number = counts.prod(axis=1)
        self.quad, count = np.repeat(quads, number), np.repeat(counts, number, axis=0)
        place = np.arange(len(self.quad)) - np.repeat(np.cumsum(number) - number, number)
        cell = np.stack([place % count[:, 0], place // count[:, 0]], axis=-1)
        self.low, self.high = cell / count, (cell + 1) / count
        self.error = np.zeros(len(self.quad))

    def drop(self, rows):
        """Leave out some cells."""
        self.quad, self.low, self.high, self.error = (x[~rows] for x in (self.quad, self.low, self.high, self.error))


def surface_gaussians(studio, pixels, budget, longest):
    """Gaussians and their class labels.

    Args:
        pixels: [q] how often each quad was seen from where cameras may stand; small ones never seen get none.
        budget: how many Gaussians, about.
        longest: metres that one Gaussian stands for at most: long ones beside a camera smear. The outer side of the
            world, such as that of walls, gets such ones too, so that what leaks through the front stops there and not
            at the sky.
    """
    cells = Cells(studio, pixels, longest)
    if len(cells.quad) > budget:
        seen = np.argsort(-pixels[cells.quad], kind="stable")[:budget]
        cells.drop(~np.isin(np.arange(len(cells.quad)), seen))
    while (seen := int((cells.error >= 0).sum())) < budget * 0.98:
        cells.split(min(budget - seen, max(seen // 4, 1000)))
    cells.drop(cells.error < 0)
    front, labels = _to_gaussians(cells)
    unseen = np.flatnonzero((pixels == 0) & (cells.length.min(axis=1) > longest))
    cells.lay(_outside(studio.tracer, unseen), longest)
    back, back_labels = _to_gaussians(cells)
    return Gaussians.concat([front, back]), torch.cat([labels, back_labels])


def _outside(tracer, quads):
    """Those of the quads that have nothing before them."""
    middle = tracer.model.corners[quads].mean(axis=1) + 1e-3 * tracer.face_normals[quads]
    return quads[~tracer.blocked(middle, tracer.face_normals[quads])]


def _to_gaussians(cells):
    studio, quad = cells.studio, cells.quad
    st = (cells.low + cells.high) / 2
    corners = studio.model.corners[quad]
    size = cells.size(quad, cells.low, cells.high)
    means = on_quad(corners, st)
    along = (corners[:, 1] - corners[:, 0]) * (1 - st[:, 1:]) + (corners[:, 2] - corners[:, 3]) * st[:, 1:]
    normal = studio.tracer.face_normals[quad].astype(float)
    along -= normal * (along * normal).sum(-1, keepdims=True)
    bad = np.linalg.norm(along, axis=-1) < 1e-9
    along[bad] = np.cross(normal[bad], [0.3, 0.5, 0.8])
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-12)
    rotation = np.stack([along, np.cross(normal, along), normal], axis=-1)
    # Neighbours overlap to close the surface; at the edge of a quad nothing may hang over.
    at_edge = (cells.low < 1e-6).astype(float) + (cells.high > 1 - 1e-6)
    sigma = size * np.where(at_edge == 0, 0.69, np.where(at_edge == 1, 0.52, 0.4))
    scales = np.concatenate([np.maximum(sigma, 5e-4), np.full((len(quad), 1), THICKNESS)], axis=1)
    color = cells.color(quad, st, size.mean(axis=1).astype(np.float32))
    gaussians = Gaussians(
        torch.from_numpy(means).float(),
        quat_from_rotmat(torch.from_numpy(rotation)).float(),
        torch.from_numpy(scales).float(),
        torch.full((len(quad),), OPACITY),
        torch.from_numpy((color - 0.5) / C0).float()[:, None],
    )
    labels = studio.model.instance_classes[studio.model.instances[quad]].astype(np.uint8)
    return gaussians, torch.from_numpy(labels)


def count_pixels(tracer, poses, K, width, height):
    """[q] how many pixels of the pictures from these poses fall on each quad."""
    ys, xs = np.divmod(np.arange(width * height), width)
    local = np.stack([(xs + 0.5 - K[0, 2]) / K[0, 0], (ys + 0.5 - K[1, 2]) / K[1, 1], np.ones(len(xs))], -1)
    total = np.zeros(len(tracer.model.corners))
    for pose in poses:
        directions = times(local, pose[:3, :3].T)
        hits = tracer.first(np.broadcast_to(pose[:3, 3], directions.shape), directions)
        total += np.bincount(hits.quad[hits.quad >= 0], minlength=len(total))
    return total
