"""What is wrong with the command line, or stops a run otherwise: one sentence."""

import re
import traceback

from pyinfra.api.exceptions import PyinfraError

from smtp_auth.runs.pyinfra_internals import cause_and_file


class Mistake(PyinfraError):
    """The command line or the inventory is wrong, or a question could not be asked. `str()` of it says what.

    It is pyinfra's exception, because pyinfra stops its run for no other.
    """


class Declined(PyinfraError):
    """A question was not answered with yes."""


def sentence_of(error: BaseException) -> str:
    """What an exception says, for people: with the line of the file that raised it, without a traceback.

    It is on one line: a connector's error has several.
    """
    lines = [line.strip() for line in _said(error).splitlines() if line.strip()]
    return re.sub(":;", ":", "; ".join(lines)).rstrip(":")


def _said(error: BaseException) -> str:
    cause, file = cause_and_file(error)
    if isinstance(cause, SyntaxError) and cause.filename:
        return f"{cause.filename}, line {cause.lineno}: {cause.msg}"
    if isinstance(cause, PyinfraError):
        return str(cause)
    if isinstance(cause, OSError) and cause.filename and file in ("", cause.filename):
        return f"{cause.filename}: {cause.strerror}"
    lines = [frame.lineno for frame in traceback.extract_tb(cause.__traceback__) if frame.filename == file]
    said = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    if isinstance(cause, SystemExit):
        said = cause.code if cause.code and isinstance(cause.code, str) else "it ends the program"
    elif isinstance(cause, UnicodeDecodeError) and file and not lines:
        said = "it is not UTF-8"
    place = f"{file}, line {lines[-1]}" if lines else file
    return f"{place}: {said}" if place else said
