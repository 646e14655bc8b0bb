"""Recorded motions from files: BVH, AMASS, AIST++ and the animations of rigged models, as motions of skeletons."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from splatsim.avatar.body import Body, ShapedBody
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.retargeting import in_pose, straighten
from splatsim.avatar.rigged_models import BODY_FROM_GLTF, read_rigged_model
from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.units import unit_of
from splatsim.errors import FormatError
from splatsim.formats.bvh import BvhClip, read_bvh
from splatsim.formats.smpl import SmplMotion, read_aist, read_amass, read_smpl
from splatsim.transforms import quat_from_rotmat

Array = npt.NDArray[np.floating]
SMPL_PELVIS = (-0.002, -0.241, 0.029)
"""Of SMPL's mean body, y up, metres: where its root joint is against the point that its translation moves."""
LEG_OF_HEIGHT = 0.47
"""Hip to ankle, of a person's height."""
CMU_METRES = 0.0254 / 0.45
"""Metres of a unit of the CMU motion capture, as its page says."""


def read_motion(path: str | os.PathLike[str], *, clip: str | None = None) -> tuple[SampledMotion, list[str]]:
    """A motion from .bvh, AMASS .npz, AIST++ .pkl, or an animation of a .gltf or .glb, and what was assumed.

    Args:
        path: The file.
        clip: Which animation of a model; by default the first.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file is not what it claims, or the model has no such animation.
        ValueError: unit or axes cannot be told.
    """
    file = Path(path)
    kind = file.suffix.lower()
    if kind == ".bvh":
        return motion_of_bvh(read_bvh(file))
    if kind in (".gltf", ".glb"):
        return _animation(file, clip)
    if kind == ".npz":
        return motion_of_smpl(read_amass(file))
    if kind == ".pkl":
        return motion_of_smpl(read_aist(file))
    raise FormatError(
        f'{file} has the extension "{file.suffix}"; expected .bvh, .npz, .pkl, .gltf or .glb for a motion.'
    )


def _animation(path: Path, clip: str | None) -> tuple[SampledMotion, list[str]]:
    model = read_rigged_model(path, gaussians=100)
    if not model.clips or (clip is not None and clip not in model.clips):
        raise FormatError(f"{path} has the animations {', '.join(model.clips) or 'none'}; expected {clip or 'one'}.")
    times, poses = model.clips[clip or next(iter(model.clips))]
    skeleton = model.avatar.skeleton
    if len(times) < 2:
        return SampledMotion(skeleton, poses, 1.0), model.notes
    steps = np.diff(times)
    if steps.max() - steps.min() < 1e-3 * steps.mean():
        return SampledMotion(skeleton, poses, float(1 / steps.mean())), model.notes
    # Keys at odd times: one pose for each of the shortest steps, at most 120 a second.
    rate = min(120.0, float(1 / max(steps[steps > 1e-6].min(), 1e-6)))
    count = int((times[-1] - times[0]) * rate) + 1
    keyed = SampledMotion(skeleton, poses, 1.0)
    wanted = np.interp(times[0] + np.arange(count) / rate, times, np.arange(len(times)))
    return SampledMotion(skeleton, keyed.at(torch.from_numpy(wanted)), rate), model.notes


def motion_of_bvh(clip: BvhClip) -> tuple[SampledMotion, list[str]]:
    """A BVH clip in metres, z up, x forward; axes and unit told from the hierarchy.

    Raises:
        ValueError: no unit makes it a person's size, or hips and head do not tell the axes.
    """
    names, parents, offsets, rotations, positions, ends = _without_empty_roots(clip)
    joints = np.zeros_like(offsets)
    for joint, parent in enumerate(parents):
        joints[joint] = offsets[joint] + (joints[parent] if parent >= 0 else 0)
    body_from_file, notes = _axes(names, parents, joints, clip.path)
    unit, metres = _unit(names, parents, joints, clip.path)
    if unit != "metres":
        notes.append(f"lengths were read as {unit}")
    places = joints @ body_from_file.T * metres
    tips = [places[joint] + body_from_file @ end * metres for joint, end in ends.items()]
    floor = min(float(places[:, 2].min()), min((float(tip[2]) for tip in tips), default=np.inf))
    skeleton = Skeleton(names, parents, torch.from_numpy(places - [0.0, 0.0, floor]).float())
    turned = body_from_file @ rotations @ body_from_file.T
    root = positions[:, 0] @ body_from_file.T * metres
    poses = Pose(quat_from_rotmat(torch.from_numpy(turned)).float(), torch.from_numpy(root).float())
    stretched = _stretch(clip, len(clip.names) - len(names))
    if stretched is not None:
        notes.append(stretched)
    return SampledMotion(skeleton, poses, 1 / clip.frame_time), notes


