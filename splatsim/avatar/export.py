"""Avatars for other programs: a PLY for every frame, animated glTF, and the files of Habitat-GS."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.motion import Motion
from splatsim.avatar.people import Person
from splatsim.avatar.rigged_models import BODY_FROM_GLTF
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import Mode
from splatsim.formats import write_ply
from splatsim.formats._files import atomic_writer
from splatsim.formats._npy import write_npz
from splatsim.formats.gltf_writer import Clip, SkinnedMesh, write_glb
from splatsim.spherical_harmonics import C0
from splatsim.transforms import rotmat_from_quat

HABITAT_FPS = 40.0
HABITAT_FROM_WORLD = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From z up to Habitat's y up."""
SURFEL = 1.6
"""Half the side of the square that stands for a Gaussian, in standard deviations."""


def frame_times(motion: Motion, fps: float) -> torch.Tensor:
    """Times of the frames of a motion, the first at 0 s.

    Raises:
        ValueError: the rate is not within 0 to 1000.
    """
    if not 0 < fps <= 1000:
        raise ValueError(f"fps is {fps}; expected more than 0 and at most 1000 frames per second.")
    return torch.arange(int(motion.duration * fps + 1e-6) + 1, dtype=torch.float64) / fps


def write_ply_sequence(
    folder: str | os.PathLike[str], avatar: Avatar, motion: Motion, *, fps: float = 30.0, mode: Mode = "polar"
) -> int:
    """frame_00000.ply, frame_00001.ply, … in a folder: exactly the Gaussians that are rendered. Gives their number.

    Raises:
        FileNotFoundError: the folder above does not exist.
        FileExistsError: the folder holds files already.
    """
    out = Path(folder)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} holds files already; name a new folder.")
    out.mkdir(exist_ok=True)
    times = frame_times(motion, fps)
    for index, time in enumerate(tqdm(times.tolist(), desc=out.name, unit="frame", disable=None, leave=False)):
        write_ply(out / f"frame_{index:05d}.ply", avatar.pose(motion.at(time), mode))
    return len(times)


def write_animated_glb(
    path: str | os.PathLike[str], source: Avatar | Person, motion: Motion | None, *, fps: float = 30.0
) -> None:
    """A skinned mesh with its motion, for any viewer of glTF: of an avatar one square for each Gaussian.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the motion is that of another skeleton.
    """
    if isinstance(source, Person):
        mesh = source.mesh
        vertices, faces, skin, skeleton = mesh.vertices, mesh.faces, mesh.skin, mesh.skeleton
        colors, licence = source.vertex_colors(), ""
    else:
        vertices, faces, colors, skin = surfels(source)
        skeleton, licence = source.skeleton, source.licence
    clip = None if motion is None else _clip(skeleton, motion, fps)
    gltf = BODY_FROM_GLTF.T
    linear = torch.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055).clamp_min(0) ** 2.4)
    out = SkinnedMesh(
        vertices.double().numpy() @ gltf.T,
        faces.numpy(),
        linear.clamp(0, 1).numpy(),
        skin.joints.numpy(),
        skin.weights.numpy(),
        skeleton.names,
        skeleton.parents,
        skeleton.joints.double().numpy() @ gltf.T,
    )
    write_glb(path, out, clip, licence)


def surfels(avatar: Avatar) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, SkinWeights]:
    """Vertices, faces, colours and weights of squares that lie in the Gaussians' two longer axes."""
    g = avatar.gaussians
    axes = rotmat_from_quat(g.quats) * g.scales[:, None]
    long = g.scales.argsort(dim=1, descending=True)[:, :2]
    first, second = (axes.gather(2, long[:, None, i : i + 1].expand(-1, 3, 1)).squeeze(2) for i in (0, 1))
    corners = torch.stack([-first - second, first - second, first + second, second - first], dim=1)
    vertices = (g.means[:, None] + SURFEL * corners).flatten(0, 1)
    base = 4 * torch.arange(len(g))[:, None]
    faces = torch.cat([base + torch.tensor([0, 1, 2]), base + torch.tensor([0, 2, 3])])
    colors = (0.5 + C0 * g.sh[:, 0]).clamp(0, 1).repeat_interleave(4, dim=0)
    skin = avatar.skin.map(lambda tensor: tensor.repeat_interleave(4, dim=0))
    return vertices, faces, colors, skin


def _clip(skeleton: Skeleton, motion: Motion, fps: float) -> Clip:
    if motion.skeleton.names != skeleton.names:
        raise ValueError(
            f"the motion is that of a skeleton of {len(motion.skeleton)} joints, the avatar has {len(skeleton)}; "
            "expected the same: retarget the motion first."
        )
    times = frame_times(motion, fps)
    poses: Pose = motion.at(times)
    quats = torch.nn.functional.normalize(poses.rotations.double(), dim=-1).numpy()
    turned = np.concatenate([quats[..., :1], quats[..., 1:] @ BODY_FROM_GLTF], axis=-1)
    return Clip(times.numpy(), turned, poses.root.double().numpy() @ BODY_FROM_GLTF)


def write_habitat(folder: str | os.PathLike[str], avatar: Avatar, motion: Motion, *, fps: float = HABITAT_FPS) -> None:
    """canonical_gs.npz and driver.pkl as Habitat-GS loads them (its gaussian_avatar.py): y up, a matrix for each joint.

    The pickle holds arrays, words and numbers alone.

    Raises:
        FileNotFoundError: the folder above does not exist.
        ValueError: the motion is that of another skeleton.
    """
    if motion.skeleton.names != avatar.skeleton.names:
        raise ValueError("the motion is that of another skeleton than the avatar's; retarget it first.")
    out = Path(folder)
    out.mkdir(exist_ok=True)
    turn = np.eye(4)
    turn[:3, :3] = HABITAT_FROM_WORLD
    g = avatar.gaussians.transform(torch.from_numpy(turn).float())
    joints = len(avatar.skeleton)
    arrays = {
        "means": g.means,
        "shs": g.sh,
        "scales": g.scales,
        "quats": g.quats,
        "opacities": g.opacities[:, None],
        "lbs_weights": avatar.skin.dense(joints),
        "joints_inv_bind_matrix": torch.eye(4).repeat(joints, 1, 1),
    }
    write_npz(out / "canonical_gs.npz", {name: tensor.float().numpy() for name, tensor in arrays.items()})
    times = frame_times(motion, fps)
    poses: Pose = motion.at(times)
    bones = turn @ world_from_rest(avatar.skeleton, poses).double().numpy() @ turn.T
    count = len(times)
    driver = {
        "transl": (poses.root.double().numpy() @ HABITAT_FROM_WORLD.T).astype(np.float32),
        "global_orient": np.zeros((count, 3), np.float32),
        "body_pose": np.zeros((count, 69), np.float32),
        "betas": np.zeros(10, np.float32),
        "gender": "neutral",
        "smpl_type": "smpl",
        "fps": float(fps),
        "num_frames": count,
        "joint_mats": bones.astype(np.float32),
        "joint_mats_space": "smpl_with_trans",
        "joint_mats_version": 1,
        "joint_mats_fps": float(fps),
        "joint_mats_joint_count": joints,
    }
    buffer = io.BytesIO()
    pickle.dump(driver, buffer, protocol=4)
    with atomic_writer(out / "driver.pkl") as file:
        file.write(buffer.getvalue())
