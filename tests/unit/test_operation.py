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
from smtp_auth.facts.look import Look
from smtp_auth.on_host.asking import Asked
from smtp_auth.plan.plan import plan_of
from smtp_auth.plan.text import step_lines
from smtp_auth.runs import host as hosts
from smtp_auth.runs import live, report
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
