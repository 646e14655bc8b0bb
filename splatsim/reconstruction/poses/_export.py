"""A capture as a COLMAP model with its pictures, for other tools."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.reconstruction.capture import IMAGES, Capture
from splatsim.reconstruction.poses._capture import SPARSE


def write_model(capture: Capture, b_from_a: Float[Tensor, "4 4"], scale: float, folder: Path) -> None:
    """Write `sparse/0` and `images` in the frame of the capture, which was moved there and may have refined poses.

    Args:
        b_from_a: How the capture was moved after its poses were estimated.
        scale: By what lengths were multiplied before.
    """
    import pycolmap

    model = pycolmap.Reconstruction(capture.folder / SPARSE)
    matrix = np.c_[scale * b_from_a[:3, :3].double().numpy(), b_from_a[:3, 3].double().numpy()]
    model.transform(pycolmap.Sim3d(matrix))
    by_name = {image.name: image for image in model.images.values()}
    for name, viewmat in zip(capture.names, capture.viewmats, strict=True):
        _set_pose(by_name[name], viewmat.double())
    (folder / "sparse" / "0").mkdir(parents=True)
    model.write(folder / "sparse" / "0")
    (folder / IMAGES).mkdir()
    for name in capture.names:
        _link(capture.folder / IMAGES / name, folder / IMAGES / name)


def _set_pose(image: Any, viewmat: Tensor) -> None:
    import pycolmap

    # float32 poses are rotations up to their rounding only
    left, _, right = torch.linalg.svd(viewmat[:3, :3])
    pose = pycolmap.Rigid3d(np.c_[(left @ right).numpy(), viewmat[:3, 3].numpy()])
    image.frame.set_cam_from_world(image.camera_id, pose)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy where the disk has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
