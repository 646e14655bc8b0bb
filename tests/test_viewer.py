"""The viewer: it answers on this machine, shows what covers most, and ends."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch

from splatsim import cli, viewer
from splatsim.cameras import Cameras
from splatsim.errors import ResourceError
from splatsim.formats import save_gaussians
from splatsim.scene import Scene
from splatsim.semantics import Semantics
from tests.conftest import random_gaussians

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_scene() -> Scene:
    gaussians = random_gaussians(60, k=4)
    cameras = Cameras.look_at([[3.0, 0, 1], [0, 3.0, 1]], [0, 0, 0], fov_deg=60, width=64, height=48)
    return Scene("small", gaussians, cameras, semantics=Semantics(torch.zeros(60, dtype=torch.uint8), ("leaf", "bark")))


def test_it_answers_on_loopback_and_ends() -> None:
    port = free_port()
    shown = viewer.Viewer(small_scene(), port=port, max_gaussians=50)
    try:
        assert shown.url == f"http://127.0.0.1:{port}/?showStats"
        assert len(shown.rows) == 50
        with urllib.request.urlopen(shown.url, timeout=20) as answer:
            assert answer.status == 200
            assert b"<html" in answer.read(4096).lower()
        with pytest.raises(ResourceError, match=rf"port {port} .* try --port {port + 1}"):
            viewer.check_port("127.0.0.1", port)
    finally:
        shown.stop()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            viewer.check_port("127.0.0.1", port)
            break
        except ResourceError:
            time.sleep(0.1)
    viewer.check_port("127.0.0.1", port)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_the_command_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    save_gaussians(tmp_path / "some.ply", random_gaussians(60, k=4))
    port = free_port()
    command = [sys.executable, "-u", "-m", "splatsim", "view", str(tmp_path / "some.ply"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        assert f"60 Gaussians at http://127.0.0.1:{port}" in line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_what_covers_most_is_shown_and_poison_is_not() -> None:
    gaussians = random_gaussians(40)
    scales = torch.full((40, 3), 0.01)
    scales[[3, 7, 30]] = 1.0
    means = gaussians.means.clone()
    means[7] = float("nan")
    gaussians = gaussians.replace(scales=scales, means=means, opacities=torch.linspace(0.1, 0.9, 40))
    assert viewer.most_important(gaussians, 3).tolist() == [3, 30, 39]
    assert len(viewer.most_important(gaussians, 100)) == 39


def test_covariances_are_those_of_the_gaussians_within_what_a_browser_holds() -> None:
    gaussians = random_gaussians(20, smallest=0.1, largest=0.3)
    spread = viewer.covariances(gaussians)
    variances = torch.linalg.eigvalsh(spread)
    torch.testing.assert_close(variances.sqrt(), gaussians.scales.sort(dim=1).values, atol=1e-4, rtol=1e-4)
    flat = gaussians.replace(scales=gaussians.scales * torch.tensor([1.0, 1.0, 1e-6]))
    assert float(torch.linalg.eigvalsh(viewer.covariances(flat)).amin()) > 0


def test_what_cannot_be_shown_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match='the scene "empty" has no Gaussians'):
        viewer.Viewer(Scene("empty"), port=free_port())
    with pytest.raises(ValueError, match="max_gaussians is 0"):
        viewer.Viewer(small_scene(), port=free_port(), max_gaussians=0)
    assert cli.main(["view", str(tmp_path / "none.ply"), "--port", str(free_port())]) == 2
    assert "no file" in capsys.readouterr().err
    assert cli.main(["view", str(tmp_path), "--port", "0"]) == 2
    assert "port is 0; expected 1 to 65535" in capsys.readouterr().err
