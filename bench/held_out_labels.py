"""How well the true labels of a video's frames, lifted, predict those of the frames that were held out.

Run `python bench/held_out_labels.py SCENE` on what `splatsim reconstruct` made of a world's video. The label images are
those that rays meet in the world, at the video's size, and go the way that `--labels` and `--classes` go. IoU counts
the pixels of all held-out pictures together, at the size that they were fitted in.

What would be reached at best stands beside it: the true world seen from the cameras that were found, so that all that
is left is the error of poses, lens and sampling; and the pixels off the borders of things.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from label_truth import TrueLabels
from scipy import ndimage
from semantics import BAR, iou, moved, world_views

from splatsim.reconstruction import Capture
from splatsim.reconstruction.evaluate import umeyama
from splatsim.reconstruction.labelling import CaptureLabels, label_gaussians, open_labels
from splatsim.scene import Scene
from splatsim.semantics import UNLABELLED, render_labels

HERE = Path(__file__).resolve().parent


def write_labels(folder: Path, world: Path, truth: TrueLabels, frames: list[dict[str, object]]) -> np.ndarray:
    """The true label image of each frame, and the classes file; gives the true camera poses."""
    poses, K, width, height, fps = world_views(world / "trajectory.json", 960)
    poses = poses[[round(frame["seconds"] * fps) for frame in frames]]  # type: ignore[operator]
    for frame, pose in zip(frames, poses, strict=True):
        iio.imwrite(folder / f"{Path(str(frame['name'])).stem}.png", truth.trace(pose, K, width, height).classes)
    (folder / "classes.txt").write_text("\n".join(truth.class_names) + "\n", encoding="utf-8")
    return np.asarray(poses)


def off_borders(labels: np.ndarray, pixels: int) -> np.ndarray:
    """Where no other class is as near as this."""
    size = 2 * pixels + 1
    return np.asarray(ndimage.maximum_filter(labels, size) == ndimage.minimum_filter(labels, size))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, help="a scene folder of splatsim reconstruct, with its work folder")
    parser.add_argument("--world", type=Path, default=HERE.parent / "scenes" / "apartment", help="the generated truth")
    options = parser.parse_args()

    scene, truth = Scene.load(options.scene), TrueLabels(options.world)
    assert scene.gaussians is not None
    assert scene.cameras is not None
    frames = json.loads((options.scene / "cameras.json").read_text(encoding="utf-8"))["frames"]
    train = [index for index, frame in enumerate(frames) if not frame["held_out"]]
    held = [index for index, frame in enumerate(frames) if frame["held_out"]]
    capture = Capture.load(options.scene / "work" / "poses" / "models" / "0")
    capture = capture.replace(viewmats=scene.cameras.viewmats)
    with tempfile.TemporaryDirectory() as folder:
        poses = write_labels(Path(folder), options.world, truth, frames)
        labels = open_labels(Path(folder), Path(folder) / "classes.txt", capture, train)
        semantics, ious = label_gaussians(scene.gaussians, capture, labels, antialiased=scene.antialiased)
        everything = CaptureLabels(labels.labels, labels.originals, frozenset(held))
        expected = [everything[index].numpy() for index in held]  # type: ignore[union-attr]

    found = [
        render_labels(scene.gaussians, semantics, capture.camera(index), antialiased=scene.antialiased)
        .labels[0]
        .numpy()
        for index in held
    ]
    given = scene.cameras.world_from_cam.double().numpy()
    scale, rotation, shift = umeyama(poses[:, :3, 3], given[:, :3, 3])
    back = moved(given, 1 / scale, rotation.T, -(shift @ rotation) / scale)
    seen = [
        truth.trace(back[index], capture.Ks[index].double().numpy(), *capture.sizes[index]).classes for index in held
    ]

    known = [image != UNLABELLED for image in expected]
    whole = {name: iou(images, expected, known, len(truth.class_names)) for name, images in (("", found), ("t", seen))}
    print(f"{len(scene.gaussians)} Gaussians, {len(train)} label images, {len(held)} held-out pictures")
    print(f"mIoU of the held-out pictures {100 * np.mean(list(ious.values())):.1f} % (bar {100 * BAR:.0f} %)")
    for pixels in (1, 2):
        inner = [mask & off_borders(image, pixels) for mask, image in zip(known, expected, strict=True)]
        share = 1 - np.sum([mask.sum() for mask in inner]) / np.sum([mask.sum() for mask in known])
        mean = np.nanmean(iou(found, expected, inner, len(truth.class_names)))
        print(f"  {100 * mean:.1f} % without pixels within {pixels} of another class ({100 * share:.1f} % of all)")
    print(f"  {100 * np.nanmean(whole['t']):.1f} % for the true world, seen from the cameras that were found")
    print("\n| class | held out | true world from the cameras found |\n|---|---:|---:|")
    for name, ours, best in zip(truth.class_names, whole[""], whole["t"], strict=True):
        if np.isfinite(ours):
            print(f"| {name} | {100 * ours:.1f} | {100 * best:.1f} |")
    assert torch.allclose(
        torch.tensor([ious[n] for n in ious]), torch.tensor(whole[""][np.isfinite(whole[""])]).float()
    )
    return int(np.mean(list(ious.values())) < BAR)


if __name__ == "__main__":
    sys.exit(main())
