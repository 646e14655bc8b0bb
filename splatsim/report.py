"""Pages of results: one HTML file that holds its pictures, tables and curves and loads nothing from elsewhere."""

import base64
import html
import io
import math
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from jaxtyping import UInt8

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9dce1; --paper: #ffffff; --shade: #f4f5f7;
  --c0: #0b68cb; --c1: #c2410c; --c2: #15803d; --c3: #7c3aed; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa0a8; --line: #3a3f46; --paper: #16181b;
  --shade: #212428; --c0: #5aa9ff; --c1: #fb923c; --c2: #4ade80; --c3: #b794f6; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1080px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p.lead, figcaption, .soft { color: var(--soft); } p.alarm { border-left: 4px solid var(--c1); padding: .4rem .8rem;
  background: var(--shade); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } div.wide { overflow-x: auto; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; } th { font-weight: 600; color: var(--soft); }
div.grid { display: grid; gap: .8rem; } figure { margin: 0; } figure img, figure svg { width: 100%; height: auto;
  display: block; border-radius: 4px; background: var(--shade); } figcaption { font-size: .85rem; }
code { background: var(--shade); padding: .1rem .3rem; border-radius: 3px; }
"""


class Page:
    """A page that grows from top to bottom and is written at the end.

    Args:
        title: Heading and name of the page.
        lead: One or two sentences under it.
    """

    def __init__(self, title: str, lead: str = "") -> None:
        self.title = title
        self.parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]
        if lead:
            self.parts.append(f'<p class="lead">{html.escape(lead)}</p>')

    def section(self, heading: str) -> None:
        """Begin a new section."""
        self.parts.append(f"<h2>{html.escape(heading)}</h2>")

    def text(self, sentences: str, *, alarm: bool = False) -> None:
        """A paragraph; with `alarm` one that cannot be overlooked."""
        kind = ' class="alarm"' if alarm else ""
        self.parts.append(f"<p{kind}>{html.escape(sentences)}</p>")

    def command(self, line: str) -> None:
        """A line for the shell."""
        self.parts.append(f"<p><code>{html.escape(line)}</code></p>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; numbers stand to the right."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        self.parts.append(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')

    def pictures(self, pictures: Iterable[tuple[UInt8[np.ndarray, "h w 3"], str]], *, columns: int = 1) -> None:
        """Pictures with captions, side by side in rows of `columns`."""
        figures = "".join(
            f'<figure><img alt="{html.escape(caption)}" src="{_data_url(picture)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for picture, caption in pictures
        )
        self.parts.append(f'<div class="grid" style="grid-template-columns: repeat({columns}, 1fr)">{figures}</div>')

    def curves(
        self,
        curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
        *,
        x_label: str,
        y_label: str,
        caption: str = "",
    ) -> None:
        """Up to four curves over one axis, as a drawing; points that are not finite are left out."""
        drawing = _drawing(curves, x_label, y_label)
        self.parts.append(f"<figure>{drawing}<figcaption>{html.escape(caption)}</figcaption></figure>")

    def write(self, path: Path) -> None:
        """Write the page, at once or not at all.

        Raises:
            OSError: the disk refuses.
        """
        text = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
            f"<body>{''.join(self.parts)}</body></html>\n"
        )
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{html.escape(str(value))}</td>"
    text = f"{value:,}" if isinstance(value, int) else ("–" if math.isnan(value) else f"{value:,.4g}")
    return f'<td class="number">{text}</td>'


def _data_url(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    buffer = io.BytesIO()
    iio.imwrite(buffer, picture, extension=".jpg", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 40


def _drawing(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str, y_label: str) -> str:
    """Curves with axes and a legend, as SVG."""
    points = {
        name: [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
        for name, (xs, ys) in curves.items()
    }
    everything = [point for line in points.values() for point in line] or [(0.0, 0.0)]
    x_ticks, y_ticks = (_ticks([point[axis] for point in everything]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    marks = []
    for y in y_ticks:
        _, v = place(x_ticks[0], y)
        marks.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{v:.1f}" y2="{v:.1f}" stroke="var(--line)"/>')
        marks.append(_label(LEFT - 6, v + 4, f"{y:g}", "end"))
    for x in x_ticks:
        u, _ = place(x, y_ticks[0])
        marks.append(_label(u, HEIGHT - BOTTOM + 16, f"{x:g}", "middle"))
    marks.append(_label(WIDTH / 2, HEIGHT - 6, x_label, "middle"))
    marks.append(_label(LEFT, TOP - 3, y_label, "start"))
    for k, (name, line) in enumerate(points.items()):
        path = " ".join(f"{u:.1f},{v:.1f}" for u, v in (place(*point) for point in line))
        color = f"var(--c{k % 4})"
        marks.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        marks.append(_label(WIDTH - RIGHT, TOP + 14 + 16 * k, name, "end", color))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(marks)}</svg>'


def _label(x: float, y: float, text: str, anchor: str, color: str = "var(--soft)") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="12">{html.escape(text)}</text>'
    )


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, five or so, that enclose the values."""
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * k for k in range(first, last + 1)]
