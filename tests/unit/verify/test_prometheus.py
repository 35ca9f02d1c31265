"""What `--prometheus` writes of a verification."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.prometheus import Prometheus
from smtp_auth.verify.report import NOT_MADE, Outcome

UP, GREETS, LEFT, ARRIVES = (
    "the host is up",
    "port 465 greets in time",
    "the certificate has lifetime left",
    "the message arrives",
)

OUTCOMES = [
    Outcome("a.example", UP, "passed"),
    Outcome("a.example", GREETS, "passed", measured={"connection": 0.25, "TLS": 0.5, "greeting": 1.0}),
    Outcome(
        "a.example",
        LEFT,
        "warned",
        warnings=("renew",),
        not_after={"mail.example": 1800000000.0, "b.example": 1.9e9},
    ),
    Outcome("a.example", "the name is covered", "passed", not_after={"mail.example": 1700000000.0}),
    Outcome("a.example", ARRIVES, "passed", measured={"delivery": 0.75}),
    Outcome("b.example", UP, "failed", "the host does not answer"),
    Outcome("b.example", GREETS, "skipped", "the host is down", reported_by=UP),
    Outcome("b.example", LEFT, NOT_MADE),
    Outcome("d.example", UP, NOT_MADE),
]

# No check was chosen for c.example.
NAMES = ("a.example", "b.example", "c.example", "d.example")

Samples = Mapping[tuple[str, ...], float]


def samples(file: Path, metric: str) -> Samples:
    """The values of a metric's labels, the host first, to its figure."""
    families = text_string_to_metric_families(file.read_text())
    return {
        (
            sample.labels["host"],
            *(value for key, value in sample.labels.items() if key != "host"),
        ): sample.value
        for family in families
        for sample in family.samples
        if sample.name == metric
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "smtp_auth.prom"
    assert Prometheus(str(path)).write(OUTCOMES, NAMES)
    return path


def test_a_check_that_was_not_made_has_no_sample(file: Path) -> None:
    assert samples(file, "smtp_auth_check") == {
        ("a.example", UP): 1,
        ("a.example", GREETS): 1,
        ("a.example", LEFT): 1,
        ("a.example", "the name is covered"): 1,
        ("a.example", ARRIVES): 1,
        ("b.example", UP): 0,
    }


def test_every_host_has_the_count_of_each_outcome(file: Path) -> None:
    found = samples(file, "smtp_auth_checks")
    assert {key: count for key, count in found.items() if count} == {
        ("a.example", "passed"): 4,
        ("a.example", "warned"): 1,
        ("b.example", "failed"): 1,
        ("b.example", "skipped"): 1,
        ("b.example", NOT_MADE): 1,
        ("d.example", NOT_MADE): 1,
    }
    assert {host for host, _ in found} == {*NAMES}
    assert len(found) == 20


def test_what_was_measured_is_the_hosts_that_measured_it(file: Path) -> None:
    assert samples(file, "smtp_auth_greeting_seconds") == {("a.example",): 1.75}
    assert samples(file, "smtp_auth_delivery_seconds") == {("a.example",): 0.75}
    assert samples(file, "smtp_auth_certificate_not_after_seconds") == {
        ("a.example", "mail.example"): 1.7e9,
        ("a.example", "b.example"): 1.9e9,
    }


def test_how_long_nobody_got_a_message_is_no_delivery(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    lost = Outcome("a.example", ARRIVES, "failed", "it is not in the mailbox", measured={"delivery": 60.0})
    Prometheus(str(file)).write([lost], ["a.example"])
    assert samples(file, "smtp_auth_delivery_seconds") == {}


def test_a_host_has_the_time_if_a_check_was_made_and_no_sample_has_one_of_its_own(file: Path) -> None:
    when = samples(file, "smtp_auth_last_verification_timestamp_seconds")
    assert when.keys() == {("a.example",), ("b.example",)}
    assert len({*when.values()}) == 1
    assert abs(file.stat().st_mtime - when["a.example",]) < 60
    families = text_string_to_metric_families(file.read_text())
    assert {sample.timestamp for family in families for sample in family.samples} == {None}


def test_a_hostile_name_stays_in_its_label(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    name = 'a"} 0\nsmtp_auth_check{host="b\\\ud800'
    Prometheus(str(file)).write([Outcome(name, UP, "passed")], [name])
    (labels,) = samples(file, "smtp_auth_check")
    assert labels == ('a"} 0\\nsmtp_auth_check{host="b\\\\ud800', UP)


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_another_account_can_read_a_new_file(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "x.prom"
    was = os.umask(umask)
    try:
        Prometheus(str(file)).write(OUTCOMES, NAMES)
        assert file.stat().st_mode & 0o7777 == 0o644
        file.chmod(0o600)
        Prometheus(str(file)).write(OUTCOMES, NAMES)
    finally:
        os.umask(was)
    assert file.stat().st_mode & 0o7777 == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_a_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"--prometheus .*: this is a folder"):
        Prometheus(str(tmp_path))
