"""`splatsim bench compare`: two runs of the same episodes, metric by metric."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from splatsim.errors import EpisodeError
from splatsim.nav.benchmark import RESULTS
from splatsim.nav.journal import read_results
from splatsim.nav.results import Result
from splatsim.nav.standings import compared, of_agent


def compare_runs(
    first: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")],
    second: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="B")],
    agents: tuple[str, str] | None = None,
) -> None:
    """Compare two runs over the episodes that both have played, with paired statistics.

    Prints both means, their difference with a 95 % interval of the paired bootstrap, in how many episodes either has
    more, and the p-value of the exact sign test, which for successes is McNemar's. The p-values stand for themselves:
    who looks at twenty of them finds one below 0.05 by chance.

    Args:
        first: The folder of a run, or its results.jsonl.
        second: Of the other run; the same one to compare two agents in it.
        agents: Whom to compare, one of each run; by default everybody who takes part in both.
    """
    runs = [read_results(path / RESULTS if path.is_dir() else path) for path in (first, second)]
    _check_same_episodes(first, second, *runs)
    names = [{result.agent for result in run} for run in runs]
    pairs = [agents] if agents else [(name, name) for name in sorted(names[0] & names[1])]
    for pair in pairs:
        for name, known, path in zip(pair, names, (first, second), strict=True):
            if name not in known:
                raise EpisodeError(f'{path} has no agent "{name}"; expected one of {", ".join(sorted(known))}.')
    if not pairs:
        raise EpisodeError(
            f"no agent takes part in both {first} ({', '.join(sorted(names[0]))}) and {second} "
            f"({', '.join(sorted(names[1]))}); name two with --agents."
        )
    for a, b in pairs:
        print(comparison(of_agent(runs[0], a), of_agent(runs[1], b), f"{first}: {a}", f"{second}: {b}"))


def _check_same_episodes(first: Path, second: Path, a: Sequence[Result], b: Sequence[Result]) -> None:
    for name in ("scene",):
        hashes = [{result.hashes.get(name, "") for result in run} for run in (a, b)]
        if hashes[0] != hashes[1]:
            raise EpisodeError(f"{first} and {second} were played in different scenes; expected the same for both.")
    if not {result.episode for result in a} & {result.episode for result in b}:
        raise EpisodeError(f"{first} and {second} have no episode in common; expected two runs of one suite.")
    seeds = {result.episode: result.seed for result in a}
    for result in b:
        if seeds.get(result.episode, result.seed) != result.seed:
            raise EpisodeError(
                f'"{result.episode}" has seed {seeds[result.episode]} in {first} and {result.seed} in {second}; '
                "expected two runs of one suite."
            )


def comparison(a: Sequence[Result], b: Sequence[Result], first: str, second: str) -> str:
    """Two agents as a table."""
    rows = compared(a, b)
    count = len({result.episode for result in a} & {result.episode for result in b})
    lines = [f"A {first}", f"B {second}", f"{count} episodes in common"]
    lines.append(f"{'':10} {'A':>8} {'B':>8} {'A - B':>8} {'95 % interval':>18} {'A more':>7} {'B more':>7} {'p':>7}")
    for column, mean_a, mean_b, found in rows:
        ends = f"{found.difference.low:+.3f} to {found.difference.high:+.3f}"
        lines.append(
            f"{column.title:10} {mean_a:8.3f} {mean_b:8.3f} {found.difference.mean:+8.3f} {ends:>18} "
            f"{found.wins:7d} {found.losses:7d} {found.p_value:7.3f}"
        )
    return "\n".join(lines) + "\n"
