"""One camera and the person's height against four cameras, on the real person of the balance beam.

    python bench/avatars_monocular.py --data DIR     DIR/balance, each camera alone, as a table

Truth is the body fitted to all four cameras. Its cameras, put right by a small motion each, are given to the single
one too: what is compared is what one camera can know. The height is that of the bones that the four cameras see.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from splatsim import native
from splatsim.avatar.fitting import Dials, load_capture
from splatsim.avatar.fitting.keypoints import attachments
from splatsim.avatar.fitting.person import Person, find_person
from splatsim.avatar.fitting.views import project
from splatsim.avatar.skeleton import world_from_joints

COLUMNS = ("camera", "root, of its distance", "along the ray, cm", "keypoints from the hips, cm", "median, cm")
PIXELS = ("own camera, px", "other cameras, px")


def points_of(person: Person) -> Float[np.ndarray, "t k 3"]:
    """The body's keypoints in the world."""
    assert person.keypoints is not None
    assert person.offsets is not None
    carriers, _ = attachments(person.template.skeleton, person.keypoints.names)
    frames = world_from_joints(person.template.skeleton, person.pose).double().numpy()[:, carriers]
    points: Float[np.ndarray, "t k 3"] = frames[..., :3, 3] + (frames[..., :3, :3] @ person.offsets[..., None])[..., 0]
    return points


def stature(points: Float[np.ndarray, "t k 3"], names: tuple[str, ...]) -> float:
    """The person's height as the sum of bones from the heels to the top of the head, metres, mean over time."""
    place = {name: points[:, k] for k, name in enumerate(names)}
    middle = {part: (place[f"left_{part}"] + place[f"right_{part}"]) / 2 for part in ("hip", "shoulder")}
    total = np.linalg.norm(middle["hip"] - middle["shoulder"], axis=1)
    total += np.linalg.norm(middle["shoulder"] - place["head_top"], axis=1)
    for side in ("left", "right"):
        for upper, lower in (("hip", "knee"), ("knee", "ankle"), ("ankle", "heel")):
            total += np.linalg.norm(place[f"{side}_{upper}"] - place[f"{side}_{lower}"], axis=1) / 2
    return float(total.mean())


def compared(truth: Person, one: Person, camera: int) -> dict[str, float]:
    """Metres and pixels."""
    assert truth.keypoints is not None
    names = list(truth.keypoints.names)
    true, found = points_of(truth), points_of(one)
    hips = [names.index("left_hip"), names.index("right_hip")]
    root, ray = true[:, hips].mean(1), true[:, hips].mean(1) - truth.views.positions[:, camera]
    off, distance = found[:, hips].mean(1) - root, np.linalg.norm(ray, axis=1)
    errors = np.linalg.norm(found - true - off[:, None], axis=-1)
    pixels = np.linalg.norm(project(truth.views, found) - truth.keypoints.places[:, :, 0], axis=-1)
    pixels = np.where(truth.keypoints.scores[:, :, 0] >= 0.25, pixels, np.nan)
    return {
        "share": float((np.linalg.norm(off, axis=1) / distance).mean()),
        "along": float(((off * ray).sum(1) / distance).mean()),
        "mean": float(errors.mean()),
        "median": float(np.median(errors)),
        "own": float(np.nanmedian(pixels[:, camera])),
        "other": float(np.nanmedian(np.delete(pixels, camera, axis=1))),
    }


def monocular(folder: Path, off_by: float = 0.0) -> list[dict[str, float]]:
    """Print the table, and return its rows.

    Args:
        off_by: What is added to the height that is given, metres.
    """
    capture = load_capture(folder)
    cameras = list(range(len(capture.views.names)))
    truth = find_person(capture, cameras, Dials(sex=1.0))
    assert truth.keypoints is not None
    height = stature(points_of(truth), truth.keypoints.names) + off_by
    print(f"\nThe person is given as {height:.2f} m tall.\n\n| {' | '.join((*COLUMNS, *PIXELS))} | s |\n|" + "---|" * 8)
    rows = []
    for camera in cameras:
        began = time.perf_counter()
        one = find_person(replace(capture, views=truth.views), [camera], Dials(sex=1.0, height=height))
        row = compared(truth, one, camera)
        rows.append(row)
        metres = " | ".join(f"{100 * row[name]:.1f}" for name in ("along", "mean", "median"))
        pixels = f"{row['own']:.1f} | {row['other']:.0f} | {time.perf_counter() - began:.0f}"
        print(f"| {capture.views.names[camera]} | {100 * row['share']:.1f} % | {metres} | {pixels} |", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--off-by", type=float, default=0.0, help="metres that the given height is wrong by")
    options = parser.parse_args()
    with native.torch_on_one_thread():
        monocular(options.data / "balance", options.off_by)


if __name__ == "__main__":
    main()
