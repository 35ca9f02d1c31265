"""The outcome of a host, the same for both front ends."""

from enum import Enum

from smtp_auth.on_host.changing import ChangeOutcome


class Outcome(Enum):
    """The outcome of a host, in the words of a report."""

    CHANGED = "changed"
    WOULD_CHANGE = "would change"
    UNCHANGED = "unchanged"
    HELD = "held"
    NOT_BEGUN = "not begun"
    REFUSED = "refused"
    PUT_BACK = "failed and put back"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    NOT_AWAITED = "not waited for"


WELL = (Outcome.CHANGED, Outcome.WOULD_CHANGE, Outcome.UNCHANGED, Outcome.HELD, Outcome.NOT_BEGUN)

# What became of a change.
OF_CHANGE = {
    ChangeOutcome.LIVE: Outcome.CHANGED,
    ChangeOutcome.REFUSED: Outcome.REFUSED,
    ChangeOutcome.PUT_BACK: Outcome.PUT_BACK,
    ChangeOutcome.FAILED: Outcome.FAILED,
    ChangeOutcome.UNKNOWN: Outcome.NOT_REACHED,
}
