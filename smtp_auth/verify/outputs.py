"""What a verification writes beside its table: a file for each option that asks for one."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Protocol

from smtp_auth.fleet import as_json
from smtp_auth.fleet.written import Target, one_on_standard_output
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.report import Outcome, by_host, host_as_json


class Output(Protocol):
    """One file. To make one raises `Mistake` if the file cannot be written.

    + option: the option that asks for it, with the file
    + is_standard_output: whether it is written to standard output, which then gets nothing else
    """

    option: str
    is_standard_output: bool

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """Write it. Returns whether that succeeded; if not, it says why on standard error.

        + outcomes: those of all checks
        + names: those of all hosts, also of those without an outcome
        """
        ...


class Json:
    """The outcomes as JSON. + file: a file, or `-` for standard output"""

    def __init__(self, file: str) -> None:
        self._target = Target("--json", file)
        self.option, self.is_standard_output = self._target.option, self._target.is_standard_output

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """As `Output.write`."""
        return self._target.write(as_json.lines(by_host(outcomes), host_as_json))


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
    one_on_standard_output(output.option for output in found if output.is_standard_output)
    return found
