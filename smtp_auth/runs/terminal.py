"""Escapes what pyinfra itself prints of hosts and peers: a failed command's output, an SSH banner."""

import logging
import re
from collections.abc import Iterator

from pyinfra import logger

from smtp_auth.runs.pyinfra_internals import translate_output
from smtp_auth.shown import shown

# pyinfra's own colours. They change nothing else on a terminal, so they need not be escaped.
_COLOUR = re.compile(r"(\x1b\[[\d;]*m)")


def escape_what_others_say() -> None:
    """Escape everything that a host or a peer says before it is printed on the terminal."""
    translate_output(_line)
    logger.addFilter(_escape)
    # This handler prints the log lines of libraries, above all of paramiko.
    if logging.lastResort:
        logging.lastResort.addFilter(_escape)


def _line(line: str | bytes) -> str:
    text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
    return shown(text.rstrip("\n"))


def _escape(record: logging.LogRecord) -> bool:
    record.msg, record.args = "".join(_parts(record.getMessage())), ()
    return True


def _parts(message: str) -> Iterator[str]:
    for part in _COLOUR.split(message):
        if _COLOUR.fullmatch(part):
            yield part
        else:
            # One message may have several lines.
            yield "\n".join(line if line.isprintable() else shown(line) for line in part.split("\n"))
