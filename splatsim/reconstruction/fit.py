"""Fit: from the pictures of a capture to Gaussians. What happens around the steps; a step stands in optimisation.py."""

import dataclasses
import hashlib
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from splatsim import native
from splatsim.errors import ReconstructionError
from splatsim.fitting.losses import psnr
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.budget import Calibration, calibrate
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.checkpoint import deferred_interrupt, read_checkpoint, write_checkpoint
from splatsim.reconstruction.holdout import ViewMetrics, measure
from splatsim.reconstruction.optimisation import Optimisation
from splatsim.reconstruction.pictures import Pictures
from splatsim.reconstruction.recipe import STEPS, FitConfig, Recipe

CHECKPOINT_SECONDS = 30.0
SAMPLES = 12
"""Places of the training curve where held-out pictures are looked at."""
SAMPLE_VIEWS = 6
"""How many of them."""


@dataclass(frozen=True)
class Point:
    """One point of the training curve."""

    step: int
    """Steps made."""
    seconds: float
    """Since the fit began, without pauses."""
    gaussians: int
    """How many there were."""
    loss: float
    """Mean of the steps since the last point."""
    psnr: float | None = None
    """Of some held-out pictures, dB; None where there are none, or none were looked at."""


@dataclass(frozen=True)
class FitResult:
    """What a fit gives."""

    gaussians: Gaussians
    """The scene, on the CPU."""
    viewmats: Float[Tensor, "c 4 4"]
    """cam_from_world of all pictures of the capture, refined where that was asked for."""
    log_gains: Float[Tensor, "c 3"]
    """Exposure of all pictures: shown = colour · exp(log_gains) + offsets. Of held-out ones interpolated in time."""
    offsets: Float[Tensor, "c 3"]
    """The other half of it."""
    train: tuple[int, ...]
    """Pictures that were fitted."""
    held_out: tuple[ViewMetrics, ...]
    """Pictures that were not, and how well they are predicted."""
    curve: tuple[Point, ...]
    """How the fit went."""
    steps: int
    """Steps that were planned."""
    done: int
    """Steps that were made."""
    interrupted: bool
    """Whether it was ended before."""
    seconds: float
    """That the fit took, without pauses."""
    calibration: Calibration | None
    """How the budget became a number of steps."""
    peak_memory: int
    """Largest resident size of the process so far, bytes."""


def fit(
    capture: Capture,
    config: FitConfig = FitConfig(),  # noqa: B008 - frozen
    folder: Path | None = None,
    *,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    resume: bool = False,
    progress: Callable[[Point, int], None] | None = None,
) -> FitResult:
    """Fit Gaussians to the pictures; Ctrl-C ends it with what there is.

    The result depends on capture, configuration, recipe and number of steps only: not on time, threads or pauses.

    Args:
        capture: Posed pictures, points, and masks where there are any.
        config: What the user chooses.
        folder: For checkpoints, about every 30 s; none are written without it.
        recipe: The numbers behind it.
        resume: Go on from the folder's checkpoint, where there is one of the same fit.
        progress: Called after each step with where the fit stands and the number of steps planned.

    Raises:
        ReconstructionError: there is nothing to fit, or the checkpoint is one of another fit.
        FormatError: a picture or the checkpoint is damaged.
    """
    with native.torch_on_one_thread():
        run = _Run(capture, config, folder, recipe)
        if resume:
            run.resume()
        run.plan()
        interrupted = run.go(progress)
        return run.result(interrupted)


