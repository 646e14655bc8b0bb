"""People drawn by a seed: different, dressed, with faces, and covered with Gaussians."""

import math

import pytest
import torch

from splatsim import Cameras, render
from splatsim.avatar.looks import Look, paint
from splatsim.avatar.people import Person, make_person
from splatsim.avatar.surface import sample_surface


@pytest.fixture(scope="module")
def person() -> Person:
    return make_person(5)


def test_the_same_seed_gives_the_same_person() -> None:
    one, two, other = make_person(3), make_person(3), make_person(4)
    assert torch.equal(one.mesh.vertices, two.mesh.vertices)
    assert one.look == two.look
    assert torch.equal(one.to_avatar(2000).gaussians.sh, two.to_avatar(2000).gaussians.sh)
    assert one.look != other.look
    assert one.mesh.height != other.mesh.height


def test_people_differ() -> None:
    people = [make_person(seed) for seed in range(6)]
    heights = torch.tensor([person.mesh.height for person in people])
    assert heights.std() > 0.05
    assert len({person.look.top.color for person in people}) > 4
    for person in people:
        assert {"skin", "eyes", "shoes", "bottom", "top"} <= set(person.mesh.part_names)
        assert 1.0 < person.mesh.height < 2.15
        assert float(person.mesh.vertices[:, 2].min()) == pytest.approx(0, abs=1e-5)


def test_clothes_cover_the_skin(person: Person) -> None:
    """Nothing but hands, head and the strips under hems is left of the skin."""
    skin = person.mesh.only("skin")
    belly = (skin.template[:, 2] > 0.06) & (skin.template[:, 2] < 0.45) & (skin.template[:, 1].abs() < 0.15)
    assert not bool(belly.any())


def test_a_face_has_eyes_brows_and_a_mouth() -> None:
    look = Look()
    cheek, lips, brow = (
        paint(look, "skin", torch.tensor([place]))[0]
        for place in ([0.12, 0.03, 0.70], [0.14, 0, 0.656], [0.13, 0.03, 0.7495])
    )
    assert brow.mean() < 0.6 * cheek.mean()
    assert lips[0] / lips[1] > 1.05 * cheek[0] / cheek[1]
    white, iris, pupil = (
        paint(look, "eyes", torch.tensor([[0.135, 0.0316 + y, 0.7285]]))[0].mean() for y in (0.0095, 0.0045, 0.0)
    )
    assert white > 2 * iris > 2 * pupil
    with pytest.raises(ValueError, match='no part "tail"'):
        paint(look, "tail", torch.zeros(1, 3))


def test_gaussians_lie_on_the_surface_and_hide_what_is_behind(person: Person) -> None:
    avatar = person.to_avatar(20_000)
    assert 14_000 < len(avatar) < 24_000
    camera = Cameras.look_at([(3.0, 0.5, 1.0)], (0, 0, 0.9), fov_deg=40, width=160, height=160)
    with torch.no_grad():
        alphas = render(avatar.gaussians, camera).alphas[0]
    inside = -torch.nn.functional.max_pool2d(-(alphas > 0.5).float()[None], 5, stride=1, padding=2)[0] > 0
    assert inside.sum() > 1000
    assert float((alphas[inside] > 0.97).float().mean()) > 0.99, "no holes"


def test_a_sphere_is_sampled_evenly() -> None:
    """On a known surface: distances from it, normals, spacing and weights."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4)
    vertices, faces = torch.tensor(ball.vertices).float(), torch.tensor(ball.faces)
    from splatsim.avatar import Skeleton, SkinWeights

    skeleton = Skeleton(("a", "b"), (-1, 0), torch.zeros(2, 3))
    share = (vertices[:, 2:] + 1) / 2
    skin = SkinWeights(torch.tensor([[0, 1]]).expand(len(vertices), 2), torch.cat([1 - share, share], 1))
    avatar = sample_surface(vertices, faces, skin, skeleton, lambda t, b: torch.full((len(t), 3), 0.25), count=3000)
    g = avatar.gaussians
    assert 2000 < len(g) < 3600
    assert (g.means.norm(dim=1) - 1).abs().max() < 2e-3
    nearest = torch.cdist(g.means, g.means).fill_diagonal_(9).amin(1)
    spacing = math.sqrt(4 * math.pi / 3000)
    assert nearest.min() > 0.7 * spacing
    torch.testing.assert_close(0.5 + 0.28209479 * g.sh[:, 0], torch.full((len(g), 3), 0.25))
    dense = avatar.skin.dense(2)
    torch.testing.assert_close(dense[:, 1], (g.means[:, 2] + 1) / 2, atol=2e-3, rtol=0)
    with pytest.raises(ValueError, match="has no area"):
        sample_surface(vertices * 0, faces, skin, skeleton, lambda t, b: torch.zeros(len(t), 3))
