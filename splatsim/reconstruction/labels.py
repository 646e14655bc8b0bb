"""Label images of any segmenter, held against a list of classes before anything is made of them."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from splatsim.errors import FormatError
from splatsim.semantics import UNLABELLED

IGNORED = "ignore"
"""A class of this name says nothing about the scene: its pixels are left out."""
MAX_CLASSES_FILE = 1 << 20
"""Bytes."""
SAME_ASPECT = 0.01
"""Label images of another size are taken if their ratio of sides is that of the picture, within one percent."""


@dataclass(frozen=True)
class Classes:
    """The classes of a segmenter, and the pixel values that stand for them."""

    names: tuple[str, ...]
    """Names by our label."""
    by_value: Mapping[int, int]
    """Our label for each value of a pixel; 255 is "ignore"."""


@dataclass(frozen=True)
class LabelFolder:
    """Label images of posed pictures."""

    folder: Path
    """Where they lie."""
    classes: Classes
    """What they show."""
    files: tuple[Path | None, ...]
    """The label image of each picture; None where there is none."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each picture, pixels."""

    def __len__(self) -> int:
        return len(self.files)

    @property
    def missing(self) -> int:
        """Pictures without a label image."""
        return sum(file is None for file in self.files)

    def __getitem__(self, index: int) -> UInt8[Tensor, "h w"] | None:
        """Labels of one picture at its size, 255 where there is none; None if the picture has no label image.

        Raises:
            FormatError: the file cannot be read, has other proportions, or a value that is no class.
        """
        path = self.files[index]
        if path is None:
            return None
        values = _read_values(path, *self.sizes[index])
        table = np.full(1 << 16, -1, np.int16)
        table[list(self.classes.by_value)] = list(self.classes.by_value.values())
        labels = np.where((values >= 0) & (values < len(table)), table[values.clip(0, len(table) - 1)], -1)
        if (labels < 0).any():
            row, column = np.argwhere(labels < 0)[0]
            raise FormatError(
                f"{path} has the value {values[row, column]} at row {row}, column {column}; "
                f"expected the {len(self.classes.by_value)} values of the classes file, 255 for none."
            )
        return torch.from_numpy(labels.astype(np.uint8))


def read_classes(path: Path) -> Classes:
    """The classes of label images: a text file, one name per line, the first for value 0; or JSON or TOML `{id: name}`.

    Values of the same name are one class. Values named "ignore", and 255 unless it is listed, are left out.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it holds no such list.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected the names of the classes.")
    if path.stat().st_size > MAX_CLASSES_FILE:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected at most {MAX_CLASSES_FILE}.")
    try:
        entries = _entries(path, path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read ({error}); expected names, or a table of id and name.") from error
    names = tuple(dict.fromkeys(name for name in entries.values() if name.lower() != IGNORED))
    if not 1 <= len(names) < UNLABELLED:
        raise FormatError(f"{path} names {len(names)} classes; expected 1 to {UNLABELLED - 1}.")
    by_value = {UNLABELLED: UNLABELLED}
    by_value |= {v: UNLABELLED if name.lower() == IGNORED else names.index(name) for v, name in entries.items()}
    return Classes(names, by_value)


def read_labels(
    folder: Path, classes_file: Path, names: Sequence[str], sizes: Sequence[tuple[int, int]]
) -> LabelFolder:
    """The label images of pictures of these names and sizes, every one of them checked.

    The labels of `a.jpg` are `a.png` or `a.jpg.png`: one channel or a palette, a class id per pixel. Another size is
    taken where the ratio of sides is the same.

    Raises:
        FileNotFoundError: there is no such folder, or no classes file.
        FormatError: none of the pictures has labels, or labels cannot be read or do not fit.
    """
    classes = read_classes(classes_file)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; expected one of label images.")
    found = LabelFolder(folder, classes, tuple(_file_of(folder, name) for name in names), tuple(sizes))
    if found.missing == len(names):
        pictures = sorted(path.name for path in folder.iterdir())
        listed = ", ".join(pictures[:3]) + (", …" if len(pictures) > 3 else "") if pictures else "nothing"
        expected = f"{Path(names[0]).stem}.png" if names else "at least one picture"
        raise FormatError(f"{folder} holds {listed}: labels of none of {len(names)} pictures; expected {expected}, ….")
    for index in tqdm(range(len(found)), desc="labels", unit="image", disable=None, leave=False):
        found[index]
    return found


def _file_of(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{Path(name).stem}.png", folder / f"{name}.png")
    return next((path for path in candidates if path.is_file()), None)


def _read_values(path: Path, width: int, height: int) -> np.ndarray[Any, np.dtype[Any]]:
    try:
        with Image.open(path) as picture:
            mode, size = picture.mode, picture.size
            if mode in ("1", "L", "P", "I;16", "I") and _same_aspect(size, (width, height)):
                return np.asarray(picture.resize((width, height), Image.Resampling.NEAREST)).astype(np.int64)
    except Exception as error:  # whatever a decoder raises
        raise FormatError(f"{path} cannot be read ({error}); expected a label image.") from error
    if not _same_aspect(size, (width, height)):
        raise FormatError(
            f"{path} has {size[0]} x {size[1]} pixels; expected {width} x {height} as its picture, or that ratio."
        )
    raise FormatError(f"{path} has colours (mode {mode}); expected one channel with the id of a class in each pixel.")


def _same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= SAME_ASPECT


def _entries(path: Path, text: str) -> dict[int, str]:
    """Name by value."""
    kind = path.suffix.lower()
    if kind not in (".json", ".toml"):
        names = [line.strip() for line in text.rstrip().splitlines()]
        table: dict[str, Any] = {str(value): name for value, name in enumerate(names)}
    else:
        table = json.loads(text) if kind == ".json" else tomllib.loads(text)
    if not isinstance(table, dict):
        raise ValueError(f"a {type(table).__name__}")
    entries = {}
    for value, name in table.items():
        if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) < 1 << 16):
            raise ValueError(f'the id "{value[:20]}" is no whole number from 0 to 65535')
        if not (isinstance(name, str) and name.strip() and name.isprintable()):
            raise ValueError(f"the class {value} has the name {str(name)[:40]!r}")
        entries[int(value)] = name.strip()
    return entries
