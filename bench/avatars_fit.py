"""How well people are fitted: to a synthetic capture whose truth is known, and to a real one.

    python bench/avatars_fit.py                      the bars, as tables
    python bench/avatars_fit.py synthetic            a dressed body by Embree: 120 frames at 512², 3 of 6 cameras each
    python bench/avatars_fit.py balance --data DIR   the real person of DIR/balance, one camera held out, then another

Truth is traced once and kept under --work. SSIM is that of splatsim.fitting.ssim: a Gaussian window of 11 × 11 pixels
with sigma 1.5, zeros outside, mean over the person's box; PSNR is over the pixels that are covered by more than half.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent))
from avatars_truth import ring, trace

from splatsim import native
from splatsim.avatar import Pose, joint_roles
from splatsim.avatar.body import Body
from splatsim.avatar.clothing import Outfit, dress
from splatsim.avatar.fitting.judging import frozen, refined_on
from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.recipe import AvatarRecipe
from splatsim.avatar.fitting.shots import Shot, cut
from splatsim.avatar.fitting.smoothing import smoothed
from splatsim.avatar.fitting.template import Template
from splatsim.avatar.looks import Cloth, Look
from splatsim.avatar.people import Person
from splatsim.avatar.walking import walk_along
from splatsim.fitting.losses import ssim
from splatsim.transforms import multiply_quats

FRAMES, SIZE, CAMERAS, NOVEL_VIEWS = 120, 512, 8, (2, 5)
GREY = torch.full((3,), 0.5)


def person() -> tuple[Person, Template]:
    """A dressed man, and the naked body on the same skeleton that a fit begins with."""
    shape = Body.load().shape(sex=0.95, age=32.0, height=1.77, weight=0.5)
    look = Look(
        top=Cloth((0.72, 0.25, 0.22), pattern="checks"), bottom=Cloth((0.2, 0.27, 0.42), pattern="denim"), seed=3
    )
    mesh = dress(shape, Outfit(top="shirt", bottom="trousers", hair="short"))
    lift = mesh.skeleton.joints[0] - shape.skeleton.joints[0]
    bare = Template.of(shape)
    return Person(mesh, look), bare.replace(skeleton=mesh.skeleton, vertices=bare.vertices + lift)


def motion(skeleton: Any, count: int, *, novel: bool = False) -> tuple[Pose, float]:
    """Walking in a small loop with arms that swing and bend; or, as poses never seen, another way with raised arms."""
    loop = [[-0.5, -0.3], [0.4, -0.4], [0.5, 0.4], [-0.4, 0.4]]
    walk = walk_along(skeleton, loop[::-1] if novel else loop, speed=1.0)
    seconds = torch.linspace(0.0, float(walk.duration), count)
    pose = walk.at(seconds)
    fps = (count - 1) / float(walk.duration)
    phase = 2 * np.pi * seconds / 2.3 + (1.3 if novel else 0.0)
    rotations = pose.rotations.clone()
    lift = 0.55 if novel else 0.0
    for side, sign in (("l", 1.0), ("r", -1.0)):
        raised = _quats((1.0, 0.0, 0.0), sign * (lift + 0.35 + 0.35 * torch.sin(phase + sign)))
        bent = _quats((0.0, -0.3 * sign, -sign), 0.3 + 0.3 * torch.cos(1.7 * phase))
        for name, turn in ((f"upperarm_{side}", raised), (f"lowerarm_{side}", bent)):
            joint = skeleton.index(name)
            rotations[:, joint] = multiply_quats(rotations[:, joint], turn)
    head = skeleton.index("head")
    rotations[:, head] = multiply_quats(rotations[:, head], _quats((0.0, 0.0, 1.0), 0.4 * torch.sin(phase * 0.8)))
    return Pose(rotations, pose.root), fps


def _quats(axis: tuple[float, float, float], angles: torch.Tensor) -> torch.Tensor:
    unit = torch.nn.functional.normalize(torch.tensor(axis), dim=0)
    return torch.cat([(angles / 2).cos()[:, None], (angles / 2).sin()[:, None] * unit], 1)


def truth(work: Path, shade: float) -> dict[str, list[Shot]]:
    """Shots to train on, of new views, and of new poses; traced once."""
    file = work / f"truth-{SIZE}-{FRAMES}-{shade:g}.pt"
    if file.is_file():
        return dict(torch.load(file, weights_only=False))  # our own file
    who, _ = person()
    mesh = who.mesh
    pose, _ = motion(mesh.skeleton, FRAMES)
    cameras = ring(CAMERAS, size=SIZE, distance=3.3, target=(0.0, 0.0, 0.93))
    fitted = [c for c in range(CAMERAS) if c not in NOVEL_VIEWS]
    train = [(t, c) for t in range(FRAMES) for i, c in enumerate(fitted) if (t + i) % 2 == 0]  # every second one
    held = [(t, c) for t in range(0, FRAMES, 6) for c in NOVEL_VIEWS]
    strange, _ = motion(mesh.skeleton, 60, novel=True)
    new = [(t, c) for t in range(2, 60, 5) for c in NOVEL_VIEWS]
    found = {
        "train": _shots(who, pose, cameras, train, shade),
        "view": _shots(who, pose, cameras, held, shade),
        "pose": _shots(who, strange, cameras, new, shade),
    }
    work.mkdir(parents=True, exist_ok=True)
    torch.save(found, file)
    return found


def _shots(who: Person, pose: Pose, cameras: Any, pairs: list[tuple[int, int]], shade: float) -> list[Shot]:
    rest, faces = who.mesh.vertices.numpy(), who.mesh.faces.numpy()
    shots = []

    def colour(places: np.ndarray, face: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return who.colors_at(torch.from_numpy(face).long(), torch.from_numpy(shares).float()).numpy()

    posed = {t: who.mesh.pose(pose[t]).numpy() for t, _ in pairs}
    for t, c in tqdm(pairs, desc="trace", disable=None):
        colours, coverage = trace(posed[t], rest, faces, colour, cameras[c], shade=shade)
        picture = colours / np.maximum(coverage, 1e-6)[..., None]
        picture, mask = (np.round(255 * a.clip(0, 1)).astype(np.uint8) for a in (picture, coverage))
        shot = cut(t, c, picture, mask, cameras[c], margin=8, hard=False)
        assert shot is not None
        shots.append(shot)
    return shots


def disturbed(pose: Pose, joints: list[int], degrees: float, seed: int = 0) -> Pose:
    """Every joint of every frame turned by so much about an axis of chance."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.nn.functional.normalize(torch.randn(len(pose.root), len(joints), 3, generator=generator), dim=-1)
    half = torch.tensor(np.radians(degrees) / 2)
    turns = torch.cat([half.cos().expand(*axes.shape[:2], 1), half.sin() * axes], -1).float()
    rotations = pose.rotations.clone()
    rotations[:, joints] = multiply_quats(rotations[:, joints], turns)
    return Pose(rotations, pose.root)


