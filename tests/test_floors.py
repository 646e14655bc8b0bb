"""The shape of the house: imports point down, and render() stays small."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import splatsim

PACKAGE = Path(splatsim.__file__).parent
FLOORS = [
    {"tensors", "errors", "assets", "native"},
    {"spherical_harmonics", "transforms", "report", "video"},
    {"gaussians", "cameras", "grids", "decoding"},
    {"rendering", "fitting", "formats", "camera_paths"},
    {"semantics", "depth_pictures"},
    {"occupancy", "scene"},
    {"avatar", "maps"},
    {"nav", "reconstruction", "supervision"},
    {"viewer", "integrations", "doctor"},
    {"cli"},
    {"__main__"},
]


def floor_of(name: str) -> int:
    return next(level for level, names in enumerate(FLOORS) if name in names)


def imported(path: Path) -> set[str]:
    """Names of the parts of splatsim that a file imports, anywhere in it."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "splatsim":
            rest = node.module.split(".")[1:]
            parts |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            parts |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("splatsim.")}
    return parts


def test_imports_point_down() -> None:
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for other in imported(path) - {part}:
            assert floor_of(other) < floor_of(part), f"{path.relative_to(PACKAGE)} imports {other}"


def test_every_part_has_a_floor() -> None:
    for path in PACKAGE.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            name = path.name.removesuffix(".py")
            assert name == "__init__" or floor_of(name) >= 0


def test_render_has_at_most_eight_parameters() -> None:
    assert len(inspect.signature(splatsim.render).parameters) <= 8


def test_heavy_packages_stand_behind_one_file() -> None:
    homes = {
        "gsplat": {"rendering/_cuda.py"},
        "tyro": {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("cli/*.py")},
        "pycolmap": {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("reconstruction/poses/*.py")},
        "viser": {"viewer/server.py"},
        "rerun": {"viewer/rerun_file.py"},
        "nerfstudio": {f"integrations/nerfstudio/{name}.py" for name in ("method", "model", "dataparser")},
        "pytorch3d": set(),
        "pyarrow": {"formats/parquet.py"},
        "pxr": {"formats/usd.py", "formats/_usd_probe.py"},
        "msgpack": {"nav/wire.py"},
        "websockets": {"nav/policy_line.py"},
        "ray": {"nav/ray_workers.py"},
        "zstandard": {"formats/spz.py", "formats/_spz_packing.py"},
    }
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                home = homes.get(name.split(".")[0])
                assert home is None or path.relative_to(PACKAGE).as_posix() in home, f"{path} imports {name}"


def test_importing_splatsim_is_light() -> None:
    """Its renderer, fitting and formats work in environments without OpenCV, COLMAP and viser."""
    heavy = {"cv2", "pycolmap", "viser", "scipy", "tyro", "gsplat"}
    script = f"import sys, splatsim; print(*sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
    assert callable(splatsim.reconstruct)
