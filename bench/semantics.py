"""How good lifted labels are: mIoU of label images rendered from views that were not used.

Run `python bench/semantics.py [SCENE]`. The true labels of a generated world are lifted into the Gaussians of a scene,
as they are and with a fifth of them wrong (pixels, then whole things), and rendered from the views off the path.
SCENE is the world itself (its surface Gaussians), or a scene that was reconstructed from its video: then `--capture`
names the folder of posed pictures behind it, whose times tell which frame is which.

IoU counts all pixels of all views together. A class that the true images do not show has no IoU and is left out of the
mean; pixels that are wrongly given to it count against the class that they have. Pixels without a label are wrong.
"""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter

import imageio.v3 as iio
import numpy as np
import torch
from label_truth import TracedLabels, TrueLabels, wrong_pixels, wrong_segments

from splatsim.cameras import Cameras
from splatsim.reconstruction import Capture
from splatsim.reconstruction.evaluate import umeyama
from splatsim.reconstruction.semantics import lift_labels
from splatsim.scene import Scene
from splatsim.semantics import label_colors, render_labels

HERE = Path(__file__).resolve().parent
BAR = 0.85


def world_views(path: Path, width: int) -> tuple[np.ndarray, np.ndarray, int, int, float]:
    """world_from_cam [c 4 4], K, width, height and frames per second of a trajectory, at another width."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    scale = width / facts["width"]
    K = np.array(facts["K"]) * [[scale], [scale], [1]]
    return np.array(facts["world_from_cam"]), K, width, round(facts["height"] * scale), facts.get("fps", 1.0)


def moved(poses: np.ndarray, scale: float, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Camera poses in the other frame."""
    out = poses.copy()
    out[:, :3, :3] = rotation @ poses[:, :3, :3]
    out[:, :3, 3] = scale * poses[:, :3, 3] @ rotation.T + translation
    return out


def cameras_of(poses: np.ndarray, K: np.ndarray, width: int, height: int) -> Cameras:
    viewmats = torch.from_numpy(np.linalg.inv(poses)).float()
    return Cameras(viewmats, torch.from_numpy(K).float().repeat(len(poses), 1, 1), width, height)


def iou(predicted: list[np.ndarray], truth: list[np.ndarray], masks: list[np.ndarray], count: int) -> np.ndarray:
    """Intersection over union of each class; NaN where the truth has none of it."""
    table = np.zeros((count + 1) ** 2, np.int64)
    for ours, theirs, mask in zip(predicted, truth, masks, strict=True):
        pairs = theirs[mask].astype(np.int64) * (count + 1) + np.minimum(ours[mask], count)
        table += np.bincount(pairs, minlength=len(table))
    table = table.reshape(count + 1, count + 1)
    hits, union = table.diagonal(), table.sum(0) + table.sum(1) - table.diagonal()
    return np.where(table.sum(1) > 0, hits / np.maximum(union, 1), np.nan)[:count]


def spoiled(kind: str, traced: list[TracedLabels], count: int, seed: int) -> list[torch.Tensor]:
    """The label images of one trial."""
    rng = np.random.default_rng(seed)
    if kind == "true labels":
        images = [one.classes for one in traced]
    elif kind == "20 % of pixels wrong":
        images = [wrong_pixels(one.classes, count, rng) for one in traced]
    else:
        images = [wrong_segments(one, count, rng) for one in traced]
    return [torch.from_numpy(image) for image in images]


def write_pictures(folder: Path, kind: str, images: list[np.ndarray], expected: list[np.ndarray], count: int) -> None:
    """Every eighth view: rendered labels on the left, true ones on the right."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(0, len(images), 8):
        both = np.concatenate([label_colors(images[i], count), label_colors(expected[i], count)], axis=1)
        iio.imwrite(folder / f"{kind.replace(' ', '_').replace('%', 'percent')}_{i:02d}.png", both)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, nargs="?", default=HERE.parent / "scenes" / "apartment")
    parser.add_argument("--world", type=Path, default=HERE.parent / "scenes" / "apartment", help="the generated truth")
    parser.add_argument("--capture", type=Path, help="posed pictures of a reconstruction from the world's video")
    parser.add_argument("--every", type=int, default=13, help="every so many cameras of the scene have labels")
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=["true labels", "20 % of pixels wrong", "20 % of things wrong"])
    parser.add_argument("--pictures", type=Path, help="a folder for some of the rendered labels beside the truth")
    options = parser.parse_args()

    scene, truth = Scene.load(options.scene), TrueLabels(options.world)
    assert scene.gaussians is not None
    poses, K, width, height, fps = world_views(options.world / "trajectory.json", options.width)
    antialiased = bool(scene.provenance.get("render", {}).get("antialiased", False))  # type: ignore[union-attr]
    if options.capture:
        capture = Capture.load(options.capture)
        frames = (capture.times.numpy() * fps).round().astype(int)
        assert scene.cameras is not None
        given = scene.cameras.world_from_cam.double().numpy()  # in the frame of the scene, as the fit left them
    else:
        frames, given = np.arange(len(poses)), poses
    ours_from_world = umeyama(poses[frames][:, :3, 3], given[:, :3, 3])
    frames, given = frames[:: options.every], given[:: options.every]
    traced = [truth.trace(poses[frame], K, width, height) for frame in frames]
    train = cameras_of(given, K, width, height)

    off, K_off, width, height, _ = world_views(options.world / "views" / "trajectory.json", options.width)
    expected = [truth.trace(pose, K_off, width, height).classes for pose in off]
    held = cameras_of(moved(off, *ours_from_world), K_off, width, height)
    masks = [iio.imread(options.world / "views" / f"{i:02d}.mask.png") > 0 for i in range(len(off))]
    rows, columns = (np.arange(n) * masks[0].shape[axis] // n for axis, n in enumerate((height, width)))
    masks = [mask[np.ix_(rows, columns)] for mask in masks]
    whole = [np.ones_like(mask) for mask in masks]

    names, count = truth.class_names, len(truth.class_names)
    print(f"{len(scene.gaussians)} Gaussians, {len(train)} label images, {len(held)} views off the path, {width} wide")
    results, failed = {}, False
    for kind in options.kinds:
        started = perf_counter()
        semantics = lift_labels(
            scene.gaussians, train, spoiled(kind, traced, count, options.seed), names, antialiased=antialiased
        )
        seconds = perf_counter() - started
        images = [
            render_labels(scene.gaussians, semantics, held[i], antialiased=antialiased).labels[0].numpy()
            for i in range(len(held))
        ]
        results[kind] = iou(images, expected, masks, count)
        everywhere = iou(images, expected, whole, count)
        mean = float(np.nanmean(results[kind]))
        failed |= mean < BAR
        right = np.mean([(a == b)[m].mean() for a, b, m in zip(images, expected, masks, strict=True) if m.any()])
        print(
            f"{kind:22s} mIoU {100 * mean:.1f} % where 3 frames or more looked, {100 * np.nanmean(everywhere):.1f} % "
            f"in all pixels; {100 * right:.1f} % of pixels right; lifted in {seconds:.0f} s",
            flush=True,
        )
        if options.pictures:
            write_pictures(options.pictures, kind, images, expected, count)
    print("\n| class | " + " | ".join(results) + " |\n|---|" + "---:|" * len(results))
    for index, name in enumerate(names):
        cells = [100 * float(values[index]) for values in results.values()]
        if np.isfinite(cells).any():
            print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    absent = [name for index, name in enumerate(names) if not np.isfinite(next(iter(results.values()))[index])]
    print(f"not in the true images, left out of the mean: {', '.join(absent) or 'none'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
