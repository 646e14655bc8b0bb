"""Motion capture in .bvh files (Biovision Hierarchy), whatever the order of its channels."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file

Array = npt.NDArray[np.floating]
POSITIONS = ("xposition", "yposition", "zposition")
ROTATIONS = ("xrotation", "yrotation", "zrotation")
MOST_JOINTS, MOST_NUMBERS = 1000, 200_000_000


@dataclass
class BvhClip:
    """A clip in the file's own units and axes: with all rotations the identity, joints stand at the sums of offsets."""

    path: Path
    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    """[j 3] from the parent."""
    rotations: Array
    """[t j 3 3] against the parent, in axes parallel to the file's."""
    positions: Array
    """[t j 3] against the parent: where the joint has position channels their values, else its offset."""
    moving: tuple[bool, ...]
    """Whether a joint has position channels."""
    ends: dict[int, Array]
    """Offsets of end sites, by their joint."""
    frame_time: float
    """Seconds from pose to pose."""


def read_bvh(path: str | os.PathLike[str]) -> BvhClip:
    """The clip of a .bvh file.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is no BVH file, lacks frames or numbers, or has channels that are no rotation or position.
    """
    file = existing_file(path)
    text = file.read_text(encoding="utf-8", errors="replace")
    head, found, tail = text.partition("MOTION")
    if not head.lstrip().upper().startswith("HIERARCHY") or not found:
        raise FormatError(f"{file} does not begin with HIERARCHY and go on to MOTION; expected a .bvh file.")
    tree = _Tree(file, head)
    lines = tail.splitlines()
    frames, frame_time, start = _header(file, lines)
    values = _numbers(file, lines[start:], frames, sum(len(channels) for channels in tree.channels))
    rotations = np.tile(np.eye(3), (frames, len(tree.names), 1, 1))
    positions = np.tile(np.array(tree.offsets), (frames, 1, 1))
    column = 0
    for joint, channels in enumerate(tree.channels):
        for channel in channels:
            if channel in POSITIONS:
                positions[:, joint, POSITIONS.index(channel)] = values[:, column]
            else:
                turn = _about(ROTATIONS.index(channel), np.deg2rad(values[:, column]))
                rotations[:, joint] = rotations[:, joint] @ turn
            column += 1
    moving = tuple(any(channel in POSITIONS for channel in channels) for channels in tree.channels)
    offsets = np.array(tree.offsets)
    return BvhClip(
        file, tuple(tree.names), tuple(tree.parents), offsets, rotations, positions, moving, tree.ends, frame_time
    )


