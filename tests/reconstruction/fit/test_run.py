"""fit(): it learns what there is to learn, ignores what is masked, and gives the same bits however it is run."""

import dataclasses
import os
import signal
from pathlib import Path

import pytest
import torch

from splatsim import native
from splatsim.errors import FormatError, ReconstructionError
from splatsim.fitting import checkpoint
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit import result as fit_result
from splatsim.reconstruction.fit import run as fit_module
from splatsim.reconstruction.fit.recipe import FitConfig, Recipe
from splatsim.reconstruction.fit.run import fit
from splatsim.transforms import rotmat_from_quat
from tests.reconstruction.tiny import HEIGHT, WIDTH, make_capture

SMALL = FitConfig(steps=300, max_gaussians=400, holdout=6)
QUICK = FitConfig(steps=40, max_gaussians=300, holdout=6)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return make_capture(tmp_path_factory.mktemp("capture"), backend="reference")


@pytest.fixture(scope="module")
def quick(capture: Capture) -> fit_result.FitResult:
    return fit(capture, QUICK)


def same_bits(a: fit_result.FitResult, b: fit_result.FitResult) -> bool:
    mine, theirs = a.gaussians.tensors(), b.gaussians.tensors()
    alike = all(torch.equal(mine[name], theirs[name]) for name in mine)
    return alike and torch.equal(a.viewmats, b.viewmats) and torch.equal(a.log_gains, b.log_gains)


def test_it_learns_and_predicts_pictures_that_it_has_not_seen(capture: Capture) -> None:
    result = fit(capture, SMALL)
    assert result.curve[-1].loss < 0.4 * result.curve[0].loss
    assert [view.index for view in result.held_out] == [0, 6]
    at_first = result.curve[0].psnr
    assert at_first is not None
    assert all(view.psnr > at_first + 5 for view in result.held_out)
    assert len(result.gaussians) <= 400
    assert (result.done, result.steps, result.interrupted, result.calibration) == (300, 300, False, None)
    truth = torch.from_numpy(capture.picture(6)) / 255
    error = (result.predict(capture, 6) - truth).square().mean()
    assert float(-10 * error.log10()) == pytest.approx(result.held_out[1].psnr, abs=1e-3)


def test_any_number_of_threads_gives_the_same_bits(capture: Capture, quick: fit_result.FitResult) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fit(capture, QUICK)
        torch.set_num_threads(3)
        three = fit(capture, QUICK)
    finally:
        torch.set_num_threads(before)
    assert same_bits(one, three)
    assert same_bits(one, quick)


@pytest.mark.parametrize("stop", [1, 13, 29, 39])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(
    capture: Capture, quick: fit_result.FitResult, tmp_path: Path, stop: int
) -> None:
    def interrupt(point: fit_result.Point, steps: int) -> None:
        if point.step == stop:
            raise KeyboardInterrupt

    partial = fit(capture, QUICK, tmp_path, progress=interrupt)
    assert (partial.done, partial.interrupted) == (stop, True)
    assert all(bool(tensor.isfinite().all()) for tensor in partial.gaussians.tensors().values())
    whole = fit(capture, QUICK, tmp_path, resume=True)
    assert same_bits(whole, quick)
    assert [point.step for point in whole.curve] == [point.step for point in quick.curve]
    assert whole.curve[-1].loss == quick.curve[-1].loss


def test_a_fit_that_died_goes_on_from_its_last_checkpoint(
    capture: Capture, quick: fit_result.FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "CHECKPOINT_SECONDS", 0.0)

    def die(point: fit_result.Point, steps: int) -> None:
        if point.step == 17:
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        fit(capture, QUICK, tmp_path, progress=die)
    assert same_bits(fit(capture, QUICK, tmp_path, resume=True), quick)


def test_the_first_ctrl_c_waits_for_the_end_of_the_step(capture: Capture, tmp_path: Path) -> None:
    def press(point: fit_result.Point, steps: int) -> None:
        if point.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    result = fit(capture, QUICK, tmp_path, progress=press)
    assert (result.done, result.interrupted) == (5, True)
    assert signal.getsignal(signal.SIGINT) is handler


def test_exposures_are_found_and_interpolated_in_time(tmp_path: Path) -> None:
    brightness = 1 + 0.15 * torch.sin(torch.arange(12) / 2)
    capture = make_capture(tmp_path, gains=brightness[:, None].expand(12, 3))
    result = fit(capture, FitConfig(steps=300, max_gaussians=400, holdout=6, stereo=False))
    found = result.log_gains.mean(1)
    wanted = brightness.log()
    train = torch.tensor(result.train)
    assert float(torch.corrcoef(torch.stack([found[train], wanted[train]]))[0, 1]) > 0.9
    without = fit(capture, FitConfig(steps=300, max_gaussians=400, holdout=6, exposure=False, stereo=False))
    assert bool((without.log_gains == 0).all())
    # View-dependent colours may explain the brightness of fitted pictures, but not of others.
    assert sum(view.psnr for view in result.held_out) > sum(view.psnr for view in without.held_out)


