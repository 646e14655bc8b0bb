"""The header of any PLY file: which elements follow, how many, and of which properties."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from splatsim.errors import FormatError

MAX_HEADER_BYTES = 1 << 20

ANTIALIASED = "SplatRenderMode: mip"
"""The comment that Gaussians are to be rendered with antialiasing, as Brush writes it."""

BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}

# Both families of names that the field uses, with numpy's codes.
CODES = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")
SCALARS = {
    **dict(zip(("char", "uchar", "short", "ushort", "int", "uint", "float", "double"), CODES, strict=True)),
    **dict(zip(("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"), CODES, strict=True)),
}


@dataclass
class Element:
    """One kind of record, such as "vertex"."""

    name: str
    count: int
    """How many records the header promises; not to be trusted before it is held against the file's size."""
    scalars: dict[str, str] = field(default_factory=dict)
    """Property name to numpy type code without byte order, in file order."""
    lists: list[str] = field(default_factory=list)
    """Names of the properties of variable length."""

    @property
    def record_bytes(self) -> int:
        """Size of one binary record without lists."""
        return sum(int(code[1]) for code in self.scalars.values())


@dataclass(frozen=True)
class PlyHeader:
    """What stands between "ply" and "end_header"."""

    encoding: str
    """One of `BYTE_ORDERS`."""
    elements: dict[str, Element]
    """By name, in file order."""
    size: int
    """Bytes from the start of the file to the first record."""
    comments: list[str]
    """Texts of the comment lines."""


def read_ply_header(file: BinaryIO, path: Path) -> PlyHeader:
    """The header of the file, which stands at its start.

    Raises:
        FormatError: it is not a PLY header, or ends too early, or is longer than any real one.
    """
    lines, size = _header_lines(file, path)
    encoding = ""
    elements: dict[str, Element] = {}
    comments: list[str] = []
    for number, line in enumerate(lines, start=2):
        words = line.split()
        match words:
            case ["comment", *rest]:
                comments.append(" ".join(rest))
            case [] | ["obj_info", *_]:
                continue
            case ["format", name, "1.0"] if name in BYTE_ORDERS and not encoding:
                encoding = name
            case ["element", name, count] if name not in elements and _is_count(count):
                elements[name] = Element(name, int(count))
            case ["property", *kind, name] if elements and _add_property(list(elements.values())[-1], kind, name):
                continue
            case _:
                raise FormatError(
                    f"{path} has {shortened(line)} in line {number} of its header; "
                    'expected "format", "element", "property" or "comment", well formed and no name twice.'
                )
    if not encoding:
        raise FormatError(f'{path} names no encoding in its header; expected a line such as "format ascii 1.0".')
    return PlyHeader(encoding, elements, size, comments)


def _header_lines(file: BinaryIO, path: Path) -> tuple[list[str], int]:
    first = file.readline(16)
    if first.rstrip() != b"ply":
        raise FormatError(f'{path} starts with {first[:8]!r}; expected a PLY file, whose first line is "ply".')
    lines: list[str] = []
    size = len(first)
    while size <= MAX_HEADER_BYTES:
        line = file.readline(MAX_HEADER_BYTES)
        size += len(line)
        text = line.decode("latin-1").strip()
        if text == "end_header" and line.endswith(b"\n"):
            return lines, size
        if not line:
            raise FormatError(f'{path} ends after {size} bytes, within its header; expected a line "end_header".')
        lines.append(text)
    raise FormatError(f'{path} has no "end_header" in its first {MAX_HEADER_BYTES} bytes; expected a PLY header.')


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 18


def _add_property(element: Element, kind: list[str], name: str) -> bool:
    if name in element.scalars or name in element.lists:
        return False
    match kind:
        case [scalar] if scalar in SCALARS:
            element.scalars[name] = SCALARS[scalar]
        case ["list", length, item] if length in SCALARS and item in SCALARS:
            element.lists.append(name)
        case _:
            return False
    return True


def shortened(text: str) -> str:
    """The text in quotation marks, cut so that a message stays readable."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
