"""Assembles Perl packages into one program, which is sent to a host on standard input.

A package is a file `….pm` anywhere in `smtp_auth/`. It may `use` other packages of ours, and modules of
Debian's perl-base. A program contains only the packages that it needs, each after those that it uses itself.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]

# A line that uses a package, or inherits from one.
_USE = r"^use (?:parent qw\()?(SmtpAuth::[\w:]+)"


# How a program is run that is sent on standard input. With -x, perl skips what stands before its first line:
# a password that nothing has asked for.
PERL = ("perl", "-x", "-")
_FIRST_LINE = "#!perl\n"


def packed(main: str, *parts: str) -> str:
    """A program that calls `main(PARTS, WORDS…)` of a package and returns its result as exit status.

    + main: the package, such as `SmtpAuth::Look`
    + parts: further packages, whose names are `PARTS`
    """
    return _packed(main, parts)


@cache
def _packed(main: str, parts: tuple[str, ...]) -> str:
    texts = [_as_sent(name) for name in _needed((*parts, main))]
    return f"{_FIRST_LINE}{''.join(texts)}exit {main}::main([qw({' '.join(parts)})], @ARGV);\n"


@cache
def packages() -> dict[str, Path]:
    """Every package of ours, by its name."""
    found = {}
    for path in sorted(_ROOT.rglob("*.pm")):
        name = re.match(r"package (SmtpAuth(?:::\w+)*);\n", path.read_text())
        if name is None or name[1] in found or name[1].rpartition("::")[2] != path.stem:
            raise ValueError(
                f"{path}: does not begin with the name of a package of its own, SmtpAuth::…::{path.stem}"
            )
        found[name[1]] = path
    return found


def _needed(names: tuple[str, ...]) -> list[str]:
    """The packages and those that they use, each after those that it uses itself."""
    found: list[str] = []

    def add(name: str) -> None:
        if name not in found:
            for other in _used(name):
                add(other)
            found.append(name)

    for name in names:
        add(name)
    return found


def _used(name: str) -> Iterator[str]:
    return (match[1] for match in re.finditer(_USE, _text(name), re.MULTILINE))


@cache
def _text(name: str) -> str:
    return packages()[name].read_text()


# Comments and indentation are two fifths of the text, and no host needs them. The line numbers stay the same,
# so that Perl's messages name the right line.
_NOT_SENT = re.compile(r"^[ \t]*(?:#.*$)?", re.MULTILINE)


def _as_sent(name: str) -> str:
    """A package as a part of a program: `BEGIN` loads it before the rest of the program is compiled."""
    path = f"{name.replace('::', '/')}.pm"
    text = _NOT_SENT.sub("", _text(name))
    return f'BEGIN {{\n$INC{{"{path}"}} = "sent";\n# line 1 "{path}"\n{text}}}\n'
