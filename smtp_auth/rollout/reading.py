"""Reads a file that another command has written."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown

_Found = TypeVar("_Found")


def read(option: str, file: str, parse: Callable[[str], _Found]) -> _Found:
    """What is in a file.

    + option: with which it was given; empty if with none
    + parse: makes it out of the file's text; raises `ValueError` with a sentence

    Raises `Mistake` if it cannot be read.
    """
    try:
        return parse(Path(file).read_text())
    except OSError as error:
        why = str(error.strerror)
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    except ValueError as error:
        why = str(error)
    raise Mistake(f"{option} {shown(file)}: {why}".strip())
