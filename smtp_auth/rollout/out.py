"""`smtp-auth plan --out`: the plan of a rollout as a file."""

import argparse
from collections.abc import Iterator, Mapping, Sequence

from pyinfra.api import Host

from smtp_auth.fleet.console import EMPTY, Line
from smtp_auth.fleet.plan_command import Output
from smtp_auth.fleet.planning import HostPlan
from smtp_auth.fleet.written import Target
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.making import canaries, made
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.text import wave_lines
from smtp_auth.rollout.wishes import layout_of
from smtp_auth.shown import command


class Out:
    """The file of a rollout's plan. To make one raises `Mistake` if an option or the file is wrong.

    + file: the file, or `-` for standard output
    + options: those of the command line
    """

    def __init__(self, file: str, options: argparse.Namespace) -> None:
        self._file = file
        self.target, self._layout = Target("--out", file, plan_file.MODE), layout_of(options)
        self._made: RolloutPlan | None = None

    def begin(self, hosts: Sequence[Host]) -> Output:
        """What writes the plan of these hosts. Raises `Mistake` if a canary is none of them."""
        first = canaries(hosts, self._layout)

        def plan(found: Mapping[str, HostPlan]) -> RolloutPlan:
            self._made = self._made or made(found, hosts, self._layout, first)
            return self._made

        def lines(found: Mapping[str, HostPlan]) -> Iterator[str]:
            return plan_file.lines(plan(found))

        def told(found: Mapping[str, HostPlan]) -> Iterator[Line]:
            yield from wave_lines(plan(found), [*found])
            if plan(found).waves:
                words = command("smtp-auth", "rollout", "--plan", self._file)
                yield Line(f"to carry it out: {words}", under=4)
                yield EMPTY

        return Output(self.target, lines, told)
