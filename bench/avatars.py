"""Bodies, skinning and posing of avatars, measured, with their bars.

    python bench/avatars.py [posing] [skinning] [bodies] [models]

posing     one avatar of 30,000 Gaussians and twenty, against plain torch: time and memory, in processes of their own
skinning   the four modes against SciPy in double precision, and what a PLY holds against what is rendered
bodies     heights asked for and measured, and how long a person takes
models     a rigged textured mesh to an avatar (CesiumMan, where the test data is)

Bars: posing one <= 15 ms, twenty <= 200 ms on two cores; covariances within 1e-5 in every mode.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatsim import Gaussians, load_gaussians, save_gaussians
from splatsim.avatar import Avatar, Body, Pose, SkinWeights, skin_gaussians, world_from_rest
from splatsim.avatar.people import make_person
from splatsim.avatar.rigged_models import read_rigged_model
from splatsim.avatar.skinning import MODES, Mode
from splatsim.spherical_harmonics import rotate_sh
from splatsim.transforms import multiply_quats, quat_from_rotmat, rotmat_from_quat

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("SPLATSIM_TEST_DATA", HERE.parents[1] / "shared" / "data"))
COUNT, CROWD = 30_000, 20
BARS = {"posing one, ms": 15.0, "posing twenty, ms": 200.0, "covariances": 1e-5}

Row = tuple[str, str, str]


def subject(degree: int = 0) -> Avatar:
    """An avatar of exactly 30,000 Gaussians on the shelf's rig."""
    avatar = make_person(1).to_avatar(int(COUNT * 1.3))
    rows = torch.arange(COUNT) % len(avatar)
    gaussians = avatar.gaussians.select(rows).with_sh_degree(degree)
    gaussians = gaussians.replace(sh=gaussians.sh + 0.05 * torch.randn(gaussians.sh.shape))
    return Avatar(gaussians, avatar.skeleton, avatar.skin.select(rows))


def some_pose(avatar: Avatar, seed: int) -> Pose:
    """Every joint turned by some 20°."""
    generator = torch.Generator().manual_seed(seed)
    turned = torch.tensor([1.0, 0, 0, 0]) + 0.1 * torch.randn(len(avatar.skeleton), 4, generator=generator)
    return Pose(turned, avatar.skeleton.joints[0] + torch.rand(3, generator=generator))


def plain_torch(avatar: Avatar, pose: Pose) -> Gaussians:
    """The same mathematics as one would first write it: gathered matrices, a singular value decomposition for each."""
    g, bones = avatar.gaussians, world_from_rest(avatar.skeleton, pose)
    blended = (bones[avatar.skin.joints.long()] * avatar.skin.weights[..., None, None]).sum(1)
    u, _, vh = torch.linalg.svd(blended[:, :3, :3])
    turns = (
        u @ torch.diag_embed(torch.stack([torch.ones(len(g)), torch.ones(len(g)), torch.linalg.det(u @ vh)], 1)) @ vh
    )
    return g.replace(
        means=(blended[:, :3, :3] @ g.means[..., None]).squeeze(-1) + blended[:, :3, 3],
        quats=multiply_quats(quat_from_rotmat(turns), g.quats),
        sh=rotate_sh(g.sh, turns) if g.sh_degree else g.sh,
    )


def median(run: Callable[[], Any], times: int = 15) -> float:
    """Milliseconds, the median."""
    run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken))


