"""fit(): Gaussians to the pictures of a capture. What happens around the steps; a step stands in optimisation.py."""

import dataclasses
import hashlib
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from splatsim import native
from splatsim.errors import ReconstructionError
from splatsim.fitting.checkpoint import deferred_interrupt, read_checkpoint, write_checkpoint
from splatsim.fitting.losses import psnr
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.budget import Calibration, calibrate
from splatsim.reconstruction.fit.holdout import measure, split
from splatsim.reconstruction.fit.optimisation import Optimisation
from splatsim.reconstruction.fit.pictures import Pictures
from splatsim.reconstruction.fit.recipe import STEPS, FitConfig, Recipe
from splatsim.reconstruction.fit.result import FitResult, Point
from splatsim.reconstruction.fit.stereo import Stereo, kept_stereo

CHECKPOINT_SECONDS = 30.0
SAMPLES = 12
"""Places of the training curve where held-out pictures are looked at."""
SAMPLE_VIEWS = 6
"""How many of them."""

Progress = Callable[[Point, int], None]


def fit(
    capture: Capture,
    config: FitConfig = FitConfig(),  # noqa: B008 - frozen
    folder: Path | None = None,
    *,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    resume: bool = False,
    progress: Progress | None = None,
) -> FitResult:
    """Fit Gaussians to the pictures; Ctrl-C ends it with what there is.

    The result depends on capture, configuration, recipe and number of steps: not on time, threads or pauses.

    Args:
        capture: Posed pictures, points, and masks where there are any.
        config: What the user chooses.
        folder: For checkpoints, about every 30 s; none are written without it.
        recipe: The numbers behind it.
        resume: Go on from the folder's checkpoint, where there is one.
        progress: Called after each step with where the fit stands and the number of steps planned.

    Raises:
        ReconstructionError: there is nothing to fit, or the checkpoint is one of another fit.
        FormatError: a picture or the checkpoint is damaged.
    """
    began = time.perf_counter()
    with native.torch_on_one_thread():
        pictures = Pictures(capture, _device(config))
        identity = _identity(capture, config, recipe)
        found = read_checkpoint(folder) if resume and folder else None
        calibration = None
        if found is not None:
            _check_identity(folder, found[1]["identity"], identity)
            steps = int(found[1]["steps"])
        else:
            steps = config.steps or STEPS[config.quality]
            if config.steps is None and config.budget is not None:
                calibration = calibrate(capture, pictures, config, recipe, config.budget)
                steps = calibration.steps
        stereo = _stereo(capture, pictures, config, folder, identity["capture"]) if config.uses_stereo else None
        start = Optimisation(capture, pictures, config, recipe, steps, stereo)
        run = _Run(start, identity, folder, calibration, began)
        if found is not None:
            run.load(*found)
        run.go(progress)
        return run.result()


@dataclass
class _Run:
    """A fit from start to end, with its pauses."""

    optimisation: Optimisation
    identity: dict[str, Any]
    folder: Path | None
    calibration: Calibration | None
    began: float
    curve: list[Point] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    saved: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since the fit began, without pauses."""
        return time.perf_counter() - self.began

    def go(self, progress: Progress | None) -> None:
        """Make the steps that are left, until Ctrl-C."""
        o = self.optimisation
        whole = True  # whether the state is that between two steps
        bar = tqdm(total=o.steps, initial=o.step, desc="fit", unit="step", disable=None)
        try:
            with deferred_interrupt() as asked_to_stop, bar:
                while o.step < o.steps and not asked_to_stop():
                    whole = False
                    loss = o.advance()
                    self.losses.append(loss)
                    whole = True
                    self._note(loss, bar, progress)
                    if time.perf_counter() - self.saved > CHECKPOINT_SECONDS:
                        self.save()
        except KeyboardInterrupt:
            pass
        if whole:
            self.save()

    def _note(self, loss: float, bar: Any, progress: Progress | None) -> None:
        """Tell where the fit stands, and at times how well it predicts."""
        o = self.optimisation
        point = Point(o.step, self.seconds, len(o.splats), loss)
        bar.update()
        if o.step % max(1, o.steps // SAMPLES) == 0 or o.step == o.steps:
            shown = o.held_out[:: max(1, len(o.held_out) // SAMPLE_VIEWS)]
            found = [float(psnr(o.predict(i).clamp(0, 1), o.pictures.picture(i))) for i in shown]
            mean = sum(found) / len(found) if found else None
            point = dataclasses.replace(point, psnr=mean, loss=sum(self.losses) / len(self.losses))
            self.curve.append(point)
            self.losses.clear()
            bar.set_postfix(gaussians=len(o.splats), psnr=mean and f"{mean:.2f}")
        if progress:
            progress(point, o.steps)

    def save(self) -> None:
        """Write a checkpoint, where there is a folder for it."""
        self.saved = time.perf_counter()
        if self.folder is None:
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

    def load(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Go on from what `save` wrote."""
        self.optimisation.load(tensors)
        self.began -= facts["seconds"]
        self.curve = [Point(**point) for point in facts["curve"]]
        self.losses = list(facts["losses"])
        if facts["calibration"]:
            self.calibration = Calibration.from_facts(**facts["calibration"])

    def result(self) -> FitResult:
        """What there is now, without Gaussians that no fitted picture shows."""
        o = self.optimisation
        gaussians = o.shown_gaussians()
        rows = [o.exposure(i) for i in range(len(o.capture))]
        metrics = [
            measure(i, o.capture.names[i], o.predict(i, gaussians), o.pictures.picture(i), o.pictures.mask(i))
            for i in o.held_out
        ]
        return FitResult(
            gaussians=gaussians.to("cpu"),
            antialiased=o.config.antialiased,
            depths=None if o.stereo is None else torch.from_numpy(o.stereo.on_canvas(o.capture.sizes)),
            viewmats=torch.cat([o.camera(i).viewmats.detach() for i in range(len(o.capture))]).cpu(),
            log_gains=torch.stack([row[0] for row in rows]).cpu(),
            offsets=torch.stack([row[1] for row in rows]).cpu(),
            train=tuple(o.train),
            held_out=tuple(metrics),
            curve=tuple(self.curve),
            steps=o.steps,
            done=o.step,
            seconds=self.seconds,
            calibration=self.calibration,
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )


def _stereo(capture: Capture, pictures: Pictures, config: FitConfig, folder: Path | None, digest: str) -> Stereo | None:
    """Depths of the pictures that are fitted, where there are any."""
    train, _ = split(len(capture), config.holdout, filmed=capture.filmed)
    if not train:
        return None
    found = kept_stereo(capture, pictures, train, folder, f"{digest} {config.holdout} {version('splatsim')}")
    return found if found.depths.any() else None


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


def _check_identity(folder: Path | None, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = [name for name, value in wanted.items() if found.get(name) != value]
    if differing:
        raise ReconstructionError(
            f"the checkpoint in {folder} is of a fit with another {', '.join(differing)}; "
            "expected the same, or a fit that does not resume."
        )
