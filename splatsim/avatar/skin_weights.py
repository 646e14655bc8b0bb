"""Which joints carry which points."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.tensors import TensorDataclass, check_field


@dataclass(frozen=True, eq=False)
class SkinWeights(TensorDataclass):
    """Which joints carry each of n points, and how much: k joints at most.

    Raises:
        TypeError: `weights` is not a floating-point tensor, or `joints` not one of whole numbers.
        ValueError: the shapes differ, a weight is negative or not finite, or the weights of a point do not sum to 1.
    """

    joints: Int[Tensor, "n k"]
    """Joints, by their index in the skeleton."""
    weights: Float[Tensor, "n k"]
    """Their shares, which sum to 1; 0 for those that are not needed."""

    def __post_init__(self) -> None:
        check_field("SkinWeights", "weights", self.weights, ("n", "k"))
        if self.joints.is_floating_point() or self.joints.dtype == torch.bool:
            raise TypeError(f"SkinWeights.joints has dtype {self.joints.dtype}; expected whole numbers, such as int32.")
        if self.joints.shape != self.weights.shape:
            raise ValueError(
                f"SkinWeights.joints has shape {list(self.joints.shape)}; expected {list(self.weights.shape)}."
            )
        with torch.no_grad():
            off = (self.weights.sum(-1) - 1).abs()
            bad = ~(off <= 1e-3) | (self.weights < -1e-6).any(-1)
        if bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            raise ValueError(
                f"the weights of point {row} are {[round(w, 4) for w in self.weights[row].tolist()]}; "
                "expected shares of at least 0 that sum to 1."
            )

    def __len__(self) -> int:
        return len(self.weights)

    def select(self, rows: Tensor | slice) -> "SkinWeights":
        """Those of some points, by mask, by index or by slice."""
        return self.map(lambda tensor: tensor[rows])

    def dense(self, joints: int) -> Float[Tensor, "n j"]:
        """One column for each of `joints` joints.

        Raises:
            ValueError: a joint has no column.
        """
        if self.joints.numel() and not 0 <= int(self.joints.min()) <= int(self.joints.max()) < joints:
            raise ValueError(f"a point hangs on joint {int(self.joints.max())}; expected one of {joints} joints.")
        empty = torch.zeros(len(self), joints, dtype=self.weights.dtype, device=self.weights.device)
        return empty.scatter_add(1, self.joints.long(), self.weights)

    @classmethod
    def from_dense(cls, weights: Float[Tensor, "n j"], most: int = 6) -> "SkinWeights":
        """The `most` heaviest joints of each point, their weights scaled to sum to 1."""
        kept, joints = weights.topk(min(most, weights.shape[1]), dim=1)
        return cls(joints.to(torch.int32), kept / kept.sum(-1, keepdim=True))
