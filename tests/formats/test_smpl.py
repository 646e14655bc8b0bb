"""SMPL's layouts, in files made here: nothing of SMPL is shipped. And pickles with code in them, which never runs."""

import io
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from splatsim.errors import FormatError
from splatsim.formats.smpl import read_aist, read_amass, read_smpl

PARENTS = {24: (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)}


def model(joints: int = 24, vertices: int = 40) -> dict[str, Any]:
    """A body in the documented layout with made-up numbers."""
    rng = np.random.default_rng(0)
    weights = rng.random((vertices, joints))
    parents = PARENTS.get(joints, (-1, *range(joints - 1)))
    tree = np.array([[2**32 - 1, *parents[1:]], range(joints)], np.uint32)
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "shapedirs": rng.normal(size=(vertices, 3, 10)),
        "posedirs": rng.normal(size=(vertices, 3, 9 * (joints - 1))),
        "J_regressor": rng.random((joints, vertices)),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": rng.integers(0, vertices, (60, 3)).astype(np.uint32),
        "kintree_table": tree,
        "bs_style": "lbs",
    }


class _Chumpy:
    """Pickles as an array of the package chumpy does: by a class of that name with the numbers in x."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x


def chumpy_pickle(content: dict[str, Any]) -> bytes:
    """A pickle that names chumpy.ch.Ch, which is not installed."""
    _Chumpy.__module__, _Chumpy.__qualname__ = "chumpy.ch", "Ch"
    import sys
    import types

    package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    module.Ch = _Chumpy  # type: ignore[attr-defined]
    sys.modules |= {"chumpy": package, "chumpy.ch": module}
    try:
        return pickle.dumps(content, protocol=2)
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


@pytest.mark.parametrize(("joints", "kind"), [(24, "SMPL"), (52, "SMPL-H"), (55, "SMPL-X")])
def test_models_as_archives(joints: int, kind: str, tmp_path: Path) -> None:
    content = model(joints)
    path = tmp_path / "body.npz"
    np.savez(path, **content, landmarks=np.array([{"a": 1}], dtype=object))
    read = read_smpl(path)
    assert read.kind == kind
    assert len(read.names) == joints
    assert read.parents[0] == -1
    np.testing.assert_array_equal(read.template, content["v_template"])
    np.testing.assert_array_equal(read.faces, content["f"])


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_models_as_pickles_of_every_age(protocol: int, tmp_path: Path) -> None:
    content = model()
    content["J_regressor"] = scipy.sparse.csc_matrix(content["J_regressor"])
    (tmp_path / "body.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    read = read_smpl(tmp_path / "body.pkl")
    np.testing.assert_allclose(read.regressor, content["J_regressor"].toarray())
    np.testing.assert_array_equal(read.weights, content["weights"])


def test_chumpy_without_chumpy(tmp_path: Path) -> None:
    content = model()
    plain = content["shapedirs"]
    content["shapedirs"] = _Chumpy(plain)
    (tmp_path / "body.pkl").write_bytes(chumpy_pickle(content))
    np.testing.assert_array_equal(read_smpl(tmp_path / "body.pkl").shape_dirs, plain)


class _Attack:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.reduced = (call, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("call", [os.system, eval, exec, __import__, open, np.load, np.fromfile, getattr])
def test_code_in_a_pickle_never_runs(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    monkeypatch.chdir(tmp_path)
    arguments = {os.system: f"touch {mark}", open: str(mark)}.get(call, f"open({str(mark)!r}, 'w')")
    path = tmp_path / "evil.pkl"
    extra = ("w",) if call is open else ()
    path.write_bytes(pickle.dumps(model() | {"v_template": _Attack(call, arguments, *extra)}))
    with pytest.raises(FormatError, match=r"which is code; expected nothing but arrays. It was not run"):
        read_smpl(path)
    assert not mark.exists()


def test_code_under_the_names_of_boxes_never_runs(tmp_path: Path) -> None:
    """A pickle may name any attribute of a module that is kept as a box: it gets a box, not the attribute."""
    mark = tmp_path / "ran"
    program = b"\x80\x02cscipy.sparse.os\nsystem\nX" + len(f"touch {mark}").to_bytes(4, "little")
    program += f"touch {mark}".encode() + b"\x85R."
    pickletools.dis(program, out=io.StringIO())
    (tmp_path / "evil.pkl").write_bytes(program)
    with pytest.raises(FormatError, match="holds a Box; expected a dictionary"):
        read_smpl(tmp_path / "evil.pkl")
    assert not mark.exists()


def test_memory_is_not_taken_on_the_word_of_a_pickle(tmp_path: Path) -> None:
    honest = pickle.dumps({"v_template": np.zeros((2, 3))}, protocol=2)
    shape, huge = b"K\x00\x85", b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85"  # (0,) and (2**40,)
    assert honest.count(shape) == 1
    program = honest.replace(shape, huge)
    (tmp_path / "big.pkl").write_bytes(program)
    with pytest.raises(FormatError, match=r"made before its data; expected \[0\]"):
        read_smpl(tmp_path / "big.pkl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones((40, 24))}, "weights of vertex 0 sum to 24; expected 1"),
        ({"weights": np.ones((40, 7)) / 7}, "has 7 joints; expected 24"),
        ({"v_template": np.full((40, 3), np.nan)}, r"v_template\[0, 0\] is nan; expected finite numbers"),
        ({"f": np.full((5, 3), 99, np.uint32)}, "has a corner 99; expected 0 to 39"),
        ({"shapedirs": np.zeros((39, 3, 10))}, r"shapedirs has shape \[39, 3, 10\]"),
        ({"kintree_table": np.array([range(24), range(24)], np.uint32)}, "expected each joint after its parent"),
    ],
)
def test_wrong_models(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "body.npz", **(model() | change))
    with pytest.raises(FormatError, match=message):
        read_smpl(tmp_path / "body.npz")


def test_amass_in_both_layouts(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    poses, trans = rng.normal(size=(7, 156)), rng.normal(size=(7, 3))
    shared = {"trans": trans, "betas": np.zeros(16), "gender": np.array("female"), "dmpls": np.zeros((7, 8))}
    np.savez(tmp_path / "h.npz", poses=poses, mocap_framerate=np.array(120.0), **shared)
    motion = read_amass(tmp_path / "h.npz")
    assert (motion.rate, motion.z_up, len(motion.names)) == (120.0, True, 52)
    np.testing.assert_array_equal(motion.rotations.reshape(7, 156), poses)
    parts = {"root_orient": 3, "pose_body": 63, "pose_hand": 90, "pose_jaw": 3, "pose_eye": 6}
    arrays = {name: rng.normal(size=(7, width)) for name, width in parts.items()}
    np.savez(tmp_path / "x.npz", mocap_frame_rate=60.0, surface_model_type="smplx", **arrays, **shared)
    motion = read_amass(tmp_path / "x.npz")
    assert len(motion.names) == 55
    np.testing.assert_array_equal(motion.rotations[:, 22], arrays["pose_jaw"])
    np.testing.assert_array_equal(motion.rotations[:, 25:].reshape(7, 90), arrays["pose_hand"])


def test_aist_is_scaled(tmp_path: Path) -> None:
    content = {"smpl_poses": np.zeros((4, 72)), "smpl_trans": np.full((4, 3), 90.0), "smpl_scaling": np.array([90.0])}
    (tmp_path / "dance.pkl").write_bytes(pickle.dumps(content))
    motion = read_aist(tmp_path / "dance.pkl")
    np.testing.assert_allclose(motion.translations, 1.0)
    assert (motion.rate, motion.z_up) == (60.0, False)


def test_wrong_motions(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=np.zeros((4, 156)), trans=np.zeros((4, 3)))
    with pytest.raises(FormatError, match="no mocap_framerate"):
        read_amass(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", poses=np.zeros((4, 100)), trans=np.zeros((4, 3)), mocap_framerate=30.0)
    with pytest.raises(FormatError, match="poses of 100 numbers; expected 66, 72, 156 or 165"):
        read_amass(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", poses=np.zeros((4, 72)), trans=np.zeros((3, 3)), mocap_framerate=30.0)
    with pytest.raises(FormatError, match=r"trans has shape \[3, 3\] .* expected numbers of shape \[4 3\]"):
        read_amass(tmp_path / "a.npz")


def test_truncated_pickles_never_crash(tmp_path: Path) -> None:
    data = pickle.dumps(model(), protocol=2)
    for end in range(0, len(data), len(data) // 60):
        (tmp_path / "cut.pkl").write_bytes(data[:end])
        with pytest.raises(FormatError, match=r"cut.pkl"):
            read_smpl(tmp_path / "cut.pkl")