def angles(a: Pose, b: Pose, joints: list[int]) -> torch.Tensor:
    """Between the turns of joints, degrees [t j]."""
    dot = (a.rotations[:, joints] * b.rotations[:, joints]).sum(-1).abs().clamp(max=1)
    return torch.rad2deg(2 * torch.arccos(dot))


def scores(optimisation: AvatarOptimisation, shots: list[Shot]) -> tuple[float, float]:
    """Mean PSNR inside the mask and mean SSIM of the box, over grey."""
    found = []
    for shot in shots:
        colors, coverage, _ = shot.tensors()
        image = optimisation.predict(shot, GREY).colors[0].clamp(0, 1)
        target = coverage[..., None] * colors + (1 - coverage[..., None]) * GREY
        inside = coverage > 0.5
        error = (image - target)[inside].square().mean()
        found.append((float(-10 * error.log10()), float(ssim(image, target))))
    psnrs, ssims = zip(*found, strict=True)
    return float(np.mean(psnrs)), float(np.mean(ssims))


def synthetic(work: Path, steps: int, noise: float, shade: float) -> dict[str, Any]:
    """One fit to the synthetic capture and its figures."""
    _, template = person()
    exact, fps = motion(template.skeleton, FRAMES)
    strange, _ = motion(template.skeleton, 60, novel=True)
    shots = truth(work, shade)
    roles = joint_roles(template.skeleton)
    joints = sorted(roles.values())
    major = sorted(joint for role, joint in roles.items() if role != "pelvis")
    start = disturbed(exact, joints, noise) if noise else exact
    given = start
    recipe = AvatarRecipe(gaussians=10_000, most_gaussians=22_000)
    began, worked = time.perf_counter(), time.process_time()
    fit = AvatarOptimisation(
        template, given, shots["train"], steps=steps, fps=fps, refine_poses=noise > 0, recipe=recipe
    )
    for step in tqdm(range(steps), desc=f"fit, {noise:g} degrees", disable=None):
        fit.advance()
        if step % 1000 == 999:
            now = angles(fit.poses.now, exact, major)
            figures = [*scores(fit, shots["view"][::5]), float((now < 1.5).float().mean())]
            print(step + 1, f"{time.perf_counter() - began:.0f} s", [round(x, 3) for x in figures], flush=True)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
    poses = fit.poses.now
    row: dict[str, Any] = {
        "noise": noise,
        "shade": shade,
        "steps": steps,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "gaussians": len(fit.splats),
    }
    row["view"], row["view_ssim"] = scores(fit, shots["view"])
    for name, given_poses in (("before", start), ("smoothed", smoothed(start, joints)), ("after", poses)):
        off = angles(given_poses, exact, major)
        row[f"{name}_mean"], row[f"{name}_share"] = float(off.mean()), float((off < 1.5).float().mean())
    row["by_joint"] = {
        role: float((angles(poses, exact, [joint]) < 1.5).float().mean()) for role, joint in roles.items()
    }
    new = frozen(fit, pose=strange)
    row["pose"], row["pose_ssim"] = scores(new, shots["pose"])
    row["pose_refined"], row["pose_refined_ssim"] = scores(refined_on(new, shots["pose"]), shots["pose"])
    if noise:
        row["view_true_poses"], _ = scores(frozen(fit, pose=exact), shots["view"])
    _pictures(fit, shots, work / f"synthetic-{noise:g}-{shade:g}.png")
    return row


