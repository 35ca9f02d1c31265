"""The results as a picture: bars of time by work and peer, in SVG."""

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

_WIDTH, _LABEL, _BAR, _GAP, _TOP = 760, 230, 14, 16, 44
_ROOM = _WIDTH - _LABEL - 70


def plot(results: dict[str, Any]) -> str:
    """An SVG of one group of bars a work and fleet, each group on a scale of its own."""
    groups: dict[tuple[int, float, str], dict[str, list[float]]] = {}
    for row in results["measured"]:
        key = row["hosts"], row["delay_ms"], row["work"]
        groups.setdefault(key, {})[row["peer"]] = row["seconds"]
    parts, y = [], _TOP
    for (hosts, delay, work), peers in groups.items():
        parts += _group(y, _title(hosts, delay, work), peers)
        y += len(peers) * _BAR + _GAP
    machine = results["machine"]
    date = max(row["started"] for row in results["measured"])
    foot = f"Seconds, median; the thin line is the spread. {machine['cores']} cores, {date}."
    parts.append(_text(16, y + 8, foot, size=11, colour="#6e7781"))
    height = y + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" font-family="sans-serif">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            *_legend(),
            *parts,
            "</svg>",
            "",
        ]
    )


def _title(hosts: int, delay: float, work: str) -> str:
    fleet = f"{hosts} host{'s' if hosts > 1 else ''}"
    return f"{WORKS[work].title}, {fleet}{f', +{delay:g} ms' if delay else ''}"


def _legend() -> list[str]:
    parts, x = [], 16
    for name, peer in PEERS.items():
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{_COLOURS[name]}"/>')
        parts.append(_text(x + 17, 22, peer.title))
        x += 40 + 7 * len(peer.title)
    return parts


def _group(y: int, title: str, peers: dict[str, list[float]]) -> list[str]:
    scale = _ROOM / max(max(seconds) for seconds in peers.values())
    parts = [_text(16, y + 11, title)]
    for number, (name, seconds) in enumerate(peers.items()):
        top, middle = y + number * _BAR, statistics.median(seconds)
        first, last = _LABEL + min(seconds) * scale, _LABEL + max(seconds) * scale
        parts += [
            f'<rect x="{_LABEL}" y="{top + 1}" width="{middle * scale:.1f}" height="{_BAR - 3}" '
            f'fill="{_COLOURS[name]}"/>',
            f'<line x1="{first:.1f}" y1="{top + 6.5}" x2="{last:.1f}" y2="{top + 6.5}" stroke="#24292f"/>',
            _text(last + 5, top + 11, f"{middle:.2f}", size=11),
        ]
    return parts


def _text(x: float, y: float, text: str, size: int = 12, colour: str = "#24292f") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
