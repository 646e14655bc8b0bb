"""Where the shelves' small files are, in a checkout and in an installed wheel: the only place that knows."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shelf_file(name: str) -> Path:
    """The file of a shelf, such as "avatars/body.npz".

    Raises:
        FileNotFoundError: the file is neither in a checkout nor in the installed package.
    """
    checkout = PACKAGE.parent
    places = [PACKAGE / "shelf" / name, *([checkout / name] if (checkout / "pyproject.toml").is_file() else [])]
    for place in reversed(places):
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"there is no {name} at {' or '.join(str(place) for place in places)}; expected a complete installation: "
        "reinstall splatsim."
    )
