"""The programs that run on a host, and what builds them.

    look.pl           what the host is; reads only
    history.pl        what the record of changes holds; reads only
    Supervise.pm      starts a change as a unit of systemd's, or waits for its outcome
    Change.pm         what the program of a change is run for
    Instructions.pm   what a change is to do
    Rehearsal.pm      what stands in the way of it, asked of the host's own programs
    Transaction.pm    swap, reload, prove, or put back; Beside.pm: what stands beside a file meanwhile
    Service.pm        one service's part in it, as all of them have it: Change.pm in its folder of `services/`
    Record.pm         who changed what, the files from before; Baseline.pm: what was there first
    Etckeeper.pm      commits of /etc, where etckeeper keeps it
    Proof.pm          a real connection to a service: Proof.pm in its folder
    Files.pm, Json.pm, Lines.pm, Manifest.pm, Programs.pm, Writing.pm   the library
    packing.py        puts packages together to a program
    instructions.py, programs.py   make the instructions from a plan, and the programs that are sent

They go to a host on standard input; the record is all that stays there. Perl is what every Debian host has.
"""

from functools import cache
from pathlib import Path


@cache
def program(name: str) -> str:
    """The text of a program of this folder."""
    return Path(__file__).with_name(name).read_text()
