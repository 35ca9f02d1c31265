"""What changed since an earlier verification, and files that are none."""

import json
import os
from pathlib import Path

import pytest

from smtp_auth.fleet import as_json
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.report import NOT_MADE, Outcome, by_host, host_as_json
from smtp_auth.verify.since import Changed, changes_since, earlier_in

SERVES, SAFE, CURRENT = "it serves", "it is safe", "it is current"


def test_what_json_has_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "monday.json"
    outcomes = [
        Outcome("a.example", SERVES, "failed", "it is down", ("it is slow",)),
        Outcome("a.example", SAFE, NOT_MADE),
        Outcome("\u202eb", SERVES, "passed", measured={"TLS": 0.1}, not_after={"a.example": 1.0}),
    ]
    file.write_text("\n".join(as_json.lines(by_host(outcomes), host_as_json)))
    os.utime(file, (1795761185, 1795761185))
    found = earlier_in(str(file))
    assert found.outcomes == {"a.example": {SERVES: "failed", SAFE: NOT_MADE}, "\u202eb": {SERVES: "passed"}}
    assert (found.file, found.written) == (str(file), "2026-11-27T06:33:05Z")


WELL = {"a.example": {SERVES: {"outcome": "passed"}}}


def _json(hosts: object, version: object = 1) -> str:
    return json.dumps({"version": version, "hosts": hosts})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        *((text, "it is no JSON") for text in ("", "\0\0", "\xff", "[" * 100_000, "1" * 10_000)),
        (_json(WELL, version=2), "it is JSON of version 2, and this program reads version 1"),
        *(
            (text, "it has no outcomes of checks")
            for text in (
                *("[]", "{}", '{"version": 1}', _json(WELL, version="1"), _json([WELL])),
                # Of a plan.
                _json({"a.example": {"state": "converged"}}),
                *(_json({"a.example": {SERVES: one}}) for one in ("passed", {"outcome": "x"})),
                _json({"a.example": {SERVES: {"reason": ""}}}),
                _json({"a.example": {SERVES: {"outcome": [""]}}}),
            )
        ),
    ],
)
def test_another_file_is_a_mistake(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "other"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(Mistake) as found:
        earlier_in(str(file))
    assert str(found.value).startswith(f"--since {file}: {why}")


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("absent", "--since absent: No such file or directory"),
        ("", "--since '': this is no name of a file"),
        ("/", "--since /: Is a directory"),
        ("a\0b", "--since 'a\\x00b': this is no name of a file"),
        # It never ends.
        ("/dev/zero", "--since /dev/zero: it has more than 128 MiB: give what --json has written"),
    ],
)
def test_what_cannot_be_read_is_a_mistake(file: str, why: str) -> None:
    with pytest.raises(Mistake) as found:
        earlier_in(file)
    assert str(found.value) == why


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        ("passed", "failed", "failing"),
        ("skipped", "failed", "failing"),
        ("", "failed", "failing"),
        ("failed", "passed", "mended"),
        ("failed", "warned", "mended"),
        ("failed", "skipped", "unknown"),
        ("failed", NOT_MADE, "unknown"),
        ("passed", "warned", "warned"),
        ("failed", "failed", ""),
        ("warned", "warned", ""),
        ("warned", "passed", ""),
        ("skipped", "passed", ""),
        ("", "passed", ""),
    ],
)
def test_how_a_check_changed(then: str, now: str, kind: str) -> None:
    earlier = {"a.example": {SERVES: then} if then else {}}
    found = changes_since(earlier, [Outcome("a.example", SERVES, now)], ["a.example"])
    told = {name for name in ("failing", "mended", "unknown", "warned") if getattr(found, name)}
    assert told == ({kind} if kind else set())
    assert found.as_before == (then == now == "failed")


def test_checks_of_the_same_hosts_are_told_together() -> None:
    earlier = {name: dict.fromkeys((SERVES, SAFE, CURRENT), "passed") for name in ("a", "b")}
    outcomes = [Outcome(name, check, "failed") for name in ("a", "b") for check in (SERVES, SAFE)]
    outcomes.append(Outcome("b", CURRENT, "failed"))
    found = changes_since(earlier, outcomes, ["a", "b"])
    assert found.failing == [Changed(("a", "b"), (SERVES, SAFE)), Changed(("b",), (CURRENT,))]


def test_hosts_and_checks_that_are_new_or_gone() -> None:
    earlier = {"a": {SERVES: "passed", SAFE: "failed"}, "b": {SERVES: "passed"}}
    outcomes = [Outcome("a", SERVES, "passed"), Outcome("a", CURRENT, "passed")]
    found = changes_since(earlier, outcomes, ["a", "c"])
    assert (found.new_hosts, found.gone_hosts) == (["c"], ["b"])
    assert (found.new_checks, found.gone_checks) == ([CURRENT], [SAFE])
    assert not found.mended
