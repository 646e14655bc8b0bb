"""How fast the CPU renderer is, against its scalar base, the torch reference and this machine's own ceiling.

Run `python bench/speed.py`: it prints tables, checks the bars, and writes bench/results/speed.json. Every case runs in
a process of its own, so that peak memory is its own too. `--quick` leaves out the large scenes.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIZES = {"vga": (648, 420), "hd": (1280, 720), "fhd": (1920, 1080)}
COUNTS = (10_000, 100_000, 1_000_000, 3_000_000)

Row = dict[str, Any]


def run_case(**case: Any) -> Row:
    """One measurement in a process of its own."""
    command = [sys.executable, str(HERE / "speed_case.py"), json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    result: Row = json.loads(done.stdout.splitlines()[-1])
    return case | result


def table(title: str, header: list[str], rows: list[list[object]]) -> None:
    """Print one table in Markdown."""
    print(f"\n### {title}\n")
    cells = [header, *[[_show(value) for value in row] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    for n, line in enumerate(cells):
        print("| " + " | ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|", flush=True)


def _show(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


STAGES = ("project", "forward", "backward", "project_backward", "loss", "adam", "step")
STAGE_NAMES = {
    "project": "projection + SH + binning + sort",
    "forward": "raster forward",
    "backward": "raster backward",
    "project_backward": "projection + SH backward",
    "loss": "L1 + SSIM with gradient",
    "adam": "Adam, 59 parameters",
    "step": "whole training step",
}


def measure_scene(scene: str, threads: int) -> dict[str, Row]:
    """All stages on the scene of the bars: AVX2 and scalar, one thread and all."""
    rows = {}
    for isa in ("avx2", "scalar"):
        for count in (1, threads):
            rows[f"{isa} {count}"] = run_case(kind="stages", scene=scene, n=0, size="vga", isa=isa, threads=count)
    rows["reference"] = run_case(kind="reference", scene=scene, n=0, size="vga", isa="avx2", threads=threads)
    return rows


def print_scene(name: str, rows: dict[str, Row], threads: int) -> None:
    """The stages side by side, as milliseconds and as ratios to our fastest."""
    fast, single = rows[f"avx2 {threads}"], rows["avx2 1"]
    header = ["ms", f"AVX2 ×{threads}", "AVX2 ×1", "scalar ×1", f"torch ×{threads}"]
    header += ["one thread / two", "scalar / AVX2", "torch / ours"]
    lines: list[list[object]] = []
    for stage in STAGES:
        torch_ms = rows["reference"].get(stage)
        scalar = rows["scalar 1"][stage]
        ratios = [
            f"{single[stage] / fast[stage]:.2f}×",
            None if scalar is None else f"{scalar / single[stage]:.1f}×",
            None if torch_ms is None else f"{torch_ms / fast[stage]:.0f}×",
        ]
        lines.append([STAGE_NAMES[stage], fast[stage], single[stage], scalar, torch_ms, *ratios])
    size = f"{fast['n']:,} Gaussians, {fast['visible']:,} visible, {fast['width']}×{fast['height']}, SH degree 3"
    table(f"{name}: {size}", header, lines)
    visited = fast["vectors"] * 8 / 1e6
    print(f"\n{fast['pairs'] / 1e6:.1f} M (Gaussian, pixel) pairs contribute; {visited:.1f} M are visited.")


def print_ceiling(machine: Row, rows: dict[str, Row]) -> None:
    """How much of the core's arithmetic the rasteriser spends, and how much it needs."""
    single = rows["avx2 1"]
    ceiling = machine["gflops"]
    lines: list[list[object]] = []
    # Vector operations for each visited block of 8 pixels, counted in rasterize.cpp; at best two of them a cycle.
    for stage, operations in (("forward", 29), ("backward", 57)):
        spent = single[stage] * 1e-3 * ceiling
        needed = single["vectors"] * operations * 16e-9
        lines.append([stage, spent, needed, f"{needed / spent:.0%}"])
    header = ["one thread, GFLOP", "core-seconds × FMA ceiling", "operations of visited blocks", "of the ceiling"]
    limits = f"{ceiling:.0f} GFLOP/s FMA and {machine['copy_gbs']:.0f} GB/s copy on one core"
    table(f"Distance to the machine: {limits}", header, lines)


def measure_scaling(threads: int, quick: bool) -> list[Row]:
    """Generated scenes of growing size."""
    rows = []
    for size in SIZES:
        for n in COUNTS[: 2 if quick else None]:
            if n == COUNTS[-1] and size != "fhd":
                continue
            rows.append(run_case(kind="stages", scene="cloud", n=n, size=size, isa="avx2", threads=threads))
            print(f"measured {n:,} Gaussians at {size}", file=sys.stderr, flush=True)
    return rows


def print_scaling(rows: list[Row], reference: Row) -> None:
    """Time against the number of pairs, and memory."""
    header = ["Gaussians", "pixels", "M pairs", "forward", "backward", "step, ms", "M pairs/s", "ns/pair", "peak MiB"]
    lines: list[list[object]] = []
    for r in rows:
        both = r["forward"] + r["backward"]
        times = [r["forward"], r["backward"], r["step"]]
        rates = [r["pairs"] / both / 1e3, f"{both * 1e6 / r['pairs']:.2f}"]
        lines.append([r["n"], f"{r['width']}×{r['height']}", r["pairs"] / 1e6, *times, *rates, r["peak_mib"]])
    table(f"Generated scenes, median radius 4 px, AVX2 ×{rows[0]['threads']}, ms", header, lines)
    same = next(r for r in rows if r["n"] == reference["n"] and r["size"] == reference["size"])
    ratio = (reference["forward"] + reference["backward"]) / (
        sum(same[k] for k in ("project", "forward", "backward", "project_backward"))
    )
    print(
        f"\nThe torch reference on {reference['n']:,} of them at {reference['size']}: {ratio:.0f}× our time, both ways."
    )


