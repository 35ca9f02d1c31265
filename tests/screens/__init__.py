"""Screens of `smtp-auth`, kept as text beside this file: what a terminal shows, and the style of each row.

`python -m tests.screens` makes them out of runs on the lab's hosts; a test compares them with such runs. The
README's pictures are made out of them: pictures.py.
"""

from collections.abc import Iterable
from pathlib import Path

from tests.terminal import Row

FOLDER = Path(__file__).parent

# How wide the terminals are.
WIDTHS = (80, 130)

# Between the style of a row and its text.
_BAR = "| "


def file_of(name: str, columns: int) -> Path:
    """Where a screen is kept."""
    return FOLDER / f"{name}-{columns}.txt"


def as_text(rows: Iterable[Row]) -> str:
    """A screen as it is kept."""
    return "".join(f"{f'{row.style:9}{_BAR}{row.text}'.rstrip()}\n" for row in rows)


def kept(name: str, columns: int) -> list[Row]:
    """A screen that is kept."""
    parts = [line.partition(_BAR.rstrip()) for line in file_of(name, columns).read_text().splitlines()]
    return [Row(text.removeprefix(" "), style.strip()) for style, _, text in parts]
