"""Which shell runs a script."""

# Shells that can execute our lines, which are POSIX shell.
_SHELLS = ("sh", "dash", "bash", "ash", "busybox", "ksh", "mksh", "zsh")


def shell_of(script: str) -> str:
    """The POSIX shell that a script's `#!` line calls, such as `/usr/bin/env bash`; empty for others."""
    words = script.partition("\n")[0].removeprefix("#!").split()
    words = [word for word in words if not word.startswith("-")]
    names = [word.rpartition("/")[2] for word in words]
    name = names[1] if names[:1] == ["env"] and len(names) > 1 else "".join(names[:1])
    return " ".join(words) if name in _SHELLS else ""
