"""`make pictures`: docs/preview.svg and docs/refusal.svg, out of screens that are kept."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.screens import kept
from tests.terminal import Row

_DOCS = Path(__file__).resolve().parents[2] / "docs"

# The screen that a picture shows.
PICTURES = {"preview": "plan", "refusal": "apply"}

_COLUMNS = 80

_FONTS = "DejaVu Sans Mono, Menlo, Consolas"

# Of so many rows in a row that a file gets, the first ones are shown.
_LONG, _SHOWN = 10, 4


def file_of(name: str) -> Path:
    """Where a picture is."""
    return _DOCS / f"{name}.svg"


def picture(name: str, rows: Sequence[Row]) -> str:
    """A terminal with these rows in SVG; the same rows give the same bytes.

    + name: of the picture; its elements have names that begin with it
    """
    console = Console(
        record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    for row in _shortened(rows):
        console.print(Text(row.text, row.style), soft_wrap=True)
    drawn = console.export_svg(title="", unique_id=name)
    # A server of somebody else's would be asked for a font.
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL).replace("Fira Code", _FONTS)
    return "".join(f"{line.rstrip()}\n" for line in drawn.split("\n") if line.strip())


def _shortened(rows: Iterable[Row]) -> Iterator[Row]:
    for is_added, group in groupby(rows, lambda row: row.style == "green" and "+reload " not in row.text):
        run = [*group]
        if is_added and len(run) > _LONG:
            yield from run[:_SHOWN]
            yield Row(f"    … {len(run) - _SHOWN} more lines", "italic")
        else:
            yield from run


if __name__ == "__main__":
    for name, screen in PICTURES.items():
        file_of(name).write_text(picture(name, kept(screen, _COLUMNS)))
