"""Every observer as a fixture of pytest: a check gets what those among its arguments have found."""

from collections.abc import Callable
from typing import Any

import pytest

from smtp_auth.on_host.channel import NoAnswer
from smtp_auth.shown import shown
from smtp_auth.verify import (
    addresses,
    connection,
    inside,
    jobs,
    mailbox,
    outside,
    own_certificates,
    reach,
    renewal,
    visits,
)
from smtp_auth.verify.conversation import BrokenOff
from smtp_auth.verify.reach import why_down
from smtp_auth.verify.secret import without_secrets
from smtp_auth.verify.target import OBSERVERS, Observer, Target, Unseen

# Loading these modules registers their observers.
_OBSERVING = (addresses, connection, inside, jobs, mailbox, outside, own_certificates, reach, renewal, visits)

# Of a check that was skipped: the check that fails for the same reason, and whether the reason is a limit.
UNSEEN = pytest.StashKey[tuple[str, bool]]()


def _fixture(observe: Observer) -> Callable[..., Any]:
    """A fixture: what an observer found on the check's host. If it could not look, the check is skipped."""

    def seen(target: Target, request: pytest.FixtureRequest) -> Any:
        try:
            if observe is not why_down and target.see(why_down):
                raise Unseen("the host is down", "the host is up")
            return target.see(observe)
        except Unseen as reason:
            return skip(request.node, reason)
        except BrokenOff as error:
            why = (
                f"the conversation with the mail server broke off: {error}. Its log says more: journalctl -u "
            )
            return pytest.fail(escaped(f"{why}'postfix*' on the host"), pytrace=False)
        except NoAnswer as error:
            return pytest.fail(escaped(str(error)), pytrace=False)
        except Exception as error:
            return pytest.fail(escaped(f"{type(error).__name__}: {error}"), pytrace=False)

    return pytest.fixture(name=observe.__name__)(seen)


globals().update({f"_{name}": _fixture(observe) for name, observe in OBSERVERS.items()})


def skip(item: pytest.Item, reason: Unseen) -> object:
    """Skip a check whose subject could not be looked at."""
    item.stash[UNSEEN] = reason.reported_by, reason.is_limit
    return pytest.skip(escaped(str(reason)))


def escaped(text: str) -> str:
    """What a check says, as pytest may show it: parts of it are output of hosts and their peers."""
    return "\n".join(map(shown, without_secrets(text).split("\n")))
