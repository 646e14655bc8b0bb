"""Colours of skin, faces, cloth and hair, as functions of places on the base mesh: no texture, sharp at any density.

Places are metres on the base mesh in the body's frame: the eyes at z = 0.728, the mouth at 0.660, the crown at 0.85.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Color = tuple[float, float, float]
Pattern = Literal["plain", "stripes", "checks", "denim", "block", "knit"]

EYE = (0.0316, 0.7285)
"""Centre of an eye in y (of the left) and z; the pupil looks along x."""
IRIS, PUPIL = 0.0062, 0.0027
MOUTH_HALF, MOUTH_Z = 0.026, 0.6600


@dataclass(frozen=True)
class Cloth:
    """The look of one garment."""

    color: Color = (0.5, 0.5, 0.5)
    """Of most of it."""
    accent: Color = (0.8, 0.8, 0.8)
    """Of stripes, checks or blocks."""
    pattern: Pattern = "plain"
    """How the two lie."""
    opening: float = 0.0
    """Whether it opens in front: 0 for no, or how far down its lapels reach, metres."""


@dataclass(frozen=True)
class Look:
    """The colours of a person."""

    skin: Color = (0.76, 0.57, 0.46)
    """Of the cheeks; lips, palms and beard follow from it."""
    hair: Color = (0.16, 0.10, 0.07)
    """Brows too."""
    iris: Color = (0.33, 0.22, 0.12)
    """Of the eyes."""
    beard: float = 0.0
    """From 0, shaven, over stubble, to 1, full."""
    lipstick: float = 0.0
    """How much redder lips are than skin gives, 0 to 1."""
    top: Cloth = Cloth()
    """Shirt, jumper or coat."""
    bottom: Cloth = Cloth((0.18, 0.22, 0.34))
    """Trousers or skirt."""
    shoes: Cloth = Cloth((0.15, 0.13, 0.12))
    """Shoes; their soles are of the accent."""
    seed: int = 0
    """Of the unevenness of cloth and skin."""


def paint(look: Look, part: str, places: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Colours in [0, 1] of places on one part: skin, eyes, hair, shoes, top or bottom.

    Raises:
        ValueError: the part is none of these.
    """
    if part == "skin":
        return _skin(look, places)
    if part == "eyes":
        return _eyes(look, places)
    if part == "hair":
        strands = noise(places * torch.tensor([260.0, 260.0, 18.0]), look.seed + 5)
        return (torch.tensor(look.hair) * (1 + 0.35 * strands[:, None])).clamp(0, 1)
    if part == "shoes":
        sole = places[:, 2] < -0.808
        color = torch.where(sole[:, None], torch.tensor(look.shoes.accent), torch.tensor(look.shoes.color))
        return (color * (1 + 0.1 * noise(places * 60, look.seed + 4)[:, None])).clamp(0, 1)
    if part in ("top", "bottom"):
        return _cloth(look.top if part == "top" else look.bottom, places, look.seed + (part == "top"))
    raise ValueError(f'there is no part "{part}" to paint; expected skin, eyes, hair, shoes, top or bottom.')


