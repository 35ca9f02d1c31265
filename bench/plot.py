"""Draws the results: `.venv-bench/bin/python -m bench.plot docs/benchmark.json docs/benchmark.svg`.

A program of its own, because the library that draws is only in the benchmark's environment.
"""

import json
import sys
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.peers import PEERS
from bench.picture import Picture, Row, Spread, picture

# Colours that people with any colour vision can tell apart (Okabe and Ito).
_COLOURS = {
    "pyinfra": "#0072b2",
    "smtp-auth": "#56b4e9",
    "ansible": "#d55e00",
    "mitogen": "#e69f00",
    "script": "#009e73",
    "ssh": "#7f7f7f",
}
_INK, _FAINT = "#24292f", "#d0d7de"

# Lengths in points: the picture's width, the peers' names on the left, the figures on the right of each scale
# and the space after them, one peer's line, a work's title above its lines, the fleets' titles at the top,
# the scale's labels and the foot at the bottom.
_WIDTH, _NAMES, _FIGURES, _GUTTER, _LINE, _TITLE, _HEAD, _FOOT = 900, 150, 44, 26, 19, 26, 30, 52
_POINTS_PER_INCH = 72

_STYLE = {
    "font.family": "sans-serif",
    # The one that comes with the library, so that lengths are the same everywhere.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": _INK,
    # The same figures give the same file: IDs in it are not random.
    "svg.hashsalt": "benchmark",
    # Text stays text, so that the file is small and its differences are readable.
    "svg.fonttype": "none",
}


def main() -> None:
    """Draw the results of the first file into the second."""
    source, target = map(Path, sys.argv[1:])
    # The user's own settings would change the picture.
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(_STYLE)
    figure = _drawn(picture(json.loads(source.read_text())))
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})


def _drawn(content: Picture) -> Figure:
    height = _HEAD + sum(map(_height, content.rows)) + _FOOT
    figure = Figure(figsize=(_WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH), dpi=_POINTS_PER_INCH)
    column = (_WIDTH - _NAMES) / len(content.fleets)
    spreads = [spread for row in content.rows for field in row.fields for spread in field.values()]
    # A little room, so that no dot is cut off.
    limits = min(spread.fastest for spread in spreads) / 1.3, max(spread.slowest for spread in spreads) * 1.7
    for number, title in enumerate(content.fleets):
        figure.text((_NAMES + number * column) / _WIDTH, 1 - 18 / height, title, weight="bold")
    top = _HEAD
    for row in content.rows:
        figure.text(12 / _WIDTH, 1 - (top + 16) / height, row.title, weight="bold")
        top += _height(row)
        for number, field in enumerate(row.fields):
            left, width = _NAMES + number * column, column - _FIGURES - _GUTTER
            lines = len(row.peers) * _LINE
            place = left / _WIDTH, 1 - top / height, width / _WIDTH, lines / height
            axes = figure.add_axes(place, xscale="log", xlim=limits, ylim=(len(row.peers) - 0.5, -0.5))
            _frame(axes, row, first=number == 0, last=row is content.rows[-1])
            for line, name in enumerate(row.peers):
                if name in field:
                    _mark(axes, line, field[name], _COLOURS[name])
    figure.text(12 / _WIDTH, 12 / height, content.foot, size=10)
    return figure


def _height(row: Row) -> int:
    return _TITLE + len(row.peers) * _LINE


def _frame(axes: Axes, row: Row, first: bool, last: bool) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(axis="x", color=_FAINT, linewidth=0.8)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g} s")
    axes.tick_params(length=0, labelsize=10, labelbottom=last, labelcolor=_INK)
    axes.set_yticks(range(len(row.peers)), [PEERS[name].title for name in row.peers] if first else [])
    axes.set_axisbelow(True)


def _mark(axes: Axes, line: int, spread: Spread, colour: str) -> None:
    axes.axhline(line, color=_FAINT, linewidth=0.8, linestyle=":")
    axes.plot([spread.fastest, spread.slowest], [line, line], color=colour, linewidth=2.5)
    axes.plot([spread.median], [line], "o", color=colour, markersize=7)
    axes.annotate(
        f"{spread.median:.2f}",
        xy=(1, line),
        xycoords=axes.get_yaxis_transform(),
        xytext=(_FIGURES, 0),
        textcoords="offset points",
        horizontalalignment="right",
        verticalalignment="center_baseline",
    )


if __name__ == "__main__":
    main()
