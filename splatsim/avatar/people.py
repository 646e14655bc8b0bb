"""People who do not exist: a body, clothes and colours drawn by a seed."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.body import LICENCE, Body, ShapedBody
from splatsim.avatar.clothing import Outfit, dress
from splatsim.avatar.looks import Cloth, Color, Look, paint
from splatsim.avatar.meshes import border_vertices, neighbour_means, vertex_normals
from splatsim.avatar.surface import sample_surface

SKINS = (
    (0.87, 0.69, 0.58),
    (0.80, 0.61, 0.49),
    (0.68, 0.48, 0.36),
    (0.53, 0.36, 0.26),
    (0.38, 0.25, 0.18),
    (0.28, 0.18, 0.13),
)
HAIRS = (
    (0.07, 0.05, 0.04),
    (0.15, 0.09, 0.06),
    (0.27, 0.16, 0.09),
    (0.45, 0.27, 0.13),
    (0.62, 0.47, 0.26),
    (0.42, 0.17, 0.08),
)
IRISES = ((0.25, 0.15, 0.08), (0.35, 0.23, 0.11), (0.30, 0.36, 0.22), (0.28, 0.40, 0.52))
TOPS = (
    (0.85, 0.84, 0.81), (0.16, 0.17, 0.20), (0.55, 0.13, 0.14), (0.17, 0.28, 0.48), (0.22, 0.38, 0.27),
    (0.78, 0.62, 0.22), (0.60, 0.62, 0.65), (0.45, 0.30, 0.48), (0.80, 0.48, 0.36), (0.30, 0.48, 0.55),
    (0.70, 0.65, 0.55), (0.86, 0.72, 0.74),
)  # fmt: skip
BOTTOMS = (
    (0.16, 0.22, 0.36),
    (0.24, 0.31, 0.45),
    (0.12, 0.12, 0.14),
    (0.45, 0.40, 0.32),
    (0.30, 0.31, 0.33),
    (0.33, 0.25, 0.19),
    (0.28, 0.32, 0.24),
)
SHOES = ((0.10, 0.09, 0.09), (0.33, 0.21, 0.13), (0.82, 0.81, 0.79), (0.25, 0.27, 0.33), (0.55, 0.15, 0.14))
DETAIL = {"eyes": 40.0, "face": 9.0, "head": 2.0, "hand": 3.0, "hem": 4.0}
"""How much denser than elsewhere Gaussians lie."""


@dataclass(frozen=True, eq=False)
class Person:
    """A dressed body and its colours."""

    mesh: ShapedBody
    """Skin, eyes, clothes and hair, in the rest pose."""
    look: Look
    """Their colours."""
    name: str = "person"

    def colors_at(self, triangles: Int[Tensor, " n"], barycentric: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Colours in [0, 1] of points on the surface, with the light of an overcast sky in the rest pose."""
        corners = self.mesh.faces[triangles]
        places = (self.mesh.template[corners] * barycentric[..., None]).sum(1)
        shade = (self.shade()[corners] * barycentric).sum(1)
        colors = torch.zeros(len(triangles), 3)
        for part, name in enumerate(self.mesh.part_names):
            rows = self.mesh.parts[triangles] == part
            colors[rows] = paint(self.look, name, places[rows])
        return (colors * shade[:, None]).clamp(0, 1)

    def vertex_colors(self) -> Float[Tensor, "v 3"]:
        """Colours of the vertices, each as in the first triangle that has it."""
        corner = torch.zeros(len(self.mesh.vertices), dtype=torch.long)
        flat = self.mesh.faces.flatten()
        corner[flat.flip(0)] = torch.arange(len(flat)).flip(0)
        return self.colors_at(corner // 3, torch.eye(3)[corner % 3])

    def shade(self) -> Float[Tensor, " v"]:
        """Light that reaches each vertex: less from below and in hollows."""
        mesh = self.mesh
        normals = vertex_normals(mesh.vertices, mesh.faces)
        inwards = ((neighbour_means(mesh.vertices, mesh.faces) - mesh.vertices) * normals).sum(-1)
        hollow = neighbour_means((inwards / 0.004).clamp(-1, 1)[:, None], mesh.faces)[:, 0]
        return (0.84 + 0.16 * normals[:, 2] - 0.25 * hollow).clamp(0.45, 1.1)

    def to_avatar(self, gaussians: int = 30_000, seed: int = 0) -> Avatar:
        """Gaussians on the surface, densest in the face."""
        return sample_surface(
            self.mesh.vertices,
            self.mesh.faces,
            self.mesh.skin,
            self.mesh.skeleton,
            self.colors_at,
            count=gaussians,
            density=self._density(),
            layers=self.mesh.parts,
            seed=seed,
            name=self.name,
            licence=LICENCE,
        )

    def _density(self) -> Float[Tensor, " m"]:
        mesh = self.mesh
        x, y, z = mesh.template[mesh.faces].mean(1).unbind(-1)
        skin = mesh.parts == mesh.part_names.index("skin")
        density = torch.ones(len(mesh.faces))
        density[z > 0.63] = DETAIL["head"]
        density[skin & (z > 0.635) & (x > 0.09)] = DETAIL["face"]
        around = ((y.abs() - 0.0316).abs() < 0.019) & ((z - 0.7285).abs() < 0.011) & (x > 0.095)
        density[(skin & around) | ((mesh.parts == mesh.part_names.index("eyes")) & (x > 0.118))] = DETAIL["eyes"]
        hands = skin & (y.abs() > 0.43) & (z < 0.27)
        density[hands] = DETAIL["hand"]
        border = torch.zeros(len(mesh.vertices), dtype=torch.bool)
        border[border_vertices(mesh.faces, len(mesh.vertices))] = True
        hems = border[mesh.faces].any(1) & ~skin
        density[hems] = density[hems].clamp_min(DETAIL["hem"])
        return density


def make_person(seed: int) -> Person:
    """A different believable pedestrian for every seed."""
    rng = np.random.default_rng(seed)
    female = bool(rng.random() < 0.5)
    age = float(np.clip(rng.normal(38, 17), 8, 82))
    people = rng.dirichlet([0.5, 0.5, 0.5])
    usual = (1.63 if female else 1.765) if age >= 17 else 1.28 + (age - 8) * (0.04 if female else 0.052)
    shape = Body.load().shape(
        sex=float(rng.uniform(0.0, 0.12) if female else rng.uniform(0.88, 1.0)),
        age=age,
        height=float(usual + rng.normal(0, 0.055)),
        weight=float(np.clip(rng.normal(0.52, 0.16), 0.2, 0.95)),
        muscle=float(np.clip(rng.normal(0.5, 0.13), 0.2, 0.85)),
        proportions=float(rng.uniform(0.45, 0.8)),
        ancestry=[float(share) for share in people],
    )
    outfit = _outfit(rng, female, age)
    look = _look(rng, female, age, people, {"coat": 0.2, "shirt": 0.03}.get(outfit.top, 0.0))
    return Person(dress(shape, outfit), look, f"person_{seed}")


def _outfit(rng: np.random.Generator, female: bool, age: float) -> Outfit:
    bottoms = (
        ["trousers", "trousers", "trousers", "shorts", "skirt", "long skirt"]
        if female
        else ["trousers"] * 5 + ["shorts"]
    )
    hairs = ["bob", "long", "long", "full", "short"] if female else ["short", "short", "full", "short"]
    if not female and age > 45:
        hairs.append("none")
    return Outfit(
        top=rng.choice(["tee", "tee", "shirt", "jumper", "jumper", "coat"]).item(),
        bottom=rng.choice(bottoms).item(),
        hair=rng.choice(hairs).item(),
        sleeve=float(rng.uniform(1.8, 1.92)),
        neckline=float(rng.uniform(0.0, 0.05) if female else rng.uniform(0.0, 0.02)),
        loose=float(rng.uniform(0.8, 1.5)),
    )


def _look(rng: np.random.Generator, female: bool, age: float, people: np.ndarray, opening: float) -> Look:
    # African, Asian and Caucasian features come with skins of about these places in the list, and some spread.
    tone = float(np.clip(people @ [4.0, 1.3, 0.6] + rng.normal(0, 0.5), 0, len(SKINS) - 1.001))
    low = int(tone)
    skin = np.array(SKINS[low]) * (1 - tone + low) + np.array(SKINS[low + 1]) * (tone - low)
    light = people[2] > 0.5
    hair = np.array(HAIRS[int(rng.integers(0, len(HAIRS) if light else 3))])
    grey = float(np.clip((age - 42) / 30 + rng.normal(0, 0.15), 0, 0.9)) if age > 38 else 0.0
    hair = hair * (1 - grey) + np.array([0.62, 0.61, 0.60]) * grey
    iris = IRISES[int(rng.integers(0, len(IRISES) if light else 2))]
    beard = 0.0 if female or age < 19 else float(rng.choice([0.0, 0.12, 0.3, 0.85]))
    return Look(
        skin=_color(skin),
        hair=_color(hair),
        iris=iris,
        beard=beard,
        lipstick=float(rng.uniform(0, 0.9)) if female and age > 16 else 0.0,
        top=_cloth(
            rng, TOPS, ["plain"] if opening > 0.1 else ["plain", "plain", "stripes", "checks", "block", "knit"], opening
        ),
        bottom=_cloth(rng, BOTTOMS, ["plain", "denim", "denim"]),
        shoes=Cloth(
            SHOES[int(rng.integers(len(SHOES)))], (0.85, 0.84, 0.82) if rng.random() < 0.5 else (0.12, 0.11, 0.11)
        ),
        seed=int(rng.integers(1 << 30)),
    )


def _cloth(rng: np.random.Generator, colors: tuple[Color, ...], patterns: list[str], opening: float = 0.0) -> Cloth:
    first, second = rng.choice(len(colors), 2, replace=False)
    worn = np.clip(np.array(colors[first]) * rng.uniform(0.85, 1.1, 3), 0, 1)
    return Cloth(_color(worn), colors[second], rng.choice(patterns).item(), opening)


def _color(values: np.ndarray) -> Color:
    r, g, b = (float(value) for value in np.clip(values, 0, 1))
    return r, g, b
