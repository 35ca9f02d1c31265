"""What is known of a fleet as JSON for programs: `{"version": 1, "hosts": {NAME: …}}`, one host per line."""

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from smtp_auth.facts.hold import Hold, HoldEvent
from smtp_auth.fleet.console import Line, show_beside, write_results
from smtp_auth.fleet.planning import HostPlan
from smtp_auth.plan.as_json import text_of
from smtp_auth.runs.interruption import undivided
from smtp_auth.runs.mistakes import Mistake

VERSION = 1

Found = TypeVar("Found")


def fleet_entry(found: HostPlan, name: str) -> dict[str, Any]:
    """What is known of a host before a change.

    `flags` has `edited`, `same_machine` and `closes_port_465` if they apply. `reasons` says why there is no
    plan: then `plan` and `digest` are null. `last_change` is the last live change, `edited` has the files of
    it that somebody has edited since, `same_machine` the other names of the same machine, `undone` the
    changes that are undone, `hold` the hold of a held host.
    """
    last = found.last_change
    others = [one for one in found.names if one != name]
    flags = {
        "edited": bool(found.edited),
        "same_machine": bool(others),
        "closes_port_465": found.closes_submissions,
    }
    return {
        "state": found.state.value,
        "flags": [flag for flag, applies in flags.items() if applies],
        "reasons": [*map(text_of, found.reasons)],
        "warnings": [*([found.hold_warning] if found.hold_warning else []), *map(text_of, found.warnings)],
        "last_change": {"id": last.id, "who": text_of(last.who), "began": last.began} if last else None,
        "edited": [*map(text_of, found.edited)],
        "same_machine": others,
        "undone": [*found.undone],
        "plan": json.loads(found.plan) if found.plan else None,
        "digest": found.digest or None,
        "hold": hold_as_json(found.hold),
    }


def hold_as_json(hold: Hold | HoldEvent | None) -> dict[str, str | None] | None:
    """A hold, or one in the log. What is empty is null: `until` without an end, all if it cannot be read."""
    return {key: value or None for key, value in asdict(hold).items()} if hold else None


def lines(found: Mapping[str, Found], entry: Callable[[Found, str], Mapping[str, Any]]) -> Iterator[str]:
    """The JSON of a fleet, line by line, without line ends.

    + found: by the names of the hosts
    + entry: makes the part of one host out of what was found, and the host's name
    """
    yield f'{{"version": {VERSION}, "hosts": {{'
    for index, (name, one) in enumerate(found.items(), 1):
        end = "," if index < len(found) else ""
        yield f"{json.dumps(name)}: {json.dumps(entry(one, name))}{end}"
    yield "}}"


class Target:
    """Where JSON is written: a file, or standard output (`-`).

    Raises `Mistake` if the file cannot be written, before any host is asked.
    """

    def __init__(self, file: str) -> None:
        self.is_standard_output = file == "-"
        self._given, self._path = file, Path(file)
        if self.is_standard_output:
            return
        if not file:
            raise Mistake("--json has no file: give one, or - for standard output")
        if stat.S_ISDIR(_mode(self._path)):
            raise Mistake(f"--json {file}: this is a folder")
        folder = self._path.absolute().parent
        if not self._is_written_in_place and not os.access(folder, os.W_OK | os.X_OK):
            why = "nothing can be written there" if folder.is_dir() else "there is no such folder"
            raise Mistake(f"--json {file}: {why}")

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
            if self.is_standard_output:
                write_results(lines)
            elif self._is_written_in_place:
                with self._path.open("w") as file:
                    file.writelines(lines)
            else:
                # What a link points to is replaced, and not the link.
                with undivided():
                    _replace(self._path.resolve(), lines)
        except OSError as error:
            show_beside([Line(f"--json {self._given}: {error.strerror}")])
            return False
        return True


def _mode(path: Path) -> int:
    """A file's type and permissions; 0 if it is absent, or in a folder that may not be searched."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _replace(path: Path, lines: Iterable[str]) -> None:
    """Replace a file, or add it. It keeps its owner and its permissions."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("x") as file:
            if path.exists():
                was = path.stat()
                with suppress(PermissionError):
                    os.fchown(file.fileno(), was.st_uid, was.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(was.st_mode))
            file.writelines(lines)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
