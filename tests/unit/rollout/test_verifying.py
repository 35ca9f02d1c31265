"""Whether a host is verified, so that the next wave may begin."""

from types import SimpleNamespace

import pytest

from smtp_auth.rollout import verifying
from smtp_auth.rollout.verifying import Verified
from smtp_auth.verify.report import NOT_MADE, Outcome
from tests.unit.fleets import hosts_named

CHECK = "port 25 relays nothing"


@pytest.mark.parametrize(
    ("outcome", "is_well"),
    [
        (Outcome("a", CHECK, "passed"), True),
        (Outcome("a", CHECK, "warned", warnings=("soon",)), True),
        (Outcome("a", CHECK, "skipped", "there is no mailbox"), True),
        (Outcome("a", CHECK, "failed", "it relays"), False),
        (Outcome("a", CHECK, NOT_MADE, "interrupted"), False),
        (Outcome("a", CHECK, "skipped", "too many connections", limited=True), False),
    ],
    ids=lambda value: f"{value.outcome}{' by limits' * value.limited}" if isinstance(value, Outcome) else "",
)
def test_what_was_not_seen_is_not_verified(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, is_well: bool
) -> None:
    checks = SimpleNamespace(outcomes=[outcome, Outcome("a", "a login works", "passed")])
    monkeypatch.setattr(verifying, "checked", lambda *_: (checks, 0))
    found, _ = verifying.verified("verified", [*hosts_named("a")], 1, (), is_verbose=False)
    assert found == {"a": Verified() if is_well else Verified((CHECK,), (outcome.reason,))}
