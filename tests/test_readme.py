"""The README tells the truth: its example runs, its files exist."""

import re
from pathlib import Path

import pytest

from splatsim import save_gaussians
from tests.conftest import random_gaussians

ROOT = Path(__file__).resolve().parents[1]


def test_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    (tmp_path / "out").mkdir()
    save_gaussians(tmp_path / "out" / "box_room.ply", random_gaussians(200))
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        assert len(block.strip().splitlines()) <= 12
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "scenes/README.md",
        "docs/conventions.md",
        "docs/formats.md",
        "docs/reconstruct.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        assert link.startswith("http") or (path.parent / link).exists(), f"{page}: {link}"
