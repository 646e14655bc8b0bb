"""How true is the surface Gaussian scene of a world? Pictures and depths from held-out views, against traced truth.

python scenes/judge.py scenes/apartment
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import imageio.v3 as iio
import numpy as np
import torch
from tqdm import tqdm

from _worldgen.pictures import measure
from _worldgen.tracer import Tracer
from splatsim.cameras import Cameras
from splatsim.errors import FormatError
from splatsim.rendering import render, render_surface
from splatsim.scene import Scene


def judge(folder, count=20, made=None):
    """Means over views off the path: PSNR, and medians of the depth errors of `render` and `render_surface`, metres.

    Args:
        folder: a world with its `views/`.
        count: how many of its views.
        made: the model behind the world, where it is at hand; otherwise it is built again from its seed.

    Raises:
        FileNotFoundError: the folder holds no scene.
        FormatError: it holds no views, or a part is damaged.
    """
    scene = Scene.load(folder)
    note = folder / "views" / "trajectory.json"
    if not note.is_file():
        raise FormatError(f"{note} is missing; expected a world with views, such as one that make.py made.")
    views = json.loads(note.read_text(encoding="utf-8"))
    numbers = sorted(int(path.stem) for path in note.parent.glob("*.jpg"))
    model = made or build_model(scene.name, scene.provenance["seed"])
    tracer, rows = Tracer(model), []
    for number in tqdm(numbers[:: max(1, len(numbers) // count)][:count], desc=scene.name, disable=None):
        picture = iio.imread(note.parent / f"{number:02d}.jpg").astype(float) / 255
        rows.append(_compare(scene.gaussians, model, tracer, views, number, picture))
    psnr, expected, surface = np.mean(rows, axis=0)
    return {
        "views": len(rows),
        "gaussians": len(scene.gaussians),
        "psnr_db": round(float(psnr), 2),
        "expected_depth_median_m": round(float(expected), 4),
        "surface_depth_median_m": round(float(surface), 5),
        "worst_view_expected_depth_median_m": round(float(np.max(rows, axis=0)[1]), 4),
    }


def build_model(name, seed):
    """The model of a world by its generator."""
    sys.path.insert(0, str(HERE / name))
    spec = importlib.util.spec_from_file_location(f"{name}_make", HERE / name / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.world(seed).model


def _compare(gaussians, model, tracer, views, number, picture):
    """PSNR and the two medians of one view."""
    K, pose = np.array(views["K"]), np.array(views["world_from_cam"][number])
    width, height = views["width"], views["height"]
    truth = measure(model, tracer, pose, K, width, height).depths
    viewmat = torch.from_numpy(np.linalg.inv(pose)).float()[None]
    cameras = Cameras(viewmat, torch.from_numpy(K).float()[None], width, height)
    found = render(gaussians, cameras)
    first = render_surface(gaussians, cameras).depths[0].numpy()
    error = np.square(found.colors[0].clamp(0, 1).numpy() - picture).mean()
    met = truth > 0
    medians = [np.median(np.abs(depths - truth)[met]) for depths in (found.depths[0].numpy(), first)]
    return [-10 * np.log10(error), *medians]


def main():
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description="The surface Gaussians of a world against its traced truth.")
    parser.add_argument("world", type=Path, help="folder of a world")
    parser.add_argument("--count", type=int, default=20, help="views")
    options = parser.parse_args()
    try:
        print(json.dumps(judge(options.world, options.count), indent=1))
    except (FormatError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
