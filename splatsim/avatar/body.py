"""A parametric body: MakeHuman's base mesh, its game engine rig, and its macro details, from avatars/body.npz.

Dials are those of MakeHuman: what a target's name says (female-young-minmuscle-maxweight) is how much each of its words
holds, multiplied. The height is asked for in metres and found, not dialled.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim import assets
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import skin_points
from splatsim.tensors import TensorDataclass, check_field

LICENCE = "body: MakeHuman base mesh, rig and targets, CC0 1.0"
PARTS = ("body", "eyes", "tights", "skirt", "hair")
"""What the mesh of the shelf is made of; the last three are what garments and hair are cut from."""
AGES = ((1.0, "baby"), (10.0, "child"), (25.0, "young"), (90.0, "old"))
"""Years at which a body is wholly the one word."""
LEVELS = {
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "", "maxheight"),
    "proportions": ("uncommonproportions", "", "idealproportions"),
}
ANCESTRIES = ("african", "asian", "caucasian")
BODY_VERTICES = 13380
MOST_SCALE = 1.15
"""How far a body is scaled beyond what the height dial reaches."""


@dataclass(frozen=True, eq=False)
class ShapedBody(TensorDataclass):
    """A body of one shape in its rest pose: a mesh of triangles that hangs on a skeleton."""

    skeleton: Skeleton
    """Joints at the places that the shape gives them."""
    vertices: Float[Tensor, "v 3"]
    """Rest pose, body frame, metres; the soles stand on z = 0."""
    faces: Int[Tensor, "m 3"]
    """Corners of the triangles, counter-clockwise from outside."""
    uvs: Float[Tensor, "m 3 2"]
    """Places of the corners in MakeHuman's texture, [0, 1], v upwards."""
    skin: SkinWeights
    """Of the vertices."""
    parts: Int[Tensor, " m"]
    """Index into `part_names` of each triangle."""
    template: Float[Tensor, "v 3"]
    """The vertices on the base mesh, which all shapes share: what colours and hems are drawn by."""
    part_names: tuple[str, ...] = PARTS

    def __post_init__(self) -> None:
        check_field("ShapedBody", "vertices", self.vertices, ("v", 3))
        check_field("ShapedBody", "template", self.template, (len(self.vertices), 3))

    def pose(self, pose: Pose) -> Float[Tensor, "*t v 3"]:
        """The vertices in this pose, or in one for each leading axis, in the world."""
        return skin_points(self.vertices, self.skin, world_from_rest(self.skeleton, pose))

    def only(self, *parts: str) -> "ShapedBody":
        """The triangles of these parts and the vertices that they use.

        Raises:
            ValueError: there is no part of this name.
        """
        unknown = [part for part in parts if part not in self.part_names]
        if unknown:
            raise ValueError(f"the body has no part {unknown[0]!r}; it has {', '.join(self.part_names)}.")
        return self.keep(torch.isin(self.parts, torch.tensor([self.part_names.index(part) for part in parts])))

    def keep(self, triangles: Tensor) -> "ShapedBody":
        """Some triangles, by mask or index, and the vertices that they use."""
        used, faces = torch.unique(self.faces[triangles], return_inverse=True)
        return self.replace(
            vertices=self.vertices[used],
            faces=faces.reshape(-1, 3),
            uvs=self.uvs[triangles],
            skin=self.skin.select(used),
            parts=self.parts[triangles],
            template=self.template[used],
        )

    @property
    def height(self) -> float:
        """From the soles to the crown in the rest pose, metres."""
        return float(self.vertices[:, 2].max() - self.vertices[:, 2].min())


