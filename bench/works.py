"""What is measured: the works of an administrator, and how the hosts are prepared for each."""

from dataclasses import dataclass

from bench.fleet import DEPLOYED, STOCK, Fleet


@dataclass(frozen=True)
class Work:
    """One kind of work.

    + name: on the command line and in the results
    + title: for people
    + state: the saved state that the hosts are in before it
    + changes: whether that state must be restored before each run, because the work changes it
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

# The two values of the parameter that `one` changes: each run sets the one that the run before did not.
LEVELS = ("encrypt", "may")


def prepare(work: Work, fleet: Fleet, first: bool) -> None:
    """Prepare the hosts for the work.

    + first: whether it is the work's first run on this fleet
    """
    if first or work.changes:
        fleet.restore(work.state)
