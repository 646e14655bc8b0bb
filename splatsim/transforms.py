"""Quaternions, rotations and rigid motions.

Conventions of the whole project: metres, seconds, radians. The world is right-handed with z up. Cameras look along
their +z with x right and y down (OpenCV). Bodies have x forward, y left, z up. Quaternions are wxyz. A transform is
named `b_from_a`, acts on column vectors, and `cam_from_world @ world_from_body` cancels by eye.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def rotmat_from_quat(quats: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices of wxyz quaternions, which need not have unit length but must not be zero."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, dim=-1).reshape(*quats.shape[:-1], 3, 3)


def quat_from_rotmat(rotations: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit wxyz quaternions with w >= 0, by the best conditioned of Shepperd's four formulas."""
    m = rotations
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], dim=-1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], wx, wy, wz], dim=-1),
            torch.stack([wx, squares[..., 1], xy, xz], dim=-1),
            torch.stack([wy, xy, squares[..., 2], yz], dim=-1),
            torch.stack([wz, xz, yz, squares[..., 3]], dim=-1),
        ],
        dim=-2,
    )
    best = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quats = torch.nn.functional.normalize(candidates.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quats[..., :1] < 0, -quats, quats)


def multiply_quats(a: Float[Tensor, "*batch 4"], b: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """The Hamilton product: rotate by b, then by a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )


def apply(b_from_a: Float[Tensor, "*batch 4 4"], points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 3"]:
    """Points moved from frame a to frame b."""
    return points @ b_from_a[..., :3, :3].mT + b_from_a[..., None, :3, 3]


def invert(b_from_a: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """a_from_b, for rigid transforms."""
    rotation = b_from_a[..., :3, :3].mT
    translation = -rotation @ b_from_a[..., :3, 3:]
    last = b_from_a[..., 3:, :]
    return torch.cat([torch.cat([rotation, translation], dim=-1), last], dim=-2)


def cam_from_world_look_at(
    eyes: Float[Tensor, "c 3"], targets: Float[Tensor, "c 3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "c 4 4"]:
    """Cameras at `eyes` that look at `targets`, with `up` upwards in the image.

    Raises:
        ValueError: an eye stands on its target, or looks along `up`, so that no direction is left for the image's top.
    """
    forward = targets - eyes
    right = torch.linalg.cross(forward, up.expand_as(forward))
    reach = right.norm(dim=-1)
    if not bool((reach > 1e-6 * forward.norm(dim=-1) * up.norm()).all()):
        where = int((~(reach > 1e-6 * forward.norm(dim=-1) * up.norm())).nonzero()[0, 0])
        raise ValueError(
            f"camera {where} at {eyes[where].tolist()} looks at {targets[where].tolist()}, along up={up.tolist()}; "
            "expected a target aside from the eye and an up direction aside from the line of sight."
        )
    forward = torch.nn.functional.normalize(forward, dim=-1)
    right = torch.nn.functional.normalize(right, dim=-1)
    down = torch.linalg.cross(forward, right)
    rotation = torch.stack([right, down, forward], dim=-2)
    cam_from_world = torch.eye(4, dtype=eyes.dtype, device=eyes.device).repeat(len(eyes), 1, 1)
    cam_from_world[:, :3, :3] = rotation
    cam_from_world[:, :3, 3] = -(rotation @ eyes[..., None]).squeeze(-1)
    return cam_from_world
