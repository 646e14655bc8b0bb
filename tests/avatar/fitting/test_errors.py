"""What a user reads when a capture is not as it should be, kept as prose in errors.txt."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from splatsim.avatar.body import Body
from splatsim.avatar.fitting import AvatarFitConfig, Dials, fit_avatar, load_capture
from splatsim.avatar.fitting.capture import read_mask
from splatsim.avatar.fitting.poses_file import read_poses, write_poses
from splatsim.avatar.skeleton import Pose
from tests.avatar.fitting.captures import write_capture
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("errors.txt")
CONFIG = AvatarFitConfig(steps=2, gaussians=400, side=48)


def cases(whole: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that may be wrong with a capture, by a short name."""
    skeleton = Body.load().shape().skeleton
    rest = skeleton.rest()
    poses = Pose(rest.rotations[None].repeat(2, 1, 1), rest.root[None].repeat(2, 1))

    def changed(name: str, change: Callable[[Path], object]) -> Path:
        copy = folder / name.replace(" ", "_")
        shutil.copytree(whole, copy)
        change(copy)
        return copy

    def text(file: str, old: str, new: str) -> Callable[[Path], object]:
        return lambda copy: (copy / file).write_text((copy / file).read_text().replace(old, new, 1))

    def keypoints(value: object) -> Callable[[Path], object]:
        return lambda copy: (copy / "cam0_keypoints.json").write_text(json.dumps(value))

    def picture(copy: Path) -> None:
        iio.imwrite(copy / "images" / "cam1" / "0001.png", np.zeros((30, 48, 3), np.uint8))

    def fit(name: str, change: Callable[[Path], object], **options: object) -> Callable[[], object]:
        return lambda: fit_avatar(changed(name, change), folder / "out", replace(CONFIG, **options))

    def bad_poses() -> object:
        rotations = poses.rotations.clone()
        rotations[1, 3] = float("nan")
        write_poses(folder / "poses.npz", skeleton, Pose(rotations, poses.root), 30.0)
        return read_poses(folder / "poses.npz", skeleton)

    def other_mask() -> object:
        capture = load_capture(whole)
        iio.imwrite(folder / "mask.png", np.zeros((20, 48), np.uint8))
        return read_mask(folder / "mask.png", capture, 0, capture.scaled(48))

    first = json.loads((whole / "cam0_keypoints.json").read_text())
    swapped = [[[*first[0][0][:-1], None]], *first[1:]]
    legs = [value if place // 3 in (13, 14, 15, 16) else 0.0 for place, value in enumerate(first[0][0])]
    return {
        "no folder": lambda: load_capture(folder / "nowhere"),
        "no calibration": lambda: load_capture(changed("no calibration", lambda c: (c / "calibration.toml").unlink())),
        "not toml": lambda: load_capture(changed("not toml", lambda c: (c / "calibration.toml").write_text("a = ["))),
        "fisheye": fit("fisheye", text("calibration.toml", "fisheye = false", "fisheye = true")),
        "matrix": fit("matrix", text("calibration.toml", "matrix = [[", "matrix = [[nan, 0.0, 1.0], [")),
        "no pictures": fit("no pictures", lambda c: shutil.rmtree(c / "images" / "cam1")),
        "a damaged picture": fit("damaged", lambda c: (c / "images" / "cam1" / "0001.png").write_bytes(b"no picture")),
        "another size": fit("another size", picture),
        "a mask of another size": other_mask,
        "too few masks": fit("few masks", lambda c: (c / "masks" / "cam1" / "0001.png").unlink()),
        "out of step": fit("out of step", keypoints([*first, *first, *first, *first, *first])),
        "keypoints of one camera": fit("one camera", lambda c: (c / "cam1_keypoints.json").unlink()),
        "no numbers": fit("no numbers", keypoints([[["a"] * 75]] * 2)),
        "not finite": fit("not finite", keypoints(swapped)),
        "another layout": fit("another layout", lambda c: None, layout="coco"),
        "nobody": fit("nobody", lambda c: [(c / f"cam{i}_keypoints.json").write_text("[[], []]") for i in range(2)]),
        "an unknown camera": fit("unknown", lambda c: None, hold_out=("cam7",)),
        "poses not finite": bad_poses,
        "neither keypoints nor poses": fit(
            "neither", lambda c: [(c / f"cam{i}_keypoints.json").unlink() for i in range(2)]
        ),
        "one camera and no height": fit("alone", lambda c: None, hold_out=("cam1",)),
        "legs before one camera": lambda: fit_avatar(
            changed("legs", keypoints([[legs], [legs]])),
            folder / "out",
            replace(CONFIG, hold_out=("cam1",)),
            Dials(height=1.7),
        ),
        "mirrored masks": fit("mirrored", _mirror),
    }


def _mirror(copy: Path) -> None:
    for file in (copy / "masks").glob("*/*.png"):
        iio.imwrite(file, np.roll(iio.imread(file), 20, 1))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.skipif(torch.cuda.is_available(), reason="written for machines without a GPU")
def test_sentences(tmp_path: Path) -> None:
    whole = tmp_path / "capture"
    write_capture(whole, t=2, cameras=2, size=48)
    check_sentences(SENTENCES, cases(whole, tmp_path), tmp_path)
