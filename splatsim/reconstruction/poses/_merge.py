"""Models of the same place that grew apart: laid over each other by the pictures they share, and solved as one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.reconstruction.poses._database import image_ids
from splatsim.reconstruction.poses._worker import quiet_colmap

MIN_SHARED = 3
"""Pictures that two models must share."""
MAX_DISAGREEMENT = 0.1
"""Of the shared cameras, median distance after alignment over their spread."""


def merge_models(models: Sequence[Any], database: Path, images: Path, seed: int) -> list[Any]:
    """The models with those merged that share pictures and agree on where these stand."""
    rest = list(models)
    merged = True
    while merged:
        merged = False
        for number in range(1, len(rest)):
            both = _merge(rest[0], rest[number], database, images, seed)
            if both is not None:
                rest = [both, *rest[1:number], *rest[number + 1 :]]
                merged = True
                break
    return sorted(rest, key=lambda model: (-model.num_reg_images(), min(model.reg_image_ids())))


def _merge(a: Any, b: Any, database: Path, images: Path, seed: int) -> Any | None:
    import pycolmap

    shared = sorted(set(a.reg_image_ids()) & set(b.reg_image_ids()))
    if len(shared) < MIN_SHARED:
        return None
    a_from_b = pycolmap.align_reconstructions_via_reprojections(b, a)
    if a_from_b is None or not _agree(a, b, a_from_b, shared):
        return None
    moved = pycolmap.Reconstruction(b)
    moved.transform(a_from_b)
    poses = {moved.images[number].name: moved.images[number].cam_from_world() for number in moved.reg_image_ids()}
    poses |= {a.images[number].name: a.images[number].cam_from_world() for number in a.reg_image_ids()}
    source = {a.images[number].name: a for number in a.reg_image_ids()}
    lens_of = {name: _camera_id(source.get(name, moved), name) for name in poses}
    cameras = {**moved.cameras, **a.cameras}
    both = posed_model({number: cameras[number] for number in set(lens_of.values())}, lens_of, poses, database)
    both = triangulate_model(both, database, images, seed, refine=True)
    return both if both.num_reg_images() > max(a.num_reg_images(), b.num_reg_images()) else None


def _camera_id(model: Any, name: str) -> int:
    return int(model.find_image_with_name(name).camera_id)


def _agree(a: Any, b: Any, a_from_b: Any, shared: Sequence[int]) -> bool:
    """Whether the shared cameras stand in the same places once the second model is laid over the first."""
    there = np.array([a.images[number].projection_center() for number in shared])
    here = np.array([a_from_b * b.images[number].projection_center() for number in shared])
    spread = float(np.median(np.linalg.norm(there - there.mean(0), axis=1)))
    return float(np.median(np.linalg.norm(here - there, axis=1))) <= MAX_DISAGREEMENT * spread


def posed_model(cameras: dict[int, Any], lens_of: dict[str, int], poses: dict[str, Any], database: Path) -> Any:
    """A COLMAP model of pictures with known poses and no points, numbered as in the database."""
    import pycolmap

    ids = image_ids(database)
    model = pycolmap.Reconstruction()
    for number in sorted(cameras):
        camera = pycolmap.Camera(cameras[number].todict())
        camera.camera_id = number
        model.add_camera_with_trivial_rig(camera)
    for name in sorted(poses, key=ids.__getitem__):
        image = pycolmap.Image(name=name, camera_id=lens_of[name], image_id=ids[name])
        model.add_image_with_trivial_frame(image, poses[name])
    return model


def triangulate_model(model: Any, database: Path, images: Path, seed: int, *, refine: bool) -> Any:
    """The model with points from the matches in the database; `refine` adjusts poses and lenses to them."""
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    output = database.parent / ".triangulated"
    output.mkdir(exist_ok=True)
    model = pycolmap.triangulate_points(model, database, images, output, options=options)
    if refine:
        for _ in range(2):
            bundle = pycolmap.BundleAdjustmentOptions()
            bundle.print_summary = False
            pycolmap.bundle_adjustment(model, bundle)
            quiet_colmap()  # the adjustment sets the level of the messages back
            model = pycolmap.triangulate_points(model, database, images, output, options=options)
    return model