@dataclass(frozen=True, eq=False)
class Body:
    """The body of the shelf, before it has a shape."""

    points: Float[Tensor, "p 3"]
    """Vertices of the base mesh, then its joints, metres."""
    basis: Float[Tensor, "c p 3"]
    """Principal components of all targets."""
    coefficients: Float[Tensor, "t c"]
    """Each target's share of the components."""
    target_names: tuple[str, ...]
    """Such as male-old-averagemuscle-maxweight-minheight."""
    faces: Int[Tensor, "m 3"]
    uvs: Float[Tensor, "m 3 2"]
    parts: Int[Tensor, " m"]
    skin: SkinWeights
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]

    @classmethod
    def load(cls) -> "Body":
        """The body of avatars/body.npz.

        Raises:
            FileNotFoundError: the installation lacks the file.
        """
        return _load()

    def shape(
        self,
        sex: float = 0.5,
        age: float = 30.0,
        height: float | None = None,
        *,
        weight: float = 0.5,
        muscle: float = 0.5,
        proportions: float = 0.5,
        ancestry: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> ShapedBody:
        """A body of this shape.

        Args:
            sex: From 0, female, to 1, male.
            age: Years, 1 to 90.
            height: Metres from sole to crown; by default what the other dials give.
            weight: From 0, lean, to 1, heavy; 0.5 is average.
            muscle: From 0 to 1, likewise.
            proportions: From 0, uncommon, to 1, ideal.
            ancestry: Shares of african, asian and caucasian features.

        Raises:
            ValueError: a dial is out of its range, or no body of these dials is as tall or as short.
        """
        dials = {"sex": sex, "weight": weight, "muscle": muscle, "proportions": proportions}
        for name, value in dials.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; expected 0 to 1.")
        if not AGES[0][0] <= age <= AGES[-1][0]:
            raise ValueError(f"age is {age}; expected {AGES[0][0]:g} to {AGES[-1][0]:g} years.")
        if len(ancestry) != 3 or min(ancestry) < 0 or not sum(ancestry) > 0:
            raise ValueError(f"ancestry is {tuple(ancestry)}; expected three shares of at least 0, one of them above.")
        words = _words(sex, age, weight, muscle, proportions, ancestry)
        if height is None:
            return self._build(self._places(words | _level("height", 0.5)), 1.0)
        dial, scale = self._height_dial(words, height)
        return self._build(self._places(words | _level("height", dial)), scale)

    def _places(self, words: dict[str, float], rows: slice | Tensor = slice(None)) -> Float[Tensor, "p 3"]:
        shares = torch.tensor([_share(name, words) for name in self.target_names])
        used = shares != 0
        return self.points[rows] + torch.einsum(
            "c,cpx->px", shares[used] @ self.coefficients[used], self.basis[:, rows]
        )

    def _height_dial(self, words: dict[str, float], height: float) -> tuple[float, float]:
        """The dial and the scale that give a height in metres; the scale is 1 where the dial reaches."""
        body = self.points[:BODY_VERTICES, 2]
        ends = ((body > body.max() - 0.06) | (body < body.min() + 0.04)).nonzero()[:, 0]

        def measured(dial: float) -> float:
            z = self._places(words | _level("height", dial), ends)[:, 2]
            return float(z.max() - z.min())

        low, high = 0.0, 1.0
        least, most = measured(low), measured(high)
        if not least / MOST_SCALE <= height <= most * MOST_SCALE:
            raise ValueError(
                f"height is {height} m; these dials give {least / MOST_SCALE:.2f} to {most * MOST_SCALE:.2f}."
            )
        if not least < height < most:
            return (low, height / least) if height <= least else (high, height / most)
        for _ in range(24):
            middle = (low + high) / 2
            low, high = (middle, high) if measured(middle) < height else (low, middle)
        return (low + high) / 2, 1.0

    def _build(self, places: Float[Tensor, "p 3"], scale: float) -> ShapedBody:
        count = len(self.skin)
        places = scale * (places - torch.tensor([0.0, 0.0, 1.0]) * places[:BODY_VERTICES, 2].min())
        skeleton = Skeleton(self.joint_names, self.parents, places[count:])
        return ShapedBody(
            skeleton, places[:count], self.faces, self.uvs, self.skin, self.parts, self.points[:count], PARTS
        )


def _words(
    sex: float, age: float, weight: float, muscle: float, proportions: float, ancestry: Sequence[float]
) -> dict[str, float]:
    """How much each word of the targets' names holds."""
    years = [year for year, _ in AGES]
    ages = {name: float(np.interp(age, years, np.eye(len(years))[i])) for i, (_, name) in enumerate(AGES)}
    peoples = {name: share / sum(ancestry) for name, share in zip(ANCESTRIES, ancestry, strict=True)}
    words = {"female": 1 - sex, "male": sex, "universal": 1.0} | ages | peoples
    for dial, value in (("weight", weight), ("muscle", muscle), ("proportions", proportions)):
        words |= _level(dial, value)
    return words


def _level(dial: str, value: float) -> dict[str, float]:
    low, middle, high = LEVELS[dial]
    return {low: max(0.0, 1 - 2 * value), middle: 1 - abs(2 * value - 1), high: max(0.0, 2 * value - 1)}


def _share(target: str, words: Mapping[str, float]) -> float:
    share = 1.0
    for word in target.split("-"):
        share *= words[word]
    return share


@functools.cache
def _load() -> Body:
    with np.load(assets.shelf_file("avatars/body.npz"), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    facts = json.loads(arrays["facts"].tobytes())
    low, high = arrays["basis_wide"].astype(np.uint16)
    # Differences from point to point, modulo the width of their numbers.
    wide = np.cumsum((low | high << 8).view(np.int16), axis=2, dtype=np.int16)
    narrow = np.cumsum(arrays["basis"], axis=2, dtype=np.int8)
    basis = np.concatenate([wide, narrow]).astype(np.float32) * arrays["basis_scales"][:, None, None]
    quads, corners = arrays["quads"].astype(np.int64), arrays["quad_uvs"].astype(np.int64)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    uvs = arrays["uvs"].astype(np.float32) / 65535
    weights = arrays["skin_weights"].astype(np.float32) / 255
    return Body(
        points=torch.from_numpy(arrays["points"]),
        basis=torch.from_numpy(np.ascontiguousarray(basis.transpose(0, 2, 1))),
        coefficients=torch.from_numpy(arrays["coefficients"]),
        target_names=tuple(facts["targets"]),
        faces=torch.from_numpy(triangles),
        uvs=torch.from_numpy(uvs[np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])]),
        parts=torch.from_numpy(np.tile(arrays["parts"].astype(np.int64), 2)),
        skin=SkinWeights(torch.from_numpy(arrays["skin_joints"].astype(np.int32)), torch.from_numpy(weights)),
        joint_names=tuple(facts["names"]),
        parents=tuple(facts["parents"]),
    )
