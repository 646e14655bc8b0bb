"""The picture of the README: views aside of the path that was filmed, the truth above and the scene below.

Run `python bench/off_path_picture.py SCENE OUT.jpg` on a reconstruction of the apartment's video.
"""

import argparse
import json
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import torch
from reconstruction import APARTMENT
from reconstruction_truth import judge_video_poses

from splatsim import Cameras, render, video
from splatsim.scene import Scene
from splatsim.transforms import invert

VIEWS = (3, 14, 24, 33)
WIDTH, HEIGHT, GAP = 480, 270, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", type=int, nargs="*", default=VIEWS)
    options = parser.parse_args()
    truth = json.loads((APARTMENT / "trajectory.json").read_text(encoding="utf-8"))
    similarity, _ = judge_video_poses(options.scene, np.array(truth["world_from_cam"]), truth["fps"])
    views = json.loads((APARTMENT / "views" / "trajectory.json").read_text(encoding="utf-8"))
    poses = torch.from_numpy(similarity.scene_from_truth(np.array(views["world_from_cam"]))).float()
    K = torch.tensor(views["K"]) * torch.tensor([[WIDTH / views["width"]], [HEIGHT / views["height"]], [1.0]])
    scene = Scene.load(options.scene)
    columns = []
    for index in options.views:
        camera = Cameras(invert(poses[index])[None], K[None], WIDTH, HEIGHT)
        with torch.no_grad():
            seen = render(scene.gaussians, camera, antialiased=scene.antialiased).colors[0]
        filmed = cv2.resize(
            iio.imread(APARTMENT / "views" / f"{index:02d}.jpg"), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA
        )
        line = np.full((GAP, WIDTH, 3), 255, np.uint8)
        columns += [
            np.concatenate([filmed, line, video.to_bytes(seen)]),
            np.full((2 * HEIGHT + GAP, GAP, 3), 255, np.uint8),
        ]
    iio.imwrite(options.out, np.concatenate(columns[:-1], axis=1), quality=88)


if __name__ == "__main__":
    main()
