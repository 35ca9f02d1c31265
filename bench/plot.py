"""The results as an SVG: one row per work, one column per fleet, and in each field one bar per peer."""

import statistics
from typing import Any
from xml.sax.saxutils import escape

from bench.peers import PEERS
from bench.works import WORKS

_COLOURS = {
    "pyinfra": "#1a7f37",
    "ansible": "#cf222e",
    "mitogen": "#bc4c00",
    "script": "#6e7781",
    "ssh": "#afb8c1",
}

_GREY = "#6e7781"
# Lengths in pixels: the width of the rows' titles, of a column, and of the longest bar with its spread (a
# figure follows it), the height of a bar, and the space between rows.
_LABEL, _COLUMN, _BARS, _BAR, _GAP = 130, 175, 120, 13, 14
_TOP = 64

Field = dict[str, list[float]]


def plot(results: dict[str, Any]) -> str:
    """The SVG; each field has its own scale."""
    fields: dict[tuple[str, tuple[int, float]], Field] = {}
    for row in results["measured"]:
        place = row["work"], (row["hosts"], row["delay_ms"])
        fields.setdefault(place, {})[row["peer"]] = row["seconds"]
    works = [name for name in WORKS if any(work == name for work, _ in fields)]
    fleets = sorted({fleet for _, fleet in fields}, key=lambda fleet: (fleet[1], fleet[0]))
    parts = _legend()
    parts += [_text(_left(column), _TOP - 14, _title(*fleet)) for column, fleet in enumerate(fleets)]
    y = _TOP
    for work in works:
        parts.append(_text(16, y + 11, WORKS[work].title))
        row_fields = [fields.get((work, fleet), {}) for fleet in fleets]
        for column, field in enumerate(row_fields):
            parts += _bars(_left(column), y, field)
        y += max(map(len, row_fields)) * _BAR + _GAP
    machine = results["machine"]
    date = max(row["started"] for row in results["measured"])
    foot = f"Seconds, median; the thin line is the spread. {machine['cores']} cores, {date}."
    parts.append(_text(16, y + 6, foot, size=11, colour=_GREY))
    width, height = _left(len(fleets)), y + 18
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _left(column: int) -> int:
    return _LABEL + column * _COLUMN


def _title(hosts: int, delay: float) -> str:
    fleet = f"{hosts} host{'s' if hosts > 1 else ''}"
    return f"{fleet}{f', +{delay:g} ms' if delay else ''}"


def _legend() -> list[str]:
    parts, x = [], 16
    for name, peer in PEERS.items():
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{_COLOURS[name]}"/>')
        parts.append(_text(x + 17, 22, peer.title))
        x += 40 + 7 * len(peer.title)
    return parts


def _bars(left: int, y: int, field: Field) -> list[str]:
    parts = []
    scale = _BARS / max((max(seconds) for seconds in field.values()), default=1)
    for number, (name, seconds) in enumerate(field.items()):
        top, middle = y + number * _BAR, statistics.median(seconds)
        first, last = left + min(seconds) * scale, left + max(seconds) * scale
        parts += [
            f'<rect x="{left}" y="{top + 1}" width="{middle * scale:.1f}" height="{_BAR - 3}" '
            f'fill="{_COLOURS[name]}"/>',
            f'<line x1="{first:.1f}" y1="{top + 6}" x2="{last:.1f}" y2="{top + 6}" stroke="#24292f"/>',
            _text(last + 5, top + 10, f"{middle:.2f}", size=11),
        ]
    return parts


def _text(x: float, y: float, text: str, size: int = 12, colour: str = "#24292f") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
