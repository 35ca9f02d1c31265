"""Which shell runs a script."""

import re

# Shells that can execute our lines, which are POSIX shell.
_SHELLS = ("sh", "dash", "bash", "ash", "busybox", "ksh", "mksh", "zsh")


# Bytes that a program has, and a script without a `#!` line has not.
_NO_TEXT = re.compile(r"[\x01-\x06\x0e-\x1a\x1c-\x1f]")


def is_text(script: str) -> bool:
    """Whether a file is a script, and not a program in machine code, or a script with one behind it."""
    return "\0" not in script and (script.startswith("#!") or not _NO_TEXT.search(script))


def shell_of(script: str) -> str:
    """The POSIX shell that a script's `#!` line calls, such as `/usr/bin/env bash`; empty for others."""
    if not is_text(script):
        return ""
    words = script.partition("\n")[0].removeprefix("#!").split()
    words = [word for word in words if not word.startswith("-")]
    names = [word.rpartition("/")[2] for word in words]
    name = names[1] if names[:1] == ["env"] and len(names) > 1 else "".join(names[:1])
    return " ".join(words) if name in _SHELLS else ""
