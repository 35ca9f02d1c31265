"""How text of hosts, peers and files is shown: escaped, so that a terminal or a shell does not act on it."""

import re
import shlex
from collections.abc import Sequence

# A look's answer has lines of many kilobytes. This expression skips what needs no escape quickly.
_OTHERS = re.compile(r"[^\t -~]")

# What a terminal may act on in a text of any language: control characters, separators of lines, what changes
# the direction of a text, and halves of a character, which no encoding has.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# How many of many names a sentence has.
_NAMES = 2


def shown(text: str) -> str:
    """The text on one line of printable ASCII and tabs; every other character as its escape (`\\x1b`, `\\n`).

    + text: a file's bytes decoded from latin-1, or text of any origin
    """
    return _OTHERS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def shown_name(name: str) -> str:
    """A host's name from the inventory: letters of all scripts stay as they are."""
    return name if name.isprintable() else shown(name)


def shown_words(text: str) -> str:
    """Words in any language on one line: only what a terminal may act on is escaped."""
    return _ACTING.sub(lambda match: shown(match[0]), text)


def command(*words: str) -> str:
    """A command that a reader may copy: a word with special characters of a shell is quoted."""
    return shlex.join(words)


def counted(number: int, what: str) -> str:
    """A number of things in words.

    + what: one of them, such as `host`
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def some_names(names: Sequence[str]) -> str:
    """The names of hosts in a sentence: at most two, and how many more there are."""
    if len(names) <= _NAMES:
        return " and ".join(names)
    return f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"
