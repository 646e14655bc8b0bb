"""pytorch3d: its cameras, meshes and point clouds to ours and back. It is imported when one of these is called.

Its view frame has x left, y up, z forward, and points are rows: `view = world @ R + T`. Its normalised picture (NDC)
has x left and y up too, with the shorter side from -1 to 1; its screen has x right and y down in pixels, the top left
corner of the top left pixel at (0, 0), as ours. See docs/notes/cameras.md of pytorch3d.
"""

from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from splatsim.avatar.body import ShapedBody
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.surface import Paint, sample_surface
from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable
from splatsim.fitting.initialisation import gaussians_from_points
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0

VIEW_FROM_CAM = (-1.0, -1.0, 1.0)
"""x right becomes x left, y down becomes y up."""
GREY = 0.5
"""Colour of what has none."""


def cameras_to_pytorch3d(cameras: Cameras, *, in_ndc: bool = False) -> Any:
    """`PerspectiveCameras`, or `OrthographicCameras` for the model "ortho".

    Args:
        in_ndc: Give focal lengths and principal points in NDC instead of pixels; the picture is the same.

    Raises:
        BackendUnavailable: pytorch3d is not installed.
    """
    renderer = _import("renderer")
    axes = torch.tensor(VIEW_FROM_CAM).to(cameras.viewmats)
    focals, centers = cameras.Ks[:, [0, 1], [0, 1]], cameras.Ks[:, :2, 2]
    if in_ndc:
        half = min(cameras.width, cameras.height) / 2
        middle = torch.tensor([cameras.width / 2, cameras.height / 2]).to(centers)
        focals, centers = focals / half, -(centers - middle) / half
    build = renderer.PerspectiveCameras if cameras.model == "pinhole" else renderer.OrthographicCameras
    return build(
        focal_length=focals,
        principal_point=centers,
        R=cameras.viewmats[:, :3, :3].mT * axes,
        T=cameras.viewmats[:, :3, 3] * axes,
        in_ndc=in_ndc,
        image_size=torch.tensor([[cameras.height, cameras.width]]).expand(len(cameras), 2),
        device=cameras.viewmats.device,
    )


def cameras_from_pytorch3d(cameras: Any, size: tuple[int, int] | None = None) -> Cameras:
    """Our cameras, of `PerspectiveCameras` or `OrthographicCameras` in NDC or screen space.

    Args:
        size: Width and height in pixels; by default the `image_size` of the cameras.

    Raises:
        BackendUnavailable: pytorch3d is not installed.
        TypeError: the cameras are of another class.
        ValueError: no size is known, or the cameras have different ones.
    """
    renderer = _import("renderer")
    if isinstance(cameras, renderer.PerspectiveCameras):
        ortho = False
    elif isinstance(cameras, renderer.OrthographicCameras):
        ortho = True
    else:
        raise TypeError(
            f"the cameras are {type(cameras).__name__}; expected PerspectiveCameras or OrthographicCameras."
        )
    width, height = size or _size_of(cameras)
    if cameras.K is None:
        focals, centers = cameras.focal_length, cameras.principal_point
    else:
        focals, centers = cameras.K[:, [0, 1], [0, 1]], cameras.K[:, :2, 3 if ortho else 2]
    count = len(cameras.R)
    focals, centers = focals.expand(count, 2), centers.expand(count, 2)
    if cameras.in_ndc():
        half = min(width, height) / 2
        focals, centers = focals * half, torch.tensor([width / 2, height / 2]).to(centers) - centers * half
    axes = torch.tensor(VIEW_FROM_CAM).to(cameras.R)
    viewmats = torch.eye(4).to(cameras.R).repeat(count, 1, 1)
    viewmats[:, :3, :3] = (cameras.R * axes).mT
    viewmats[:, :3, 3] = cameras.T * axes
    Ks = torch.eye(3).to(cameras.R).repeat(count, 1, 1)
    Ks[:, [0, 1], [0, 1]] = focals.to(Ks)
    Ks[:, :2, 2] = centers.to(Ks)
    return Cameras(viewmats, Ks, width, height, "ortho" if ortho else "pinhole")


def gaussians_from_meshes(meshes: Any, count: int = 30_000, *, index: int = 0, seed: int = 0) -> Gaussians:
    """About `count` flat Gaussians, evenly over the surface of one mesh, in the colours of its texture.

    Args:
        meshes: `Meshes` with `TexturesUV`, `TexturesVertex` or none.
        index: Which of the meshes.

    Raises:
        BackendUnavailable: pytorch3d is not installed.
        ValueError: the texture is of another kind, the mesh has no area, or the count is out of range.
    """
    vertices, faces = meshes.verts_list()[index].float().cpu(), meshes.faces_list()[index].long().cpu()
    skin = SkinWeights(torch.zeros(len(vertices), 1, dtype=torch.int32), torch.ones(len(vertices), 1))
    still = Skeleton(("root",), (-1,), torch.zeros(1, 3))
    return sample_surface(
        vertices, faces, skin, still, _painter(meshes, index, faces), count=count, seed=seed, name=f"mesh {index}"
    ).gaussians