class _Tree:
    """The hierarchy: joints in the order in which they are written."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[list[str]] = []
        self.ends: dict[int, Array] = {}
        try:
            self._read(iter(text.split()))
        except StopIteration:
            raise FormatError(f"{path} ends within its hierarchy; expected as many }} as {{.") from None

    def _read(self, words: Iterator[str]) -> None:
        open_: list[int] = []  # joints whose braces are open; -1 for an end site
        at = -1
        for word in words:
            key = word.upper()
            if key in ("ROOT", "JOINT"):
                if (key == "ROOT") != (not self.names):
                    raise FormatError(
                        f"{self.path} has {word} at joint {len(self.names)}; expected one ROOT, then JOINTs."
                    )
                at = self._joint(next(words), next((joint for joint in reversed(open_) if joint >= 0), -1))
            elif key == "END":
                next(words)
                at = -1
            elif key == "{":
                open_.append(at)
            elif key == "}":
                if not open_:
                    raise FormatError(f"{self.path} closes more braces than it opens in its hierarchy.")
                open_.pop()
            elif key == "OFFSET":
                self._offset([self._number(next(words), "an offset") for _ in range(3)], open_)
            elif key == "CHANNELS":
                self._channels(words, open_)
        if open_ or not self.names:
            raise FormatError(
                f"{self.path} has {len(self.names)} joints and {len(open_)} open braces; expected a tree."
            )
        for joint, channels in enumerate(self.channels):
            if len(set(channels)) != len(channels):
                raise FormatError(f"{self.path}, joint {self.names[joint]}: channels {' '.join(channels)} come twice.")

    def _joint(self, name: str, parent: int) -> int:
        if len(self.names) >= MOST_JOINTS:
            raise FormatError(f"{self.path} has more than {MOST_JOINTS} joints.")
        taken = self.names.count(name)
        self.names.append(name if not taken else f"{name}_{len(self.names)}")
        self.parents.append(parent)
        self.offsets.append([0.0, 0.0, 0.0])
        self.channels.append([])
        return len(self.names) - 1

    def _offset(self, offset: list[float], open_: list[int]) -> None:
        if not open_:
            raise FormatError(f"{self.path} has an OFFSET outside a joint.")
        if open_[-1] >= 0:
            self.offsets[open_[-1]] = offset
        elif len(open_) > 1:
            self.ends[open_[-2]] = np.array(offset)

    def _channels(self, words: Iterator[str], open_: list[int]) -> None:
        if not open_ or open_[-1] < 0:
            raise FormatError(f"{self.path} has CHANNELS outside a joint.")
        count = int(self._number(next(words), "a number of channels"))
        names = [next(words).lower() for _ in range(max(0, min(count, 7)))]
        odd = [name for name in names if name not in POSITIONS + ROTATIONS]
        if odd or not 0 <= count <= 6:
            what = f"a channel {odd[0]!r}" if odd else f"{count} channels"
            raise FormatError(
                f"{self.path}, joint {self.names[open_[-1]]} has {what}; expected at most six of "
                "Xposition Yposition Zposition Xrotation Yrotation Zrotation, in any order."
            )
        self.channels[open_[-1]] = names

    def _number(self, word: str, what: str) -> float:
        try:
            return float(word)
        except ValueError:
            raise FormatError(f"{self.path} has {word!r} for {what}; expected a number.") from None


def _header(path: Path, lines: list[str]) -> tuple[int, float, int]:
    """Number of frames, seconds between them, and the line after."""
    found: dict[str, float] = {}
    for number, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if colon:
            try:
                found[" ".join(key.split()).lower()] = float(value)
            except ValueError:
                raise FormatError(f'{path} has "{line.strip()}" after MOTION; expected a number.') from None
        if len(found) == 2:
            frames, time = found.get("frames", 0), found.get("frame time", 0)
            if not (1 <= frames <= 1e8 and 0 < time < 1e4):
                break
            return int(frames), time, number + 1
    raise FormatError(f"{path} says {found} after MOTION; expected Frames: and Frame Time:, both above 0.")


def _numbers(path: Path, lines: list[str], frames: int, width: int) -> Array:
    rows = [line for line in lines if line.strip()]
    if len(rows) < frames:
        raise FormatError(f"{path} says {frames} frames and has {len(rows)}; expected as many lines of numbers.")
    if frames * width > MOST_NUMBERS:
        raise FormatError(f"{path} has {frames} frames of {width} channels; expected at most {MOST_NUMBERS} numbers.")
    values = np.empty((frames, width))
    for frame, row in enumerate(rows[:frames]):
        words = row.split()
        if len(words) != width:
            raise FormatError(
                f"{path}, frame {frame} has {len(words)} numbers; expected {width}, one for each channel."
            )
        try:
            values[frame] = [float(word) for word in words]
        except ValueError as error:
            raise FormatError(f"{path}, frame {frame}: {error}; expected numbers.") from None
    bad = ~np.isfinite(values)
    if bad.any():
        frame, column = (int(i) for i in np.argwhere(bad)[0])
        raise FormatError(
            f"{path}, frame {frame} has {values[frame, column]} in column {column}; expected finite numbers."
        )
    return values


def _about(axis: int, angles: Array) -> Array:
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.zeros((len(angles), 3, 3))
    turns[:, axis, axis] = 1
    b, c = (axis + 1) % 3, (axis + 2) % 3
    turns[:, b, b] = turns[:, c, c] = cos
    turns[:, b, c], turns[:, c, b] = -sin, sin
    return turns
