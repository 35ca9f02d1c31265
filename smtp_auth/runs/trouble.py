"""An error on one host fails only that host, with a sentence that names it."""

from collections.abc import Iterable

from pyinfra import host, logger, state
from pyinfra.context import ctx_host

from smtp_auth.runs.report import Outcome, report
from smtp_auth.shown import shown


def fail(reasons: Iterable[str], outcome: Outcome = Outcome.REFUSED) -> None:
    """Fail the current host, and no other, while pyinfra plans.

    Raises pyinfra's `PyinfraError` if no host is left.
    """
    for reason in reasons:
        tell(reason, outcome)
    state.fail_hosts({ctx_host.get()})


def tell(reason: str, outcome: Outcome) -> None:
    """Log a reason why the current host fails, and keep it for the report."""
    host.log_styled(shown(reason), fg="red", log_func=logger.error)
    report(ctx_host.get(), outcome, reason)
