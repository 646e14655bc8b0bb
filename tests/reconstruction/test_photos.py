"""Photos come out upright, with the lens and the place that EXIF names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from splatsim.reconstruction.photos import UnreadablePhoto, read_photo
from tests.reconstruction.footage import texture

PICTURE = texture(90, 120)
Tag = ExifTags.Base


def save(path: Path, pixels: np.ndarray = PICTURE, **parts: dict[int, Any]) -> Path:
    exif = Image.Exif()
    exif.update(parts.get("main", {}))
    for name, ifd in (("details", ExifTags.IFD.Exif), ("place", ExifTags.IFD.GPSInfo)):
        if name in parts:
            exif._ifds[ifd] = parts[name]
            exif[ifd] = parts[name]
    Image.fromarray(pixels).save(path, exif=exif, quality=97, subsampling=0)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, orientation: int) -> None:
    stored = {1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud,
              5: lambda p: p.swapaxes(0, 1), 6: np.rot90, 7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
              8: lambda p: np.rot90(p, -1)}[orientation]  # fmt: skip
    photo = read_photo(
        save(tmp_path / "a.jpg", np.ascontiguousarray(stored(PICTURE)), main={Tag.Orientation: orientation}), 200
    )
    assert photo.orientation == orientation
    assert photo.pixels.shape == PICTURE.shape
    assert np.abs(photo.pixels.astype(int) - PICTURE).mean() < 3
    assert photo.is_plain == (orientation == 1)


def test_focal_length_from_its_equivalent(tmp_path: Path) -> None:
    photo = read_photo(save(tmp_path / "a.jpg", details={Tag.FocalLengthIn35mmFilm: 26}), 200)
    # 26 mm before a frame of 36 x 24 mm; the diagonal of 120 x 90 pixels is 150.
    assert photo.focal == pytest.approx(26 / np.hypot(36, 24) * 150, rel=1e-3)


def test_focal_length_from_the_density_of_the_sensor(tmp_path: Path) -> None:
    rational = TiffImagePlugin.IFDRational
    details = {Tag.FocalLength: rational(8), Tag.FocalPlaneXResolution: rational(300), Tag.FocalPlaneResolutionUnit: 3}
    photo = read_photo(save(tmp_path / "a.jpg", details=details), 60)
    assert photo.focal == pytest.approx(8 * 300 / 10 / 2)  # 240 pixels, in a picture of half the size
    assert max(photo.pixels.shape) == 60


@pytest.mark.parametrize("nonsense", [0, 60000])
def test_focal_lengths_that_cannot_be(tmp_path: Path, nonsense: int) -> None:
    assert read_photo(save(tmp_path / "a.jpg", details={Tag.FocalLengthIn35mmFilm: nonsense}), 200).focal is None


def test_place(tmp_path: Path) -> None:
    rational = TiffImagePlugin.IFDRational
    place = {1: "S", 2: (rational(33), rational(51), rational(3600, 100)), 3: "E",
             4: (rational(151), rational(12), rational(0)), 5: b"\x01", 6: rational(25, 10)}  # fmt: skip
    gps = read_photo(save(tmp_path / "a.jpg", place=place), 200).gps
    assert gps == pytest.approx((-(33 + 51 / 60 + 36 / 3600), 151.2, -2.5))
    assert read_photo(save(tmp_path / "b.jpg"), 200).gps is None
    del place[1]
    assert read_photo(save(tmp_path / "c.jpg", place=place), 200).gps is None


def test_modes(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 100).astype(np.uint16)[None].repeat(10, 0)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_photo(tmp_path / "deep.png", 200).pixels[0, :, 0], ramp[0] / 257, atol=1)
    for mode in ("L", "RGBA", "CMYK", "P", "1"):
        path = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.fromarray(PICTURE).convert(mode).save(path)
        photo = read_photo(path, 200)
        assert photo.pixels.shape == PICTURE.shape
        assert not photo.is_plain


def test_unreadable(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    for name in ("cut", "text", "empty"):
        with pytest.raises(UnreadablePhoto):
            read_photo(tmp_path / f"{name}.jpg", 200)


def test_a_claim_of_too_many_pixels(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.bmp")
    data = bytearray((tmp_path / "a.bmp").read_bytes())
    data[18:26] = (40_000).to_bytes(4, "little") * 2
    (tmp_path / "a.bmp").write_bytes(data)
    with pytest.raises(UnreadablePhoto, match="pixels"):
        read_photo(tmp_path / "a.bmp", 200)
