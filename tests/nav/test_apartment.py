"""The built-in suite."""

import os
from pathlib import Path

import pytest

from splatsim.nav.apartment import apartment_suite, apartment_world


def test_the_built_in_suite_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    suite = apartment_suite(count=6)
    suite.check(apartment_world())
    assert {episode.task for episode in suite.episodes} == {"point goal"}
    assert len({episode.band for episode in suite.episodes}) >= 5
    assert apartment_suite(count=6).content_hash == suite.content_hash
    assert os.listdir(tmp_path) == []


def test_people_and_tasks() -> None:
    suite = apartment_suite(people=8, count=2)
    assert (suite.episodes[0].task, suite.setup.humans.count, suite.setup.humans.pattern) == ("social", 8, "cross")
    following = apartment_suite(task="following", count=1)
    assert (following.setup.humans.count, following.setup.humans.pattern) == (1, "leader")


def test_instructions_name_what_stands_in_the_apartment() -> None:
    suite = apartment_suite(task="instruction", count=6)
    things = ("bed", "sofa", "table", "shelf", "cabinet", "chair", "plant", "sanitary ware", "appliance")
    for episode in suite.episodes:
        assert episode.instruction.endswith(".")
        assert any(f"stop at the {thing}." in episode.instruction for thing in things)
    said = " ".join(episode.instruction for episode in suite.episodes)
    assert "corridor" in said
    assert "turn" in said.lower()
