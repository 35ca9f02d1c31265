"""Files that a command writes: not half, and not where nobody asked for it."""

import os
import secrets
import stat
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from smtp_auth.fleet.console import Line, show_beside, write_results
from smtp_auth.runs.interruption import undivided
from smtp_auth.runs.mistakes import Mistake


class Target:
    """Where something is written: a file, or standard output (`-`).

    + option: the option of the command line that names it; afterwards, with the file
    + file: the file, or `-`
    + mode: the permissions of a file that is not there yet; `None` leaves them to the umask

    Raises `Mistake` if the file cannot be written, before any host is asked.
    """

    def __init__(self, option: str, file: str, mode: int | None = None) -> None:
        self.is_standard_output, self.option = file == "-", f"{option} {file}"
        self._path, self._mode = Path(file), mode
        if self.is_standard_output:
            return
        if not file:
            raise Mistake(f"{option} has no file: give one, or - for standard output")
        if stat.S_ISDIR(_mode(self._path)):
            raise Mistake(f"{option} {file}: this is a folder")
        folder = self._path.absolute().parent
        if not self._is_written_in_place and not os.access(folder, os.W_OK | os.X_OK):
            why = "nothing can be written there" if folder.is_dir() else "there is no such folder"
            raise Mistake(f"{option} {file}: {why}")

    @property
    def place(self) -> Path | None:
        """The file itself, which links may point to; `None` for standard output."""
        # Unlike pathlib, it takes links that point to each other.
        return None if self.is_standard_output else Path(os.path.realpath(self._path))

    @property
    def _is_written_in_place(self) -> bool:
        """Whether it is no file that another one may replace: a pipe, for example, or /dev/stdout."""
        is_special = self._path.is_relative_to("/dev") or self._path.is_relative_to("/proc")
        mode = _mode(self._path)
        return is_special or bool(mode and not stat.S_ISREG(mode))

    def write(self, found: Iterator[str]) -> bool:
        """Write lines. Who reads the file meanwhile finds what was in it before.

        Returns whether they were written. If not, it says why on standard error.
        """
        lines = (f"{line}\n" for line in found)
        try:
            if (place := self.place) is None:
                write_results(lines)
            elif self._is_written_in_place:
                with self._path.open("w") as file:
                    file.writelines(lines)
            else:
                # What a link points to is replaced, and not the link.
                with undivided():
                    _replace(place, lines, self._mode)
        except OSError as error:
            show_beside([Line(f"{self.option}: {error.strerror}")])
            return False
        return True


def target_of(options: Namespace) -> Target | None:
    """Where `--json` wants results for programs, if it is given. Raises `Mistake` as `Target` does."""
    return None if options.json is None else Target("--json", options.json)


def refuse_shared(targets: Sequence[Target]) -> None:
    """Raise `Mistake` if several outputs want standard output, or the same file."""
    wanting: dict[Path | None, list[str]] = {}
    for one in targets:
        wanting.setdefault(one.place, []).append(one.option)
    for place, options in wanting.items():
        if len(options) == 1:
            continue
        them = " and ".join(options)
        if place is None:
            raise Mistake(f"{them}: standard output is for one of them: give the others a file")
        raise Mistake(f"{them}: this is one file, and the last would replace the others: give each its own")


def refuse_inputs(targets: Iterable[Target | None], inputs: Iterable[tuple[str, str]]) -> None:
    """Raise `Mistake` if an output would replace what is read.

    + inputs: what a sentence calls each file that is read, such as its option, and the file
    """
    read = {Path(os.path.realpath(file)): f"{option} {file}".strip() for option, file in inputs}
    for target in targets:
        if target and target.place in read:
            raise Mistake(
                f"{target.option}: it would replace {read[target.place]}, which is read: give another file"
            )


def _mode(path: Path) -> int:
    """A file's type and permissions; 0 if it is absent, or in a folder that may not be searched."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _replace(path: Path, lines: Iterable[str], mode: int | None) -> None:
    """Replace a file, or add it with these permissions. It keeps its owner and its permissions."""
    # In a container, a process has the same ID each time, and one that was killed leaves its file.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("x") as file:
            if path.exists():
                was = path.stat()
                with suppress(PermissionError):
                    os.fchown(file.fileno(), was.st_uid, was.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(was.st_mode))
            elif mode is not None:
                os.fchmod(file.fileno(), mode)
            file.writelines(lines)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
