"""SOG files of PlayCanvas, read only: a zip archive of WebP images, one pixel for each Gaussian, and `meta.json`.

Positions are 16-bit fractions of a box in sign(x)·ln(1 + |x|), their bytes in two images. Scales and constant colours
are bytes into codebooks of 256 numbers, opacities bytes, quaternions the three smallest components in bytes, with which
one is left out as the alpha. Higher SH coefficients stand in a palette that a 16-bit label points into. The layout is
that of version 2 as https://github.com/playcanvas/splat-transform reads it, commit 8d6b801. Coordinates are those of
the PLY file, as they stand.
"""

import io
import json
import math
import os
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file
from splatsim.formats._values import FloatArray, exp, from_bytes, quats_of_smallest_three, to_gaussians
from splatsim.gaussians import Gaussians

Pixels = UInt8[np.ndarray, "n 4"]

META = "meta.json"
CODEBOOK = 256
PALETTE_COLUMNS = 64
MOST_LABELS = 1 << 16
FIRST_TAG = 252  # of a quaternion's alpha: w left out

# Images are packed already, so a member that unpacks to many times the archive is a bomb. An even image shrinks to
# nothing by itself, so counts up to PLAUSIBLE_GAUSSIANS are taken, and larger ones need a byte each.
MOST_UNPACKED = 4
PLAUSIBLE_GAUSSIANS = 1 << 20
MOST_META_BYTES = 1 << 22
SPARE_PIXELS = 4096
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_sog(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from a bundled .sog file of version 2, SH degree 0 to 3.

    Memory is bounded by the count in `meta.json`, and a count beyond reason is refused before any image is decoded.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not such a file, or is cut short, or an image does not fit the count.
    """
    found = existing_file(path)
    try:
        with zipfile.ZipFile(found) as archive:
            return _Bundle(found, archive).gaussians()
    except FormatError:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        text = str(error)[:200]
        raise FormatError(f"{found} is no zip archive that can be read ({text}); expected a .sog file.") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise FormatError(f"{found} is damaged ({repr(error)[:200]}); expected a whole .sog file.") from error


class _Bundle:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self.size = path.stat().st_size
        self.meta = self._meta()
        version = self.meta.get("version", 1)
        if version != 2:
            raise FormatError(f"{path} has SOG version {version!r:.20}; expected version 2.")
        count = self.meta["count"]
        if not isinstance(count, int) or count < 0 or count > max(PLAUSIBLE_GAUSSIANS, self.size):
            raise FormatError(
                f"{path} has the count {count!r:.30} in {META}; expected what {self.size} bytes can hold."
            )
        self.count = count

    def gaussians(self) -> Gaussians:
        sh0 = self._pixels("sh0", 0, self.count)
        constant = self._codebook("sh0")[sh0[:, :3]]
        sh = [constant[:, None]]
        if self.meta.get("shN") is not None:
            sh.append(self._rest())
        return to_gaussians(
            self.path,
            means=self._means(),
            quats=self._quats(),
            scales=exp(self._codebook("scales")[self._pixels("scales", 0, self.count)[:, :3]]),
            opacities=from_bytes(sh0[:, 3]),
            sh=np.concatenate(sh, axis=1),
        )

    def _means(self) -> Float32[np.ndarray, "n 3"]:
        low_bytes, high_bytes = (self._pixels("means", index, self.count)[:, :3] for index in (0, 1))
        steps = high_bytes.astype(np.float64) * 256 + low_bytes
        low, high = (self._numbers("means", name, 3).astype(np.float64) for name in ("mins", "maxs"))
        span = np.where(high == low, 1, high - low)  # as the reference reads it
        with np.errstate(over="ignore", invalid="ignore"):
            logs = low + span * (steps / 65535)
            means: Float32[np.ndarray, "n 3"] = (np.sign(logs) * np.expm1(np.abs(logs))).astype(np.float32)
        return means

    def _quats(self) -> Float32[np.ndarray, "n 4"]:
        pixels = self._pixels("quats", 0, self.count)
        stored = (from_bytes(pixels[:, :3]) * 2 - 1) * np.float32(math.sqrt(0.5))
        left_out = pixels[:, 3].astype(np.int64) - FIRST_TAG
        quats = quats_of_smallest_three(stored, left_out.clip(0))
        quats[left_out < 0] = (1, 0, 0, 0)
        return quats

    def _rest(self) -> Float32[np.ndarray, "n k 3"]:
        """The SH coefficients from band 1 on; zeros where a label points past the palette."""
        bands, size = self.meta["shN"]["bands"], self.meta["shN"]["count"]
        if bands not in (1, 2, 3) or not isinstance(size, int) or not 0 < size <= MOST_LABELS:
            raise FormatError(
                f"{self.path} has {bands!r:.20} bands and {size!r:.20} entries in shN; "
                f"expected 1 to 3 bands and 1 to {MOST_LABELS} entries."
            )
        coefficients = (bands + 1) ** 2 - 1
        width = PALETTE_COLUMNS * coefficients
        height = -(-size // PALETTE_COLUMNS)
        palette = self._pixels("shN", 0, width * height, width)[:, :3].reshape(-1, coefficients, 3)[:size]
        labels = self._pixels("shN", 1, self.count)[:, :2].astype(np.int64) @ np.array([1, 256])
        rest: Float32[np.ndarray, "n k 3"] = self._codebook("shN")[palette][np.minimum(labels, size - 1)]
        rest[labels >= size] = 0
        return rest

    def _meta(self) -> dict[str, Any]:
        data = self._member(META, MOST_META_BYTES)
        try:
            meta = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{self.path} has a {META} that is no JSON ({error}); expected a .sog file.") from error
        if not isinstance(meta, dict):
            raise FormatError(f"{self.path} has a {META} without names; expected version, count, means, …")
        return meta

    def _member(self, name: str, limit: int) -> bytes:
        if name not in self.archive.namelist():
            raise FormatError(f"{self.path} holds no {str(name)[:60]!r}; expected a bundled .sog file.")
        info = self.archive.getinfo(name)
        if info.compress_type not in METHODS:
            raise FormatError(
                f"{self.path} packs {name[:60]!r} by method {info.compress_type}; expected 0, stored, or 8, deflated."
            )
        if info.file_size > limit:
            raise FormatError(
                f"{self.path} claims {info.file_size} bytes in {name[:60]!r}; expected at most {limit} of an archive "
                f"of {self.size}."
            )
        with self.archive.open(info) as file:
            data = file.read(limit + 1)
        if len(data) != info.file_size:
            raise FormatError(f"{self.path} has {len(data)} bytes in {name[:60]!r}; expected {info.file_size}.")
        return data

    def _pixels(self, name: str, index: int, count: int, width: int | None = None) -> Pixels:
        """The first `count` pixels of an image, RGBA, refused by its size before it is decoded."""
        from PIL import Image, UnidentifiedImageError

        file = self.meta[name]["files"][index]
        data = self._member(file, MOST_UNPACKED * self.size)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound below is much lower
                image = Image.open(io.BytesIO(data), formats=["WEBP"])
            with image:
                columns, rows = image.size
                if not count <= columns * rows <= 2 * count + SPARE_PIXELS or width not in (None, columns):
                    raise FormatError(
                        f"{self.path} has {columns} × {rows} pixels in {file[:60]!r}; "
                        f"expected about {count}{f' in rows of {width}' if width else ''}."
                    )
                pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)[:count]
        except (Image.DecompressionBombError, UnidentifiedImageError, OSError, SyntaxError) as error:
            raise FormatError(f"{self.path} has no whole WebP image in {file[:60]!r}; expected one.") from error
        return pixels

    def _codebook(self, name: str) -> FloatArray:
        return self._numbers(name, "codebook", CODEBOOK)

    def _numbers(self, name: str, field: str, count: int) -> FloatArray:
        numbers = np.array(self.meta[name][field], np.float32)
        if numbers.shape != (count,) or not np.isfinite(numbers).all():
            raise FormatError(
                f"{self.path} has {numbers.size} numbers in {name}.{field}, or some that are not finite; "
                f"expected {count} finite ones."
            )
        return numbers
