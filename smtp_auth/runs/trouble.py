"""An error on one host fails only that host, with a sentence that names it."""

import traceback
from collections.abc import Iterable
from pathlib import Path

from pyinfra import host, logger, state
from pyinfra.context import ctx_host

from smtp_auth.runs.report import Outcome, report
from smtp_auth.shown import shown

_ROOT = Path(__file__).parents[2]


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


def fault(error: Exception) -> str:
    """The sentence for an unexpected exception: what it is, and where in this program it was raised."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    where = f" ({Path(ours[-1].filename).relative_to(_ROOT)}, line {ours[-1].lineno})" if ours else ""
    return (
        f"an error in this program, which fails only this host: {type(error).__name__}: {error}{where}; "
        "please report it with this line"
    )


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_ROOT) and ".venv" not in path.parts