def noise(places: Float[Tensor, "n 3"], seed: int, waves: int = 7) -> Float[Tensor, " n"]:
    """Smooth unevenness between about -1 and 1 with features of the size of 1: waves of random directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(waves, 3, generator=generator) * (1 + torch.rand(waves, 1, generator=generator))
    phases = 2 * math.pi * torch.rand(waves, generator=generator)
    return (places @ directions.T + phases).sin().sum(-1) / math.sqrt(waves) / 1.5


def _mix(color: Tensor, other: Color | Tensor, share: Tensor) -> Tensor:
    return torch.lerp(color, torch.as_tensor(other).to(color), share[:, None].clamp(0, 1))


def _soft(distance: Tensor, width: float) -> Tensor:
    """1 well inside (distance below 0), 0 well outside, over `width` metres."""
    return (0.5 - distance / width).clamp(0, 1)


def _skin(look: Look, places: Tensor) -> Tensor:
    x, y, z = places.unbind(-1)
    base = torch.tensor(look.skin)
    red = (base * torch.tensor([0.92, 0.70, 0.66])).clamp(0, 1)
    color = base.expand(len(places), 3) * (1 + 0.035 * noise(places * 45, look.seed)[:, None])
    front = x > 0.085
    flush = torch.exp(-(((y.abs() - 0.036) / 0.018) ** 2) - ((z - 0.693) / 0.016) ** 2) * front  # cheeks
    flush = flush + torch.exp(-((y / 0.014) ** 2) - ((z - 0.690) / 0.014) ** 2) * (x > 0.125)  # nose
    flush = flush + 0.8 * ((y.abs() > 0.077) & (z > 0.68) & (z < 0.745))  # ears
    color = _mix(color, red, 0.35 * flush)
    if look.beard > 0:
        color = _mix(color, look.hair, look.beard * 0.85 * _beard(places))
    color = _lips(look, color, places, red)
    return _eye_region(look, color, places).clamp(0, 1)


def _beard(places: Tensor) -> Tensor:
    x, y, z = places.unbind(-1)
    jaw = _soft(z - (0.668 + 0.5 * (y.abs() - 0.03).clamp_min(0)), 0.012) * (z > 0.585) * (x > 0.045)
    lips = ((y / 0.024) ** 2 + ((z - MOUTH_Z) / 0.0095) ** 2) < 1
    moustache = _soft(((z - 0.6735).abs() - 0.0055), 0.004) * _soft(y.abs() - 0.03, 0.01) * (x > 0.11)
    grain = 0.75 + 0.35 * noise(places * 900, 77)
    return torch.maximum(jaw, moustache).clamp(0, 1) * grain.clamp(0, 1) * ~lips


def _lips(look: Look, color: Tensor, places: Tensor, red: Tensor) -> Tensor:
    x, y, z = places.unbind(-1)
    bow = (1 - (y / MOUTH_HALF) ** 2).clamp_min(0)
    upper = MOUTH_Z + 0.0068 * bow * (1 - 0.3 * torch.exp(-((y / 0.004) ** 2)))
    lower = MOUTH_Z - 0.0098 * bow**0.8
    inside = _soft(torch.maximum(z - upper, lower - z), 0.0016) * (bow > 0) * (x > 0.1)
    lip = torch.lerp(red, torch.tensor([0.62, 0.10, 0.14]), 0.75 * look.lipstick)
    color = _mix(color, lip, (0.5 + 0.35 * look.lipstick) * inside)
    line = _soft((z - MOUTH_Z + 0.0008 * bow).abs() - 0.0008, 0.0014) * _soft(y.abs() - MOUTH_HALF, 0.002) * (x > 0.1)
    color = _mix(color, red * 0.35, 0.8 * line)
    nostril = ((y.abs() - 0.0075) / 0.0045) ** 2 + ((z - 0.6835) / 0.0026) ** 2 < 1
    return _mix(color, red * 0.4, 0.7 * (nostril & (x > 0.125)))


def _eye_region(look: Look, color: Tensor, places: Tensor) -> Tensor:
    x, y, z = places.unbind(-1)
    away = y.abs() - EYE[0]
    front = x > 0.09
    lid = ((away / 0.0175) ** 2 + ((z - EYE[1] - 0.001) / 0.0095) ** 2).sqrt()
    color = _mix(color, color * 0.72, 0.8 * (1.15 - (lid - 0.6).abs() * 2.2).clamp(0, 1) * front)
    # The aperture is an almond: lashes follow it, above more than below.
    rim = ((away / 0.0142) ** 2 + ((z - EYE[1]) / 0.0062) ** 2).sqrt()
    lashes = _soft((rim - 1.02).abs() - 0.13, 0.12) * torch.where(z > EYE[1], 1.0, 0.45)
    color = _mix(color, (0.06, 0.04, 0.035), 0.85 * lashes * front)
    along = (y.abs() - 0.0125) / 0.037  # from the inner end of the brow to the outer
    brow = 0.7445 + 0.0062 * (math.pi * along.clamp(0, 1) * 0.82).sin() - 0.004 * along
    thick = 0.0032 * (1 - 0.65 * along.clamp(0, 1))
    inside = _soft((z - brow).abs() - thick, 0.0022) * ((along > 0) & (along < 1)) * front
    grain = (0.8 + 0.3 * noise(places * 1400, 31)).clamp(0, 1)
    dark = torch.tensor(look.hair) * 0.8
    return _mix(color, dark, 0.85 * inside * grain)


def _eyes(look: Look, places: Tensor) -> Tensor:
    x, y, z = places.unbind(-1)
    radius = ((y.abs() - EYE[0]) ** 2 + (z - EYE[1]) ** 2).sqrt()
    color = torch.tensor([0.90, 0.88, 0.86]).expand(len(places), 3)
    color = _mix(color, (0.75, 0.55, 0.5), 0.6 * (y.abs() < EYE[0] - 0.0105))
    iris = torch.tensor(look.iris)
    color = _mix(color, iris, _soft(radius - IRIS, 0.001) * (x > 0.12))
    color = _mix(color, iris * 0.35, _soft((radius - IRIS).abs() - 0.0004, 0.0008) * (x > 0.12))
    color = _mix(color, (0.01, 0.01, 0.01), _soft(radius - PUPIL, 0.0008) * (x > 0.12))
    glint = ((y.abs() - EYE[0] - 0.0022) ** 2 + (z - EYE[1] - 0.0025) ** 2).sqrt()
    color = _mix(color, (1.0, 1.0, 1.0), _soft(glint - 0.001, 0.0008) * (x > 0.12))
    # The upper lid throws its shadow on the ball.
    return color * (1 - 0.35 * ((z - EYE[1] - 0.002) / 0.006).clamp(0, 1))[:, None]


def _cloth(cloth: Cloth, places: Tensor, seed: int) -> Tensor:
    x, y, z = places.unbind(-1)
    color, accent = torch.tensor(cloth.color).expand(len(places), 3), cloth.accent
    if cloth.pattern == "stripes":
        color = _mix(color, accent, _soft(((z / 0.055) % 1.0 - 0.5).abs() - 0.2, 0.08))
    elif cloth.pattern == "checks":
        around = torch.atan2(y, x - 0.02) * 0.16
        lines = [_soft(((t / 0.06) % 1.0 - 0.5).abs() - 0.16, 0.06) for t in (z, around)]
        color = _mix(color, accent, 0.5 * lines[0] + 0.5 * lines[1])
    elif cloth.pattern == "denim":
        worn = torch.exp(-(((y.abs() - 0.13) / 0.05) ** 2) - ((z + 0.16) / 0.12) ** 2) * (x > 0.02)
        color = _mix(color, (0.55, 0.62, 0.72), 0.25 * worn + 0.12 * noise(places * 220, seed + 9).abs())
    elif cloth.pattern == "block":
        color = _mix(color, accent, _soft((z - 0.36).abs() - 0.05, 0.004))
    elif cloth.pattern == "knit":
        color = color * (1 + 0.10 * torch.sin(places[:, 2:] * 700) * torch.sin(places[:, 1:2] * 500))
    if cloth.opening > 0:
        front = x > 0.03
        lapel = (0.075 * (z - 0.56 + cloth.opening) / cloth.opening).clamp_min(0)
        color = _mix(color, accent, _soft(y.abs() - lapel, 0.004) * (lapel > 0) * front)
        edge = _soft((y.abs() - lapel).abs() - 0.0015, 0.003) * front
        button = ((y - 0.012) ** 2 + (((z / 0.11) % 1.0 - 0.5) * 0.11) ** 2).sqrt()
        below = (z < 0.56 - cloth.opening) * front
        dark = color * 0.45
        color = _mix(_mix(color, dark, 0.8 * edge), dark, 0.9 * _soft(button - 0.006, 0.003) * below)
    folds = noise(places * torch.tensor([22.0, 22.0, 9.0]), seed + 3)
    fine = noise(places * 150, seed + 2)
    return (color * (1 + 0.10 * folds + 0.04 * fine)[:, None]).clamp(0, 1)
