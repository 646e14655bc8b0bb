"""The command line: tyro over functions of the library, whose docstrings and field strings are its help."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from splatsim import doctor
from splatsim.cli import avatar
from splatsim.cli.avatar_demo import avatar_demo
from splatsim.cli.bench import bench
from splatsim.cli.bench_compare import compare_runs
from splatsim.cli.bev import bev_of_scene
from splatsim.cli.convert import convert
from splatsim.cli.reconstruct import reconstruct_footage
from splatsim.cli.refine import refine_maps
from splatsim.cli.render import fly_through
from splatsim.errors import SplatsimError


def view(
    scene: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SCENE")],
    avatars: tuple[Path, ...] = (),
    rerun: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_gaussians: int = 500_000,
    overwrite: bool = False,
) -> None:
    """Show a scene folder or a file of Gaussians (.ply, .glb, .sog …) in the browser, or write it for rerun.

    Cameras, occupied voxels, the map, the view from above and avatars are layers that can be switched on and off.

    Args:
        scene: The scene.
        avatars: People (.npz of `splatsim avatar`) who stand in it.
        rerun: Write all layers to this .rrd file instead, for rerun's own viewer.
        host: Who may look: this machine alone, or 0.0.0.0 for everybody who can reach it.
        port: Where the server listens.
        max_gaussians: Of more than these, those that cover least are left out.
        overwrite: Replace the .rrd file if it exists.
    """
    from splatsim import viewer

    if rerun is None:
        viewer.view(scene, avatars=avatars, host=host, port=port, max_gaussians=max_gaussians)
        return
    from splatsim.scene import open_scene
    from splatsim.viewer.rerun_file import write_rerun

    people = viewer.read_avatars(avatars)
    layers = write_rerun(rerun, open_scene(scene), avatars=people, max_gaussians=max_gaussians, overwrite=overwrite)
    print(f"{rerun}: {', '.join(layers)}; look at it with `rerun {rerun}`")


def diagnose() -> None:
    """Print versions, cores, instruction sets, which back ends run here and why others do not, and ffmpeg."""
    print("\n".join(doctor.report()))


def list_avatar_commands() -> None:
    """People as Gaussians; `splatsim avatar --help` lists the commands."""
    print("splatsim avatar " + " | ".join(GROUPS["avatar"]))


GROUPS: dict[str, dict[str, Callable[..., Any]]] = {
    "avatar": avatar.COMMANDS | {"demo": avatar_demo},
    "bench": {"compare": compare_runs},
}
"""Commands of more than one word."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code: 0, or 2 with one sentence where the request cannot be met."""
    commands: dict[str, Callable[..., Any]] = {
        "reconstruct": reconstruct_footage,
        "render": fly_through,
        "refine": refine_maps,
        "bev": bev_of_scene,
        "convert": convert,
        "bench": bench,
        "view": view,
        "avatar": list_avatar_commands,
        "doctor": diagnose,
    }
    program, given = "splatsim", list(sys.argv[1:] if arguments is None else arguments)
    # "bench" is a command by itself, too.
    if len(given) > 1 and given[0] in GROUPS and (given[0] != "bench" or given[1] in GROUPS["bench"]):
        program, commands = f"splatsim {given[0]}", GROUPS[given.pop(0)]
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands, prog=program, description="Gaussian splatting for robotics.", args=given
        )
    except KeyboardInterrupt:
        print("splatsim: interrupted; what was unfinished was not put in place.", file=sys.stderr)
        return 130
    except (SplatsimError, ValueError, OSError) as error:
        print(f"splatsim: {_sentence(error)}", file=sys.stderr)
        return 2
    return 0


def _sentence(error: Exception) -> str:
    """What went wrong; of the disk's own errors the file as well."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)
