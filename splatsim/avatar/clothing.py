"""Garments, shoes and hair as shells around a body, cut along hems that are drawn on the base mesh.

A field is above 0 where there is cloth; its zero is the hem. Fields are functions of places on the base mesh (metres,
the soles at z = -0.82, the crown at 0.85), so that every shape of body is dressed by the same drawings.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.body import ShapedBody
from splatsim.avatar.meshes import clip, join, smoothed, vertex_normals, weld

HIP_HEM, KNEE, ANKLE, SOLE = 0.02, -0.37, -0.745, -0.818
SHOULDER, ELBOW, WRIST = (0.015, 0.168, 0.525), (0.013, 0.313, 0.349), (0.176, 0.431, 0.245)
ARM_JOINTS = ("upperarm", "lowerarm", "hand", "index", "middle", "ring", "pinky", "thumb")
UNDER = 0.02
"""How far skin goes on under a hem, metres."""
HAIRLINE_X = (-0.05, 0.0, 0.024, 0.034, 0.05, 0.062, 0.078, 0.09, 0.108, 0.125, 0.16)
HAIRLINE_Z = (0.632, 0.640, 0.680, 0.738, 0.738, 0.715, 0.730, 0.765, 0.793, 0.797, 0.80)
"""From the nape over the ear and the temple to the forehead."""

Top = Literal["tee", "shirt", "jumper", "coat"]
Bottom = Literal["trousers", "shorts", "skirt", "long skirt"]
Hair = Literal["none", "short", "full", "bob", "long"]


@dataclass(frozen=True)
class Outfit:
    """What a person wears."""

    top: Top = "tee"
    """A coat reaches down over the hips; the sleeves of a tee end above the elbow."""
    bottom: Bottom = "trousers"
    """Shorts and skirts show the knees, or in part."""
    hair: Hair = "short"
    """How long it is."""
    sleeve: float = 1.85
    """Where sleeves end: 1 at the elbow, 2 at the wrist."""
    neckline: float = 0.0
    """How far the neck opens downwards in front, metres."""
    loose: float = 1.0
    """How far cloth stands off, against an ordinary fit."""


def dress(body: ShapedBody, outfit: Outfit) -> ShapedBody:
    """The visible skin and eyes of a body with garments, shoes and hair over it; its feet stand in the shoes."""
    tights = body.only("tights")
    pieces = {"shoes": _shoes(tights), "bottom": _bottom(body, tights, outfit), "top": _top(tights, outfit)}
    if outfit.top == "coat":
        pieces["top"] = join({"top": pieces["top"], "tails": _coat_tails(body, outfit)})
    skin = _uncovered(body.only("body"), outfit)
    dressed = {"skin": skin, "eyes": body.only("eyes"), **pieces}
    if outfit.hair != "none":
        dressed["hair"] = _hair(body, outfit)
    mesh = join(dressed)
    lift = torch.tensor([0.0, 0.0, float(mesh.vertices[:, 2].min())])
    return mesh.replace(
        vertices=mesh.vertices - lift, skeleton=mesh.skeleton.replace(joints=mesh.skeleton.joints - lift)
    )


def arm_reach(mesh: ShapedBody) -> Float[Tensor, " v"]:
    """How far down the arm each vertex is: 0 at the shoulder, 1 at the elbow, 2 at the wrist; -1 off the arms."""
    x, y, z = mesh.template.unbind(-1)
    point = torch.stack([x, y.abs(), z], dim=-1)
    shoulder, elbow, wrist = (torch.tensor(place) for place in (SHOULDER, ELBOW, WRIST))
    upper, lower = elbow - shoulder, wrist - elbow
    along_upper = ((point - shoulder) @ upper) / (upper @ upper)
    along_lower = ((point - elbow) @ lower) / (lower @ lower)
    reach = torch.where(along_lower > 0, 1 + along_lower, along_upper.clamp_max(1.0))
    return torch.where(arm_share(mesh) > 0.5, reach, torch.full_like(reach, -1.0))


def arm_share(mesh: ShapedBody) -> Float[Tensor, " v"]:
    """How much each vertex hangs on the bones of the arms."""
    names = mesh.skeleton.names
    arms = torch.tensor([name.startswith(ARM_JOINTS) for name in names])
    return mesh.skin.dense(len(names))[:, arms].sum(1)


def hair_field(mesh: ShapedBody) -> Float[Tensor, " v"]:
    """Metres above the hairline, on the head."""
    x, _, z = mesh.template.unbind(-1)
    return z - interpolate(x, HAIRLINE_X, HAIRLINE_Z)


def interpolate(x: Tensor, places: tuple[float, ...], values: tuple[float, ...]) -> Tensor:
    """Piecewise linear, constant beyond the ends."""
    knots, heights = torch.tensor(places), torch.tensor(values)
    right = torch.searchsorted(knots, x.contiguous()).clamp(1, len(knots) - 1)
    share = ((x - knots[right - 1]) / (knots[right] - knots[right - 1])).clamp(0, 1)
    return torch.lerp(heights[right - 1], heights[right], share)


def _uncovered(skin: ShapedBody, outfit: Outfit) -> ShapedBody:
    """The skin without what cloth hides, but for a strip under every hem."""
    # Where top and bottom meet nothing is left between them.
    hidden = [_shoe_field(skin), _bottom_field(skin, outfit, 5 * UNDER), _top_field(skin, outfit)]
    if outfit.hair != "none":
        hidden.append(hair_field(skin))
    return clip(skin, UNDER - torch.stack(hidden).amax(0))


def _top_field(mesh: ShapedBody, outfit: Outfit) -> Float[Tensor, " v"]:
    x, y, z = mesh.template.unbind(-1)
    hem = {"tee": HIP_HEM, "shirt": HIP_HEM, "jumper": HIP_HEM, "coat": HIP_HEM}[outfit.top]
    sleeve = min(outfit.sleeve, 0.62) if outfit.top == "tee" else outfit.sleeve
    arms = 0.22 * (sleeve - arm_reach(mesh))
    # A ball around the base of the neck is left open, larger in front for a deep neckline.
    radius = {"tee": 0.082, "shirt": 0.068, "jumper": 0.075, "coat": 0.08}[outfit.top]
    front = (x > 0.02) * outfit.neckline * (1 - y.abs() / 0.09).clamp_min(0)
    ball = (torch.stack([0.9 * (x - 0.012), y, z - 0.605], dim=-1)).norm(dim=-1) - radius - front
    neck = torch.minimum(ball, 0.612 - z)
    on_arm = arm_share(mesh) > 0.5
    body = torch.where(on_arm, torch.full_like(z, 1.0), z - hem)
    return torch.minimum(torch.minimum(arms, body), neck)


def _bottom_field(mesh: ShapedBody, outfit: Outfit, overlap: float = UNDER) -> Float[Tensor, " v"]:
    z = mesh.template[:, 2]
    # Skirts hide the legs only as far as nobody looks in from below.
    hem = {"trousers": ANKLE + 0.012, "shorts": KNEE + 0.03, "skirt": -0.12, "long skirt": -0.2}[outfit.bottom]
    # No cloth under cloth: the top, which ends lower, covers the waist.
    waist = torch.minimum(HIP_HEM + overlap - z, z - hem)
    return torch.minimum(waist, 0.4 * (0.5 - arm_share(mesh)))


def _shoe_field(mesh: ShapedBody) -> Float[Tensor, " v"]:
    x, _, z = mesh.template.unbind(-1)
    return ANKLE + 0.006 - 0.25 * (x - 0.03).clamp_min(0) - z


def _offset(mesh: ShapedBody, distance: Tensor | float) -> ShapedBody:
    normals = vertex_normals(mesh.vertices, mesh.faces)
    step = distance[:, None] if isinstance(distance, Tensor) else distance
    return mesh.replace(vertices=mesh.vertices + normals * step)


def _top(tights: ShapedBody, outfit: Outfit) -> ShapedBody:
    thick = {"tee": 0.011, "shirt": 0.013, "jumper": 0.018, "coat": 0.026}[outfit.top] * outfit.loose
    z, reach = tights.template[:, 2], arm_reach(tights)
    # Cloth hangs: it stands off the waist more than off the shoulders, and sleeves are wide where they end.
    waist = torch.exp(-(((z - 0.16) / 0.14) ** 2)) * (reach < 0)
    distance = thick * (1 + 0.7 * waist + 0.35 * reach.clamp(0, 2))
    return clip(smoothed(_offset(smoothed(tights, 4), distance), 3), _top_field(tights, outfit))


def _coat_tails(body: ShapedBody, outfit: Outfit) -> ShapedBody:
    """The lower part of a coat, which goes around both legs."""
    piece = body.only("skirt")
    z = piece.template[:, 2]
    piece = clip(piece, torch.minimum(z + 0.22, 0.09 - z))
    return _offset(piece, 0.022 * outfit.loose + 0.05 * (0.09 - piece.template[:, 2]))


def _bottom(body: ShapedBody, tights: ShapedBody, outfit: Outfit) -> ShapedBody:
    if outfit.bottom in ("skirt", "long skirt"):
        piece = body.only("skirt")
        hem = -0.33 if outfit.bottom == "skirt" else -0.62
        piece = clip(piece, torch.minimum(piece.template[:, 2] - hem, HIP_HEM + 2 * UNDER - piece.template[:, 2]))
        return _offset(piece, 0.004)
    z = tights.template[:, 2]
    wide = ((0.0 - z).clamp_min(0) / 0.75) * (0.014 if outfit.bottom == "trousers" else 0.03)
    return clip(smoothed(_offset(smoothed(tights, 2), 0.007 + outfit.loose * wide), 2), _bottom_field(tights, outfit))


def _shoes(tights: ShapedBody) -> ShapedBody:
    z = tights.template[:, 2]
    piece = _offset(smoothed(tights, 3), 0.008)
    # A sole: the lowest two centimetres of the foot go down and stay flat.
    floor = float(piece.vertices[:, 2].min()) - 0.012
    low = ((SOLE + 0.03 - z) / 0.02).clamp(0, 1)
    flat = torch.lerp(piece.vertices[:, 2], torch.full_like(z, floor), low)
    shod = piece.replace(vertices=torch.cat([piece.vertices[:, :2], flat[:, None]], dim=1))
    return clip(shod, _shoe_field(tights))


def _hair(body: ShapedBody, outfit: Outfit) -> ShapedBody:
    head = body.only("body")
    above = hair_field(head)
    thick = {"short": 0.010, "full": 0.022, "bob": 0.018, "long": 0.016}[outfit.hair]
    cap = clip(_offset(smoothed(head, 3), 0.003 + thick * (above / 0.05).clamp(0, 1).sqrt()), above)
    if outfit.hair in ("short", "full"):
        return cap
    strands = weld(body.only("hair"), 0.012)
    x, _, z = strands.template.unbind(-1)
    end = 0.60 if outfit.hair == "bob" else 0.42
    # Behind the face only: in front of the ears the strands of the base mesh hang over the eyes.
    field = torch.minimum(z - end, 0.055 - x)
    strands = smoothed(clip(strands, torch.minimum(field, 0.80 - z)), 1)
    return join({"cap": cap, "strands": strands})