def _without_empty_roots(
    clip: BvhClip,
) -> tuple[tuple[str, ...], tuple[int, ...], Array, Array, Array, dict[int, Array]]:
    """The clip from the joint on that really moves: a root that only carries its child gives it its motion."""
    rotations, positions = clip.rotations.copy(), clip.positions.copy()
    first = 0
    while clip.parents.count(first) == 1 and first + 1 < len(clip.names) and clip.moving[first + 1]:
        child = first + 1
        positions[:, child] = positions[:, first] + np.einsum("tab,tb->ta", rotations[:, first], positions[:, child])
        rotations[:, child] = rotations[:, first] @ rotations[:, child]
        first = child
    offsets = clip.offsets[first:].copy()
    offsets[0] = 0
    parents = tuple(-1 if parent < first else parent - first for parent in clip.parents[first:])
    ends = {joint - first: end for joint, end in clip.ends.items() if joint >= first}
    return clip.names[first:], parents, offsets, rotations[:, first:], positions[:, first:], ends


def _axes(names: tuple[str, ...], parents: tuple[int, ...], joints: Array, path: Path) -> tuple[Array, list[str]]:
    """Body from file, by where the head is from the hips, and the left hip from the right."""
    try:
        roles = joint_roles(Skeleton(names, parents, torch.from_numpy(joints).float()))
    except ValueError:
        return BODY_FROM_GLTF, ["the joints have unknown names; y was taken to be up and z forward"]
    hips = (joints[roles["left_hip"]] + joints[roles["right_hip"]]) / 2
    up = _main_axis(joints[roles["head"]] - hips)
    left = _main_axis(joints[roles["left_hip"]] - joints[roles["right_hip"]])
    if abs(float(up @ left)) > 0.5:
        raise ValueError(
            f"{path}: the head lies along {up.astype(int).tolist()} from the hips and the left hip along "
            f"{left.astype(int).tolist()} from the right one; expected two different axes."
        )
    notes = []
    if not np.array_equal(up, [0, 1, 0]):
        notes.append(f"up is the file's {_named(up)}, not +y; it was turned")
    if not np.array_equal(left, [1, 0, 0]) and not notes:
        notes.append(f"left is the file's {_named(left)}, not +x; it was turned")
    return np.stack([np.cross(left, up), left, up]), notes


def _main_axis(direction: Array) -> Array:
    axis = np.zeros(3)
    main = int(np.abs(direction).argmax())
    axis[main] = np.sign(direction[main]) or 1.0
    return axis


def _named(axis: Array) -> str:
    main = int(np.abs(axis).argmax())
    return f"{'+' if axis[main] > 0 else '-'}{'xyz'[main]}"


def _unit(names: tuple[str, ...], parents: tuple[int, ...], joints: Array, path: Path) -> tuple[str, float]:
    """By the length of the legs, or of the whole rig where there are none by name."""
    try:
        roles = joint_roles(Skeleton(names, parents, torch.from_numpy(joints).float()))
    except ValueError:
        return unit_of(float((joints.max(0) - joints.min(0)).max()), str(path))
    leg = sum(
        float(np.linalg.norm(joints[roles[f"left_{a}"]] - joints[roles[f"left_{b}"]]))
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    )
    height = leg / LEG_OF_HEIGHT
    if 1.3 <= height * CMU_METRES <= 2.2 and not 0.5 <= height <= 2.6:
        return "units of the CMU motion capture (0.0564 m)", CMU_METRES
    return unit_of(height, str(path))


def _stretch(clip: BvhClip, left_out: int) -> str | None:
    """A sentence where joints that are not the root move against their parents, which bones do not."""
    for joint in range(left_out + 1, len(clip.names)):
        if clip.moving[joint]:
            off = np.abs(clip.positions[:, joint] - clip.offsets[joint]).max()
            if off > 0.02 * np.linalg.norm(clip.offsets, axis=1).sum():
                return (
                    f"joint {clip.names[joint]} moves {off:.3g} units against its parent; bones keep their length here"
                )
    return None