class _Run:
    """A fit from start to end, with its pauses."""

    def __init__(self, capture: Capture, config: FitConfig, folder: Path | None, recipe: Recipe) -> None:
        self.capture, self.config, self.folder, self.recipe = capture, config, folder, recipe
        self.begin = self.saved = time.perf_counter()
        self.pictures = Pictures(capture, _device(config))
        self.identity = _identity(capture, config, recipe)
        self.curve: list[Point] = []
        self.losses: list[float] = []
        self.calibration: Calibration | None = None
        self.optimisation: Optimisation | None = None

    def plan(self) -> None:
        """Decide on the number of steps, where a checkpoint has not."""
        if self.optimisation is not None:
            return
        steps = self.config.steps or STEPS[self.config.quality]
        if self.config.steps is None and self.config.budget is not None:
            self.calibration = calibrate(self.capture, self.pictures, self.config, self.recipe, self.config.budget)
            steps = self.calibration.steps
        self.optimisation = self._optimisation(steps)

    def _optimisation(self, steps: int) -> Optimisation:
        return Optimisation(self.capture, self.pictures, self.config, self.recipe, steps)

    @property
    def seconds(self) -> float:
        """Since the fit began, without pauses."""
        return time.perf_counter() - self.begin

    def resume(self) -> None:
        """Take up the checkpoint, where there is one."""
        found = read_checkpoint(self.folder) if self.folder else None
        if found is None:
            return
        tensors, facts = found
        differing = [name for name, value in self.identity.items() if facts["identity"].get(name) != value]
        if differing:
            raise ReconstructionError(
                f"the checkpoint in {self.folder} is of a fit with another {', '.join(differing)}; "
                "expected the same, or a fit that is not resumed."
            )
        self.optimisation = self._optimisation(int(facts["steps"]))
        self.optimisation.load(tensors)
        self.begin -= facts["seconds"]
        self.curve = [Point(**point) for point in facts["curve"]]
        self.losses = list(facts["losses"])
        if facts["calibration"]:
            found_before = facts["calibration"]
            triples = tuple((int(a), int(b), float(c)) for a, b, c in found_before["milliseconds"])
            self.calibration = Calibration(found_before["steps"], found_before["seconds"], triples)

    def save(self) -> None:
        """Write a checkpoint."""
        if self.folder is None or self.optimisation is None:
            return
        facts = {
            "identity": self.identity,
            "steps": self.optimisation.steps,
            "seconds": self.seconds,
            "curve": [asdict(point) for point in self.curve],
            "losses": self.losses,
            "calibration": self.calibration and asdict(self.calibration),
        }
        write_checkpoint(self.folder, self.optimisation.state(), facts)
        self.saved = time.perf_counter()

    def go(self, progress: Callable[[Point, int], None] | None) -> bool:
        """Make the steps; whether they were interrupted."""
        o = self.optimisation
        assert o is not None
        whole = True  # whether the state is that between two steps
        bar = tqdm(total=o.steps, initial=o.step, desc="fit", unit="step", disable=None)
        try:
            with deferred_interrupt() as asked_to_stop, bar:
                while o.step < o.steps and not asked_to_stop():
                    whole = False
                    self.losses.append(o.advance())
                    whole = True
                    self._note(bar, progress)
                    if time.perf_counter() - self.saved > CHECKPOINT_SECONDS:
                        self.save()
        except KeyboardInterrupt:
            pass
        if whole:
            self.save()
        return o.step < o.steps

    def _note(self, bar: Any, progress: Callable[[Point, int], None] | None) -> None:
        """Tell where the fit stands, and at times how well it predicts."""
        o = self.optimisation
        assert o is not None
        point = Point(o.step, self.seconds, len(o.splats), self.losses[-1])
        bar.update()
        if o.step % max(1, o.steps // SAMPLES) == 0 or o.step == o.steps:
            every = max(1, len(o.held_out) // SAMPLE_VIEWS)
            shown = [float(psnr(o.predict(i).clamp(0, 1), self.pictures.picture(i))) for i in o.held_out[::every]]
            mean = sum(shown) / len(shown) if shown else None
            point = dataclasses.replace(point, psnr=mean, loss=sum(self.losses) / len(self.losses))
            self.curve.append(point)
            self.losses = []
            bar.set_postfix(gaussians=len(o.splats), psnr=mean and f"{mean:.2f}")
        if progress:
            progress(point, o.steps)

    def result(self, interrupted: bool) -> FitResult:
        """What there is now, without Gaussians that no fitted picture shows."""
        o = self.optimisation
        assert o is not None
        gaussians = o.shown_gaussians()
        rows = [o.exposure(i) for i in range(len(self.capture))]
        with torch.no_grad():
            viewmats = torch.cat([o.camera(i).viewmats for i in range(len(self.capture))]).cpu()
        metrics = [
            measure(i, self.capture.names[i], o.predict(i, gaussians), self.pictures.picture(i), self.pictures.mask(i))
            for i in o.held_out
        ]
        return FitResult(
            gaussians=gaussians.to("cpu"),
            viewmats=viewmats,
            log_gains=torch.stack([row[0] for row in rows]).cpu(),
            offsets=torch.stack([row[1] for row in rows]).cpu(),
            train=tuple(o.train),
            held_out=tuple(metrics),
            curve=tuple(self.curve),
            steps=o.steps,
            done=o.step,
            interrupted=interrupted,
            seconds=self.seconds,
            calibration=self.calibration,
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )


def _device(config: FitConfig) -> torch.device:
    wants_cuda = config.backend == "cuda" or (config.backend == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if wants_cuda else "cpu")


def _identity(capture: Capture, config: FitConfig, recipe: Recipe) -> dict[str, Any]:
    """What must be the same for a fit to go on."""
    digest = hashlib.sha256(repr((capture.names, capture.sizes)).encode())
    for tensor in capture.tensors().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    settings = {f"config {name}": value for name, value in asdict(config).items()}
    return {"capture": digest.hexdigest(), **settings, "recipe": repr(recipe)}