def _pictures(fit: AvatarOptimisation, shots: dict[str, list[Shot]], path: Path) -> None:
    from splatsim.video import to_bytes, write_picture

    columns = []
    for shot in shots["view"][:: max(1, len(shots["view"]) // 5)][:5]:
        colors, coverage, _ = shot.tensors()
        target = coverage[..., None] * colors + (1 - coverage[..., None]) * GREY
        image = fit.predict(shot, GREY).colors[0].clamp(0, 1)
        pair = torch.cat([target, image, (4 * (image - target).abs()).clamp(0, 1)], 0)
        columns.append(torch.nn.functional.pad(pair, (0, 0, 0, 300 - pair.shape[1], 0, 1400 - pair.shape[0])))
    write_picture(path, to_bytes(torch.cat(columns, 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=["synthetic", "balance"])
    parser.add_argument("--work", type=Path, default=Path("out/avatars_fit"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 3.0])
    parser.add_argument("--shade", type=float, default=0.0)
    parser.add_argument("--hold-out", nargs="*", default=["cam_02", "cam_04"])
    parser.add_argument("--trace-only", action="store_true")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with native.torch_on_one_thread():
        if "synthetic" in options.sections:
            shots = truth(options.work, options.shade)
            if options.trace_only:
                print({name: len(group) for name, group in shots.items()})
                return
            results["synthetic"] = [synthetic(options.work, options.steps, n, options.shade) for n in options.noise]
            for row in results["synthetic"]:
                print(json.dumps(row, indent=1))
        if "balance" in options.sections:
            from avatars_balance import balance

            folder = options.data / "balance"
            results["balance"] = [balance(folder, options.work, held_out=name) for name in options.hold_out]
            print(json.dumps(results["balance"], indent=1))
    options.work.mkdir(parents=True, exist_ok=True)
    results["machine"] = f"{os.cpu_count()} cores, {platform.machine()}"
    (options.work / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
