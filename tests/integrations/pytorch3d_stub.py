"""A stand-in for pytorch3d, written from its docs/notes/cameras.md: the formulas, nothing of its code."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor


class _Cameras:
    """World to view by rows, x left and y up; then to NDC or to pixels."""

    def __init__(
        self,
        focal_length: Any = 1.0,
        principal_point: Any = ((0.0, 0.0),),
        R: Any = None,
        T: Any = None,
        K: Any = None,
        device: Any = "cpu",
        in_ndc: bool = True,
        image_size: Any = None,
    ) -> None:
        self.R = torch.eye(3)[None] if R is None else R
        self.T = torch.zeros(1, 3) if T is None else T
        count = len(self.R)
        focal = torch.as_tensor(focal_length, dtype=torch.float32)
        self.focal_length = (
            focal[:, None] if focal.ndim == 1 else focal.reshape(-1, focal.shape[-1] if focal.ndim else 1)
        )
        self.focal_length = self.focal_length.expand(count, 2)
        self.principal_point = torch.as_tensor(principal_point, dtype=torch.float32).expand(count, 2)
        self.K, self._in_ndc = K, in_ndc
        self.image_size = None if image_size is None else torch.as_tensor(image_size)

    def in_ndc(self) -> bool:
        return self._in_ndc

    def transform_points_ndc(self, points: Tensor) -> Tensor:
        view = points @ self.R + self.T[:, None]
        height, width = self.image_size[0].tolist() if self.image_size is not None else (1, 1)
        focal, point, s = self.focal_length, self.principal_point, min(width, height)
        if not self._in_ndc:
            middle = torch.tensor([width / 2.0, height / 2.0])
            focal, point = focal * 2.0 / s, -(point - middle) * 2.0 / s
        if self.K is not None:
            focal, point = self.K[:, [0, 1], [0, 1]], self.K[:, :2, self.point_column]
        return torch.cat([focal[:, None] * self.flat(view) + point[:, None], view[..., 2:]], dim=-1)

    def transform_points_screen(self, points: Tensor) -> Tensor:
        ndc = self.transform_points_ndc(points)
        height, width = self.image_size[0].tolist()
        s = min(width, height)
        return torch.stack([width / 2 - ndc[..., 0] * s / 2, height / 2 - ndc[..., 1] * s / 2, ndc[..., 2]], dim=-1)


class PerspectiveCameras(_Cameras):
    point_column = 2

    @staticmethod
    def flat(view: Tensor) -> Tensor:
        return view[..., :2] / view[..., 2:]


class OrthographicCameras(_Cameras):
    point_column = 3

    @staticmethod
    def flat(view: Tensor) -> Tensor:
        return view[..., :2]


class FoVPerspectiveCameras:
    pass


class TexturesVertex:
    def __init__(self, verts_features: Any) -> None:
        self.features = list(verts_features)

    def verts_features_list(self) -> list[Tensor]:
        return self.features


class TexturesAtlas:
    def __init__(self, atlas: Any) -> None:
        self.atlas = atlas


class TexturesUV:
    def __init__(self, maps: Any, faces_uvs: Any, verts_uvs: Any, *, maps_ids: Any = None, align_corners: bool = True):
        self.maps, self.faces_uvs, self.verts_uvs, self.ids = maps, list(faces_uvs), list(verts_uvs), maps_ids
        self.align_corners = align_corners

    def maps_padded(self) -> Tensor:
        return torch.stack(list(self.maps))

    def maps_ids_padded(self) -> Any:
        return self.ids

    def faces_uvs_list(self) -> list[Tensor]:
        return self.faces_uvs

    def verts_uvs_list(self) -> list[Tensor]:
        return self.verts_uvs


class Meshes:
    def __init__(self, verts: Any, faces: Any, textures: Any = None) -> None:
        self.verts, self.faces, self.textures = list(verts), list(faces), textures

    def __len__(self) -> int:
        return len(self.verts)

    def verts_list(self) -> list[Tensor]:
        return self.verts

    def faces_list(self) -> list[Tensor]:
        return self.faces


class Pointclouds:
    def __init__(self, points: Any, features: Any = None) -> None:
        self.points, self.features = list(points), None if features is None else list(features)

    def points_list(self) -> list[Tensor]:
        return self.points

    def features_list(self) -> list[Tensor] | None:
        return self.features


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the place of pytorch3d until the test ends."""
    package, renderer, structures = (ModuleType(f"pytorch3d{part}") for part in ("", ".renderer", ".structures"))
    for kind in (
        PerspectiveCameras,
        OrthographicCameras,
        FoVPerspectiveCameras,
        TexturesUV,
        TexturesVertex,
        TexturesAtlas,
    ):
        setattr(renderer, kind.__name__, kind)
    for kind in (Meshes, Pointclouds):
        setattr(structures, kind.__name__, kind)
    for module in (package, renderer, structures):
        monkeypatch.setitem(sys.modules, module.__name__, module)
