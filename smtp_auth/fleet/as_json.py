"""What is known of a fleet as JSON for programs: `{"version": 1, "hosts": {NAME: …}}`, one host per line."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from smtp_auth.fleet.planning import HostPlan
from smtp_auth.plan.as_json import text_of
from smtp_auth.runs.mistakes import Mistake

VERSION = 1

Found = TypeVar("Found")


def host_as_json(found: HostPlan, name: str) -> dict[str, Any]:
    """What is known of a host before a change.

    `flags` has `edited` and `same_machine` if they apply. `reasons` says why there is no plan: then `plan`
    and `digest` are null. `last_change` is the last live change, `edited` has the files of it that somebody
    has edited since, `same_machine` the other names of the same machine.
    """
    last = found.last_change
    others = [one for one in found.names if one != name]
    flags = {"edited": bool(found.edited), "same_machine": bool(others)}
    return {
        "state": found.state.value,
        "flags": [flag for flag, applies in flags.items() if applies],
        "reasons": [*map(text_of, found.reasons)],
        "warnings": [*map(text_of, found.warnings)],
        "last_change": {"id": last.id, "who": text_of(last.who), "began": last.began} if last else None,
        "edited": [*map(text_of, found.edited)],
        "same_machine": others,
        "plan": json.loads(found.plan) if found.plan else None,
        "digest": found.digest or None,
    }


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
        # What a link points to is replaced, and not the link.
        self._path = Path(file).resolve()
        folder = self._path.parent
        if self.is_standard_output:
            return
        if self._path.is_dir():
            raise Mistake(f"--json {file}: this is a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            why = "nothing can be written there" if folder.is_dir() else "there is no such folder"
            raise Mistake(f"--json {file}: {why}")

    def write(self, found: Iterator[str]) -> None:
        """Write lines. Who reads the file meanwhile finds what was in it before."""
        if self.is_standard_output:
            sys.stdout.writelines(f"{line}\n" for line in found)
        elif self._path.exists() and not self._path.is_file():
            # A pipe, for example.
            self._write_to(self._path, found)
        else:
            beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            try:
                self._write_to(beside, found)
                beside.replace(self._path)
            finally:
                beside.unlink(missing_ok=True)

    def _write_to(self, path: Path, found: Iterator[str]) -> None:
        with path.open("w") as file:
            file.writelines(f"{line}\n" for line in found)
