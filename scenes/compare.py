"""Does a world made here equal the committed one? Meshes, maps and poses exactly, pictures within one step of 255.

    python scenes/compare.py scenes/apartment out/worlds/apartment

With `--update` files that differ are copied over the committed ones.
"""

import argparse
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np

EXACT = {".glb", ".json", ".npz", ".png", ".spz", ".ply"}
PICTURES = {".mp4", ".jpg"}
NOTES = {".toml", ".txt"}
"""Follow from the others, and are copied with them."""


def differences(committed, made):
    """Sentences about what differs; files that only one side has are not compared."""
    found = []
    for path in sorted(committed.rglob("*")):
        other = made / path.relative_to(committed)
        if path.suffix not in EXACT | PICTURES or not other.is_file():
            continue
        if path.read_bytes() == other.read_bytes():
            continue
        if path.suffix in EXACT:
            found.append(f"{other} differs from {path}; expected the same bytes.")
        else:
            found += _pictures(path, other)
    return found


def update(committed, made):
    """Copy what differs in any byte over the committed files, each under a temporary name first; gives their names."""
    changed = []
    for path in sorted(committed.rglob("*")):
        other = made / path.relative_to(committed)
        if (
            path.suffix not in EXACT | PICTURES | NOTES
            or not other.is_file()
            or path.read_bytes() == other.read_bytes()
        ):
            continue
        part = path.with_name(f".{path.name}.partial")
        shutil.copyfile(other, part)
        part.replace(path)
        changed.append(str(path))
    return changed


def _pictures(path, other):
    frames = zip(iio.imiter(path), iio.imiter(other), strict=True)
    try:
        worst = max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in frames)
    except ValueError:
        return [f"{other} has another number or size of frames than {path}; expected the same."]
    return [f"{other} differs from {path} by up to {worst} of 255; expected at most 1."] if worst > 1 else []


def main():
    """End with 1 and the differences, or with the count of what is equal."""
    parser = argparse.ArgumentParser(description="Compares a world made here with the committed one.")
    parser.add_argument("committed", type=Path)
    parser.add_argument("made", type=Path)
    parser.add_argument("--update", action="store_true", help="copy what differs over what is committed")
    options = parser.parse_args()
    for folder in (options.committed, options.made):
        if not folder.is_dir():
            raise SystemExit(f"{folder} is no folder; expected a world.")
    if options.update:
        print("\n".join(update(options.committed, options.made)))
        return
    found = differences(options.committed, options.made)
    if found:
        raise SystemExit("\n".join(found))
    print(f"{options.made} equals {options.committed}.")


if __name__ == "__main__":
    main()
