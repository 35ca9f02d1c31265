"""Whether a script reloads a unit or rebuilds a table, as far as its text shows.

A command counts if the script certainly executes it: it is at the top level, and nothing before it can end
the script or change what the command means. Deploy and verification both use this module.
"""

import re
from collections.abc import Iterator
from enum import Enum

from smtp_auth.services.certbot.commands import is_elsewhere, is_rebuild, is_reload, mentions_reload
from smtp_auth.services.certbot.shebang import is_text, shell_of


class ScriptEffect(Enum):
    """What a script's text shows about the reload of a unit."""

    SURELY = "it reloads the unit whenever it runs"
    PERHAPS = "it contains a reload command, but may not execute it; or it is a program without text"
    NO = "it contains no reload command for this host, or exits before it"


def effect_of(script: str, unit: str) -> ScriptEffect:
    """What a script does for a systemd unit of its host.

    + script: with its `#!` line
    + unit: with or without `.service`
    """
    if not is_text(script):
        return ScriptEffect.PERHAPS
    if shell_of(script):
        if any(is_reload(command, unit) for command in _reached(script)):
            return ScriptEffect.SURELY
        parts = re.split(r"[;&|\n]", _without_comments(_before_its_end(script)))
        mentioned = any(mentions_reload(part, unit) for part in parts if not is_elsewhere(part))
    else:
        # Many languages give a command as a list, on one line or several: "systemctl", "reload", "postfix".
        commands = (part for text in _statements(script) for part in re.split(r"[;&|)]", text))
        plain = (re.sub(r"[\"',\[\](\s]+", " ", command) for command in commands)
        mentioned = any(mentions_reload(part, unit) for part in plain if not is_elsewhere(part))
    return ScriptEffect.PERHAPS if mentioned else ScriptEffect.NO


def surely_rebuilds(script: str, table: str) -> bool:
    """Whether a script certainly rebuilds an indexed table that contains copies of files.

    + script: with its `#!` line
    + table: `KIND:PATH`
    """
    return bool(shell_of(script)) and any(is_rebuild(command, table) for command in _reached(script))


# After these words, the text no longer shows which commands are executed, or which Postfix they are about.
_ENDS = re.compile(
    r"(?:^|[\s;&|(])(?:(?:exit|exec|return|set|eval|trap|kill|source|function|case|alias|\.)(?:[\s;)]|$)"
    r"|MAIL_CONFIG=)|\(\)|<<"
)

_OPENS, _CLOSES = ("if", "do", "{", "("), ("fi", "done", "}", ")")


def _reached(script: str) -> Iterator[str]:
    """The commands at the top level that a shell certainly executes."""
    for _, text in _top_level(_lines(script)):
        # A command after "&&" or "||" is executed only if the one before it succeeds or fails.
        yield from (re.split(r"&&|\|\|?", command)[0].strip() for command in _until_an_end(text))


def _without_comments(script: str) -> str:
    return re.sub("#.*", "", script)


def _statements(script: str) -> Iterator[str]:
    """The lines of a script in another language; those of an open bracket are one."""
    text, depth = "", 0
    for line in _without_comments(script).split("\n"):
        text += f"{line} "
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        if depth <= 0:
            yield text
            text, depth = "", 0
    yield text


def _before_its_end(script: str) -> str:
    """A script without the lines after an `exit` that it certainly executes."""
    lines = _lines(script)
    for number, text in _top_level(lines):
        if re.fullmatch(r"exit(?:\s+\d+)?", text):
            return "\n".join(lines[:number])
    return script


def _lines(script: str) -> list[str]:
    return script.replace("\\\n", " ").split("\n")


def _top_level(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines that a shell certainly executes, with their numbers."""
    ends_at_an_error = bool(re.search(r"\s-\w*e", lines[0]))
    depth, joined = 0, False
    for number, line in enumerate(lines[1:], 1):
        text = _plain(line)
        if not text:
            continue
        words = _structure(text)
        opened, closed = (sum(word in kind for word in words) for kind in (_OPENS, _CLOSES))
        if depth == 0 and not opened and not closed and not joined:
            yield number, text
        depth += opened - closed
        joined = bool(re.search(r"(?:&&|\|\|?)$", text))
        if ends_at_an_error or depth < 0 or _ENDS.search(text) or re.search(r"['\"`]", text):
            return


def _structure(text: str) -> list[str]:
    """The words with which a line groups commands (`if`, `do`, `{`): they are first words of commands."""
    found = re.findall(r"[(){}]", text)
    for command in re.split(r"[;&|(){}]+", text):
        for word in command.split():
            found.append(word)
            if word not in ("then", "else", "do", "!"):
                break
    return found


def _until_an_end(text: str) -> Iterator[str]:
    for command in text.split(";"):
        if _ENDS.search(command):
            return
        yield command


def _plain(line: str) -> str:
    """A line without its comment; quoted words lose their quotes, longer quotations become one word."""
    text = re.sub(r"(['\"])([\w@.:/-]*)\1", r"\2", line)
    text = re.sub(r"'[^']*'|\"[^\"`\\]*\"", "QUOTED", text)
    return re.sub(r"(?:^|(?<=\s))#.*", "", text).strip()
