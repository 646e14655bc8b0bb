"""The body that a fit begins with: a mesh with weights, brought to the proportions that were measured."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.avatar.body import ShapedBody
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import skin_points
from splatsim.tensors import TensorDataclass

SURFACE_SAMPLES = 60_000
"""Of the surface that Gaussians look up their weights on: some 6 mm apart on a grown-up."""
NEAREST = 4


@dataclass(frozen=True, eq=False)
class Template(TensorDataclass):
    """A body in its rest pose, without colours."""

    skeleton: Skeleton
    """Whose joints carry it."""
    vertices: Float[Tensor, "v 3"]
    """Metres, in the body's frame."""
    faces: Int[Tensor, "m 3"]
    """Counter-clockwise from outside."""
    skin: SkinWeights
    """Of the vertices."""

    @classmethod
    def of(cls, body: ShapedBody) -> "Template":
        """The skin of a body, without its eyes and what garments are cut from."""
        bare = body.only("body")
        return cls(bare.skeleton, bare.vertices, bare.faces, bare.skin)

    def posed(self, pose: Pose) -> Float[Tensor, "*t v 3"]:
        """The vertices in the world."""
        return skin_points(self.vertices, self.skin, world_from_rest(self.skeleton, pose))

    def sample(
        self, count: int, generator: np.random.Generator
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"], SkinWeights]:
        """Points on the surface, in proportion to its area and evenly apart, with normals and weights."""
        corners = self.vertices[self.faces.long()].double()
        cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas = cross.norm(dim=-1).numpy()
        sums = np.cumsum(areas)
        marks = (np.arange(count) + generator.random(count)) * (sums[-1] / count)
        rows = np.minimum(np.searchsorted(sums, marks, side="right"), len(areas) - 1)
        u, v = np.sqrt(generator.random(count)), generator.random(count)
        shares = torch.from_numpy(np.stack([1 - u, u * (1 - v), u * v], 1))
        points = (corners[rows] * shares[..., None]).sum(1)
        normals = torch.nn.functional.normalize(cross[rows], dim=-1)
        dense = self.skin.dense(len(self.skeleton))[self.faces[rows].long()]
        weights = (dense * shares[..., None].float()).sum(1)
        return points.float(), normals.float(), SkinWeights.from_dense(weights)

    def proportioned(self, scales: Float[np.ndarray, " j"]) -> "Template":
        """The same body with bones longer by these factors; girths follow the mean of all.

        Each joint stretches what it carries along the bone to its child, and the weights blend between joints.
        """
        own = self.skeleton.joints.double().numpy()
        mean = float(np.exp(np.log(scales[1:]).mean()))
        offsets = self.skeleton.offsets.double().numpy() * scales[:, None]
        joints = offsets.copy()
        for joint, parent in enumerate(self.skeleton.parents[1:], start=1):
            joints[joint] = joints[parent] + offsets[joint]
        stretches = np.stack([mean * _stretch(own, self.skeleton.parents, j, scales / mean) for j in range(len(own))])
        motions = np.tile(np.eye(4), (len(own), 1, 1))
        motions[:, :3, :3] = stretches
        motions[:, :3, 3] = joints - (stretches @ own[..., None])[..., 0]
        vertices = skin_points(self.vertices.double(), self.skin.to(torch.float64), torch.from_numpy(motions))
        lift = float(self.vertices[:, 2].min()) * mean - float(vertices[:, 2].min())
        vertices[:, 2] += lift
        joints[:, 2] += lift
        skeleton = self.skeleton.replace(joints=torch.from_numpy(joints).to(self.skeleton.joints))
        return self.replace(skeleton=skeleton, vertices=vertices.to(self.vertices))


class Surface:
    """Where the surface is nearest, and how it hangs on the joints there."""

    def __init__(self, template: Template, samples: int = SURFACE_SAMPLES, seed: int = 0) -> None:
        from scipy.spatial import KDTree

        points, normals, skin = template.sample(samples, np.random.default_rng(seed))
        self.points, self.normals = points, normals
        self.dense = skin.dense(len(template.skeleton))
        self._tree = KDTree(points.numpy())

    def at(self, points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n 3"], SkinWeights]:
        """The nearest places of the surface and their weights, smoothed over the nearest four samples."""
        distances, rows = self._tree.query(points.detach().numpy(), k=NEAREST)
        closeness = 1 / np.maximum(distances, 1e-4)
        shares = torch.from_numpy(closeness / closeness.sum(1, keepdims=True)).float()
        nearest = torch.from_numpy(rows)
        weights = (self.dense[nearest] * shares[..., None]).sum(1)
        places = (self.points[nearest] * shares[..., None]).sum(1)
        return places, SkinWeights.from_dense(weights)


def _stretch(joints: np.ndarray, parents: tuple[int, ...], joint: int, scales: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Longer along the bone to the joint's farthest child, by that child's factor."""
    children = [child for child, parent in enumerate(parents) if parent == joint]
    if not children:
        factor = scales[joint]
        return np.eye(3) * factor if joint else np.eye(3)
    child = max(children, key=lambda c: float(np.linalg.norm(joints[c] - joints[joint])))
    bone = joints[child] - joints[joint]
    length = np.linalg.norm(bone)
    if length < 1e-6:
        return np.eye(3)
    along = bone / length
    stretch: Float[np.ndarray, "3 3"] = np.eye(3) + (scales[child] - 1) * np.outer(along, along)
    return stretch
