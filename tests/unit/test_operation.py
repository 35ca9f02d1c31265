"""What the operations show, say and yield, on looks at real hosts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from pyinfra.api import Config, FunctionCommand, Inventory, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_config, ctx_host, ctx_state

from operations import (
    STEPS,
    certbot_hook,
    dovecot_auth_listener,
    postfix_sasl,
    postfix_sni,
    postfix_tls,
    submissions_service,
)
from smtp_auth.facts.hold import Hold
from smtp_auth.facts.look import Look
from smtp_auth.facts.record import Record
from smtp_auth.on_host.asking import Asked, NothingOnRecord, NotOnRecord
from smtp_auth.plan.plan import plan_of
from smtp_auth.plan.text import step_lines
from smtp_auth.runs import host as hosts
from smtp_auth.runs import live, names, report
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.transaction import Transaction
from tests.unit.scenarios import HOST, RELEASES, stock, wanted
from tests.unit.test_plan import after

# Each step's operation, and its message if the host already has it.
OPERATIONS: dict[Callable[..., Any], str] = {
    postfix_tls.certificate: "TLS parameters are as wanted",
    postfix_sni.domains: "every domain's certificate is served",
    certbot_hook.reload_services: "the deploy hook needs no change",
    dovecot_auth_listener.listener: "Dovecot already listens on a socket for Postfix",
    postfix_sasl.sasl: "SASL parameters are as wanted",
    submissions_service.service: "the submissions service is as wanted",
    live.changes: "every service runs its current configuration",
}


@dataclass
class Done:
    """What an operation said and yielded while it was planned."""

    shown: list[str] = field(default_factory=list)
    noop: str | None = None
    commands: list[object] = field(default_factory=list)

    @property
    def changes_the_host(self) -> bool:
        """Whether it carries out the plan, and not only reports its part of it."""
        return any(isinstance(command, Transaction) for command in self.commands)


@cache
def pyinfra() -> State:
    return State(Inventory(([HOST], {})), Config(DIFF=True))


@pytest.fixture(autouse=True)
def _nobody_failed() -> Iterator[None]:
    yield
    pyinfra().failed_hosts.clear()


def do(operation: Callable[..., Any], look: Look | None, done: Done | None = None) -> Done:
    """Plan one operation on a host that looks like this; without a look there is no plan."""
    done = Done() if done is None else done
    state = pyinfra()
    host = state.inventory.get_host(HOST)
    host.log = lambda line, *_: done.shown.append(line.strip())  # type: ignore[method-assign]
    host.log_styled = lambda line, **_: done.shown.append(line)  # type: ignore
    host.noop = lambda reason: setattr(done, "noop", reason)  # type: ignore
    hosts._hosts.pop(host, None)
    if look is not None:
        hosts._hosts[host] = Asked(wanted(), look, plan_of(wanted(), look, STEPS))
    with ctx_state.use(state), ctx_config.use(state.config), ctx_host.use(host):
        done.commands += list(operation._inner())  # type: ignore[attr-defined]
    return done


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("version", RELEASES)
def test_a_host_that_has_it_is_told_so_and_left_alone(version: str, operation: Callable[..., Any]) -> None:
    look = after(stock(version), plan_of(wanted(), stock(version), STEPS))
    done = do(operation, look)
    shown = [line for line in done.shown if "is not written" not in line]
    assert (done.noop, shown, done.commands) == (OPERATIONS[operation], [], [])


@pytest.mark.parametrize("version", RELEASES)
def test_the_first_operation_with_an_edit_changes_the_host_and_the_later_ones_report(version: str) -> None:
    done = {operation: do(operation, stock(version)) for operation in OPERATIONS}
    edits = [found for found in done.values() if found.commands]
    assert [found.changes_the_host for found in edits] == [True, *[False] * (len(edits) - 1)]
    assert all(len(found.commands) == 1 for found in edits)
    assert done[postfix_tls.certificate].changes_the_host
    assert all(isinstance(found.commands[0], FunctionCommand) for found in edits[1:])


@pytest.mark.parametrize("version", RELEASES)
def test_each_operation_shows_its_steps_part_of_the_plan(version: str) -> None:
    look = stock(version)
    plan = plan_of(wanted(), look, STEPS)
    shown = [line for operation in OPERATIONS for line in do(operation, look).shown]
    lines = [line for step in STEPS for line in step_lines(plan, step)]
    reloads = [line for line in shown if "+reload" in line]
    plain = [strip(line) for line in shown if line not in reloads]
    assert plain == [line.strip() for line in lines]
    assert [strip(line).partition(":")[0] for line in reloads] == ["+reload Dovecot", "+reload Postfix"]


def strip(line: str) -> str:
    """Without colours and indentation."""
    for colour in ("\x1b[31m", "\x1b[32m", "\x1b[0m"):
        line = line.replace(colour, "")
    return line.strip()


def test_a_reload_that_is_due_is_something_to_do() -> None:
    look = after(stock("3.10.5"), plan_of(wanted(), stock("3.10.5"), STEPS))
    due = replace(look, socket=None)
    assert do(dovecot_auth_listener.listener, due).commands == []
    done = do(live.changes, due)
    assert [strip(line) for line in done.shown] == [
        "+reload Dovecot: its socket differs from its configuration"
    ]
    assert done.changes_the_host


def test_an_operation_without_a_plan_says_what_is_missing() -> None:
    done = Done()
    with pytest.raises(PyinfraError, match="No hosts remaining"):
        do(postfix_tls.certificate, None, done)
    assert done.shown == ["failed, see the report"]
    [reason] = report._told.outcomes[pyinfra().inventory.get_host(HOST)][1]
    assert "there is no plan of this host: deploy.py has to call ready() first" in reason


def test_an_operation_for_a_host_that_has_failed_does_nothing() -> None:
    state = pyinfra()
    state.failed_hosts.add(state.inventory.get_host(HOST))
    done = do(postfix_tls.certificate, stock("3.10.5"))
    assert done == Done()


# -- hosts that are held --------------------------------------------------------------------------------

HOLD = Hold("ann@desk as root", "2026-11-27T10:00:00Z", "a new disk: ディスク", "")


def prepared(monkeypatch: pytest.MonkeyPatch, asking: Callable[[], Asked]) -> tuple[bool, list[str]]:
    """Whether the operations can run on a host that is asked so, and what is said of it."""
    state, said = pyinfra(), list[str]()
    host = state.inventory.get_host(HOST)
    monkeypatch.setattr(host, "log", lambda line, *_: said.append(line))
    monkeypatch.setattr(host, "log_styled", lambda line, **_: said.append(line))
    monkeypatch.setattr(hosts, "check_is_prepared", lambda: None)
    monkeypatch.setattr(hosts, "channel_to", lambda _host: None)
    monkeypatch.setattr(report._told, "outcomes", {})
    with ctx_state.use(state), ctx_config.use(state.config), ctx_host.use(host):
        return hosts.prepare_this_host(lambda _channel, _rehearsing: asking()), said


@pytest.mark.parametrize("error", [NotOnRecord, NothingOnRecord])
def test_a_held_host_is_passed_over_whatever_its_record_says(
    monkeypatch: pytest.MonkeyPatch, error: type[NotOnRecord | NothingOnRecord]
) -> None:
    def asking() -> Asked:
        raise error("in doubt", Record(hold=HOLD), even_held=False)

    can_run, (said,) = prepared(monkeypatch, asking)
    assert not can_run
    assert said.endswith("until somebody releases it: a new disk: ディスク")
    host = pyinfra().inventory.get_host(HOST)
    assert report._told.outcomes[host] == (Outcome.HELD, ())
    assert host not in pyinfra().failed_hosts


def test_a_held_host_is_compared_with_other_names_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    look = replace(stock("3.10.5"), hold=HOLD)
    asked = Asked(wanted(), look, plan_of(wanted(), look, STEPS))
    assert not prepared(monkeypatch, lambda: asked)[0]
    assert names._looked_at[pyinfra().inventory.get_host(HOST)] is asked


def test_of_two_names_the_one_that_is_not_held_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(Inventory((["a", "b"], {})), Config())
    free = replace(stock("3.10.5"), machine="m")
    for host, look in zip(state.inventory, (replace(free, hold=HOLD), free), strict=True):
        monkeypatch.setattr(host, "log_styled", lambda *_, **__: None)
        names.keep_for_comparison(host, Asked(wanted(), look, plan_of(wanted(), look, STEPS)))
    with ctx_state.use(state):
        names.compare_names()
    assert state.failed_hosts == set()


def test_a_hold_that_is_overridden_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    look = replace(stock("3.10.5"), hold=HOLD)
    asked = Asked(wanted(), look, plan_of(wanted(), look, STEPS), even_held=True)
    can_run, (first, *_) = prepared(monkeypatch, lambda: asked)
    assert can_run
    assert first.endswith(": a new disk: ディスク; even_held = True overrides this")
