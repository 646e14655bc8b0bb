"""report.html of a benchmark: standings with intervals, every episode from above, the worst as videos, and hashes."""

import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from splatsim.nav.report_maps import STYLE, Picture, drawing, place_picture, place_style
from splatsim.nav.report_videos import video_url
from splatsim.nav.results import Result
from splatsim.nav.standings import (
    GN_COLUMNS,
    PEOPLE_COLUMNS,
    WAY_COLUMNS,
    Column,
    bands,
    known_columns,
    of_agent,
    standings,
    worst,
)
from splatsim.nav.statistics import Interval, interval
from splatsim.nav.suite import Suite
from splatsim.nav.world import World
from splatsim.report import Page

REPORT = "report.html"
VIDEOS = 4
SHOWN_EPISODES = 600
"""Episodes with a picture, the first ones of each agent; the rest stand in the file of results."""

PAGE_STYLE = """
body { max-width: 1240px; } small { color: var(--soft); display: block; font-size: .75rem; }
td.score { text-align: right; white-space: nowrap; } form.filters { display: flex; gap: 1rem; flex-wrap: wrap;
  margin: .6rem 0 1rem; align-items: center; } select { font: inherit; }
div.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); }
figure[hidden] { display: none; } video { width: 100%; border-radius: 4px; background: var(--shade); }
.legend span { margin-right: 1.1rem; white-space: nowrap; } .legend i { display: inline-block; width: .8em;
  height: .8em; border-radius: 50%; margin-right: .3em; } figcaption b { color: var(--ink); font-weight: 600; }
.failed { color: var(--c1); }
"""
SCRIPT = """
const form = document.querySelector('form.filters'), cards = [...document.querySelectorAll('div.cards figure')];
function show() {
  let count = 0;
  for (const card of cards) {
    const fits = ['agent', 'episode', 'band', 'task', 'end'].every(k => !form[k] || form[k].value === '*'
      || card.dataset[k].split(' | ').includes(form[k].value));
    card.hidden = !fits; count += fits;
  }
  document.getElementById('count').textContent = count + ' of ' + cards.length;
}
form.addEventListener('change', show); form.addEventListener('submit', e => e.preventDefault()); show();
"""
LEGEND = (
    ("#1d4ed8", "start and reference, which no agent sees"),
    ("#eab308", "goal"),
    ("#15803d", "way of a success"),
    ("#c2410c", "way of a failure"),
    ("#7c3aed", "people at the end, and their ways"),
    ("#f59e0b", "touched what stands"),
    ("#dc2626", "touched a person"),
)


def write_report(
    path: Path, world: World, suite: Suite, results: Sequence[Result], facts: dict[str, Any], *, bev: bool = False
) -> None:
    """Write the page, which loads nothing from elsewhere.

    Args:
        facts: Of the run, as run.json has them.
        bev: Draw episodes on what the place looks like from above, not on its map.

    Raises:
        OSError: the disk refuses.
        SplatsimError: ffmpeg is missing or fails.
    """
    rows = standings(results)
    page = Page(f"Benchmark: {suite.name}", _lead(suite, results, rows))
    picture = place_picture(world, colors=bev)
    page.parts.append(f"<style>{STYLE}{PAGE_STYLE}{place_style(picture)}</style>")
    _add_standings(page, results, rows)
    _add_failures(page, results)
    _add_videos(page, picture, world, suite, results)
    _add_episodes(page, world, suite, results)
    page.section("How it was made")
    setups = dict.fromkeys((result.agent, result.hashes.get("setup", "")) for result in results)
    page.table(["agent", "SHA-256 of its setup, sensors included"], setups)
    page.table(["setting", "value"], _flat(facts))
    page.write(path)


def _lead(suite: Suite, results: Sequence[Result], rows: Sequence[tuple[str, dict[str, Interval]]]) -> str:
    people = suite.setup.humans.count
    among = f"among {people} people" if people else "without people"
    return (
        f"{len(suite.episodes)} episodes in {suite.scene}, {among}; {len(rows)} agents, {len(results)} results. "
        "Means over episodes with 95 % bootstrap intervals."
    )


def _add_standings(page: Page, results: Sequence[Result], rows: list[tuple[str, dict[str, Interval]]]) -> None:
    page.section("Standings")
    _add_scores(page, rows, WAY_COLUMNS)
    among = known_columns(rows, PEOPLE_COLUMNS)
    if among:
        page.section("Among people")
        _add_scores(page, rows, among)
    names = bands(results)
    if len(names) > 1:
        page.section("By difficulty")
        page.text("SPL in each band; the shortest ways of a band are about equally long.")
        _add_table(
            page,
            ["agent", *(f"{name} ({_episodes_in(results, name)})" for name in names)],
            [[_word(agent), *(_score(_spl(results, agent, name)) for name in names)] for agent, _ in rows],
        )
    page.section("Under GN-Bench's rules")
    page.text(
        "Success within 3 m, 0 m counted as no distance, a stop for whoever is stuck, unreachable counted as 0 m."
    )
    _add_scores(page, standings(results, GN_COLUMNS, "gn-bench"), GN_COLUMNS)


def _spl(results: Sequence[Result], agent: str, band: str) -> Interval:
    return interval([r.metrics["strict"]["spl"] for r in of_agent(results, agent) if r.band == band])


