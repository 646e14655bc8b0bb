"""One case of bench/speed.py, in a process of its own: prints one line of JSON."""

import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import occupancy_speed
import torch
from torch import Tensor

from splatsim import Cameras, Gaussians, native, render
from splatsim.fitting import Adam, ParameterGroup, activate, photometric_loss
from splatsim.rendering import _reference

SIZES = {"vga": (648, 420), "hd": (1280, 720), "fhd": (1920, 1080)}
DATA = Path(os.environ.get("SPLATSIM_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
GARDEN = DATA / "garden" / "test_garden.npz"


def milliseconds(run: Callable[[], object], seconds: float = 2.0, at_least: int = 5) -> float:
    """The best of many runs: what the machine can do when it is left alone."""
    run()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < at_least or (time.perf_counter() - start < seconds and len(times) < 60):
        before = time.perf_counter()
        run()
        times.append(time.perf_counter() - before)
    return min(times) * 1e3


# ---- scenes


def random_gaussians(means: Tensor, largest: float, generator: torch.Generator) -> Gaussians:
    """Scales uniform up to `largest`, any rotation, any opacity, SH degree 3."""
    n = len(means)
    return Gaussians(
        means,
        torch.randn(n, 4, generator=generator),
        torch.rand(n, 3, generator=generator) * largest,
        torch.rand(n, generator=generator),
        torch.randn(n, 16, 3, generator=generator) * 0.1,
    )


def make_scene(name: str, n: int, size: str) -> tuple[Gaussians, Cameras]:
    """`garden`: gsplat's test scene as gsplat profiles it; `box`: the like of it; `cloud`: n of median radius 4 px."""
    generator = torch.Generator().manual_seed(42)
    width, height = SIZES[size]
    if name == "garden":
        data = np.load(GARDEN)
        means = torch.from_numpy(data["means3d"]).float()
        means = means[(means.abs() <= 2).all(-1)]
        viewmats, Ks = torch.from_numpy(data["viewmats"][:1]).float(), torch.from_numpy(data["Ks"][:1]).float()
        return random_gaussians(means, 0.02, generator), Cameras(viewmats, Ks, int(data["width"]), int(data["height"]))
    cameras = Cameras.look_at((0, -4, 0), (0, 0, 0), fov_deg=60, width=width, height=height)
    if name == "box":
        means = torch.rand(110_000, 3, generator=generator) * torch.tensor([4.0, 3.0, 2.6]) - torch.tensor(
            [2.0, 1.5, 1.3]
        )
        return random_gaussians(means, 0.02, generator), cameras
    # A cloud that fills the frustum; the footprint's radius is about 3 standard deviations at the mean depth of 4 m.
    focal = float(cameras.Ks[0, 0, 0])
    depth = 2 + 4 * torch.rand(n, generator=generator)
    aside = (torch.rand(n, 2, generator=generator) - 0.5) * torch.tensor([width, height]) / focal * depth[:, None]
    means = torch.stack([aside[:, 0], depth - 4, aside[:, 1]], dim=-1)
    return random_gaussians(means, 2 * 4 / 3 * 4 / focal * 0.85, generator), cameras


# ---- cases


def stages(case: dict[str, Any]) -> dict[str, Any]:
    """Every stage of a training step alone, through the kernels, then the whole step through the public API."""
    g, cameras = make_scene(case["scene"], case["n"], case["size"])
    threads = case["threads"]
    k = native.kernels(case["isa"])
    fields = [g.means, g.quats, g.scales, g.opacities, g.sh]
    view, K = cameras.viewmats[0].double().contiguous(), cameras.Ks[0].double().contiguous()
    width, height = cameras.width, cameras.height

    def project() -> native.Frame:
        return k.project(*fields, view, K, width, height, False, False, threads)

    frame = project()
    image, alpha = torch.empty(height, width, 3), torch.empty(height, width)
    d_image = torch.randn(height, width, 3, generator=torch.Generator().manual_seed(1))
    moments, d_colors = torch.empty(len(g), 6), torch.zeros(len(g), 4)
    gradients = [torch.empty_like(field) for field in fields]

    def forward() -> None:
        k.rasterize(frame, None, 0, 3, None, image, alpha, threads=threads)

    def backward() -> None:
        k.rasterize_backward(frame, None, 0, 3, image, d_image, None, moments, False, d_colors, False, threads=threads)

    def project_backward() -> None:
        k.project_backward(frame, *fields, moments, d_colors, *gradients, False, None, threads)

    result: dict[str, Any] = {"n": len(g), "visible": frame.visible, "instances": frame.instances}
    result |= {"width": width, "height": height}
    result["project"] = milliseconds(project)
    result["forward"] = milliseconds(forward)
    result["backward"] = milliseconds(backward)
    result["project_backward"] = milliseconds(project_backward)
    # Peak so far: the picture and all gradients, without loss and optimiser.
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["vectors"], result["pairs"] = k.count_work(frame, threads)
    target = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(2))
    result["loss"] = milliseconds(lambda: k.photometric(image, target, 0.8, 0.2, d_image, threads))
    result["adam"] = milliseconds(_adam(k, fields, gradients, threads))
    del frame, gradients
    # The public API takes the best instruction set that there is.
    best = case["isa"] == native.instruction_sets()[-1]
    result["step"] = milliseconds(training_step(g, cameras, target)) if best else None
    return result


def _adam(k: native.Kernels, fields: list[Tensor], gradients: list[Tensor], threads: int) -> Callable[[], None]:
    rows = [
        (field.clone().view(len(field), -1), gradient.view(len(field), -1))
        for field, gradient in zip(fields, gradients, strict=True)
    ]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p, _ in rows]
    rates = [torch.full((p.shape[1],), 1e-3) for p, _ in rows]

    def run() -> None:
        for (p, d), (m, v), rate in zip(rows, moments, rates, strict=True):
            k.adam(p, d, m, v, rate, None, 0.9, 0.999, 1e-15, 0.1, 0.001, threads)

    return run


