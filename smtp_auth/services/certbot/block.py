"""certbot's deploy hook: the file, and our lines in it."""

import re
from collections.abc import Iterator

from smtp_auth.facts.look import ManagedFile

# A client without root's rights may own the directory: it would run the hook without them, too.
HOOK = ManagedFile("hook", "certbot", "reload_services.sh", only_with_root=True)

# Our lines, which are made from templates/certbot_hook_block.sh.j2, are between these two.
_BEGIN = re.compile(r"^# BEGIN smtp-auth\b", re.MULTILINE)
_END = re.compile(r"^# END smtp-auth\r?(?:\n|\Z)", re.MULTILINE)


def our_lines(content: str) -> str:
    """Our lines in a hook; empty if it has none."""
    return next((content[start:end] for start, end in _places(content)), "")


def with_our_lines(content: str, lines: str) -> str:
    """A hook with other lines in place of ours."""
    parts, done = [], 0
    for start, end in _places(content):
        parts += [content[done:start], lines]
        done = end
    return "".join([*parts, content[done:]])


def _places(content: str) -> Iterator[tuple[int, int]]:
    # One expression for both would search for the end from each beginning on.
    done = 0
    while begin := _BEGIN.search(content, done):
        end = _END.search(content, begin.end())
        if end is None:
            return
        yield begin.start(), end.end()
        done = end.end()
