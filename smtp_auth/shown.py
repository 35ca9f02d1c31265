"""How text of hosts, peers and files is shown: nothing in it is obeyed by a terminal, or by a shell."""

import re
import shlex

# A look's answer has lines of many kilobytes, so what needs nothing done to it is found quickly.
_OTHERS = re.compile(r"[^\t -~]")


def shown(text: str) -> str:
    """The text on one line of printable ASCII and tabs; anything else as its escape (`\\x1b`, `\\n`).

    + text: a file's bytes as latin-1 gives them, or text of any origin
    """
    return _OTHERS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def command(*words: str) -> str:
    """A command that a reader is asked to copy: a word that a shell would take apart is quoted."""
    return shlex.join(words)
