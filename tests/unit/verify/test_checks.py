"""What is noted of a check that could not look."""

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from smtp_auth.verify import fixtures
from smtp_auth.verify.checks import Checks
from smtp_auth.verify.running import run
from smtp_auth.verify.target import Target

CHECKS = """
from smtp_auth.verify.target import Unseen

def test_it_is_limited(target):
    raise Unseen("too many connections", is_limit=True)

def test_it_is_not_served(target):
    raise Unseen("port 25 is not served")

def test_it_is_well(target):
    pass
"""


def test_a_limit_is_no_failure_and_is_noted(tmp_path: Path) -> None:
    (tmp_path / "test_limits.py").write_text(CHECKS)
    host: Any = MagicMock()
    host.name = "mail1.example.jp"
    checks = Checks([Target(host, MagicMock(), [], None)], [], list, logs_in=False)
    assert run(tmp_path, [checks, fixtures], []).is_well
    assert {one.check: (one.outcome, one.limited) for one in checks.outcomes} == {
        "it is limited": ("skipped", True),
        "it is not served": ("skipped", False),
        "it is well": ("passed", False),
    }