def test_poses_that_are_a_little_wrong_are_mended(capture: Capture) -> None:
    generator = torch.Generator().manual_seed(5)
    turns = 0.012 * torch.randn(12, 3, generator=generator)
    motion = torch.eye(4).repeat(12, 1, 1)
    motion[:, :3, :3] = rotmat_from_quat(torch.cat([torch.ones(12, 1), turns / 2], dim=1))
    wrong = capture.replace(viewmats=motion @ capture.viewmats)
    config = FitConfig(steps=400, max_gaussians=400, holdout=0, refine_poses=True, exposure=False)
    refined = fit(wrong, config, recipe=dataclasses.replace(Recipe(), pose_start=0.1, pose_rate=1e-3))

    def error(viewmats: torch.Tensor) -> float:
        """Mean angle of the pictures' motion against each other, which no turn of the whole scene hides."""
        relative = viewmats[:, :3, :3] @ capture.viewmats[:, :3, :3].mT
        between = relative[1:] @ relative[:-1].mT
        trace = between.diagonal(dim1=-2, dim2=-1).sum(-1)
        return float(((trace - 1) / 2).clamp(-1, 1).acos().mean())

    assert error(refined.viewmats) < 0.6 * error(wrong.viewmats)


def test_masked_pixels_count_for_nothing(tmp_path: Path) -> None:
    clean = make_capture(tmp_path / "clean")
    spoiled = make_capture(tmp_path / "spoiled", spoil=slice(0, WIDTH // 4))
    config = FitConfig(steps=120, max_gaussians=400, holdout=6, exposure=False)
    result = fit(spoiled, config)
    shown = result.predict(clean, 6)[:, : WIDTH // 4]
    truth = torch.from_numpy(clean.picture(6))[:, : WIDTH // 4] / 255
    # Other pictures show that part of the scene; had the white columns counted, it would be near white.
    assert float((shown - truth).abs().mean()) < 0.1
    assert result.held_out[0].psnr > 20


def test_a_budget_becomes_a_number_of_steps_that_is_kept(capture: Capture, tmp_path: Path) -> None:
    def interrupt(point: fit_result.Point, steps: int) -> None:
        if point.step == 3:
            raise KeyboardInterrupt

    config = FitConfig(budget=3.0, max_gaussians=300, holdout=6)
    partial = fit(capture, config, tmp_path, progress=interrupt)
    assert partial.calibration is not None
    assert partial.steps == partial.calibration.steps >= 200
    again = fit(capture, config, tmp_path, resume=True, progress=lambda point, steps: _stop_at(point, 5))
    assert again.steps == partial.steps
    assert again.calibration is not None
    assert list(map(tuple, again.calibration.milliseconds)) == partial.calibration.milliseconds


def _stop_at(point: fit_result.Point, step: int) -> None:
    if point.step == step:
        raise KeyboardInterrupt


def test_a_checkpoint_of_another_fit_is_refused(capture: Capture, tmp_path: Path) -> None:
    fit(capture, dataclasses.replace(QUICK, steps=2), tmp_path)
    with pytest.raises(ReconstructionError, match="another config steps"):
        fit(capture, QUICK, tmp_path, resume=True)
    moved = capture.replace(points=capture.points + 1)
    with pytest.raises(ReconstructionError, match="another capture"):
        fit(moved, dataclasses.replace(QUICK, steps=2), tmp_path, resume=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04N.", os.urandom(200)])
def test_a_damaged_checkpoint_is_named(capture: Capture, tmp_path: Path, content: bytes) -> None:
    (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(FormatError, match=r"fit\.checkpoint cannot be read"):
        fit(capture, QUICK, tmp_path, resume=True)


def test_nothing_to_fit_is_said(capture: Capture) -> None:
    empty = capture.replace(
        points=torch.zeros(0, 3),
        point_colors=torch.zeros(0, 3, dtype=torch.uint8),
        point_errors=torch.zeros(0),
        observations=torch.zeros(0, 2, dtype=torch.int32),
    )
    with pytest.raises(ReconstructionError, match="0 points"):
        fit(empty, QUICK)


@pytest.mark.usefixtures("unchecked")
def test_wrong_settings_are_named() -> None:
    for change in ({"steps": 0}, {"holdout": 1}, {"sh_degree": 4}, {"budget": 0.0}, {"quality": "super"}):
        with pytest.raises(ValueError, match=f"FitConfig.{next(iter(change))}"):
            FitConfig(**change)  # type: ignore[arg-type]


def test_torch_is_left_as_it_was(capture: Capture) -> None:
    before = torch.get_num_threads()
    fit(capture, dataclasses.replace(QUICK, steps=2))
    assert torch.get_num_threads() == before == native.threads()
    assert capture.sizes[0] == (WIDTH, HEIGHT)