def motion_of_smpl(motion: SmplMotion, body: ShapedBody | None = None) -> tuple[SampledMotion, list[str]]:
    """A motion of AMASS or AIST++ in metres, z up.

    Args:
        motion: As read.
        body: Of a SMPL model; by default an average body of the shelf with SMPL's joints stands in.
    """
    count = len(motion.names)
    if body is None:
        skeleton, notes = _stand_in(motion.names), ["no body model was given: an average body has the joints"]
        pelvis = np.array(SMPL_PELVIS)
    else:
        if len(body.skeleton) < count:
            raise ValueError(f"the motion has {count} joints and the body {len(body.skeleton)}; expected as many.")
        skeleton, notes = body.skeleton, []
        pelvis = body.skeleton.joints[0].double().numpy() @ BODY_FROM_GLTF
    turns = torch.from_numpy(_rotations(motion.rotations))
    basis = torch.from_numpy(BODY_FROM_GLTF)
    local = basis @ turns @ basis.T
    # The root takes the body, here already z up, into the world of the file: z up (AMASS) or y up (AIST++).
    world = torch.eye(3).double() if motion.z_up else basis
    local[:, 0] = world @ turns[:, 0] @ basis.T
    rotations = torch.zeros(len(local), len(skeleton), 4, dtype=torch.float64)
    rotations[..., 0] = 1
    rotations[:, :count] = quat_from_rotmat(local)
    root = (torch.from_numpy(motion.translations + pelvis)) @ world.T
    return SampledMotion(skeleton, Pose(rotations.float(), root.float()), motion.rate), notes


def _rotations(vectors: Array) -> Array:
    from scipy.spatial.transform import Rotation

    matrices: Array = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)
    return matrices


def _stand_in(names: tuple[str, ...]) -> Skeleton:
    """An average body of the shelf in a T-pose, with the joints and names of SMPL."""
    from splatsim.formats.smpl import HANDS, JOINT_NAMES

    body = Body.load().shape(height=1.70).skeleton
    posed = in_pose(body, straighten(body, joint_roles(body)))
    ours = {"pelvis": "pelvis", "spine1": "spine_01", "spine2": "spine_02", "spine3": "spine_03", "neck": "neck_01"}
    ours |= {"head": "head", "jaw": "head", "left_eye": "head", "right_eye": "head"}
    parts = {
        "hip": "thigh",
        "knee": "calf",
        "ankle": "foot",
        "foot": "ball",
        "collar": "clavicle",
        "shoulder": "upperarm",
    }
    parts |= {"elbow": "lowerarm", "wrist": "hand", "hand": "middle_01"}
    for side in ("left", "right"):
        ours |= {f"{side}_{theirs}": f"{mine}_{side[0]}" for theirs, mine in parts.items()}
        fingers = [name for name in HANDS if name.startswith(side)]
        ours |= {name: f"{name.split('_')[1][:-1]}_0{name[-1]}_{side[0]}" for name in fingers}
    tree = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
    for name in names[22:]:
        side = name.split("_")[0]
        wrist = JOINT_NAMES[24].index(f"{side}_wrist") if side in ("left", "right") and "eye" not in name else 15
        part = name[-1]
        first = not part.isdigit() or part == "1"
        tree.append(wrist if first else len(tree) - 1)
    joints = torch.stack([posed.joints[body.index(ours[name])] for name in names])
    joints = joints - torch.tensor([0.0, 0.0, 1.0]) * joints[:, 2].min() + torch.tensor([0.0, 0.0, 0.02])
    return Skeleton(names, tuple(tree), joints)


def read_smpl_body(path: str | os.PathLike[str], betas: Tensor | None = None) -> ShapedBody:
    """A body of a SMPL, SMPL-H or SMPL-X model that the user brings, in its T-pose, of the shape of `betas`.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is no such model, or names code.
        ValueError: there are more betas than the model has shapes.
    """
    model = read_smpl(path)
    template = model.template
    if betas is not None:
        if len(betas) > model.shape_dirs.shape[2]:
            raise ValueError(
                f"{len(betas)} betas for {model.shape_dirs.shape[2]} shapes of {path}; expected at most as many."
            )
        template = template + model.shape_dirs[:, :, : len(betas)] @ betas.double().numpy()
    joints = model.regressor @ template
    turned, placed = template @ BODY_FROM_GLTF.T, joints @ BODY_FROM_GLTF.T
    floor = np.array([0.0, 0.0, turned[:, 2].min()])
    faces = torch.from_numpy(model.faces)
    vertices = torch.from_numpy(turned - floor).float()
    return ShapedBody(
        Skeleton(model.names, model.parents, torch.from_numpy(placed - floor).float()),
        vertices,
        faces,
        torch.zeros(len(faces), 3, 2),
        SkinWeights.from_dense(torch.from_numpy(model.weights).float().clamp_min(0)),
        torch.zeros(len(faces), dtype=torch.long),
        torch.from_numpy(model.template @ BODY_FROM_GLTF.T).float(),
        ("body",),
    )
