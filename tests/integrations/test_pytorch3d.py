"""pytorch3d: the same points fall on the same pixels by both formulas, and what goes over comes back.

Each test runs on a stand-in written from pytorch3d's documentation, and on pytorch3d itself where it is installed.
"""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from splatsim.avatar import Body
from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable
from splatsim.integrations import pytorch3d as ours
from splatsim.spherical_harmonics import C0
from splatsim.transforms import apply
from tests.conftest import cameras_around, random_gaussians
from tests.integrations import pytorch3d_stub
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("pytorch3d_sentences.txt")


@pytest.fixture(params=["stub", "real"])
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`pytorch3d.renderer` and `pytorch3d.structures` in one."""
    if request.param == "stub":
        pytorch3d_stub.install(monkeypatch)
        return pytorch3d_stub
    pytest.importorskip("pytorch3d")
    from pytorch3d import renderer, structures

    class Both:
        def __getattr__(self, name: str) -> Any:
            return getattr(renderer, name, None) or getattr(structures, name)

    return Both()


def pixels(cameras: Cameras, points: torch.Tensor) -> torch.Tensor:
    """By the formula of docs/conventions.md."""
    seen = apply(cameras.viewmats, points.expand(len(cameras), *points.shape))
    flat = seen[..., :2] / seen[..., 2:] if cameras.model == "pinhole" else seen[..., :2]
    return flat * cameras.Ks[:, None, [0, 1], [0, 1]] + cameras.Ks[:, None, :2, 2]


def odd_cameras(model: str, width: int, height: int) -> Cameras:
    """No focal length equals the other, no centre is the middle, and the images are not square."""
    cameras = cameras_around(width, height, model=model)
    Ks = cameras.Ks.clone()
    Ks[:, 0, 0] *= 1.1
    Ks[:, :2, 2] += torch.tensor([[5.0, -3.0], [-2.5, 4.0]])
    return cameras.replace(Ks=Ks)


@pytest.mark.parametrize(("width", "height"), [(83, 61), (40, 64)])
@pytest.mark.parametrize("in_ndc", [False, True])
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_points_fall_on_the_same_pixels(package: Any, model: str, in_ndc: bool, width: int, height: int) -> None:
    cameras = odd_cameras(model, width, height)
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    theirs = ours.cameras_to_pytorch3d(cameras, in_ndc=in_ndc)
    assert theirs.in_ndc() == in_ndc
    found = theirs.transform_points_screen(points)[..., :2]
    torch.testing.assert_close(found, pixels(cameras, points), atol=2e-3, rtol=1e-5)
    back = ours.cameras_from_pytorch3d(theirs)
    assert (back.width, back.height, back.model) == (width, height, model)
    torch.testing.assert_close(back.viewmats, cameras.viewmats)
    torch.testing.assert_close(back.Ks, cameras.Ks, atol=1e-4, rtol=1e-5)


def test_left_and_up_are_theirs(package: Any) -> None:
    """A point left of and above the line of sight has positive x and y in their NDC."""
    camera = Cameras.look_at((0, 0, 0), (1, 0, 0), fov_deg=90, width=64, height=64)
    theirs = ours.cameras_to_pytorch3d(camera, in_ndc=True)
    left_and_above = torch.tensor([[2.0, 1.0, 0.5]])  # the camera looks along x: y is left, z is up
    torch.testing.assert_close(
        theirs.transform_points_ndc(left_and_above[None])[0, 0, :2], torch.tensor([0.5, 0.25]), atol=1e-6, rtol=0
    )


def test_cameras_with_a_matrix_of_their_own(package: Any) -> None:
    K = torch.zeros(1, 4, 4)
    K[0, 0, 0], K[0, 1, 1], K[0, 0, 2], K[0, 1, 2], K[0, 2, 3], K[0, 3, 2] = 1.4, 1.2, 0.1, -0.2, 1, 1
    theirs = package.PerspectiveCameras(K=K, image_size=((48, 64),))
    points = torch.tensor([[0.3, -0.2, 2.0], [-0.4, 0.1, 3.0]])
    found = theirs.transform_points_screen(points[None])[..., :2]
    torch.testing.assert_close(pixels(ours.cameras_from_pytorch3d(theirs), points), found, atol=1e-4, rtol=0)


def quad() -> tuple[torch.Tensor, torch.Tensor]:
    vertices = torch.tensor([[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]])
    return vertices, torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_a_textured_mesh_becomes_gaussians_of_its_colours(package: Any) -> None:
    """One half of the picture is red, one green, one quarter of each is dark; v runs up, as in pytorch3d."""
    vertices, faces = quad()
    picture = torch.zeros(64, 64, 3)
    picture[:, :32, 0] = picture[:, 32:, 1] = 1.0  # red at the left, green at the right
    picture[32:] *= 0.5  # the lower half is darker
    uvs = vertices[:, :2] / torch.tensor([2.0, 1.0])
    textures = package.TexturesUV(maps=[picture], faces_uvs=[faces], verts_uvs=[uvs])
    meshes = package.Meshes(verts=[vertices], faces=[faces], textures=textures)
    gaussians = ours.gaussians_from_meshes(meshes, count=600)
    assert 450 < len(gaussians) < 750
    assert float(gaussians.means[:, 2].abs().max()) < 1e-6
    colors = 0.5 + C0 * gaussians.sh[:, 0]
    x, y = gaussians.means[:, 0], gaussians.means[:, 1]
    sure = ((x - 1).abs() > 0.1) & ((y - 0.5).abs() > 0.1)
    level = torch.where(y > 0.5, 1.0, 0.5)
    red, green = torch.where(x < 1, level, 0.0), torch.where(x < 1, 0.0, level)
    torch.testing.assert_close(colors[sure, 0], red[sure], atol=1e-4, rtol=0)
    torch.testing.assert_close(colors[sure, 1], green[sure], atol=1e-4, rtol=0)
    # Their longest axes lie in the plane, and cover it.
    area = float((gaussians.scales.sort(dim=1).values[:, 1:].prod(1)).sum())
    assert 0.3 < area * 2 * torch.pi / 2.0 < 5


def test_colours_of_vertices_are_mixed(package: Any) -> None:
    vertices, faces = quad()
    features = torch.stack([vertices[:, 0] / 2, vertices[:, 1], torch.full((4,), 0.25)], dim=1)
    meshes = package.Meshes(verts=[vertices], faces=[faces], textures=package.TexturesVertex([features]))
    gaussians = ours.gaussians_from_meshes(meshes, count=200)
    expected = torch.stack([gaussians.means[:, 0] / 2, gaussians.means[:, 1], torch.full((len(gaussians),), 0.25)], 1)
    torch.testing.assert_close(0.5 + C0 * gaussians.sh[:, 0], expected, atol=1e-4, rtol=0)


def test_a_body_becomes_meshes(package: Any) -> None:
    body = Body.load().shape(age=30).only("body")
    still = ours.body_to_meshes(body)
    assert len(still) == 1
    torch.testing.assert_close(still.verts_list()[0], body.vertices)
    torch.testing.assert_close(still.faces_list()[0], body.faces)
    rest = body.skeleton.rest()
    poses = rest.map(lambda tensor: torch.stack([tensor, tensor]))
    poses = poses.replace(root=rest.root + torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]))
    moving = ours.body_to_meshes(body, poses, texture=torch.rand(8, 8, 3))
    assert len(moving) == 2
    torch.testing.assert_close(moving.verts_list()[1], body.vertices + torch.tensor([1.0, 0, 0]), atol=1e-5, rtol=1e-5)
    assert moving.textures.verts_uvs_list()[0].shape == (3 * len(body.faces), 2)


def test_point_clouds_go_there_and_back(package: Any) -> None:
    gaussians = random_gaussians(30, k=1)
    clouds = ours.gaussians_to_pointclouds(gaussians)
    back = ours.gaussians_from_pointclouds(clouds)
    torch.testing.assert_close(back.means, gaussians.means)
    torch.testing.assert_close(back.opacities, gaussians.opacities)
    shown = (0.5 + C0 * gaussians.sh[:, 0]).clamp(0, 1)
    torch.testing.assert_close(0.5 + C0 * back.sh[:, 0], shown, atol=1e-6, rtol=1e-5)
    bare = ours.gaussians_from_pointclouds(package.Pointclouds(points=[gaussians.means]), opacity=0.25)
    assert bool((bare.opacities == 0.25).all() and (bare.sh == 0).all())


def test_what_cannot_be_taken_over_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytorch3d_stub.install(monkeypatch)
    theirs = pytorch3d_stub
    vertices, faces = quad()
    atlas = theirs.Meshes([vertices], [faces], theirs.TexturesAtlas(None))
    sizes = theirs.PerspectiveCameras(R=torch.eye(3).repeat(2, 1, 1), image_size=((4, 5), (5, 5)))

    def missing() -> None:
        monkeypatch.setitem(sys.modules, "pytorch3d.renderer", None)
        ours.cameras_to_pytorch3d(cameras_around())

    cases = {
        "kind of cameras": lambda: ours.cameras_from_pytorch3d(theirs.FoVPerspectiveCameras()),
        "no size": lambda: ours.cameras_from_pytorch3d(theirs.PerspectiveCameras()),
        "two sizes": lambda: ours.cameras_from_pytorch3d(sizes),
        "kind of texture": lambda: ours.gaussians_from_meshes(atlas),
        "features": lambda: ours.gaussians_from_pointclouds(theirs.Pointclouds([vertices], [vertices[:, :2]])),
        "not installed": missing,
    }
    check_sentences(SENTENCES, cases, tmp_path)
    with pytest.raises(BackendUnavailable):
        missing()


@pytest.mark.parametrize("in_ndc", [False, True])
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_their_rasteriser_hits_the_points_of_our_pixels(model: str, in_ndc: bool) -> None:
    """A tilted triangle: what pytorch3d's compiled rasteriser sees in a pixel projects onto that pixel's centre."""
    pytest.importorskip("pytorch3d._C", exc_type=ImportError)
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
    from pytorch3d.structures import Meshes

    camera = odd_cameras(model, 41, 33)[:1]
    corners = 3 * torch.tensor([[-0.6, -0.5, 0.1], [0.7, -0.3, 0.4], [0.0, 0.6, -0.5]])
    theirs = ours.cameras_to_pytorch3d(camera, in_ndc=in_ndc)
    settings = RasterizationSettings(image_size=(33, 41), bin_size=0, cull_backfaces=False)
    found = MeshRasterizer(theirs, settings)(Meshes([corners], [torch.tensor([[0, 1, 2]])]))
    hit = found.pix_to_face[0, :, :, 0] >= 0
    assert int(hit.sum()) > 15
    points = (found.bary_coords[0, :, :, 0, :, None] * corners).sum(-2)[hit]
    rows, columns = hit.nonzero().unbind(1)
    torch.testing.assert_close(pixels(camera, points)[0], torch.stack([columns, rows], 1) + 0.5, atol=2e-2, rtol=0)
    depths = apply(camera.viewmats, points[None])[0, :, 2]
    torch.testing.assert_close(found.zbuf[0, :, :, 0][hit], depths, atol=1e-3, rtol=1e-3)
