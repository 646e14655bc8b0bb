"""BVH: channels in any order, hand-made poses with known answers, and files that are wrong."""

import contextlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatsim.errors import FormatError
from splatsim.formats.bvh import read_bvh

TEXT = """HIERARCHY
ROOT Hips
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition {channels}
  JOINT Knee
  {{
    OFFSET 0.0 -10.0 0.0
    CHANNELS 3 {channels}
    End Site
    {{
      OFFSET 0 -9 0
    }}
  }}
}}
MOTION
Frames:\t2
Frame Time: .0083333
1 2 3 {row} {row}
4 5 6 0 0 0 0 0 0
"""
ANGLES = {"X": 20.0, "Y": -35.0, "Z": 70.0}


def written(folder: Path, order: str = "ZYX", change: Callable[[str], str] = str) -> Path:
    channels = " ".join(f"{axis}rotation" for axis in order)
    row = " ".join(str(ANGLES[axis]) for axis in order)
    path = folder / "clip.bvh"
    path.write_text(change(TEXT.format(channels=channels, row=row)))
    return path


@pytest.mark.parametrize("order", ["".join(order) for order in itertools.permutations("XYZ")])
def test_every_order_of_channels(order: str, tmp_path: Path) -> None:
    clip = read_bvh(written(tmp_path, order))
    # SciPy's capital letters are rotations about the turned axes, first to last, as BVH means them.
    expected = Rotation.from_euler(order, [ANGLES[axis] for axis in order], degrees=True).as_matrix()
    np.testing.assert_allclose(clip.rotations[0], [expected, expected], atol=1e-12)
    np.testing.assert_allclose(clip.rotations[1], np.tile(np.eye(3), (2, 1, 1)))
    np.testing.assert_allclose(clip.positions[:, 0], [[1, 2, 3], [4, 5, 6]])
    assert clip.names == ("Hips", "Knee")
    assert clip.parents == (-1, 0)
    assert clip.ends[1].tolist() == [0, -9, 0]
    assert clip.frame_time == pytest.approx(1 / 120, rel=1e-4)


def test_a_real_clip(data: Path) -> None:
    clip = read_bvh(data / "people" / "cmu_131_01.bvh")
    assert clip.rotations.shape[:2] == (994, len(clip.names))
    assert math.isclose(clip.frame_time, 0.0083333)
    assert "LHipJoint" in clip.names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("HIERARCHY", "hierarch"), "does not begin with HIERARCHY"),
        (lambda t: t.replace("MOTION", "MOTIN"), "does not begin with HIERARCHY"),
        (lambda t: t.replace("Frames:\t2", "Frames:\t3"), "says 3 frames and has 2"),
        (lambda t: t.replace("4 5 6 0", "4 5 6"), "frame 1 has 8 numbers; expected 9"),
        (lambda t: t.replace("4 5 6", "4 nan 6"), "frame 1 has nan in column 1"),
        (lambda t: t.replace("4 5 6", "4 x 6"), "could not convert"),
        (lambda t: t.replace("CHANNELS 3 Z", "CHANNELS 3 W"), "joint Knee has a channel 'wrotation'"),
        (lambda t: t.replace("Yrotation Xrotation\n    End", "Yrotation Yrotation\n    End"), "come twice"),
        (lambda t: t.replace("End Site\n    {", "End Site\n    "), "closes more braces"),
        (lambda t: t.replace("Frame Time: .0083333", "Frame Time: 0"), "expected Frames: and Frame Time:"),
        (lambda t: t.replace("JOINT Knee", "ROOT Knee"), "expected one ROOT"),
    ],
)
def test_wrong_files(change: Callable[[str], str], message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=message):
        read_bvh(written(tmp_path, change=change))


def test_truncation_never_crashes(tmp_path: Path) -> None:
    text = written(tmp_path).read_text()
    for end in range(0, len(text), 7):
        path = tmp_path / "cut.bvh"
        path.write_text(text[:end])
        with contextlib.suppress(FormatError):
            read_bvh(path)