def training_step(g: Gaussians, cameras: Cameras, target: Tensor) -> Callable[[], None]:
    """A step as a fit does it: logs and logits, render, loss, backward, Adam on what was visible."""
    raw = {
        "means": g.means.clone(),
        "quats": g.quats.clone(),
        "log_scales": g.scales.clamp_min(1e-5).log(),
        "logit_opacities": g.opacities.logit(eps=1e-4),
        "sh": g.sh.clone(),
    }
    raw = {name: value.requires_grad_() for name, value in raw.items()}
    optimizer = Adam({name: ParameterGroup(value, 1e-7) for name, value in raw.items()})

    def run() -> None:
        scales, opacities = activate(raw["log_scales"], raw["logit_opacities"])
        picture = render(Gaussians(raw["means"], raw["quats"], scales, opacities, raw["sh"]), cameras, depths=False)
        photometric_loss(picture.colors, target[None]).backward()  # type: ignore[no-untyped-call]
        optimizer.step(picture.visible[0])

    return run


def reference(case: dict[str, Any]) -> dict[str, Any]:
    """The specification in plain torch, forward and backward, once."""
    g, cameras = make_scene(case["scene"], case["n"], case["size"])
    start = time.perf_counter()
    _reference.project(g, cameras, False)
    project = time.perf_counter()
    leaves = g.requires_grad_()
    raster = _reference.rasterize(leaves, cameras, torch.zeros(1, 3), antialiased=False, depths=False)
    forward = time.perf_counter()
    raster.colors.sum().backward()  # type: ignore[no-untyped-call]
    end = time.perf_counter()
    times = {"project": project - start, "forward": forward - project - (project - start), "backward": end - forward}
    return {"n": len(g)} | {name: seconds * 1e3 for name, seconds in times.items()}


def gsplat(case: dict[str, Any]) -> dict[str, Any]:
    """gsplat's own torch functions for projection and SH, as its tests use them."""
    from gsplat.cuda import _torch_impl as impl

    g, cameras = make_scene(case["scene"], case["n"], case["size"])
    leaves = g.requires_grad_()

    def forward() -> Tensor:
        covars, _ = impl._quat_scale_to_covar_preci(leaves.quats, leaves.scales, True, False, triu=False)
        _, means2d, depths, conics, _ = impl._fully_fused_projection(
            leaves.means, covars, cameras.viewmats, cameras.Ks, cameras.width, cameras.height
        )
        directions = leaves.means - cameras.positions[0]
        colors = impl._spherical_harmonics(3, directions, leaves.sh)
        total: Tensor = means2d.nan_to_num().sum() + depths.sum() + conics.nan_to_num().sum() + colors.sum()
        return total

    def both() -> None:
        forward().backward()  # type: ignore[no-untyped-call]

    ahead = milliseconds(forward)
    return {"project": ahead, "project_backward": milliseconds(both) - ahead}


def machine(case: dict[str, Any]) -> dict[str, Any]:
    """What this machine can do."""
    k = native.kernels()
    source = torch.zeros(64 << 20)
    target = torch.empty_like(source)
    torch.set_num_threads(1)
    copy = milliseconds(lambda: target.copy_(source), seconds=1.0)
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), "unknown CPU")
    return {
        "cpu": cpu,
        "torch": torch.__version__,
        "instruction_set": k.name,
        "gflops": k.measure_flops() / 1e9,
        "copy_gbs": 2 * source.nbytes / copy / 1e6,
        "garden": GARDEN.exists(),
        "gsplat": importlib.util.find_spec("gsplat") is not None,
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


KINDS = {
    "stages": stages,
    "reference": reference,
    "gsplat": gsplat,
    "machine": machine,
    "occupancy": occupancy_speed.measure,
}


def main() -> None:
    """Run the case given as JSON."""
    case = json.loads(sys.argv[1])
    torch.set_num_threads(case["threads"])
    print(json.dumps(KINDS[case["kind"]](case)))


if __name__ == "__main__":
    main()
