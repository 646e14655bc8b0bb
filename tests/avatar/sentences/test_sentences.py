"""What a user of bodies, rigs and motions reads when something is wrong, kept as prose in errors.txt."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.avatar import Avatar, Body, Pose, Skeleton, SkinWeights, skin_gaussians
from splatsim.avatar.captured import read_motion, read_smpl_body
from splatsim.avatar.export import frame_times, write_ply_sequence
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.retargeting import retarget
from splatsim.avatar.rigged_models import read_rigged_model
from tests.avatar.bodies import cloud, random_bones, random_skin
from tests.avatar.models import write_model
from tests.formats.test_bvh import written
from tests.formats.test_smpl import model
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("errors.txt")


class _Command:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("print('ran')",)


def smpl(folder: Path, **changes: object) -> Path:
    path = folder / "body.npz"
    np.savez(path, **(model() | changes))
    return path


def pickled(folder: Path, content: object) -> Path:
    path = folder / "body.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


def amass(folder: Path, **arrays: object) -> Path:
    path = folder / "motion.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def cases(folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that a user may get wrong, by a short name."""
    body, joints = Body.load(), random_bones(3)
    skin, gaussians = random_skin(4, 3, k=2), cloud(4)
    line = Skeleton(("a", "b", "c"), (-1, 0, 1), torch.zeros(3, 3))
    avatar = Avatar(gaussians, line, skin)
    still = SampledMotion(line, Pose(torch.ones(1, 3, 4), torch.zeros(1, 3)), 30.0)
    lying = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    text = folder / "text.glb"
    text.write_text("hello")
    full = folder / "full"
    full.mkdir()
    (full / "frame.ply").touch()
    avatar.save(folder / "whole.npz")
    cut = folder / "cut.npz"
    cut.write_bytes((folder / "whole.npz").read_bytes()[:700])
    return {
        "weights": lambda: SkinWeights(skin.joints, skin.weights * 0.7),
        "negative weights": lambda: SkinWeights(torch.zeros(1, 2, dtype=torch.int32), torch.tensor([[1.5, -0.5]])),
        "joints as floats": lambda: SkinWeights(torch.zeros(4, 2), skin.weights),
        "skinning mode": lambda: skin_gaussians(gaussians, skin, joints, "cubic"),  # type: ignore[arg-type]
        "bone that scales": lambda: skin_gaussians(gaussians, skin, joints * 2),
        "counts": lambda: skin_gaussians(cloud(5), skin, joints),
        "many poses": lambda: avatar.pose(Pose(torch.ones(2, 3, 4), torch.zeros(2, 3))),
        "joints of the pose": lambda: avatar.pose(Pose(torch.ones(5, 4), torch.zeros(3))),
        "no avatar": lambda: Avatar.load(folder / "missing.npz"),
        "damaged avatar": lambda: Avatar.load(cut),
        "another archive": lambda: Avatar.load(smpl(folder)),
        "dial": lambda: body.shape(weight=1.2),
        "age": lambda: body.shape(age=120),
        "height": lambda: body.shape(age=30, height=2.9),
        "ancestry": lambda: body.shape(ancestry=(0, 0, 0)),
        "no glTF": lambda: read_rigged_model(text),
        "no skin": lambda: read_rigged_model(write_model(folder / "a.glb", skin=False)),
        "weights of a model": lambda: read_rigged_model(write_model(folder / "a.glb", weight=0.4)),
        "compressed": lambda: read_rigged_model(
            write_model(folder / "a.glb", extensionsRequired=["KHR_draco_mesh_compression"])
        ),
        "size of a model": lambda: read_rigged_model(write_model(folder / "a.glb", scale=3.0)),
        "lying model": lambda: read_rigged_model(write_model(folder / "a.glb", turn=lying)),
        "number of Gaussians": lambda: read_rigged_model(write_model(folder / "a.glb"), gaussians=5),
        "no BVH": lambda: read_motion(written(folder, change=lambda t: t.replace("HIERARCHY", "MESH"))),
        "odd channel": lambda: read_motion(written(folder, change=lambda t: t.replace("Zrotation", "Wrotation"))),
        "missing frames": lambda: read_motion(written(folder, change=lambda t: t.replace("Frames:\t2", "Frames: 9"))),
        "short frame": lambda: read_motion(written(folder, change=lambda t: t.replace("4 5 6 0 0", "4 5 6 0"))),
        "frame that is no number": lambda: read_motion(written(folder, change=lambda t: t.replace("4 5", "4 inf"))),
        "size of a rig": lambda: read_motion(written(folder, change=lambda t: t.replace("-10.0", "-33000.0"))),
        "kind of motion": lambda: read_motion(folder / "walk.fbx"),
        "clip of a model": lambda: read_motion(write_model(folder / "a.glb"), clip="dance"),
        "code in a pickle": lambda: read_smpl_body(pickled(folder, model() | {"v_template": _Command()})),
        "pickle of a list": lambda: read_smpl_body(pickled(folder, [1, 2])),
        "corners of SMPL": lambda: read_smpl_body(smpl(folder, f=np.zeros((2, 2)))),
        "weights of SMPL": lambda: read_smpl_body(smpl(folder, weights=np.full((40, 24), 0.1))),
        "joints of SMPL": lambda: read_smpl_body(smpl(folder, weights=np.ones((40, 1)))),
        "not finite": lambda: read_smpl_body(smpl(folder, v_template=np.full((40, 3), np.inf))),
        "no rate": lambda: read_motion(amass(folder, poses=np.zeros((2, 156)), trans=np.zeros((2, 3)))),
        "poses": lambda: read_motion(
            amass(folder, poses=np.zeros((2, 7)), trans=np.zeros((2, 3)), mocap_framerate=30.0)
        ),
        "unknown rig": lambda: retarget(still, body.shape().skeleton),
        "fps": lambda: frame_times(still, 0),
        "folder with files": lambda: write_ply_sequence(full, avatar, still),
    }


@pytest.mark.usefixtures("unchecked")
def test_sentences(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    check_sentences(SENTENCES, cases(folder), folder)
