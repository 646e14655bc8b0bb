"""The body of the shelf: sizes in metres, joints where they belong, and what its dials do."""

import pytest
import torch

from splatsim.avatar import ROLES, Body, joint_roles
from splatsim.avatar.meshes import border_vertices, clip, face_normals, join, neighbour_means, weld


@pytest.mark.parametrize("sex", [0.0, 1.0])
@pytest.mark.parametrize("height", [1.50, 1.75, 1.95, 2.05])
def test_heights_are_those_asked_for(sex: float, height: float) -> None:
    body = Body.load().shape(sex=sex, age=30, height=height).only("body")
    assert float(body.vertices[:, 2].max()) == pytest.approx(height, abs=1e-3)
    assert float(body.vertices[:, 2].min()) == pytest.approx(0, abs=1e-6)


def test_joints_follow_the_shape() -> None:
    small, tall = (Body.load().shape(sex=1, height=height) for height in (1.6, 1.9))
    roles = joint_roles(small.skeleton)
    assert len(roles) == len(ROLES)
    assert set(small.skeleton.names) >= {"pelvis", "spine_02", "index_01_l", "ball_r"}
    for role in ("head", "left_knee", "left_wrist"):
        low, high = (body.skeleton.joints[roles[role], 2] for body in (small, tall))
        assert high > 1.05 * low
    # Joints lie within the limb: the vertices that hang on a joint surround it.
    for body in (small, tall):
        mesh = body.only("body")
        dense = mesh.skin.dense(len(mesh.skeleton))
        for role in ("left_knee", "right_elbow", "left_hip", "head"):
            near = mesh.vertices[dense[:, roles[role]] > 0.3]
            place = body.skeleton.joints[roles[role]]
            assert ((near.amin(0) < place + 0.02) & (near.amax(0) > place - 0.02)).all(), role


def test_the_body_looks_along_x_with_its_left_at_y() -> None:
    body = Body.load().shape()
    joint = dict(zip(body.skeleton.names, body.skeleton.joints, strict=True))
    assert joint["hand_l"][1] > 0.3 > -0.3 > joint["hand_r"][1]
    assert joint["ball_l"][0] > joint["foot_l"][0] + 0.08
    mesh = body.only("body")
    volume = (mesh.vertices[mesh.faces][:, 0] * face_normals(mesh.vertices, mesh.faces)).sum() / 6
    assert 0.04 < float(volume) < 0.09, "normals look outwards: the volume is that of a person, in m³"


def test_dials_move_what_they_name() -> None:
    body = Body.load()

    def waist(**dials: float) -> float:
        mesh = body.shape(sex=1.0, height=1.75, **dials).only("body")
        belt = mesh.vertices[((mesh.template[:, 2] - 0.17).abs() < 0.02) & (mesh.template[:, 1].abs() < 0.2)]
        return float(belt[:, 0].max() - belt[:, 0].min())

    assert waist(weight=0.95) > waist(weight=0.5) + 0.01 > waist(weight=0.1) + 0.02
    child, adult = (body.shape(age=age).only("body").height for age in (8, 30))
    assert 1.0 < child < 1.35 < 1.5 < adult


def test_unknown_dials_are_refused() -> None:
    body = Body.load()
    with pytest.raises(ValueError, match=r"sex is 2; expected 0 to 1"):
        body.shape(sex=2)
    with pytest.raises(ValueError, match="age is 0; expected 1 to 90 years"):
        body.shape(age=0)
    with pytest.raises(ValueError, match=r"height is 3.0 m; these dials give"):
        body.shape(height=3.0)
    with pytest.raises(ValueError, match="no part 'wings'"):
        body.shape().only("wings")


def test_posed_vertices_follow_their_bone() -> None:
    body = Body.load().shape()
    pose = body.skeleton.rest()
    turned = pose.rotations.clone()
    turned[0] = torch.tensor([0.5**0.5, 0, 0, 0.5**0.5])  # a quarter to the left
    posed = body.pose(pose.replace(rotations=turned))
    about = body.skeleton.joints[0]
    expected = (body.vertices - about)[:, [1, 0, 2]] * torch.tensor([-1.0, 1, 1]) + about
    torch.testing.assert_close(posed, expected, atol=1e-5, rtol=0)


def test_clipping_cuts_where_the_field_is_zero() -> None:
    mesh = Body.load().shape().only("tights")
    upper, lower = clip(mesh, mesh.vertices[:, 2] - 0.9), clip(mesh, 0.9 - mesh.vertices[:, 2])
    assert upper.vertices[:, 2].min() >= 0.9 - 1e-5
    assert lower.vertices[:, 2].max() <= 0.9 + 1e-5

    def area(part) -> float:  # type: ignore[no-untyped-def]
        return float(face_normals(part.vertices, part.faces).norm(dim=1).sum() / 2)

    assert area(upper) + area(lower) == pytest.approx(area(mesh), rel=1e-4)
    rim = upper.vertices[border_vertices(upper.faces, len(upper.vertices))]
    assert ((rim[:, 2] - 0.9).abs() < 1e-5).sum() > 20


def test_joining_and_welding() -> None:
    hair = Body.load().shape().only("hair")
    welded = weld(hair, 0.012)
    assert len(border_vertices(welded.faces, len(welded.vertices))) < len(
        border_vertices(hair.faces, len(hair.vertices))
    )
    both = join({"one": hair, "two": welded})
    assert len(both.vertices) == len(hair.vertices) + len(welded.vertices)
    assert both.only("two").vertices.shape == welded.vertices.shape
    flat = neighbour_means(torch.ones(len(hair.vertices), 3), hair.faces)
    torch.testing.assert_close(flat, torch.ones_like(flat))
