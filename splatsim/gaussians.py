"""Gaussians: the one representation of scenes and people."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.spherical_harmonics import degree_of, rotate_sh
from splatsim.tensors import TensorDataclass, check_alike, check_field
from splatsim.transforms import apply, multiply_quats, quat_from_rotmat


@dataclass(frozen=True)
class Gaussians(TensorDataclass):
    """n anisotropic 3D Gaussians with view-dependent colour, in physical values: no logarithms, no logits.

    Raises:
        TypeError: a field is not a floating-point tensor.
        ValueError: a field has another shape, or fields differ in device or dtype.
    """

    means: Float[Tensor, "n 3"]
    """Centres in the world, metres."""
    quats: Float[Tensor, "n 4"]
    """Rotation world from local, wxyz; need not have unit length."""
    scales: Float[Tensor, "n 3"]
    """Standard deviations along the local axes, metres, > 0."""
    opacities: Float[Tensor, " n"]
    """Peak opacity, in [0, 1]."""
    sh: Float[Tensor, "n k 3"]
    """Spherical harmonics of the colour, k = (degree + 1)², as in 3DGS files: colour = basis · sh + 0.5."""
    features: Float[Tensor, "n f"] | None = None
    """Any further channels, such as class probabilities."""

    def __post_init__(self) -> None:
        check_field("Gaussians", "means", self.means, ("n", 3))
        n = len(self.means)
        check_field("Gaussians", "quats", self.quats, (n, 4))
        check_field("Gaussians", "scales", self.scales, (n, 3))
        check_field("Gaussians", "opacities", self.opacities, (n,))
        check_field("Gaussians", "sh", self.sh, (n, "k", 3))
        degree_of(self.sh.shape[1])
        if self.features is not None:
            check_field("Gaussians", "features", self.features, (n, "f"))
        check_alike("Gaussians", self.tensors())

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 3."""
        return degree_of(self.sh.shape[1])

    def requires_grad_(self) -> "Gaussians":
        """The same Gaussians as leaves of the autograd graph."""
        return self.map(lambda tensor: tensor.detach().requires_grad_())

    def select(self, rows: Bool[Tensor, " n"] | Int[Tensor, " m"] | slice) -> "Gaussians":
        """Some of the Gaussians, by mask, by index or by slice."""
        return self.map(lambda tensor: tensor[rows])

    def with_sh_degree(self, degree: int) -> "Gaussians":
        """The same Gaussians with SH bands cut off, or added as zeros."""
        keep = min((degree + 1) ** 2, self.sh.shape[1])
        missing = (degree + 1) ** 2 - keep
        return self.replace(sh=torch.nn.functional.pad(self.sh[:, :keep], (0, 0, 0, missing)))

    def transform(self, b_from_a: Float[Tensor, "4 4"], scale: float = 1.0) -> "Gaussians":
        """Scale about the origin of frame a, then move to frame b; the colours turn with the Gaussians."""
        b_from_a = b_from_a.to(self.means)
        rotation = b_from_a[:3, :3]
        return self.replace(
            means=apply(b_from_a, self.means * scale),
            quats=multiply_quats(quat_from_rotmat(rotation).expand_as(self.quats), self.quats),
            scales=self.scales * scale,
            sh=rotate_sh(self.sh, rotation),
        )

    @classmethod
    def concat(cls, parts: Sequence["Gaussians"]) -> "Gaussians":
        """All parts as one; lower SH degrees are filled up with zeros.

        Raises:
            ValueError: there are no parts, or only some have features, or their feature counts differ.
        """
        if not parts:
            raise ValueError("Gaussians.concat got an empty list; expected at least one Gaussians.")
        widths = [None if part.features is None else part.features.shape[1] for part in parts]
        if len(set(widths)) > 1:
            raise ValueError(f"Gaussians.concat got parts with {widths} feature channels; expected the same in all.")
        degree = max(part.sh_degree for part in parts)
        alike = [part.with_sh_degree(degree) for part in parts]
        names = alike[0].tensors()
        return cls(**{name: torch.cat([getattr(part, name) for part in alike]) for name in names})
