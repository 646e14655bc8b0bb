"""Features and matches, written into COLMAP's database, which keeps what was done when the work is interrupted."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from splatsim.reconstruction.poses._config import PoseConfig
from splatsim.reconstruction.poses._database import image_ids
from splatsim.reconstruction.poses._pairs import Pairs
from splatsim.reconstruction.poses._worker import run


def extract(database: Path, images: Path, masks: Path | None, names: Sequence[str], config: PoseConfig) -> None:
    """SIFT features of every picture that has none yet; nothing is taken where a mask is 0."""
    import pycolmap

    options = pycolmap.FeatureExtractionOptions()
    options.use_gpu = False
    options.max_image_size = config.max_image_side if config.max_image_side else -1
    options.sift.max_num_features = config.features
    reader = pycolmap.ImageReaderOptions()
    if masks is not None:
        reader.mask_path = masks
    _Progress(database).watch(
        lambda token: pycolmap.extract_features(
            database,
            images,
            image_names=list(names),
            reader_options=reader,
            extraction_options=options,
            device=pycolmap.Device.cpu,
            cancellation_token=token,
        ),
        len(names),
        "finding features",
        "picture",
    )


def match(database: Path, names: Sequence[str], pairs: Pairs, seed: int, title: str = "matching pictures") -> None:
    """Match and verify those pairs that were not matched before."""
    import pycolmap

    ids = image_ids(database)
    todo = _unmatched(database, names, pairs, ids)
    if not todo:
        return
    options = pycolmap.FeatureMatchingOptions()
    options.use_gpu = False
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = seed
    verification.detect_watermark = False  # a camera that stands still is no watermark
    pairing = pycolmap.ImportedPairingOptions()
    with tempfile.TemporaryDirectory() as folder:
        pairing.match_list_path = Path(folder) / "pairs.txt"
        lines = [f"{names[first]} {names[second]}\n" for first, second in todo]
        pairing.match_list_path.write_text("".join(lines), encoding="utf-8")
        _Progress(database).watch(
            lambda token: pycolmap.match_image_pairs(
                database,
                matching_options=options,
                pairing_options=pairing,
                verification_options=verification,
                device=pycolmap.Device.cpu,
                cancellation_token=token,
            ),
            len(todo),
            title,
            "pair",
            matches=True,
        )


def _unmatched(database: Path, names: Sequence[str], pairs: Pairs, ids: dict[str, int]) -> Pairs:
    import pycolmap

    opened = pycolmap.Database.open(database)
    try:
        done = set(opened.read_num_matches()[0])
    finally:
        opened.close()
    key = pycolmap.image_pair_to_pair_id
    return [pair for pair in pairs if key(ids[names[pair[0]]], ids[names[pair[1]]]) not in done]


def read_descriptors(database: Path, names: Sequence[str]) -> list[Integer[np.ndarray, "_ 128"]]:
    """The SIFT descriptors of each picture, bytes."""
    import pycolmap

    ids = image_ids(database)
    opened = pycolmap.Database.open(database)
    try:
        return [np.asarray(opened.read_descriptors(ids[name]).data).reshape(-1, 128) for name in names]
    finally:
        opened.close()


class _Progress:
    """Counts what is in the database while COLMAP writes into it.

    It reads through pycolmap too: a second copy of SQLite in the process, such as Python's, would break the file locks
    of the first, and with them the database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def watch(self, work: Any, total: int, title: str, unit: str, matches: bool = False) -> None:
        import pycolmap

        database = pycolmap.Database.open(self.path)
        numbers = [image.image_id for image in database.read_all_images()]
        start = database.num_matched_image_pairs() if matches else 0

        def done() -> int:
            if matches:
                return int(database.num_matched_image_pairs()) - start
            return sum(database.exists_keypoints(number) for number in numbers)

        try:
            run(work, done, total, title, unit)
        finally:
            database.close()