def check_bars(
    machine: Row, rows: dict[str, Row], scaling: list[Row], threads: int
) -> list[tuple[str, str, str, bool]]:
    """The project's own bars: what, measured, wanted, met."""
    fast, single, scalar = rows[f"avx2 {threads}"], rows["avx2 1"], rows["scalar 1"]
    gflop = (single["forward"] + single["backward"]) * 1e-3 * machine["gflops"]
    vector = min(scalar[s] / single[s] for s in ("forward", "backward"))
    speedup = (single["forward"] + single["backward"]) / (fast["forward"] + fast["backward"])
    bars = [
        ("raster forward, two threads", fast["forward"], 18.0, "ms"),
        ("raster backward, two threads", fast["backward"], 30.0, "ms"),
        ("raster forward, one thread", single["forward"], 34.0, "ms"),
        ("raster backward, one thread", single["backward"], 57.0, "ms"),
        ("both, one thread, core-seconds × FMA ceiling", gflop, 8.0, "GFLOP"),
        ("whole training step, two threads", fast["step"], 100.0, "ms"),
        ("projection + SH + binning + sort, two threads", fast["project"], 8.0, "ms"),
    ]
    out = [(what, f"{value:.1f} {unit}", f"≤ {bar:g} {unit}", value <= bar) for what, value, bar, unit in bars]
    out.append(("AVX2 against scalar, one thread", f"{vector:.1f}×", "≥ 3×", vector >= 3))
    out.append(("two threads against one, raster", f"{speedup:.2f}×", "≥ 1.8×", speedup >= 1.8))
    large = [r for r in scaling if r["n"] == COUNTS[-1]]
    if large:
        peak = large[0]["peak_mib"] / 1024
        out.append(("3 M Gaussians at 1920×1080, both ways: peak", f"{peak:.1f} GiB", "≤ 6 GiB", peak <= 6))
    return out


def measure_occupancy(threads: int) -> list[list[Any]]:
    """Occupancy to maps and RayIoU, with their bars."""
    rows: list[list[Any]] = run_case(kind="occupancy", threads=threads)["rows"]
    if not rows:
        print("\nOccupancy was not measured: the label of Occ3D is not there.")
        return rows
    lines: list[list[object]] = []
    for what, shape, seconds, bar in rows:
        met = None if bar is None else "yes" if seconds <= bar else "NO"
        lines.append([what, shape, f"{seconds:.3f}", None if bar is None else f"≤ {bar:g}", met])
    title = "Occupancy: Occ3D grid (39,092 of 640,000 voxels) to six maps of 400×225, 17 classes and depth"
    table(title, ["what", "shape", "seconds", "bar", "met"], lines)
    return rows


def write_occupancy(path: Path, rows: list[list[Any]]) -> None:
    """Put these rows into results that are there."""
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(result | {"occupancy": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the large scenes")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "speed.json")
    parser.add_argument("--only-occupancy", action="store_true", help="measure the maps of voxels and RayIoU alone")
    options = parser.parse_args()
    threads = min(2, os.cpu_count() or 1)
    if options.only_occupancy:
        write_occupancy(options.out, measure_occupancy(threads))
        return

    machine = run_case(kind="machine", threads=threads)
    machine |= {"date": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version()}
    print(f"{machine['cpu']}, {os.cpu_count()} cores, torch {machine['torch']}, {machine['date']}")
    garden = machine["garden"]
    scenes = {"garden": measure_scene("garden", threads)} if garden else {}
    if garden:
        print_scene("Garden (gsplat's test scene, cropped)", scenes["garden"], threads)
    scenes["box"] = measure_scene("box", threads)
    print_scene("Generated box of random Gaussians", scenes["box"], threads)
    judged = scenes["garden" if garden else "box"]
    print_ceiling(machine, judged)
    scaling = measure_scaling(threads, options.quick)
    reference = run_case(kind="reference", scene="cloud", n=COUNTS[0], size="vga", isa="avx2", threads=threads)
    print_scaling(scaling, reference)
    if machine["gsplat"]:
        peer = run_case(
            kind="gsplat", scene="garden" if garden else "box", n=0, size="vga", isa="avx2", threads=threads
        )
        ours = judged[f"avx2 {threads}"]
        print(
            f"\ngsplat's torch functions (projection and SH, no binning): {peer['project']:.0f} ms forward, "
            f"{peer['project_backward']:.0f} ms backward; ours with binning and sort {ours['project']:.1f} ms forward, "
            f"{ours['project_backward']:.1f} ms backward: {peer['project'] / ours['project']:.0f}× and "
            f"{peer['project_backward'] / ours['project_backward']:.0f}×."
        )
    occupancy = measure_occupancy(threads)
    bars = check_bars(machine, judged, scaling, threads)
    table(
        "Bars" + ("" if garden else " (on the generated box: the garden scene is not there)"),
        ["bar", "measured", "wanted", "met"],
        [[what, value, bar, "yes" if met else "NO"] for what, value, bar, met in bars],
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine, "scenes": scenes, "scaling": scaling, "reference": reference, "bars": bars}
    result |= {"occupancy": occupancy}
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"\nWritten to {options.out}")


if __name__ == "__main__":
    main()
