"""The model as a GLB file: one node per instance, with its class and number in `extras`."""

import json
import struct

import numpy as np


def write_glb(path, model, finishes):
    """One mesh per instance, quads as two triangles, the mean colour of its finishes as material.

    Coordinates stay z up and in metres under a root node that turns them to glTF's y up.
    """
    colors = finishes.mean_albedo(model, 4)
    chunks, accessors, meshes, nodes, materials, known = ([], []), [], [], [], [], {}
    offsets = [0, 0]

    def store(view, array, kind, component, extra):
        """Add to one of the two views, positions (0) or indices (1)."""
        data = array.tobytes()
        data += b"\0" * (-len(data) % 4)
        place = {"bufferView": view, "byteOffset": offsets[view], "componentType": component}
        accessors.append({**place, "count": len(array), "type": kind, **extra})
        chunks[view].append(data)
        offsets[view] += len(data)
        return len(accessors) - 1

    order = np.argsort(model.instances, kind="stable")
    bounds = np.searchsorted(model.instances[order], np.arange(len(model.instance_names) + 1))
    for instance, name in enumerate(model.instance_names):
        quads = order[bounds[instance] : bounds[instance + 1]]
        if not len(quads):
            continue
        primitives = []
        for finish in np.unique(model.finishes[quads]):
            mine = quads[model.finishes[quads] == finish]
            points, index = _welded(model.corners[mine])
            extent = {"min": _short(points.min(axis=0)), "max": _short(points.max(axis=0))}
            position = store(0, points, "VEC3", 5126, extent)
            narrow = len(points) < 65536
            flat = index.astype(np.uint16 if narrow else np.uint32).ravel()
            faces = store(1, flat, "SCALAR", 5123 if narrow else 5125, {})
            color = tuple(np.round(colors[mine].mean(axis=0).astype(float), 2))
            material = known.setdefault(color, len(known))
            if material == len(materials):
                look = {"baseColorFactor": [*color, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}
                materials.append({"pbrMetallicRoughness": look})
            primitives.append({"attributes": {"POSITION": position}, "indices": faces, "material": material})
        meshes.append({"primitives": primitives})
        label = int(model.instance_classes[instance])
        extras = {"class": model.class_names[label], "class_id": label, "instance_id": instance}
        nodes.append({"name": name, "mesh": len(meshes) - 1, "extras": extras})
    half = float(np.sqrt(0.5))
    nodes.append({"name": "world", "rotation": [-half, 0.0, 0.0, half], "children": list(range(len(nodes)))})
    document = {
        "asset": {"version": "2.0", "generator": "splatsim world generator"},
        "scene": 0,
        "scenes": [{"nodes": [len(nodes) - 1], "extras": {"class_names": list(model.class_names)}}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": materials,
        "accessors": accessors,
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": offsets[0], "byteStride": 12, "target": 34962},
            {"buffer": 0, "byteOffset": offsets[0], "byteLength": offsets[1], "target": 34963},
        ],
        "buffers": [{"byteLength": sum(offsets)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with path.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + sum(offsets)))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", sum(offsets), b"BIN\0"))
        file.writelines(chunks[0] + chunks[1])


def _short(values):
    """The shortest decimals that are these float32."""
    return [float(str(value)) for value in values]


def _welded(corners):
    """Points used once each, and triangles; triangles without area are left out."""
    points, index = np.unique(corners.reshape(-1, 3).astype(np.float32), axis=0, return_inverse=True)
    quads = index.reshape(-1, 4)
    triangles = quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    proper = (
        (triangles[:, 0] != triangles[:, 1])
        & (triangles[:, 1] != triangles[:, 2])
        & (triangles[:, 2] != triangles[:, 0])
    )
    return points, triangles[proper]
