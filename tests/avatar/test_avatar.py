"""Avatars on disk, and posed."""

from pathlib import Path

import pytest
import torch

from splatsim.avatar import Avatar, Pose, Skeleton
from splatsim.errors import FormatError
from tests.avatar.bodies import cloud, random_skin


def small(n: int = 20) -> Avatar:
    skeleton = Skeleton(("a", "b", "c"), (-1, 0, 1), torch.randn(3, 3))
    return Avatar(cloud(n), skeleton, random_skin(n, 3, k=2), name="Ümit", licence="CC0 1.0")


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    avatar = small()
    avatar.save(tmp_path / "a.npz")
    first = (tmp_path / "a.npz").read_bytes()
    read = Avatar.load(tmp_path / "a.npz")
    read.save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == first
    assert (read.name, read.licence, read.skeleton.names) == (avatar.name, avatar.licence, avatar.skeleton.names)
    for mine, theirs in ((avatar.gaussians, read.gaussians), (avatar.skin, read.skin)):
        for name, tensor in mine.tensors().items():
            assert torch.equal(tensor, theirs.tensors()[name])


def test_the_rest_pose_is_what_is_stored() -> None:
    avatar = small()
    posed = avatar.pose(avatar.skeleton.rest())
    torch.testing.assert_close(posed.means, avatar.gaussians.means, atol=2e-6, rtol=0)


def test_damaged_files(tmp_path: Path) -> None:
    small().save(tmp_path / "a.npz")
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "short.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="damaged"):
        Avatar.load(tmp_path / "short.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(FormatError, match=r"text.npz is damaged"):
        Avatar.load(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Avatar.load(tmp_path / "none.npz")


def test_what_is_refused() -> None:
    avatar = small()
    with pytest.raises(ValueError, match="20 Gaussians and weights for 10"):
        Avatar(avatar.gaussians, avatar.skeleton, avatar.skin.select(slice(10)))
    with pytest.raises(ValueError, match="hangs on joint 2; expected joints 0 to 1"):
        Avatar(avatar.gaussians, Skeleton(("a", "b"), (-1, 0), torch.zeros(2, 3)), avatar.skin)
    with pytest.raises(ValueError, match=r"leading axes \[5\]"):
        avatar.pose(Pose(torch.ones(5, 3, 4), torch.zeros(5, 3)))
