"""What every agent scores on a few fixed episodes, kept in golden.json; SPLATSIM_WRITE_GOLDEN=1 writes it anew."""

import json
import os
from pathlib import Path

import pytest

from splatsim.nav import Humans, measure
from splatsim.nav.agents import AGENT_NAMES, make_agent
from splatsim.nav.episode import Task
from tests.nav.agents.playing import ROOMS, episode, play

GOLDEN = Path(__file__).with_name("golden.json")
STARTS = ((1.0, -3.2, 0.4), (2.4, -0.7, -2.8), (5.2, -0.6, 1.5))
GOALS = ((4.9, -3.1), (5.3, -2.2), (0.7, -2.9))
KEPT = ("success", "spl", "path_length", "steps", "static_collisions", "h_coll", "following_rate")
CROWDED = {"human-aware", "follower"}


def scores(name: str) -> list[dict[str, float]]:
    """Of one agent in each of the episodes."""
    found = []
    for seed, (start, goal) in enumerate(zip(STARTS, GOALS, strict=True)):
        task: Task = "following" if name == "follower" else "social" if name in CROWDED else "point goal"
        humans = Humans(1, reactive=False, pattern="leader" if name == "follower" else "cross")
        played = episode(start, goal, task, seed=seed, max_steps=100)
        measured = measure(played, play(make_agent(name), played, humans=humans if name in CROWDED else None), ROOMS)
        found.append({key: round(measured[key], 6) for key in KEPT if key in measured})
    return found


@pytest.mark.parametrize("name", AGENT_NAMES)
def test_an_agent_scores_what_it_did(name: str) -> None:
    kept = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    found = scores(name)
    if os.environ.get("SPLATSIM_WRITE_GOLDEN"):
        kept[name] = found
        lines = [f'"{one}": {json.dumps(kept[one])}' for one in AGENT_NAMES if one in kept]
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    assert len(found) == len(kept[name])
    for one, other in zip(found, kept[name], strict=True):
        assert one == pytest.approx(other, abs=1e-5)
