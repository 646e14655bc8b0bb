"""Avatars: Gaussians in the rest pose of a skeleton that they are bound to."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import Mode, skin_gaussians
from splatsim.errors import FormatError
from splatsim.formats._npy import Check, read_npz, write_npz
from splatsim.gaussians import Gaussians

MOST_GAUSSIANS = 10_000_000
MOST_JOINTS = 1024
MOST_INFLUENCES = 16
FORMAT = "splatsim avatar 1"


@dataclass(frozen=True, eq=False)
class Avatar:
    """A person who can be posed.

    Raises:
        ValueError: the Gaussians and their weights differ in number, or a weight names a joint that is not there.
    """

    gaussians: Gaussians
    """In the rest pose of the skeleton, in the body's frame, metres."""
    skeleton: Skeleton
    """Whose joints carry them."""
    skin: SkinWeights
    """How they hang on the joints."""
    name: str = "avatar"
    """For messages and file names."""
    licence: str = ""
    """Of everything that went into it, in words."""

    def __post_init__(self) -> None:
        if len(self.gaussians) != len(self.skin):
            raise ValueError(
                f'the avatar "{self.name}" has {len(self.gaussians)} Gaussians and weights for {len(self.skin)}; '
                "expected as many."
            )
        joints = self.skin.joints
        if joints.numel() and not 0 <= int(joints.min()) <= int(joints.max()) < len(self.skeleton):
            raise ValueError(
                f'the avatar "{self.name}" hangs on joint {int(joints.max())}; expected joints 0 to '
                f"{len(self.skeleton) - 1}."
            )

    def __len__(self) -> int:
        return len(self.gaussians)

    def to(self, target: torch.device | torch.dtype | str) -> "Avatar":
        """A copy on another device, or with its floating-point tensors in another dtype."""
        return dataclasses.replace(
            self, gaussians=self.gaussians.to(target), skeleton=self.skeleton.to(target), skin=self.skin.to(target)
        )

    def pose(self, pose: Pose, mode: Mode = "polar") -> Gaussians:
        """The Gaussians in this pose, in the world.

        Raises:
            ValueError: the pose has leading axes or another number of joints, or the mode is unknown.
        """
        if pose.root.ndim != 1:
            raise ValueError(
                f"the pose has leading axes {list(pose.root.shape[:-1])}; expected one pose, such as pose[0]."
            )
        return skin_gaussians(self.gaussians, self.skin, world_from_rest(self.skeleton, pose), mode)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .npz file, whole or not at all.

        Raises:
            FileNotFoundError: the folder does not exist.
        """
        tensors = {f"gaussians_{name}": tensor for name, tensor in self.gaussians.tensors().items()}
        tensors |= {f"skin_{name}": tensor for name, tensor in self.skin.tensors().items()}
        tensors["joints"] = self.skeleton.joints
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        facts = {
            "format": FORMAT,
            "name": self.name,
            "licence": self.licence,
            "joints": self.skeleton.names,
            "parents": self.skeleton.parents,
        }
        data = np.frombuffer(json.dumps(facts, ensure_ascii=False).encode(), np.uint8)
        write_npz(path, arrays | {"facts": data})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Avatar":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            FormatError: it is no avatar, or not what it claims.
        """
        file = Path(path)
        arrays = read_npz(file, _CHECKS, optional=frozenset({"gaussians_features"}))
        try:
            facts: dict[str, Any] = json.loads(arrays.pop("facts").tobytes())
            if facts["format"] != FORMAT:
                raise FormatError(f'{file} is "{facts["format"]}"; expected "{FORMAT}".')
            for name, array in arrays.items():
                if not np.isfinite(array).all():
                    raise FormatError(f"{file} has numbers in {name} that are not finite; expected finite ones.")
            tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
            skeleton = Skeleton(_strings(facts["joints"]), tuple(map(int, facts["parents"])), tensors.pop("joints"))
            skin = SkinWeights(tensors.pop("skin_joints"), tensors.pop("skin_weights"))
            gaussians = Gaussians(**{name.removeprefix("gaussians_"): tensor for name, tensor in tensors.items()})
            return cls(gaussians, skeleton, skin, str(facts["name"]), str(facts["licence"]))
        except FormatError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"{file} is no avatar of splatsim ({error}); expected a file that Avatar.save wrote."
            ) from error


def _strings(names: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def _table(*columns: int | None, most: int = MOST_GAUSSIANS, kinds: str = "f") -> Check:
    """A check for at most `most` rows of these sizes; None stands for 1 to 16."""

    def check(found: tuple[int, ...], dtype: "np.dtype[Any]") -> str | None:
        sized = len(found) == len(columns) + 1 and all(
            have == want if want is not None else 1 <= have <= MOST_INFLUENCES
            for have, want in zip(found[1:], columns, strict=True)
        )
        good = sized and 0 < found[0] <= most and dtype.kind in kinds and dtype.itemsize <= 8
        sizes = " ".join("1 to 16" if size is None else str(size) for size in columns)
        return None if good else f"1 to {most} rows of shape [{sizes}], of kind {kinds!r}"

    return check


_CHECKS = {
    "gaussians_means": _table(3),
    "gaussians_quats": _table(4),
    "gaussians_scales": _table(3),
    "gaussians_opacities": _table(),
    "gaussians_sh": _table(None, 3),
    "gaussians_features": _table(None),
    "skin_joints": _table(None, kinds="iu"),
    "skin_weights": _table(None),
    "joints": _table(3, most=MOST_JOINTS),
    "facts": _table(most=1 << 20, kinds="u"),
}
