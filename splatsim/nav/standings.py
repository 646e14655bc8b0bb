"""Standings: what a run comes to, for each agent and each band of difficulty, with intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from splatsim.nav.results import Result
from splatsim.nav.statistics import Comparison, Interval, compare_paired, interval


@dataclass(frozen=True)
class Column:
    """A metric as a table has it."""

    metric: str
    """As in results."""
    title: str
    """The field's name."""
    meaning: str
    """In words, with its unit."""
    more: bool = True
    """Whether more is better."""


WAY_COLUMNS = (
    Column("success", "SR", "share of episodes that end with a stop at the goal"),
    Column("spl", "SPL", "success weighted by the shortest way over the way driven"),
    Column("soft_spl", "SoftSPL", "the same with progress in place of success"),
    Column("navigation_error", "NE", "distance to the goal at the end along the floor, m", more=False),
    Column("path_length", "TL", "length of the way, m", more=False),
    Column("static_collisions", "static", "steps in which it touched what stands still", more=False),
    Column("stl", "STL", "success weighted by the best time over the time taken"),
    Column("cls", "CLS", "how much of the reference it covered, and how much longer it was"),
    Column("ndtw", "nDTW", "how well it kept to the reference"),
    Column("sdtw", "sDTW", "the same, 0 without success"),
)
"""Under our own rules: how well the way was found."""
PEOPLE_COLUMNS = (
    Column("h_coll", "H-Coll", "share of episodes in which it touched a person", more=False),
    Column("human_collisions", "human", "steps in which it touched a person", more=False),
    Column("psc", "PSC", "share of steps with every person at least 1 m away"),
    Column("personal_space_seconds", "PS", "seconds nearer than 0.8 m to a person", more=False),
    Column("human_clearance", "clear", "least distance to a person, m"),
    Column("detour", "detour", "extra metres of a person, against the same people without the robot", more=False),
    Column("delay", "delay", "seconds that a person is late, against the same people without the robot", more=False),
    Column("following_rate", "FR", "share of steps with the target in view and within 3 m"),
    Column("following_success", "FS", "share of episodes that end with the target in view, 1 to 3 m away"),
)
"""Under our own rules: what it was like for people."""
COLUMNS = (*WAY_COLUMNS, *PEOPLE_COLUMNS)
GN_COLUMNS = tuple(
    Column(metric, title, meaning, more)
    for metric, title, meaning, more in (
        ("path_length", "TL", "length of the way, m", False),
        ("navigation_error", "NE", "distance to the goal, m", False),
        ("oracle_success", "OS", "share of episodes that come within 3 m", True),
        ("success", "SR", "share of episodes that stop within 3 m", True),
        ("spl", "SPL", "success weighted by the shortest way over the way driven", True),
    )
)
"""What GN-Bench reports, under its rules."""


def values(results: Sequence[Result], metric: str, profile: str = "strict") -> list[float]:
    """A metric of each result, NaN where it has none."""
    return [result.metrics.get(profile, {}).get(metric, math.nan) for result in results]


def of_agent(results: Sequence[Result], agent: str) -> list[Result]:
    """The results of one agent."""
    return [result for result in results if result.agent == agent]


def standings(
    results: Sequence[Result], columns: Sequence[Column] = COLUMNS, profile: str = "strict"
) -> list[tuple[str, dict[str, Interval]]]:
    """Each agent with intervals of its metrics, the best first: by success, then by SPL."""
    rows = []
    for agent in dict.fromkeys(result.agent for result in results):
        own = of_agent(results, agent)
        rows.append((agent, {column.metric: interval(values(own, column.metric, profile)) for column in columns}))
    return sorted(rows, key=lambda row: (-row[1]["success"].mean, -row[1]["spl"].mean, row[0]))


def known_columns(rows: Sequence[tuple[str, dict[str, Interval]]], columns: Sequence[Column]) -> list[Column]:
    """Those of which at least one agent has values: without people there is nothing about people."""
    return [column for column in columns if any(found[column.metric].count for _, found in rows)]


def bands(results: Sequence[Result]) -> list[str]:
    """Bands of difficulty, in the order of the suite."""
    return list(dict.fromkeys(result.band for result in results if result.band))


def compared(
    first: Sequence[Result], second: Sequence[Result], columns: Sequence[Column] = COLUMNS
) -> list[tuple[Column, float, float, Comparison]]:
    """Metric by metric over the episodes that both have played: both means, and how they differ."""
    theirs = {result.episode: result for result in second}
    pairs = [(result, theirs[result.episode]) for result in first if result.episode in theirs]
    found = []
    for column in columns:
        a, b = (values([pair[side] for pair in pairs], column.metric) for side in (0, 1))
        if any(not (math.isnan(x) or math.isnan(y)) for x, y in zip(a, b, strict=True)):
            found.append((column, interval(a).mean, interval(b).mean, compare_paired(a, b)))
    return found


def worst(results: Sequence[Result], count: int) -> list[Result]:
    """The worst episode of each of the best agents that solve any: failed ones first, then by contacts with people."""

    def badness(result: Result) -> tuple[float, ...]:
        strict = result.metrics["strict"]
        return strict["success"], -strict.get("human_collisions", 0.0), -strict["static_collisions"], strict["spl"]

    ranked = [agent for agent, found in standings(results) if found["success"].mean > 0]
    return [min(of_agent(results, agent), key=badness) for agent in ranked[:count]]
