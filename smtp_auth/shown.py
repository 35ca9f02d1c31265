"""How text of hosts, peers and files is shown: escaped, so that a terminal or a shell does not act on it."""

import re
import shlex

# A look's answer has lines of many kilobytes. This expression skips what needs no escape quickly.
_OTHERS = re.compile(r"[^\t -~]")


def shown(text: str) -> str:
    """The text on one line of printable ASCII and tabs; every other character as its escape (`\\x1b`, `\\n`).

    + text: a file's bytes decoded from latin-1, or text of any origin
    """
    return _OTHERS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def command(*words: str) -> str:
    """A command that a reader may copy: a word with special characters of a shell is quoted."""
    return shlex.join(words)
