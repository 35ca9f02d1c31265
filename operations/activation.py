"""Builds the script that changes a service's files on the host as one transaction.

The script is templates/activate.sh with the service's own part behind it; the mechanism is described
there. It goes to the host on standard input, in one command, and does nothing before all of it has
arrived.
"""

import base64
import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra.api import StringCommand

from facts.mail_host import File

_TEMPLATES = Path(__file__).parent.parent / "templates"

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Replacement:
    """A file's new content, and its mode where the present one shall not stay (`0644`)."""

    file: File
    content: str
    mode: str = ""


def activation(
    part: str,
    *,
    service: str,
    lock: str,
    managed: Iterable[File],
    replacements: Iterable[Replacement],
    variables: Mapping[str, str],
) -> StringCommand:
    """The command that stages, checks, swaps, reloads and proves, or puts the old version back.

    + part: the service's own script in templates/, which says what its variables mean
    + service: its name for people
    + lock: a directory of the host; one change at a time holds it
    + managed: all files of the service that a change may touch, those of an earlier one included
    """
    setup = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    steps = [f"lock {shlex.quote(lock)}"]
    steps += [f"manage {shlex.quote(file.real_path)}" for file in managed]
    steps += [_stage(replacement) for replacement in replacements]
    # One function, called at the very end: a script that is cut off on its way does nothing.
    lines = [
        "change() {",
        f"service={shlex.quote(service)}",
        *setup,
        template("activate.sh"),
        template(part),
        *steps,
        "activate",
        "}",
        "change </dev/null",
    ]
    return StringCommand("sh", "-s", _stdin="\n".join(lines))


def prove_script() -> str:
    """The Perl program with which a service proves itself."""
    return template("prove.pl")


@cache
def template(name: str) -> str:
    """A file of templates/."""
    return (_TEMPLATES / name).read_text()


def render(name: str, **values: object) -> str:
    """A file of templates/ with its placeholders filled in."""
    return _environment.get_template(name).render(**values)


def _stage(replacement: Replacement) -> str:
    content = replacement.content.encode("latin-1")
    words = (
        replacement.file.real_path,
        replacement.file.digest,
        hashlib.sha256(content).hexdigest(),
        replacement.mode,
    )
    encoded = base64.b64encode(content).decode("ascii")
    return f"stage {shlex.join(words)} <<'END'\n{encoded}\nEND"