def pose_case(way: str, path: str, people: int) -> dict[str, float]:
    """Time and memory of one way of posing, alone in its process; making the avatar would take more memory than it."""
    avatar = Avatar.load(path)
    poses = [some_pose(avatar, seed) for seed in range(people)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pose = plain_torch if way == "plain torch" else (lambda avatar, pose: avatar.pose(pose))
    with torch.no_grad():
        taken = median(lambda: [pose(avatar, each) for each in poses], 5 if way == "plain torch" else 15)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ms": taken, "mib": (after - before) / 1024}


def posing() -> list[Row]:
    """One and twenty, of colours that do and do not depend on the view."""
    rows = []
    print(
        "\n| 30,000 Gaussians each | SH degree | ours, ms | plain torch, ms | ours, MiB more | plain torch, MiB more |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    for people, name in ((1, "one"), (CROWD, "twenty")):
        for degree in (0, 3):
            found = {}
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "avatar.npz"
                subject(degree).save(path)
                for way in ("ours", "plain torch"):
                    command = [sys.executable, __file__, "--case", json.dumps([way, str(path), people])]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    found[way] = json.loads(done.stdout)
            ours, plain = found["ours"], found["plain torch"]
            figures = f"{ours['ms']:.1f} | {plain['ms']:.0f} | {ours['mib']:.0f} | {plain['mib']:.0f}"
            print(f"| {name} | {degree} | {figures} |", flush=True)
            bar = BARS[f"posing {name}, ms"]
            rows.append((f"posing {name}, SH degree {degree}", f"{ours['ms']:.1f} ms", f"<= {bar:g} ms"))
    return rows


def skinning() -> list[Row]:
    """Against SciPy, one Gaussian at a time, and through a PLY."""
    import scipy.linalg
    from scipy.spatial.transform import Rotation

    avatar = subject()
    rows = torch.linspace(0, COUNT - 1, 500).long()
    g, skin = avatar.gaussians.select(rows), avatar.skin.select(rows)
    bones = world_from_rest(avatar.skeleton, some_pose(avatar, 3))
    exact = bones.double().numpy()
    quats = Rotation.from_matrix(exact[:, :3, :3]).as_quat(scalar_first=True)
    out = []
    print("\n| mode | covariance against SciPy, largest | PLY against rendered, largest |\n|---|---:|---:|")
    for mode in MODES:
        posed = skin_gaussians(g, skin, bones, mode)
        worst = 0.0
        sigmas, before = covariances(posed), covariances(g)
        for i in range(len(g)):
            turn = truth(mode, skin, i, exact, quats, scipy.linalg.polar)
            sigma = turn @ before[i] @ turn.T
            worst = max(worst, float(np.linalg.norm(sigmas[i] - sigma) / np.linalg.norm(sigma)))
        with tempfile.TemporaryDirectory() as folder:
            save_gaussians(Path(folder) / "posed.ply", posed)
            read = covariances(load_gaussians(Path(folder) / "posed.ply"))
        off = np.linalg.norm(read - sigmas, axis=(1, 2)) / np.linalg.norm(sigmas, axis=(1, 2))
        print(f"| {mode} | {worst:.1e} | {off.max():.1e} |", flush=True)
        out.append((f"covariances, {mode}", f"{max(worst, float(off.max())):.1e}", f"< {BARS['covariances']:g}"))
    return out


def truth(
    mode: Mode, skin: SkinWeights, i: int, bones: np.ndarray, quats: np.ndarray, polar: Callable[..., Any]
) -> np.ndarray:
    """What multiplies the covariance of one Gaussian, in double precision."""
    from scipy.spatial.transform import Rotation

    w, j = skin.weights[i].double().numpy(), skin.joints[i].numpy()
    blend: np.ndarray = np.einsum("k,kab->ab", w, bones[j])[:3, :3]
    if mode == "affine":
        return blend
    if mode == "polar":
        rotation: np.ndarray = polar(blend)[0]
        return rotation
    mean = (w * np.sign(quats[j] @ quats[j[w.argmax()]])) @ quats[j]
    matrix: np.ndarray = Rotation.from_quat(mean, scalar_first=True).as_matrix()
    return matrix


def covariances(g: Gaussians) -> np.ndarray:
    """R S Sᵀ Rᵀ in double precision."""
    factors = rotmat_from_quat(g.quats.double()) * g.scales.double()[:, None]
    return (factors @ factors.mT).numpy()


def bodies() -> list[Row]:
    """Heights asked for and measured, and the time of a person."""
    body, worst = Body.load(), 0.0
    for sex in (0.0, 0.5, 1.0):
        for height in (1.50, 1.60, 1.75, 1.90, 2.00):
            worst = max(worst, abs(body.shape(sex=sex, age=35, height=height).only("body").height - height))
    shaping = median(lambda: body.shape(sex=1, height=1.75), 5)
    person = median(lambda: make_person(5), 3)
    avatar = median(lambda: make_person(5).to_avatar(), 3)
    print(f"\nHeights of 15 bodies: at most {1e3 * worst:.2f} mm from what was asked for.")
    print(f"A body {shaping:.0f} ms; a dressed person {person:.0f} ms; with 30,000 Gaussians {avatar:.0f} ms.")
    return [("height of a body", f"{1e3 * worst:.2f} mm", "< 1 mm")]


def models() -> list[Row]:
    """A rigged mesh as an avatar."""
    path = DATA / "people" / "cesium_man.gltf"
    if not path.is_file():
        print(f"\nno model at {path}: left out")
        return []
    start = time.perf_counter()
    read = read_rigged_model(path)
    taken = time.perf_counter() - start
    joints = len(read.avatar.skeleton)
    print(f"\nCesiumMan: {len(read.avatar)} Gaussians on {joints} joints in {taken:.2f} s; notes: {read.notes}")
    return [("a rigged mesh to an avatar", f"{taken:.2f} s", "seconds")]


SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "posing": posing, "skinning": skinning, "bodies": bodies, "models": models,
}  # fmt: skip


def main() -> None:
    """Measure what was asked for, and print it against the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(pose_case(*json.loads(options.case))))
        return
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    rows = [row for name in options.sections or SECTIONS for row in SECTIONS[name]()]
    print("\n| bar | measured | wanted |\n|---|---:|---:|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
