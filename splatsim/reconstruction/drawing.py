"""Pictures of the report: the camera's path over the points from above, thumbnails, and pairs of pictures."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from splatsim.reconstruction.capture import Capture
from splatsim.transforms import invert

Picture = UInt8[np.ndarray, "_ _ 3"]
PAPER, INK = (24, 26, 30), (235, 235, 235)
START, END = np.array([90, 200, 250]), np.array([250, 150, 60])


def thumbnail(picture: Picture, width: int) -> Picture:
    """The picture at this width."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def beside(left: Picture, right: Picture) -> Picture:
    """Two pictures of one size with a thin line between them."""
    return np.concatenate([left, np.full((left.shape[0], 4, 3), 255, np.uint8), right], axis=1)


def path_from_above(capture: Capture, *, width: int = 1000, unit: str = "m") -> Picture:
    """Points in their colours and the cameras in the order of the footage, blue to orange, seen along -z.

    What is shown is the box that holds all cameras and the bulk of the points, in the middle of a picture at most 0.6
    times as high as wide; a bar tells the length.
    """
    centres = invert(capture.viewmats)[:, :3, 3]
    low, high = _box(capture.points, centres)
    across, up = (high - low).tolist()
    scale = min((width - 40) / across, (0.6 * width - 40) / up)
    size = [width, max(60, round(up * scale) + 40)]
    margin = torch.tensor([(width - across * scale) / 2, 20.0])

    def place(xy: Float[Tensor, "n 2"]) -> Float[np.ndarray, "n 2"]:
        pixels = (xy - low) * scale + margin
        return torch.stack([pixels[:, 0], size[1] - pixels[:, 1]], dim=1).numpy()

    canvas = np.full((size[1], size[0], 3), PAPER, np.uint8)
    columns, rows = place(capture.points[:, :2]).astype(int).T
    seen = (columns >= 0) & (columns < size[0]) & (rows >= 0) & (rows < size[1])
    canvas[rows[seen], columns[seen]] = capture.point_colors.numpy()[seen] // 2 + 100
    image = Image.fromarray(canvas)
    _draw_path(ImageDraw.Draw(image), place(centres[:, :2]))
    _draw_bar(ImageDraw.Draw(image), scale, size[1], unit)
    return np.asarray(image)


def _box(points: Float[Tensor, "p 3"], centres: Float[Tensor, "c 3"]) -> tuple[Float[Tensor, "2"], Float[Tensor, "2"]]:
    low, high = centres[:, :2].amin(0), centres[:, :2].amax(0)
    if len(points):
        edges = torch.quantile(points[:1_000_000, :2], torch.tensor([0.02, 0.98]), dim=0)
        low, high = torch.minimum(low, edges[0]), torch.maximum(high, edges[1])
    return low, torch.maximum(high, low + 1e-6)


def _draw_path(draw: ImageDraw.ImageDraw, pixels: Float[np.ndarray, "n 2"]) -> None:
    count = max(len(pixels) - 1, 1)
    colors = [tuple(int(v) for v in START + (END - START) * k / count) for k in range(len(pixels))]
    for k in range(1, len(pixels)):
        draw.line([*pixels[k - 1], *pixels[k]], fill=colors[k], width=2)
    for (x, y), color in zip(pixels, colors, strict=True):
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=color)


def _draw_bar(draw: ImageDraw.ImageDraw, scale: float, height: int, unit: str) -> None:
    """A bar of a round length, a sixth of the picture or less."""
    longest = 160 / scale
    power = 10 ** np.floor(np.log10(longest))
    length = power * max(factor for factor in (1, 2, 5) if factor * power <= longest)
    draw.line([20, height - 12, 20 + length * scale, height - 12], fill=INK, width=3)
    draw.text((26 + length * scale, height - 18), f"{length:g} {unit}", fill=INK)
