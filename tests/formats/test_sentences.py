"""What a user reads when a .gltf, .glb, .compressed.ply, .sog, .ksplat or USD file is not what it claims."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from splatsim.formats import load_gaussians, save_gaussians
from tests.formats.test_compressed_ply import BOUNDS, SCALES, packed
from tests.formats.test_gltf_gaussians import KHR, one, tree
from tests.formats.test_ksplat import ksplat, section
from tests.formats.test_sog import bundle, codebook, image, members
from tests.formats.usd_text import FIELD, SH0
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("sentences.txt")
USD_SENTENCES = Path(__file__).with_name("usd_sentences.txt")
ZERO = [0.0] * 12
NAN = float("nan")
Case = Callable[[], object]


def reading(folder: Path, kind: str, files: dict[str, bytes]) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for name, data in files.items():
        path = folder / f"{name.replace(' ', '_')}{kind}"
        path.write_bytes(data)
        cases[f"{kind} {name}"] = lambda path=path: load_gaussians(path)
    return cases


def gltf(attributes=None, **changes) -> bytes:
    return json.dumps(tree(one() if attributes is None else attributes, **changes)).encode()


def gltf_files() -> dict[str, bytes]:
    def without(name):
        return {key: value for key, value in one().items() if key != name}

    triangles = json.loads(gltf())
    triangles["meshes"][0]["primitives"][0]["mode"] = 4
    plain = json.loads(gltf())
    del plain["meshes"][0]["primitives"][0]["extensions"]
    spz = {"extensions": {"KHR_gaussian_splatting_compression_spz_2": {"bufferView": 0}}}
    return {
        "kernel": gltf(extension={"kernel": "disc"}),
        "no kernel": gltf(extension={"kernel": None}),
        "linear colours": gltf(extension={"colorSpace": "lin_rec709_display"}),
        "sorting": gltf(extension={"sortingMethod": "random"}),
        "compressed": gltf(extension=spz),
        "required": gltf(extensionsRequired=["EXT_mesh_gpu_instancing"]),
        "no rotation": gltf(without(f"{KHR}:ROTATION")),
        "counts": gltf(one(**{f"{KHR}:SCALE": np.ones((2, 3), np.float32)})),
        "opacity": gltf(one(**{f"{KHR}:OPACITY": np.float32([[1.5]])})),
        "not a number": gltf(one(POSITION=np.float32([[NAN, 0, 0]]))),
        "band 1 in part": gltf(one(**{f"{KHR}:SH_DEGREE_1_COEF_0": np.ones((1, 3), np.float32)})),
        "band 4": gltf(one(**{f"{KHR}:SH_DEGREE_4_COEF_0": np.ones((1, 3), np.float32)})),
        "mirrored": gltf(nodes=[{"mesh": 0, "scale": [1, -1, 1]}]),
        "triangles": json.dumps(triangles).encode(),
        "no Gaussians": json.dumps(plain).encode(),
        "claims more": gltf(accessors=[{"bufferView": 0, "componentType": 5126, "count": 10**12, "type": "VEC3"}]),
        "cut": gltf()[:200],
        "version": gltf(asset={"version": "1.0"}),
        "matrix": gltf(nodes=[{"mesh": 0, "matrix": [NAN] * 16}]),
        "rotation": gltf(nodes=[{"mesh": 0, "rotation": [0, 0, 0, 0]}]),
        "view": gltf(bufferViews=[{"buffer": 0, "byteOffset": 4, "byteLength": 10**12}]),
    }


def glb_files() -> dict[str, bytes]:
    return {
        "version": struct.pack("<4sII", b"glTF", 1, 20) + bytes(8),
        "cut": struct.pack("<4sII", b"glTF", 2, 100) + bytes(8),
        "chunk": struct.pack("<4sIIII", b"glTF", 2, 20, 2**32 - 1, 0x4E4F534A),
        "no tree": struct.pack("<4sIIII", b"glTF", 2, 20, 0, 7),
    }


def ply_files() -> dict[str, bytes]:
    good = packed(ZERO, [0] * 4)
    return {
        "cut": good[:-1],
        "chunks": good.replace(b"element chunk 1", b"element chunk 2"),
        "absurd": good.replace(b"element vertex 1", b"element vertex 99999999999999"),
        "bounds": packed([0.0] * 11, [0] * 4, names=[*BOUNDS, *SCALES][:-1]),
        "infinite": packed([float("inf"), *ZERO[1:]], [0] * 4),
        "scales": packed([*ZERO[:9], 1e30, 0, 0], [0, 0, 2047 << 21, 0]),
        "sh": packed(ZERO, [0] * 4, sh=bytes(9), sh_count=2),
        "ten of sh": packed(ZERO, [0] * 4, sh=bytes(10), sh_count=1),
        "ascii": good.replace(b"binary_little_endian", b"ascii"),
        "another element": good.replace(b"end_header", b"element face 0\nend_header"),
    }


def sog_cases(folder: Path) -> dict[str, Case]:
    good = members()
    means = {"mins": [0, 0, NAN], "maxs": [1, 1, 1], "files": ["ml.webp", "mu.webp"]}
    given = {
        "no meta": {"a.txt": b""},
        "meta": good | {"meta.json": b"{"},
        "version 1": members(version=None) | {"meta.json": b'{"means": {}}'},
        "version 3": members(version=3),
        "count": members(count=-1),
        "absurd count": members(count=10**12),
        "more than pixels": members(count=17),
        "no image": good | {"q.webp": b"RIFF"},
        "missing image": {name: data for name, data in good.items() if name != "q.webp"},
        "codebook": members(scales={"codebook": codebook()[:255], "files": ["s.webp"]}),
        "box": members(means=means),
        "bands": members(sh=True, shN={"count": 3, "bands": 4, "codebook": codebook(), "files": []}),
        "palette": members(sh=True) | {"p.webp": image([1, 2, 3, 255])},
    }
    cases: dict[str, Case] = {}
    for name, files in given.items():
        path = bundle(folder / f"{name.replace(' ', '_')}.sog", files)
        cases[f".sog {name}"] = lambda path=path: load_gaussians(path)
    path = bundle(folder / "lzma.sog", good, zipfile.ZIP_LZMA)
    cases[".sog method"] = lambda: load_gaussians(path)
    return cases | reading(folder, ".sog", {"no archive": b"SOG", "cut": (folder / "count.sog").read_bytes()[:-9]})


def ksplat_files() -> dict[str, bytes]:
    record = struct.pack("<3f3f4f4B", 1, 2, 3, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 255)
    packed_record = bytes(24)
    return {
        "cut header": bytes(100),
        "version": ksplat([section()], record, 1, version=(1, 0)),
        "level": ksplat([section()], record, 1, precision=3),
        "sections": struct.pack("<BBxxI", 0, 1, 2**31).ljust(4096, b"\0"),
        "cut": ksplat([section()], record[:-1], 1),
        "absurd": ksplat([section(room=2**32 - 1)], record, 1),
        "room": ksplat([section(count=2)], record, 2),
        "count": ksplat([section()], record, 2),
        "degree": ksplat([section(degree=4)], record, 1),
        "buckets": ksplat([section(1, 1, 256, 0, 5.0, 12, 0, 0, 0)], packed_record, 1, precision=1),
        "bucket bytes": ksplat([section(1, 1, 256, 1, 5.0, 16, 0, 1, 0)], packed_record, 1, precision=1),
        "nan": ksplat([section()], record.replace(struct.pack("<f", 2), struct.pack("<f", NAN)), 1),
        "scale": ksplat([section()], struct.pack("<3f3f4f4B", 1, 2, 3, 1, -1, 1, *[0] * 8), 1),
        "range": ksplat([section()], record, 1, low=NAN),
    }


def usd_files() -> dict[str, bytes]:
    def text(fields: str, metadata: str = "") -> bytes:
        return FIELD.format(metadata=metadata, fields=fields).encode()

    return {
        "no Gaussians": b'#usda 1.0\ndef Xform "a" {}\n',
        "no radiance": text("float[] opacities = [1, 1]"),
        "counts": text(SH0 + "\nfloat[] opacities = [1]"),
        "sh count": text(SH0.replace("= 0", "= 1")),
        "degree": text(SH0.replace("= 0", "= 7")),
        "opacity": text(SH0 + "\nfloat[] opacities = [0.5, -1]"),
        "infinite": text(SH0 + "\nfloat3[] scales = [(1, 1, 1), (1, inf, 1)]"),
        "flat": text(SH0, "metersPerUnit = 0"),
    }


def test_sentences(tmp_path, cloud):
    cases = reading(tmp_path, ".gltf", gltf_files()) | reading(tmp_path, ".glb", glb_files())
    cases |= reading(tmp_path, ".compressed.ply", ply_files())
    cases |= sog_cases(tmp_path) | reading(tmp_path, ".ksplat", ksplat_files())
    cases[".sog to write"] = lambda: save_gaussians(tmp_path / "a.sog", cloud(0))
    check_sentences(SENTENCES, cases, tmp_path)


def test_usd_sentences(tmp_path):
    pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
    check_sentences(USD_SENTENCES, reading(tmp_path, ".usda", usd_files()), tmp_path)


def test_usd_files_that_are_none(tmp_path):
    """usd-core's own words are part of these sentences, so only ours are compared."""
    pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
    none = {"a.usda": b"#usda 1.0\ndef {", "b.usdc": b"PXR-USDC", "c.usd": b"", "d.usdz": b"PK"}
    none |= {"version.usda": b"#usda 9.0\n", "version.usdc": b"PXR-USDC\x63".ljust(200, b"\0")}
    for name, data in none.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=r"cannot be read as a USD stage .*; expected a USD file\."):
            load_gaussians(tmp_path / name)
