"""Cutting, joining and smoothing of skinned meshes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.avatar.body import ShapedBody
from splatsim.avatar.skin_weights import SkinWeights


def face_normals(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "m 3"]) -> Float[Tensor, "m 3"]:
    """Outward normals whose length is twice the area of the triangle."""
    a, b, c = vertices[faces].unbind(1)
    normals: Tensor = torch.linalg.cross(b - a, c - a)
    return normals


def vertex_normals(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "m 3"]) -> Float[Tensor, "v 3"]:
    """Unit normals, the mean of the triangles around each vertex, weighted by area."""
    normals = face_normals(vertices, faces)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(0, faces[:, corner], normals)
    return torch.nn.functional.normalize(total, dim=-1)


def neighbour_means(vertices: Float[Tensor, "v d"], faces: Int[Tensor, "m 3"]) -> Float[Tensor, "v d"]:
    """The mean of the corners across the edges of each vertex; the vertex itself where it has no edge."""
    total, count = torch.zeros_like(vertices), torch.zeros(len(vertices), 1)
    for a, b in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)):
        total.index_add_(0, faces[:, a], vertices[faces[:, b]])
        count.index_add_(0, faces[:, a], torch.ones(len(faces), 1))
    return torch.where(count > 0, total / count.clamp_min(1), vertices)


def border_vertices(faces: Int[Tensor, "m 3"], count: int) -> Int[Tensor, " b"]:
    """Vertices on an edge that has one triangle only."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    unique, counts = torch.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    lone = unique[counts == 1]
    vertices: Tensor = torch.unique(torch.cat([lone // count, lone % count]))
    return vertices


def smoothed(mesh: ShapedBody, rounds: int, share: float = 0.5) -> ShapedBody:
    """The mesh with its vertices drawn towards their neighbours; border vertices stay."""
    inner = torch.ones(len(mesh.vertices), 1).index_fill_(0, border_vertices(mesh.faces, len(mesh.vertices)), 0.0)
    vertices = mesh.vertices
    for _ in range(rounds):
        vertices = vertices + share * inner * (neighbour_means(vertices, mesh.faces) - vertices)
    return mesh.replace(vertices=vertices)


def clip(mesh: ShapedBody, field: Float[Tensor, " v"]) -> ShapedBody:
    """What of the mesh lies where the field, given at the vertices, is above 0: a clean edge through the triangles."""
    inside = field > 0
    whole = inside[mesh.faces].all(1)
    cut = (inside[mesh.faces].any(1) & ~whole).nonzero()[:, 0]
    # Each cut triangle is turned until its lone corner (the one that differs from the other two) comes first.
    corners = mesh.faces[cut]
    lone_inside = inside[corners].sum(1) == 1
    lone = (inside[corners] == lone_inside[:, None]).long().argmax(1)
    order = (lone[:, None] + torch.arange(3)) % 3
    corners = corners.gather(1, order)
    uvs = mesh.uvs[cut].gather(1, order[..., None].expand(-1, -1, 2))
    a, b, c = corners.unbind(1)
    ends, where = torch.unique(torch.cat([a * len(field) + b, a * len(field) + c]), return_inverse=True)
    start, end = ends // len(field), ends % len(field)  # one new vertex on each edge, for both its triangles
    share = (field[start] / (field[start] - field[end]))[:, None]
    on_b, on_c = (len(mesh.vertices) + where).chunk(2)
    shares_b, shares_c = share[where].chunk(2)
    uv_b, uv_c = torch.lerp(uvs[:, 0], uvs[:, 1], shares_b), torch.lerp(uvs[:, 0], uvs[:, 2], shares_c)
    tip, base = lone_inside, ~lone_inside
    faces = torch.cat(
        [
            mesh.faces[whole],
            torch.stack([a, on_b, on_c], 1)[tip],
            torch.stack([on_b, b, c], 1)[base],
            torch.stack([on_b, c, on_c], 1)[base],
        ]
    )
    new_uvs = torch.cat(
        [
            mesh.uvs[whole],
            torch.stack([uvs[:, 0], uv_b, uv_c], 1)[tip],
            torch.stack([uv_b, uvs[:, 1], uvs[:, 2]], 1)[base],
            torch.stack([uv_b, uvs[:, 2], uv_c], 1)[base],
        ]
    )
    parts = torch.cat([mesh.parts[whole], mesh.parts[cut][tip], mesh.parts[cut][base], mesh.parts[cut][base]])

    def with_edge(values: Tensor) -> Tensor:
        return torch.cat([values, torch.lerp(values[start], values[end], share)])

    dense = with_edge(mesh.skin.dense(len(mesh.skeleton)))
    longer = mesh.replace(
        vertices=with_edge(mesh.vertices),
        template=with_edge(mesh.template),
        skin=SkinWeights.from_dense(dense),
        faces=faces,
        uvs=new_uvs,
        parts=parts,
    )
    return longer.keep(torch.ones(len(faces), dtype=torch.bool))


def weld(mesh: ShapedBody, distance: float) -> ShapedBody:
    """Vertices closer than this on the template become the first of them."""
    near = torch.cdist(mesh.template, mesh.template) < distance
    first = near.int().argmax(1)
    first = first[first]
    faces = first[mesh.faces]
    proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return mesh.replace(faces=faces).keep(proper)


def join(meshes: dict[str, ShapedBody]) -> ShapedBody:
    """All meshes of one skeleton as one, each a part of its name."""
    pieces = list(meshes.values())
    starts = torch.tensor([0, *(len(piece.vertices) for piece in pieces)]).cumsum(0)
    dense = torch.cat([piece.skin.dense(len(piece.skeleton)) for piece in pieces])
    return pieces[0].replace(
        vertices=torch.cat([piece.vertices for piece in pieces]),
        template=torch.cat([piece.template for piece in pieces]),
        skin=SkinWeights.from_dense(dense),
        faces=torch.cat([piece.faces + start for piece, start in zip(pieces, starts[:-1], strict=True)]),
        uvs=torch.cat([piece.uvs for piece in pieces]),
        parts=torch.cat([torch.full((len(piece.faces),), part) for part, piece in enumerate(pieces)]),
        part_names=tuple(meshes),
    )
