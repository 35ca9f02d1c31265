"""System calls in a trace of strace: which of them a fault is tried at, and which faults.

A call changes something, or reads what decides. Of a descriptor that is open already, only reading, writing
and syncing are made to fail: its inode is in memory.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHANGING = frozenset(
    """
    creat rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir
    chmod fchmod fchmodat chown lchown fchown fchownat utime utimes utimensat setxattr lsetxattr fsetxattr
    truncate ftruncate write pwrite64 writev copy_file_range sendfile fallocate
    """.split()  # noqa: SIM905
)
SYNCING = frozenset({"fsync", "fdatasync", "syncfs"})
READING = frozenset(
    """
    read pread64 readv getdents64 stat lstat newfstatat statx access faccessat faccessat2
    readlink readlinkat getxattr lgetxattr listxattr llistxattr
    """.split()  # noqa: SIM905
)
OPENING = frozenset({"open", "openat"})
_STARTING = frozenset({"execve", "clone", "clone3", "fork", "vfork"})
# A reflink; other requests of ioctl read attributes of a terminal.
_CLONE = ("FICLONE", "BTRFS_IOC_CLONE")

TRACED = ",".join(sorted(CHANGING | SYNCING | READING | OPENING | _STARTING | {"close", "flock", "ioctl"}))

KILL = "kill"
ERRORS = ("EIO", "ENOSPC", "EROFS", "EDQUOT")


@dataclass(frozen=True)
class Call:
    """A call of a change's process or of one of its children.

    + process: `change`; or a child's command and its number among the children with this command: `cp 2`
    + name: of the system call
    + path: what it names first
    + number: how many calls of this name the process has made with this path, this one included
    + errors: those that are tried
    + is_change: whether other bytes are there afterwards
    """

    process: str
    name: str
    path: str
    number: int
    errors: tuple[str, ...]
    is_change: bool


def calls_in(trace: str, is_ours: Callable[[str], bool]) -> list[Call]:
    """The calls at which a fault is tried, in their order.

    + trace: what `strace -f -y -s 0` has written, of the calls in `TRACED`
    + is_ours: whether a path is one that counts
    """
    lines = list(_whole_lines(trace))
    names = _names_of_processes(lines)
    started: set[str] = set()
    numbers: Counter[tuple[str, str, str]] = Counter()
    found = []
    for pid, text in lines:
        match = re.match(r"(\w+)\(", text)
        if match is None or pid not in names:
            continue
        name = match[1]
        if name == "execve" and _succeeded(text):
            started.add(pid)
        # What a child does before it is another program is done by a copy of perl.
        if pid not in started:
            continue
        named = list(dict.fromkeys(_paths_in(text)))
        # What strace's -P compares.
        if name == "rename":
            named = named[:1]
        elif name in {"symlink", "symlinkat"}:
            named = named[-1:]
        numbers.update((pid, name, path) for path in named)
        path = next(filter(is_ours, named), None)
        errors = _errors(name, text)
        if path is not None and errors:
            is_private = names[pid].startswith("unshare ")
            is_change = _is_change(name, text) and not is_private
            found.append(Call(names[pid], name, path, numbers[pid, name, path], errors, is_change))
    return found


def _whole_lines(trace: str) -> Iterator[tuple[str, str]]:
    """Process and text of each call; one that was interrupted by another process's is put together."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        pid, _, text = line.partition(" ")
        text = text.lstrip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
        elif resumed := re.match(r"<\.\.\. \w+ resumed>", text):
            yield pid, begun.pop(pid, "") + text[resumed.end() :]
        else:
            yield pid, text


def _names_of_processes(lines: list[tuple[str, str]]) -> dict[str, str]:
    """The first process, and its own children by command; not the children's children."""
    first = lines[0][0]
    children = [
        match[1]
        for pid, text in lines
        if pid == first and (match := re.match(r"(?:clone3?|v?fork)\(.*\) = (\d+)$", text))
    ]
    names = {first: "change"}
    commands: Counter[str] = Counter()
    for child in children:
        ran = [
            match[1]
            for pid, text in lines
            if pid == child and _succeeded(text) and (match := re.match(r'execve\("[^"]*?([^"/]+)"', text))
        ]
        if ran:
            commands[ran[0]] += 1
            names[child] = f"{ran[0]} {commands[ran[0]]}"
    return names


def _succeeded(text: str) -> bool:
    return re.search(r" = \d+[^=]*$", text) is not None


def _paths_in(text: str) -> Iterator[str]:
    # Not those of the result: a call that fails has none.
    text = text.rpartition(" = ")[0]
    yield from re.findall(r'"(/(?:[^"\\]|\\.)*)"', text)
    yield from re.findall(r"(?<!AT_FDCWD)<(/[^>]*)>", text)


def _is_change(name: str, text: str) -> bool:
    if name in OPENING:
        return _succeeded(text) and re.search(r"O_CREAT|O_TRUNC", text) is not None
    return _succeeded(text) and name in CHANGING | {"ioctl"}


def _errors(name: str, text: str) -> tuple[str, ...]:
    """The errors that make sense for a call; none if it is not one of those that are tried."""
    if name in OPENING:
        return ERRORS if re.search(r"O_WRONLY|O_RDWR|O_CREAT", text) else ERRORS[:1]
    if name in CHANGING | SYNCING or (name == "ioctl" and any(word in text for word in _CLONE)):
        return ERRORS
    if name in READING:
        return () if "AT_EMPTY_PATH" in text else ERRORS[:1]
    if name == "flock":
        return ERRORS[:1]
    return ()
