"""Can a stranger's tool rebuild the worlds? COLMAP on frames of a video, compared with the true poses.

python scenes/register.py scenes/apartment/apartment.mp4 --every 5
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pycolmap

from splatsim.reconstruction.evaluate import position_error


@dataclass(frozen=True)
class Registration:
    """How well frames of a video could be posed."""

    frames: int
    models: int
    registered: int
    """Frames in the largest model."""
    share: float
    median_reprojection_px: float
    points: int
    position_rmse_m: float
    """After similarity alignment with the true positions."""
    position_max_m: float
    extent_m: float
    """Diagonal of the box around the true positions."""
    position_rmse_share: float
    """Of the extent."""


def register(video, every=5, first=0, last=None, threads=-1, overlap=10):
    """Pose every n-th frame of a video by COLMAP (default SIFT) and compare with `trajectory.json` beside it."""
    truth = json.loads((Path(video).parent / "trajectory.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        names = _extract_frames(video, folder / "frames", every, first, last)
        best, count = _map(folder, list(names), truth, threads, overlap)
        return _compare(best, count, names, np.array(truth["world_from_cam"]))


def _extract_frames(video, folder, every, first, last):
    folder.mkdir()
    names = {}
    with iio.imopen(video, "r") as file:
        for number, frame in enumerate(file.iter()):
            if number >= first and (number - first) % every == 0 and (last is None or number < last):
                name = f"{number:06d}.png"
                iio.imwrite(folder / name, frame, compress_level=1)
                names[name] = number
    return names


def _map(folder, names, truth, threads, overlap):
    """The largest model and how many frames all models hold."""
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "PINHOLE"
    K = truth["K"]
    reader.camera_params = ",".join(str(value) for value in (K[0][0], K[1][1], K[0][2], K[1][2]))
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.num_threads = threads
    extraction.use_gpu = False
    database = folder / "database.db"
    pycolmap.extract_features(
        database,
        folder / "frames",
        camera_mode=pycolmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
        device=pycolmap.Device.cpu,
    )
    matching = pycolmap.FeatureMatchingOptions()
    matching.num_threads = threads
    matching.use_gpu = False
    pairing = pycolmap.SequentialPairingOptions()
    pairing.overlap = overlap
    pycolmap.match_sequential(database, matching_options=matching, pairing_options=pairing, device=pycolmap.Device.cpu)
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = threads
    (folder / "models").mkdir()
    models = pycolmap.incremental_mapping(database, folder / "frames", folder / "models", options)
    if not models:
        raise SystemExit("COLMAP found no model at all; expected frames with texture and overlap.")
    return max(models.values(), key=lambda model: model.num_reg_images()), len(models)


def _compare(model, count, names, world_from_cam):
    found, true = [], []
    for image in model.images.values():
        if image.has_pose:
            found.append(image.projection_center())
            true.append(world_from_cam[names[image.name], :3, 3])
    error = position_error(np.array(found), np.array(true))
    extent = float(np.linalg.norm(np.ptp(world_from_cam[:, :3, 3], axis=0)))
    return Registration(
        frames=len(names),
        models=count,
        registered=len(found),
        share=len(found) / len(names),
        median_reprojection_px=_median_reprojection(model),
        points=model.num_points3D(),
        position_rmse_m=error.rmse,
        position_max_m=error.largest,
        extent_m=extent,
        position_rmse_share=error.rmse / extent,
    )


def _median_reprojection(model):
    """Over all observations of all points, pixels."""
    errors = []
    for image in model.images.values():
        if not image.has_pose:
            continue
        seen = [point for point in image.points2D if point.has_point3D()]
        for point in seen:
            projected = image.project_point(model.points3D[point.point3D_id].xyz)
            if projected is not None:
                errors.append(np.linalg.norm(projected - point.xy))
    return float(np.median(errors))


def main(arguments=None):
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description="COLMAP on frames of a generated video, against the truth.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--every", type=int, default=5, help="take every n-th frame")
    parser.add_argument("--threads", type=int, default=-1)
    parser.add_argument("--overlap", type=int, default=10, help="neighbours that each frame is matched with")
    options = parser.parse_args(arguments)
    if not options.video.is_file():
        raise SystemExit(f"{options.video} does not exist; expected a video made by a generator of scenes/.")
    result = register(options.video, options.every, threads=options.threads, overlap=options.overlap)
    json.dump(asdict(result), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
