"""What a verification writes beside its table: a file for each option that asks for one."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Protocol

from smtp_auth.fleet import as_json
from smtp_auth.fleet.written import Target, refuse_shared
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.report import Outcome, by_host, host_as_json


class Output(Protocol):
    """One file. To make one raises `Mistake` if the file cannot be written.

    + target: where it is written; if that is standard output, this gets nothing else
    """

    target: Target

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """Write it. Returns whether that succeeded; if not, it says why on standard error.

        + outcomes: those of all checks
        + names: those of all hosts, also of those without an outcome
        """
        ...


class Json:
    """The outcomes as JSON. + file: a file, or `-` for standard output"""

    def __init__(self, file: str) -> None:
        self.target = Target("--json", file)

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """As `Output.write`."""
        return self.target.write(as_json.lines(by_host(outcomes), host_as_json))


def outputs_of(options: Namespace) -> list[Output]:
    """What the options of a command line want. Raises `Mistake` if a file cannot be written or read."""
    found: list[Output] = []
    if options.json is not None:
        found.append(Json(options.json))
    if options.since is not None and options.html is None:
        raise Mistake(f"--since {options.since} is for the page: give --html FILE, too")
    if options.html is not None:
        # jinja2 is loaded for a page alone.
        from smtp_auth.verify.page import Page

        found.append(Page(options.html, options.since))
    if options.prometheus is not None:
        # prometheus_client takes time to load.
        from smtp_auth.verify.prometheus import Prometheus

        found.append(Prometheus(options.prometheus))
    refuse_shared([output.target for output in found])
    return found
