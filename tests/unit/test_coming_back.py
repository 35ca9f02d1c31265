"""What pyinfra's undo.py and remove.py say of all hosts together, before they ask."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pyinfra.api import Host
from pyinfra.context import ctx_state

from operations import STEPS
from smtp_auth.facts.look import LastChange
from smtp_auth.on_host.asking import Asked, ask_to_remove, ask_to_undo
from smtp_auth.runs import coming_back
from smtp_auth.runs.coming_back import (
    hosts_removed_from,
    keep_asked_for,
    keep_what_comes_back,
    tell_what_comes_back,
)
from smtp_auth.runs.mistakes import Mistake
from tests.unit.fleets import hosts_named
from tests.unit.past_fleets import FIRST, SECOND, host_called, stand_ins

NAMES = ("last1", "done1", "owners1")


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sequence[Host]]:
    """Hosts of a run, none of which was asked yet."""
    for module, name, instead in stand_ins():
        monkeypatch.setattr(module, name, instead)
    for kept in (coming_back._planned, coming_back._asked_for):
        kept.clear()
    found = hosts_named(NAMES, undo_to="2026-x")
    with ctx_state.use(found[0].state):
        yield found


class Named:
    """Stands for a channel."""

    def __init__(self, host: Host) -> None:
        self._channel = host.name


def undone(host: Host) -> Asked:
    channel: Any = Named(host)
    return ask_to_undo(channel, STEPS)


def removed(host: Host) -> Asked:
    channel: Any = Named(host)
    return ask_to_remove(channel, STEPS)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.INFO, "pyinfra"):
        caplog.clear()
        tell_what_comes_back()
    return [record.getMessage().removeprefix("\x1b[31m").removesuffix("\x1b[0m") for record in caplog.records]


def test_each_hosts_change_is_named_and_that_they_differ(
    hosts: Sequence[Host], caplog: pytest.LogCaptureFixture
) -> None:
    last, done, _ = hosts
    keep_what_comes_back(last, undone(last))
    first = told(caplog)
    assert first[0] == "--> Undo:"
    assert first[1].startswith(f"    {SECOND} of 2026-11-22 ")
    assert first[1].endswith(": last1")
    assert len(first) == 2
    keep_what_comes_back(done, undone(done))
    closes, _, one, other, differ = told(caplog)
    assert closes == "--> Port 465 will close on 1 host"
    assert one.startswith(f"    {SECOND} of ")
    assert other.startswith(f"    {FIRST} of ")
    assert "not the same on all hosts" in differ
    assert hosts_removed_from() == 0


def test_a_removal_says_where_port_465_closes_and_what_stays(
    hosts: Sequence[Host], caplog: pytest.LogCaptureFixture
) -> None:
    for host in hosts:
        keep_what_comes_back(host, removed(host))
    lines = told(caplog)
    assert lines == [
        "--> Port 465 will close on 3 hosts",
        "--> What stays:",
        "    owners1  smtpd_tls_auth_only = no stays, because its owner has edited it",
    ]
    assert hosts_removed_from() == 3
    hosts[0].state.failed_hosts.add(hosts[0])
    assert hosts_removed_from() == 2
    assert told(caplog)[0] == "--> Port 465 will close on 2 hosts"


def test_a_run_that_is_on_no_record_is_an_error_that_names_those_that_are(hosts: Sequence[Host]) -> None:
    last, done, _ = hosts
    for host in (last, done):
        keep_asked_for(host, without=host_called(host.name).record)
    with pytest.raises(Mistake) as error:
        tell_what_comes_back()
    sentence, *told = str(error.value).splitlines()
    assert sentence == (
        "undo_to = 2026-x: no run on record has an ID that begins or ends with this "
        "(1 host could not be read); on record are:"
    )
    assert [line.split()[0] for line in told] == [SECOND, FIRST]


def test_a_run_that_a_refused_host_has_is_on_record(
    hosts: Sequence[Host], caplog: pytest.LogCaptureFixture
) -> None:
    last, done, _ = hosts
    keep_asked_for(last)
    keep_asked_for(done, without=host_called(done.name).record)
    assert told(caplog) == []


def test_what_a_host_says_of_itself_is_escaped(
    hosts: Sequence[Host], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (last, *_) = hosts
    found = undone(last)
    keep_what_comes_back(last, found)
    kept = coming_back._planned[last]
    object.__setattr__(kept, "last", LastChange("x", "\x1b[2Jeve", "\x1b[31mnow"))
    assert "\x1b" not in "".join(told(caplog))
