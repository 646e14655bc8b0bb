"""nerfstudio itself, end to end on a CPU, as `make test-nerfstudio` runs it: `run.py ENVIRONMENT WORK`.

Makes a small scene, trains our method on it through our dataparser with the viewer running, evaluates the checkpoint,
trains again on plain nerfstudio data, and trains a method of nerfstudio (nerfacto) on the scene.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

STEPS, OTHER_STEPS = 150, 10
LEAST_PSNR = 20.0
PORT = 7117
MAKE_SCENE = """
import sys
from pathlib import Path
import torch
from splatsim.scene import Scene
source = Scene.load(Path(sys.argv[1]))
rows = torch.linspace(0, 0.12 * len(source.cameras), 30).long()
Scene("flat", source.gaussians, source.cameras[rows]).save(Path(sys.argv[2]), overwrite=True, compressed=True)
"""
CHECK_SCENE = """
import sys
from pathlib import Path
import torch
from splatsim import render
from splatsim.fitting import psnr
from splatsim.scene import Scene
truth, made = (Scene.load(Path(path)) for path in sys.argv[1:3])
camera = truth.cameras[15].to(torch.float32)
shown, target = (render(scene.gaussians, camera, antialiased=scene.antialiased).colors for scene in (made, truth))
print(f"{float(psnr(shown.clamp(0, 1), target.clamp(0, 1))):.2f}")
"""
WITHOUT_LPIPS = """
import sys
import torch
import torchmetrics.image.lpip as lpip
class Nothing(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
    def forward(self, image, target):
        return torch.zeros(())
import torchmetrics.image
lpip.LearnedPerceptualImagePatchSimilarity = torchmetrics.image.LearnedPerceptualImagePatchSimilarity = Nothing
from nerfstudio.scripts.train import entrypoint
sys.argv[0] = "ns-train"
entrypoint()
"""
"""nerfstudio's own methods fetch the weights of LPIPS when they are made; here they go without."""


def main() -> None:
    environment, work = (Path(argument).resolve() for argument in sys.argv[1:3])
    programs = environment / "bin"
    root = Path(__file__).resolve().parents[2]
    work.mkdir(parents=True, exist_ok=True)
    scene = work / "scene"

    def python(*arguments: object) -> str:
        return run([programs / "python", *arguments], work)

    python("-c", MAKE_SCENE, root / "scenes" / "apartment", scene)
    common = ["--viewer.quit-on-train-completion", "True", "--viewer.websocket-host", "127.0.0.1"]
    common += ["--viewer.websocket-port", PORT, "--output-dir", work / "out", "--timestamp", "run"]
    train = [programs / "ns-train", "splatsim", "--max-num-iterations", STEPS]
    seen = watch_viewer()
    ours = [*train, *common, "--experiment-name", "ours"]
    run([*ours, "splatsim-scene", "--data", scene, "--max-size", 320], work)
    assert seen, "nobody answered at the viewer's port while it trained"
    print("viewer answered:", seen[0])
    made = work / "out" / "ours" / "splatsim" / "run"
    print("ours on a scene:", evaluate(programs, made, work))
    moved = float(python("-c", CHECK_SCENE, scene, made / "splatsim"))
    print(f"its scene in the data's own frame: {moved} dB against the truth from a camera of the data")
    assert moved > LEAST_PSNR - 2
    plain = [*train, *common, "--vis", "tensorboard", "--experiment-name", "plain"]
    run([*plain, "--data", scene / "nerfstudio"], work)
    print("ours on transforms.json:", evaluate(programs, work / "out" / "plain" / "splatsim" / "run", work))
    python(
        *["-c", WITHOUT_LPIPS, "nerfacto", "--machine.device-type", "cpu", "--max-num-iterations", OTHER_STEPS],
        *["--vis", "tensorboard", "--pipeline.model.implementation", "torch", "--mixed-precision", "False"],
        *["--pipeline.datamanager.train-num-rays-per-batch", 256, *common, "--experiment-name", "other"],
        *["--steps-per-eval-image", 1000000, "--steps-per-eval-all-images", 1000000, "--steps-per-eval-batch", 1000000],
        *["splatsim-scene", "--data", scene, "--max-size", 320],
    )
    assert list((work / "out" / "other" / "nerfacto" / "run").glob("nerfstudio_models/*.ckpt"))
    print(f"nerfacto trained {OTHER_STEPS} steps on the scene")


def run(command: list[object], work: Path) -> str:
    """What it prints; its whole output when it fails."""
    words = [str(word) for word in command]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    began = time.perf_counter()
    found = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, check=False)
    print(f"{Path(words[0]).name} {words[1][:20].strip()}: {time.perf_counter() - began:.0f} s", flush=True)
    if found.returncode:
        raise SystemExit(f"{found.stdout[-6000:]}\n{found.stderr[-6000:]}\nit ended with {found.returncode}")
    return found.stdout


def evaluate(programs: Path, folder: Path, work: Path) -> dict[str, float]:
    """The figures of ns-eval."""
    result = work / f"{folder.parents[1].name}.json"
    run([programs / "ns-eval", "--load-config", folder / "config.yml", "--output-path", result], work)
    figures = json.loads(result.read_text())["results"]
    assert figures["psnr"] > LEAST_PSNR, figures
    return {name: round(figures[name], 3) for name in ("psnr", "ssim", "gaussians")}


def watch_viewer() -> list[int]:
    """The status of the viewer's page, as soon as it answers."""
    seen: list[int] = []

    def look() -> None:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as answer:
                    seen.append(answer.status)
                    return
            except OSError:
                time.sleep(0.5)

    threading.Thread(target=look, daemon=True).start()
    return seen


if __name__ == "__main__":
    main()