def body_to_meshes(
    body: ShapedBody, poses: Pose | None = None, *, texture: Float[Tensor, "h w 3"] | None = None
) -> Any:
    """`Meshes` of a body: one in its rest pose, or one for each of the poses.

    Args:
        poses: With one leading axis, or none.
        texture: A picture in MakeHuman's layout; grey without it.

    Raises:
        BackendUnavailable: pytorch3d is not installed.
    """
    structures, renderer = _import("structures"), _import("renderer")
    vertices = body.vertices if poses is None else body.pose(poses)
    vertices = vertices.reshape(-1, len(body.vertices), 3)
    count, triangles = len(vertices), len(body.faces)
    if texture is None:
        textures = renderer.TexturesVertex(torch.full_like(vertices, GREY))
    else:
        corners = torch.arange(3 * triangles).reshape(triangles, 3).to(body.faces)
        uvs = body.uvs.reshape(-1, 2)
        maps = texture.to(uvs).expand(count, *texture.shape)
        textures = renderer.TexturesUV(
            maps=maps, faces_uvs=[corners] * count, verts_uvs=[uvs] * count, align_corners=False
        )
    return structures.Meshes(verts=list(vertices), faces=[body.faces] * count, textures=textures)


def gaussians_to_pointclouds(gaussians: Gaussians) -> Any:
    """`Pointclouds` of one cloud: the centres, with red, green, blue and opacity as features.

    The colour is that which is the same from all sides.

    Raises:
        BackendUnavailable: pytorch3d is not installed.
    """
    colors = (0.5 + C0 * gaussians.sh[:, 0]).clamp(0, 1)
    features = torch.cat([colors, gaussians.opacities[:, None]], dim=1)
    return _import("structures").Pointclouds(points=[gaussians.means], features=[features])


def gaussians_from_pointclouds(clouds: Any, *, index: int = 0, opacity: float = 0.5, scale: float = 1.0) -> Gaussians:
    """Round Gaussians at the points of one cloud, as large as the distance to their neighbours.

    The first three features are the colour in [0, 1], a fourth is the opacity; grey where there are none.

    Args:
        clouds: `Pointclouds`.
        index: Which of the clouds.
        opacity: Where the cloud says none, in (0, 1].
        scale: Times the mean distance to the three nearest neighbours.

    Raises:
        ValueError: the features are fewer than three.
    """
    points = clouds.points_list()[index].float()
    listed = clouds.features_list()
    features = torch.full((len(points), 3), GREY).to(points) if listed is None else listed[index].float()
    if features.shape[1] < 3:
        raise ValueError(f"the cloud has {features.shape[1]} features; expected 3 of colour, or 4 with opacity.")
    colors: UInt8[Tensor, "n 3"] = (255 * features[:, :3].clamp(0, 1)).round().to(torch.uint8)
    gaussians = gaussians_from_points(points, colors, opacity=opacity, scale=scale)
    gaussians = gaussians.replace(sh=((features[:, :3].clamp(0, 1) - 0.5) / C0)[:, None])
    return gaussians if features.shape[1] < 4 else gaussians.replace(opacities=features[:, 3].clamp(0, 1))


def _painter(meshes: Any, index: int, faces: Tensor) -> Paint:
    """A function that gives the colours of points, from their triangles and barycentric shares."""
    renderer, textures = _import("renderer"), meshes.textures
    if textures is None:
        return lambda triangles, shares: torch.full((len(triangles), 3), GREY)
    if isinstance(textures, renderer.TexturesVertex):
        colors = textures.verts_features_list()[index][:, :3].float().cpu()
        return lambda triangles, shares: (colors[faces[triangles]] * shares[..., None]).sum(1).clamp(0, 1)
    if not isinstance(textures, renderer.TexturesUV) or textures.maps_ids_padded() is not None:
        kind = type(textures).__name__
        raise ValueError(
            f"the mesh has a texture of the kind {kind}; expected TexturesVertex, or TexturesUV of one map."
        )
    picture = textures.maps_padded()[index][..., :3].float().cpu()
    corners = textures.verts_uvs_list()[index].float().cpu()[textures.faces_uvs_list()[index].long().cpu()]

    def sample(triangles: Tensor, shares: Tensor) -> Tensor:
        uv = (corners[triangles] * shares[..., None]).sum(1)
        places = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], dim=-1)  # v runs up, rows run down
        found = torch.nn.functional.grid_sample(
            picture.movedim(-1, 0)[None],
            places[None, None],
            align_corners=textures.align_corners,
            padding_mode="border",
        )
        colors: Tensor = found[0, :, 0].mT.clamp(0, 1)
        return colors

    return sample


def _size_of(cameras: Any) -> tuple[int, int]:
    sizes = getattr(cameras, "image_size", None)
    if sizes is None:
        raise ValueError("the cameras have no image_size; expected one, or the size (width, height) as an argument.")
    unique = torch.as_tensor(sizes).reshape(-1, 2).unique(dim=0)
    if len(unique) != 1:
        raise ValueError(
            f"the cameras have the sizes (h, w) {unique.tolist()}; expected one size, such as cameras[:1]."
        )
    return int(unique[0, 1]), int(unique[0, 0])


def _import(part: str) -> ModuleType:
    """A package of pytorch3d.

    Raises:
        BackendUnavailable: it is not installed, or does not load.
    """
    import importlib

    try:
        return importlib.import_module(f"pytorch3d.{part}")
    except ImportError as error:
        raise BackendUnavailable(
            f"pytorch3d cannot be imported ({error}); expected it in this environment. PyPI has no wheel of it for "
            "this Python: build it from its source, https://github.com/facebookresearch/pytorch3d, with "
            "`pip install --no-build-isolation .`"
        ) from error
