"""From a capture to an avatar: preparation, the gate, the fit with checkpoints, completion, and what is written."""

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from splatsim import native
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.fitting.capture import PersonCapture, load_capture
from splatsim.avatar.fitting.completion import SEEN_PIXELS, completed, seen_light
from splatsim.avatar.fitting.judging import frozen, judged, refined_on, side_by_side
from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.person import Dials, Person, find_person, given_person
from splatsim.avatar.fitting.preparation import Prepared, prepare_shots
from splatsim.avatar.fitting.recipe import AvatarRecipe
from splatsim.avatar.fitting.results import (
    ALIGNMENT,
    AVATAR,
    PREVIEW,
    AvatarFit,
    AvatarFitConfig,
    beside,
    write_result,
)
from splatsim.avatar.fitting.shots import Shot
from splatsim.errors import ReconstructionError
from splatsim.fitting.checkpoint import deferred_interrupt, read_checkpoint, write_checkpoint
from splatsim.scene import open_scene
from splatsim.video import write_picture

CHECKPOINT_SECONDS = 30.0
PREVIEWS = 8


def fit_avatar(
    folder: Path,
    out: Path,
    config: AvatarFitConfig = AvatarFitConfig(),  # noqa: B008 - frozen
    dials: Dials = Dials(),  # noqa: B008 - frozen
    *,
    poses: Path | None = None,
    scene: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> AvatarFit:
    """Fit an avatar to a capture and write it, its poses and a report to a folder; Ctrl-C ends it with what there is.

    Args:
        folder: The capture; see `capture`.
        out: A folder for the result and for checkpoints.
        poses: Poses to begin with, as `write_poses` writes them, instead of keypoints.
        scene: A scene folder of `splatsim reconstruct`, whose cameras took the capture's pictures.
        resume: Go on from the checkpoint in `out`, where there is one.
        overwrite: Replace a result in `out`.

    Raises:
        FileExistsError: `out` holds a result and `overwrite` is not set.
        FormatError: a file of the capture is missing or damaged.
        ReconstructionError: nobody is found, or body and pictures do not agree.
    """
    if (out / AVATAR).is_file() and not (overwrite or resume):
        raise FileExistsError(f"{out} holds an avatar already; name a new folder, or pass --overwrite.")
    began = time.perf_counter()
    capture = load_capture(folder, fps=config.fps, layout=config.layout, scene=scene)
    fitted = _fitted(capture, config.hold_out)
    place = None if scene is None else open_scene(scene)
    with native.torch_on_one_thread():
        if poses is not None:
            person = given_person(capture, poses, dials)
        else:
            person = find_person(capture, fitted, dials, move_cameras=config.refine_cameras)
        gaussians = None if place is None else place.gaussians
        prepared = prepare_shots(
            capture, person, side=config.side, scene=gaussians, scene_antialiased=bool(place and place.antialiased)
        )
        out.mkdir(parents=True, exist_ok=True)
        write_picture(out / ALIGNMENT, beside([picture for picture, _ in prepared.overlays]))
        if not config.force:
            prepared.alignment.check(str(out / ALIGNMENT))
        run = _Run(capture, person, prepared, fitted, config, out, began)
        run.go(resume)
        result = run.result()
        write_result(result, out, {"capture": str(folder), "config": asdict(config), "dials": asdict(dials)})
    return result


def _fitted(capture: PersonCapture, hold_out: tuple[str, ...]) -> list[int]:
    unknown = [name for name in hold_out if name not in capture.views.names]
    if unknown:
        raise ReconstructionError(
            f"there is no camera {unknown[0]!r}; the capture has {', '.join(capture.views.names)}."
        )
    fitted = [c for c, name in enumerate(capture.views.names) if name not in hold_out]
    if not fitted:
        raise ReconstructionError("all cameras are held out; expected at least one to fit.")
    return fitted


class _Run:
    def __init__(
        self,
        capture: PersonCapture,
        person: Person,
        prepared: Prepared,
        fitted: list[int],
        config: AvatarFitConfig,
        out: Path,
        began: float,
    ) -> None:
        self.person, self.prepared, self.config, self.out, self.began = person, prepared, config, out, began
        self.train = [shot for shot in prepared.shots if shot.camera in fitted]
        self.held_out = [shot for shot in prepared.shots if shot.camera not in fitted]
        if not self.train:
            raise ReconstructionError(
                f"no picture of {capture.folder} shows the person; expected masks or poses that do."
            )
        still = bool(np.ptp(person.views.viewmats, axis=0).max() < 1e-9)
        recipe = AvatarRecipe(
            gaussians=config.gaussians // 2,
            most_gaussians=config.gaussians,
            exposure_rate=2e-3 if len(fitted) > 1 else 0.0,
            neighbour_weight=2e-2 if len(fitted) < 5 else 2e-3,
            pull=1e-3 if len(fitted) < 5 else 2e-4,
            off_surface=config.loose,
            camera_rate=2e-4 if config.refine_cameras and still and len(fitted) > 1 else 0.0,
        )
        self.optimisation = AvatarOptimisation(
            person.template,
            person.pose,
            self.train,
            steps=config.steps,
            fps=capture.fps,
            seed=config.seed,
            refine_poses=config.refine_poses,
            gains=prepared.gains,
            recipe=recipe,
        )
        self.fps = capture.fps
        self.curve: list[tuple[int, float, float]] = []
        self.losses: list[float] = []
        self.identity = self._identity()

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a fit to go on."""
        digest = hashlib.sha256()
        for shot in self.train[:: max(1, len(self.train) // 20)]:
            digest.update(shot.picture.tobytes() + shot.mask.tobytes())
        return {"shots": digest.hexdigest(), "count": len(self.train), "config": asdict(self.config)}

    def go(self, resume: bool) -> None:
        """Make the steps that are left, until Ctrl-C."""
        o = self.optimisation
        found = read_checkpoint(self.out) if resume else None
        if found is not None:
            self._load(*found)
        saved = time.perf_counter()
        bar = tqdm(total=o.steps, initial=o.step, desc="fit", unit="step", disable=None)
        with deferred_interrupt() as asked_to_stop, bar:
            while o.step < o.steps and not asked_to_stop():
                self.losses.append(o.advance())
                bar.update()
                if o.step % max(1, o.steps // PREVIEWS) == 0 or o.step == o.steps:
                    self._sample(bar)
                if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                    self._save()
                    saved = time.perf_counter()
        self._save()

    def _sample(self, bar: Any) -> None:
        shots = self._shown()
        metrics = judged(self.optimisation, shots)
        mean = float(np.mean([m.psnr for m in metrics]))
        self.curve.append((self.optimisation.step, float(np.mean(self.losses)), mean))
        self.losses.clear()
        bar.set_postfix(gaussians=len(self.optimisation.splats), psnr=f"{mean:.2f}")
        write_picture(self.out / PREVIEW, beside([side_by_side(self.optimisation, shot) for shot in shots[:4]]))

    def _shown(self, count: int = 6) -> list[Shot]:
        """A few shots to look at: held out where there are some."""
        shots = self.held_out or self.train
        return shots[len(shots) // (2 * count) :: max(1, len(shots) // count)][:count]

    def _save(self) -> None:
        facts = {
            "identity": self.identity,
            "curve": self.curve,
            "losses": self.losses,
            "seconds": time.perf_counter() - self.began,
        }
        write_checkpoint(self.out, self.optimisation.state(), facts)

    def _load(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        wanted = json.loads(json.dumps(self.identity))
        differing = [name for name, value in wanted.items() if facts["identity"].get(name) != value]
        if differing:
            raise ReconstructionError(
                f"the checkpoint in {self.out} is of a fit with another {', '.join(differing)}; expected the same, or "
                "a run without --resume."
            )
        self.optimisation.load(tensors)
        self.curve = [(int(a), float(b), float(c)) for a, b, c in facts["curve"]]
        self.losses = list(facts["losses"])
        self.began -= facts["seconds"]

    def result(self) -> AvatarFit:
        """What there is now, unseen places filled in."""
        o = self.optimisation
        shots = self.held_out or self._shown(24)
        whole = completed(o.gaussians(), o.skin, seen_light(o, self.train) > SEEN_PIXELS, o.surface)
        skeleton = self.person.template.skeleton
        licence = "fitted to a capture; the pictures' licence holds"
        avatar = Avatar(whole.gaussians, skeleton, whole.skin, self.out.name, licence)
        delivered = frozen(o, gaussians=whole.gaussians, skin=whole.skin)
        metrics = judged(delivered, shots)
        refined = judged(refined_on(delivered, shots), shots) if self.held_out else ()
        return AvatarFit(
            avatar=avatar,
            pose=o.poses.now,
            person=self.person,
            prepared=self.prepared,
            metrics=metrics,
            metrics_refined=refined,
            curve=tuple(self.curve),
            unseen=(whole.mirrored, whole.neighbours),
            fps=self.fps,
            seconds=time.perf_counter() - self.began,
            steps=o.step,
        )