def _episodes_in(results: Sequence[Result], band: str) -> int:
    return len({result.episode for result in results if result.band == band})


def _add_scores(page: Page, rows: list[tuple[str, dict[str, Interval]]], columns: Sequence[Column]) -> None:
    _add_table(
        page,
        ["agent", *(f'<abbr title="{html.escape(c.meaning)}">{html.escape(c.title)}</abbr>' for c in columns)],
        [[_word(agent), *(_score(found[column.metric]) for column in columns)] for agent, found in rows],
    )


def _add_table(page: Page, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    head = "".join(f"<th{' class=number' if k else ''}>{name}</th>" for k, name in enumerate(header))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    page.parts.append(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')


def _word(text: str) -> str:
    return f"<td>{html.escape(text)}</td>"


def _score(found: Interval) -> str:
    if not found.count:
        return '<td class="score">–</td>'
    ends = "" if math.isnan(found.low) else f"<small>{found.low:.2f}–{found.high:.2f}</small>"
    return f'<td class="score">{found.mean:.2f}{ends}</td>'


def _add_failures(page: Page, results: Sequence[Result]) -> None:
    failed = [(result.agent, result.episode, result.failure) for result in results if result.failure]
    if failed:
        page.section("Agents that could not go on")
        page.text(f"{len(failed)} episodes ended so, and count as failed.", alarm=True)
        page.table(["agent", "episode", "why"], failed[:50])


def _add_videos(page: Page, picture: Picture, world: World, suite: Suite, results: Sequence[Result]) -> None:
    episodes = {episode.name: episode for episode in suite.episodes}
    chosen = worst(results, VIDEOS)
    if not chosen:
        return
    page.section("The worst")
    page.text("Of each of the best agents the worst episode, at twice its speed.")
    figures = "".join(
        f'<figure><video controls loop muted playsinline preload="metadata" '
        f'src="{video_url(picture, world.nav_map.frame, episodes[result.episode], result)}"></video>'
        f"<figcaption>{_caption(result)}</figcaption></figure>"
        for result in chosen
    )
    page.parts.append(f'<div class="grid" style="grid-template-columns: repeat(2, 1fr)">{figures}</div>')


def _add_episodes(page: Page, world: World, suite: Suite, results: Sequence[Result]) -> None:
    episodes = {episode.name: episode for episode in suite.episodes}
    agents = [agent for agent, _ in standings(results)]
    each = max(1, SHOWN_EPISODES // max(len(agents), 1))
    shown = [result for agent in agents for result in of_agent(results, agent)[:each]]
    page.section("Episodes")
    if len(shown) < len(results):
        page.text(f"The first {each} of each agent; all {len(results)} stand in results.jsonl.")
    legend = "".join(f'<span><i style="background: {color}"></i>{name}</span>' for color, name in LEGEND)
    page.parts.append(f'<p class="legend soft">{legend}</p>')
    ends = ["success", "failed", "touched a person", "touched what stands", "could not go on"]
    choices = {
        "agent": agents,
        "episode": list(dict.fromkeys(result.episode for result in shown)),
        "band": bands(results),
        "task": sorted({result.task for result in results}),
        "end": ends,
    }
    page.parts.append(f'<form class="filters">{"".join(map(_choice, choices.items()))}<span id="count"></span></form>')
    figures = "".join(
        f"<figure {_data(result)}>{drawing(episodes[result.episode], result, world.nav_map.frame)}"
        f"<figcaption>{_caption(result)}</figcaption></figure>"
        for result in shown
    )
    page.parts.append(f'<div class="cards">{figures}</div><script>{SCRIPT}</script>')


def _choice(choice: tuple[str, list[str]]) -> str:
    name, values = choice
    if len(values) < 2:
        return ""
    options = "".join(f'<option value="{html.escape(v)}">{html.escape(v)}</option>' for v in values)
    return f'<label>{name} <select name="{name}"><option value="*">all</option>{options}</select></label>'


def _data(result: Result) -> str:
    strict = result.metrics["strict"]
    ends = ["success" if strict["success"] else "failed"]
    ends += ["touched a person"] if strict.get("human_collisions", 0) else []
    ends += ["touched what stands"] if strict["static_collisions"] else []
    ends += ["could not go on"] if result.failure else []
    values = {name: getattr(result, name) for name in ("agent", "episode", "band", "task")} | {"end": " | ".join(ends)}
    return " ".join(f'data-{name}="{html.escape(value)}"' for name, value in values.items())


def _caption(result: Result) -> str:
    strict = result.metrics["strict"]
    figures = [f"SPL {strict['spl']:.2f}", f"NE {strict['navigation_error']:.2f} m", f"{strict['steps']:.0f} steps"]
    if strict.get("human_collisions"):
        figures.append(f"{strict['human_collisions']:.0f} with people")
    if strict["static_collisions"]:
        figures.append(f"{strict['static_collisions']:.0f} with walls")
    failure = f' <span class="failed">{html.escape(result.failure)}</span>' if result.failure else ""
    return f"<b>{html.escape(result.agent)}</b> {html.escape(result.episode)}: {', '.join(figures)}{failure}"


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value if isinstance(value, str | int | float) else json.dumps(value)))
    return rows
