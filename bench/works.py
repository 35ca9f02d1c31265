"""What is measured: the works that an administrator has done, and how the hosts are prepared."""

from dataclasses import dataclass

from bench.fleet import DEPLOYED, STOCK, Fleet


@dataclass(frozen=True)
class Work:
    """One kind of work.

    + name: on the command line and in the results
    + title: for people
    + state: what the hosts are before it
    + changes: whether it changes them, so that every run needs the state anew
    """

    name: str
    title: str
    state: str
    changes: bool


NOTHING = Work("nothing", "nothing to do", DEPLOYED, changes=False)
DRY = Work("dry", "dry run", STOCK, changes=False)
FIRST = Work("first", "first deploy", STOCK, changes=True)
ONE = Work("one", "one parameter", DEPLOYED, changes=False)
VERIFY = Work("verify", "verification", DEPLOYED, changes=False)

WORKS = {work.name: work for work in (NOTHING, DRY, FIRST, ONE, VERIFY)}

# The parameter that `one` changes, to and fro: each run finds the other value there.
LEVELS = ("encrypt", "may")


def prepare(work: Work, fleet: Fleet, first: bool) -> None:
    """Bring the hosts to where the work begins.

    + first: whether it is the work's first run on this fleet
    """
    if first or work.changes:
        fleet.restore(work.state)
