"""An error on one host fails only that host, with a sentence that names it."""

from collections.abc import Iterable

from pyinfra import host, logger, state
from pyinfra.context import ctx_host

from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.report import report


def fail(reasons: Iterable[str], outcome: Outcome = Outcome.REFUSED) -> None:
    """Fail the current host, and no other, while pyinfra plans.

    Raises pyinfra's `PyinfraError` if no host is left.
    """
    tell(reasons, outcome)
    state.fail_hosts({ctx_host.get()})


def tell(reasons: Iterable[str], outcome: Outcome) -> None:
    """Log that the current host fails, and keep the reasons for the report."""
    host.log_styled(f"{outcome.value}, see the report", fg="red", log_func=logger.error)
    report(ctx_host.get(), outcome, *reasons)
