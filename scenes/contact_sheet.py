"""One picture of both worlds for the README: frames of the videos, and depth, normals and classes of one of them.

python scenes/contact_sheet.py scenes/apartment scenes/quarry --out scenes/contact_sheet.jpg
"""

import argparse
import colorsys
from pathlib import Path

import imageio.v3 as iio
import numpy as np

COLUMNS, FRAMES = 3, 9


def sheet(worlds):
    """The worlds under one another, half size."""
    return np.concatenate([_block(world) for world in worlds])


def _block(world):
    frames = [frame[::2, ::2] for frame in iio.imiter(next(world.glob("*.mp4")))]
    spots = np.rint(np.linspace(0.03, 0.97, FRAMES) * (len(frames) - 1)).astype(int)
    chosen = [frames[k] for k in spots] + _truth(world)
    rows = [np.concatenate(chosen[k : k + COLUMNS], axis=1) for k in range(0, len(chosen), COLUMNS)]
    return np.concatenate(rows)


def _truth(world):
    """Depth, normals and classes of a frame a third into the video."""
    stems = sorted(path.name.split(".")[0] for path in (world / "truth").glob("*.depth.png"))
    stem = stems[len(stems) // 3]
    depth = iio.imread(world / "truth" / f"{stem}.depth.png")[::2, ::2].astype(float)
    near = np.where(depth > 0, 1 - np.clip(depth / np.percentile(depth[depth > 0], 98), 0, 1), 0)
    grey = np.repeat((near * 255).astype(np.uint8)[..., None], 3, axis=2)
    normals = iio.imread(world / "truth" / f"{stem}.normals.png")[::2, ::2]
    classes = iio.imread(world / "truth" / f"{stem}.classes.png")[::2, ::2]
    hues = [colorsys.hsv_to_rgb(k * 0.61803 % 1, 0.55, 0.9 if k else 0.1) for k in range(256)]
    return [grey, normals, (np.array(hues) * 255).astype(np.uint8)[classes]]


def main():
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="A contact sheet of worlds.")
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    iio.imwrite(options.out, sheet(options.worlds), quality=85)


if __name__ == "__main__":
    main()
