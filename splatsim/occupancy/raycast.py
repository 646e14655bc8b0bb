"""Rays through voxels, exactly: the reference that splatted Gaussians are measured against.

`cast` finds the first occupied voxel; `composite` gives the expectation of what `cast` finds when each voxel is
occupied with a probability of its own, with gradients to all of them, free ones too.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim import native
from splatsim.cameras import Cameras
from splatsim.grids import UNKNOWN, OccupancyGrid, VoxelFrame
from splatsim.tensors import TensorDataclass, check_field

MAX_RAYS = 1 << 16
"""Rays whose steps are kept in memory at once in the backward pass."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Rays(TensorDataclass):
    """n rays in the frame of a grid: a point is origin + t · direction, for t from 0 to `reach`.

    Raises:
        TypeError: a field is not a floating-point tensor.
        ValueError: a shape is wrong, a number is not finite, or a direction is zero.
    """

    origins: Float[Tensor, "n 3"]
    """Metres."""
    directions: Float[Tensor, "n 3"]
    """Of any length: t counts in it. Of unit length, t is metres."""
    reach: Float[Tensor, " n"] | None = None
    """The t at which the ray ends; without end if None."""

    def __post_init__(self) -> None:
        check_field("Rays", "origins", self.origins, ("n", 3))
        check_field("Rays", "directions", self.directions, (len(self.origins), 3))
        if self.reach is not None:
            check_field("Rays", "reach", self.reach, (len(self.origins),))
        for name in ("origins", "directions"):
            _refuse(name, getattr(self, name), getattr(self, name).isfinite(), "finite metres")
        _refuse("directions", self.directions, (self.directions != 0).any(-1, keepdim=True), "a vector that is not 0")

    def __len__(self) -> int:
        return len(self.origins)

    def select(self, rows: Bool[Tensor, " n"] | Int[Tensor, " m"] | slice) -> "Rays":
        """Some of the rays."""
        return self.map(lambda tensor: tensor[rows])

    def until(self, reach: Float[Tensor, " n"]) -> "Rays":
        """The same rays with other ends."""
        return self.replace(reach=reach)

    def at(self, t: Float[Tensor, " n"]) -> Float[Tensor, "n 3"]:
        """The point of each ray at its t."""
        return self.origins + t[:, None] * self.directions


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Hits(TensorDataclass):
    """The first occupied voxel on each of n rays. Unknown voxels are passed, but not forgotten."""

    hit: Bool[Tensor, " n"]
    """Whether there is one."""
    index: Int[Tensor, " n"]
    """Its flat index, z fastest, or -1."""
    labels: Int[Tensor, " n"]
    """Its label; that of free space where there is no hit."""
    entry: Float[Tensor, " n"]
    """The t where the ray enters it; without a hit, where the ray leaves the grid (0: it never was inside)."""
    exit: Float[Tensor, " n"]
    """The t where the ray leaves it; without a hit, as `entry`."""
    normals: Float[Tensor, "n 3"]
    """Of the face through which it was entered, towards the ray; 0 without a hit, or if the ray starts inside."""
    unknown: Float[Tensor, " n"]
    """Length in t that the ray has spent in unknown voxels before."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class RayComposite(TensorDataclass):
    """The expectation over all grids that the probabilities allow."""

    alphas: Float[Tensor, " n"]
    """Probability that the ray hits anything before it ends."""
    ranges: Float[Tensor, " n"]
    """Sum of P(first hit is v) times the t at which v is entered: divide by `alphas` for the mean."""
    squares: Float[Tensor, " n"]
    """The same with t²."""
    values: Float[Tensor, "n k"]
    """The same with the values of the voxels."""


def camera_rays(cameras: Cameras) -> Rays:
    """A ray through the centre of every pixel, camera by camera and row by row; t is z-depth, metres."""
    rows, columns = torch.meshgrid(torch.arange(cameras.height), torch.arange(cameras.width), indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).reshape(-1, 2).double() + 0.5
    Ks, poses = cameras.Ks.detach().cpu().double(), cameras.detach().to("cpu").to(torch.float64).world_from_cam
    offsets = (pixels - Ks[:, None, :2, 2]) / Ks[:, [0, 1], [0, 1]][:, None]
    one, zero = torch.ones_like(offsets[..., :1]), torch.zeros_like(offsets[..., :1])
    if cameras.model == "ortho":
        starts, rays = torch.cat([offsets, zero], dim=-1), torch.cat([zero, zero, one], dim=-1)
    else:
        starts, rays = torch.zeros_like(torch.cat([offsets, zero], dim=-1)), torch.cat([offsets, one], dim=-1)
    rotations = poses[:, :3, :3].mT
    origins = starts @ rotations + poses[:, None, :3, 3]
    return Rays(origins.reshape(-1, 3), (rays @ rotations).reshape(-1, 3))


def cast(grid: OccupancyGrid, rays: Rays) -> Hits:
    """The first occupied voxel on each ray, exactly (Amanatides and Woo 1987), on all threads."""
    found = cast_states(grid.frame, grid.states(), rays)
    labels = torch.full_like(found.index, grid.free_label)
    labels[found.hit] = grid.labels.detach().cpu().flatten()[found.index[found.hit]].long()
    return found.replace(labels=labels)


def cast_states(frame: VoxelFrame, states: UInt8[Tensor, "x y z"], rays: Rays) -> Hits:
    """As `cast`, for voxels that are FREE, OCCUPIED or UNKNOWN; the labels are 1 at a hit and 0 without.

    Raises:
        ValueError: the states do not fit the frame, or are others than these three.
    """
    if tuple(states.shape) != frame.shape:
        raise ValueError(
            f"states has shape {list(states.shape)}; expected {list(frame.shape)}, the shape of the frame."
        )
    if states.numel() and int(states.max()) > UNKNOWN:
        raise ValueError(f"states holds {int(states.max())}; expected 0 free, 1 occupied, 2 unknown.")
    n = len(rays)
    index, face = torch.empty(n, dtype=torch.int64), torch.empty(n, dtype=torch.int8)
    entry, exit_, unknown = (torch.empty(n, dtype=torch.float64) for _ in range(3))
    native.first_hits(
        box_of(frame),
        states.detach().cpu().contiguous(),
        *_arrays(rays),
        index,
        entry,
        exit_,
        face,
        unknown,
        threads=native.threads(),
    )
    return Hits(index >= 0, index, (index >= 0).long(), entry, exit_, _normals(face), unknown)


def count_crossings(frame: VoxelFrame, rays: Rays) -> Int[Tensor, "x y z"]:
    """How many rays cross each voxel from face to face before they end: votes that it is free."""
    counts = torch.zeros(frame.shape, dtype=torch.int32)
    native.count_crossings(box_of(frame), *_arrays(rays), counts.view(-1), threads=native.threads())
    return counts


def composite(
    frame: VoxelFrame, probabilities: Float[Tensor, "x y z"], values: Float[Tensor, "x y z k"], rays: Rays
) -> RayComposite:
    """What rays are expected to hit where each voxel is occupied with its own probability, independently.

    Differentiable in the probabilities, also where they are 0 or 1, and in the values; rays get no gradient. It runs on
    the CPU in float32 or float64. Give unknown voxels the probability 0: they are then passed, as `cast` does.

    Raises:
        TypeError: the tensors are neither float32 nor float64.
        ValueError: shapes do not fit the frame, or a probability is not within [0, 1].
    """
    if probabilities.dtype not in (torch.float32, torch.float64) or values.dtype != probabilities.dtype:
        raise TypeError(
            f"composite got {probabilities.dtype} probabilities and {values.dtype} values; "
            "expected both float32 or both float64."
        )
    if tuple(probabilities.shape) != frame.shape or tuple(values.shape[:3]) != frame.shape:
        raise ValueError(
            f"composite got probabilities {list(probabilities.shape)} and values {list(values.shape)}; "
            f"expected {list(frame.shape)} and {[*frame.shape, 'k']}, the shape of the frame."
        )
    low, high = probabilities.detach().aminmax()
    if not (float(low) >= 0 and float(high) <= 1):
        raise ValueError(f"probabilities lie within [{float(low)}, {float(high)}]; expected numbers within [0, 1].")
    flat = probabilities.reshape(-1), values.reshape(probabilities.numel(), values.shape[-1])
    alphas, ranges, squares, composited = _Composite.apply(frame, rays, *flat)
    return RayComposite(alphas, ranges, squares, composited)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, frame: VoxelFrame, rays: Rays, probabilities: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        p, v = probabilities.detach().contiguous(), values.detach().contiguous()
        alphas, ranges, squares = (torch.empty(len(rays), dtype=p.dtype) for _ in range(3))
        composited = torch.empty(len(rays), v.shape[1], dtype=p.dtype)
        box = box_of(frame)
        native.composite_rays(box, p, v, *_arrays(rays), alphas, ranges, squares, composited, threads=native.threads())
        ctx.frame, ctx.rays = frame, rays
        ctx.save_for_backward(p, v)
        return alphas, ranges, squares, composited

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        p, v = ctx.saved_tensors
        d_p, d_v = torch.empty_like(p), torch.empty_like(v)
        if not len(ctx.rays):
            return None, None, d_p.zero_(), d_v.zero_()
        one_p, one_v = (d_p, d_v) if len(ctx.rays) <= MAX_RAYS else (torch.empty_like(p), torch.empty_like(v))
        for start in range(0, len(ctx.rays), MAX_RAYS):
            rows = slice(start, start + MAX_RAYS)
            d_out = [grad[rows].contiguous() for grad in grads]
            arrays = _arrays(ctx.rays.select(rows))
            native.composite_rays_backward(
                box_of(ctx.frame), p, v, *arrays, *d_out, one_p, one_v, threads=native.threads()
            )
            if start:
                d_p += one_p
                d_v += one_v
            elif one_p is not d_p:
                d_p.copy_(one_p)
                d_v.copy_(one_v)
        return None, None, d_p, d_v


def box_of(frame: VoxelFrame) -> native.VoxelBox:
    """The frame as the native kernels take it."""
    return native.VoxelBox(frame.shape, frame.origin, frame.voxel_size)


def _arrays(rays: Rays) -> tuple[Tensor, Tensor, Tensor]:
    """Origins, directions and reach in float64."""
    reach = torch.full((len(rays),), torch.inf) if rays.reach is None else rays.reach
    origins, directions, reach = (
        tensor.detach().cpu().double().contiguous() for tensor in (rays.origins, rays.directions, reach)
    )
    return origins, directions, reach


def _normals(face: Tensor) -> Float[Tensor, "n 3"]:
    normals = torch.zeros(len(face), 3, dtype=torch.float64)
    rows = (face >= 0).nonzero()[:, 0]
    axis, backwards = face[rows].long() // 2, face[rows].long() % 2
    normals[rows, axis] = 2.0 * backwards.double() - 1.0
    return normals


def _refuse(name: str, values: Tensor, good: Tensor, right: str) -> None:
    if not bool(good.all()):
        row = int((~good).nonzero()[0, 0])
        raise ValueError(f"Rays.{name}[{row}] is {values[row].tolist()}; expected {right}.")
