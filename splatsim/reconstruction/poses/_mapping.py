"""From matches to poses: COLMAP's incremental and global mapper, each run from the same numbers to the same result."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.reconstruction.poses._pairs import components
from splatsim.reconstruction.poses._worker import run

MIN_MODEL_SIZE = 3
GLOBAL_MIN_MATCHES = 30
"""Weaker pairs tie clusters together without fixing their scale; COLMAP's default of 15 lets them in."""
SHARED_POINTS = 20
"""Points that two pictures must have in common for their scale to be tied."""


def map_incrementally(
    database: Path, images: Path, count: int, seed: int, *, relaxed: bool = False, title: str = "finding poses"
) -> list[Any]:
    """Models by the incremental mapper, largest first. `relaxed` starts from less parallax and fewer matches."""
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    options.min_model_size = MIN_MODEL_SIZE
    if relaxed:
        options.mapper.init_min_tri_angle = 6.0
        options.mapper.init_min_num_inliers = 50
        options.mapper.abs_pose_min_num_inliers = 15
    registered = [0]

    def one_more() -> None:
        registered[0] += 1

    def work(token: Any) -> Any:
        return pycolmap.incremental_mapping(
            database,
            images,
            output,
            options,
            initial_image_pair_callback=one_more,
            next_image_callback=one_more,
            cancellation_token=token,
        )

    output = database.parent / ".mapping"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    try:
        models = run(work, lambda: registered[0], count, title, "picture")
    finally:
        shutil.rmtree(output, ignore_errors=True)
    return _sorted(models.values())


def map_globally(database: Path, images: Path, count: int, seed: int) -> list[Any]:
    """Models by the global mapper, largest first."""
    import pycolmap

    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = options.mapper.random_seed = seed
    options.mapper.rotation_averaging.random_seed = options.mapper.global_positioning.random_seed = seed
    options.mapper.retriangulation.random_seed = seed
    options.min_num_matches = GLOBAL_MIN_MATCHES
    copy, output = database.parent / ".global.db", database.parent / ".mapping"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    try:
        shutil.copyfile(database, copy)  # the calibration of the view graph changes the database

        def work(token: Any) -> Any:
            pycolmap.calibrate_view_graph(copy)
            return pycolmap.global_mapping(copy, images, output, options)

        models = run(work, lambda: 0, count, "finding poses at once", "picture")
    finally:
        shutil.rmtree(output, ignore_errors=True)
        for left in database.parent.glob(".global.db*"):
            left.unlink()
    return _sorted(models.values())


def _sorted(models: Any) -> list[Any]:
    """Largest first, without those that hold next to nothing which a larger one does not."""
    kept: list[Any] = []
    placed: set[int] = set()
    for model in sorted(models, key=lambda model: (-model.num_reg_images(), sorted(model.reg_image_ids()))):
        own = set(model.reg_image_ids()) - placed
        if len(own) >= MIN_MODEL_SIZE:
            kept.append(model)
            placed |= own
    return kept


def loose_share(model: Any) -> float:
    """Share of the pictures whose scale no common points tie to that of the others.

    Two clusters that share no points can each have a scale of their own: neither the number of registered pictures nor
    the reprojection error shows it.
    """
    numbers = sorted(model.reg_image_ids())
    position = {number: index for index, number in enumerate(numbers)}
    shared = np.zeros((len(numbers), len(numbers)), dtype=np.int64)
    for point in model.points3D.values():
        seen = np.unique([position[element.image_id] for element in point.track.elements])
        shared[np.ix_(seen, seen)] += 1
    pairs = np.argwhere(np.triu(shared >= SHARED_POINTS, 1))
    labels = components(len(numbers), pairs)
    return float((labels != 0).mean())


def registered(models: Sequence[Any]) -> int:
    """Pictures in the largest model."""
    return int(models[0].num_reg_images()) if models else 0


def write_models(models: Sequence[Any], folder: Path) -> None:
    """`folder/0`, `folder/1` …, largest first, at once or not at all."""
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for number, model in enumerate(models):
        (temporary / str(number)).mkdir()
        model.write(temporary / str(number))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
