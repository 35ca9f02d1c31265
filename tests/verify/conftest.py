"""Post-deploy verification for pytest: options, hosts, and the report.

    pytest tests/verify                                the hosts of inventory.py
    pytest tests/verify --limit mail1.example.jp       as with pyinfra: names, patterns, groups
    pytest tests/verify --inventory other.py           another inventory
    pytest tests/verify --data verify_ca_file=ca.pem   data keys over those of the inventory
    pytest tests/verify --mailbox alice                log in, too; the password comes from the
                                                       environment (VERIFY_PASSWORD) or a prompt
    pytest tests/verify --json FILE --junitxml FILE    for programs

All hosts are looked at first, side by side; the checks then judge what was seen. A check looks through
observers: functions of a `Target` (outside.py, inside.py, mailbox.py).
"""

import getpass
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

import pytest

from operations import STEPS
from plan.step import Step
from shown import shown
from tests.verify.fleet import FleetError, targets
from tests.verify.reach import silence
from tests.verify.report import Outcome, table, write_json
from tests.verify.target import Mailbox, Target, Unseen

PASSWORD = "VERIFY_PASSWORD"

Seen = TypeVar("Seen")
See = Callable[[Callable[[Target], Any]], Any]

_TARGETS = pytest.StashKey[list[Target]]()
_OUTCOMES = pytest.StashKey[list[Outcome]]()

# Looks taken at the same time, over all hosts.
_SIDE_BY_SIDE = 64


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; those that pyinfra has, too, have the same names and meanings."""
    group = parser.getgroup("verify", "verification of deployed hosts")
    group.addoption("--inventory", metavar="FILE", help="pyinfra's inventory; inventory.py by default")
    group.addoption("--limit", action="append", default=[], metavar="HOST", help="as pyinfra's --limit")
    group.addoption("--data", action="append", default=[], metavar="KEY=VALUE", help="as pyinfra's --data")
    group.addoption("--mailbox", metavar="LOGIN", help="log in as this user and send a message to it")
    group.addoption("--json", metavar="FILE", help="write every host's outcomes here")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the inventory before anything is collected."""
    options = config.option
    inventory = Path(options.inventory) if options.inventory else config.rootpath / "inventory.py"
    mailbox = Mailbox(options.mailbox, _password(options.mailbox)) if options.mailbox else None
    try:
        config.stash[_TARGETS] = targets(inventory, options.limit, options.data, mailbox)
    except FleetError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_OUTCOMES] = []
    # The report at the end tells each failure once: no traceback and no list by pytest itself.
    options.tbstyle = "no" if options.tbstyle == "auto" else options.tbstyle
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.reportchars = ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without a mailbox there is nothing to log in with."""
    return True if collection_path.name == "test_mailbox.py" and not config.option.mailbox else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every check for every host; a check with the argument `step` also for every step."""
    found = metafunc.config.stash[_TARGETS]
    metafunc.parametrize("target", found, ids=[target.name for target in found], scope="session")
    if "step" in metafunc.fixturenames:
        metafunc.parametrize("step", STEPS, ids=[step.name for step in STEPS])


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Look at everything that the chosen checks ask about, on all hosts side by side."""
    if session.config.option.collectonly or session.testsfailed:
        return
    looks = {
        (_target(item), observer): None
        for item in session.items
        if isinstance(item, pytest.Function)
        for observer in (silence, *_observers(item.function))
    }
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # `wrong_logins` takes longest and goes first; the other looks follow host by host.
        ordered = sorted(looks, key=lambda look: look[1].__name__ != "wrong_logins")
        running = {pool.submit(_try_look, *look): look[0] for look in ordered}
        _show_progress(reporter, running)


def _show_progress(reporter: Any, running: dict[Any, Target]) -> None:
    left = dict.fromkeys(running.values(), 0)
    for target in running.values():
        left[target] += 1
    for look in as_completed(running):
        left[running[look]] -= 1
        waiting = [target.name for target, count in left.items() if count]
        done = f"looked at {len(left) - len(waiting)} of {len(left)} hosts"
        if reporter is None:
            continue
        if reporter.isatty:
            names = ", ".join(waiting[:3]) + (", …" if len(waiting) > 3 else "")
            reporter.rewrite(f"{done}{f'; waiting for {names}' if waiting else ''}", erase=True)
        elif not left[running[look]]:
            reporter.write_line(f"{done}: {running[look].name}")
    if reporter is not None and reporter.isatty:
        reporter.write_line("")


def _observers(check: Callable[..., Any]) -> Iterator[Callable[[Target], Any]]:
    """The observers that a check names: functions with an argument `target: Target`."""
    for name in check.__code__.co_names:
        found: Any = check.__globals__.get(name)
        if getattr(found, "__annotations__", {}).get("target") is Target:
            yield found


def _try_look(target: Target, observer: Callable[[Target], Any]) -> None:
    try:
        target.see(observer)
    except Exception:
        # The check that asks for it raises it again, and reports it.
        return


@pytest.fixture
def see(target: Target) -> See:
    """What an observer found on the check's host: `see(observer)`.

    Raises `Unseen` if it could not look.
    """

    def found(observer: Callable[[Target], Any]) -> Any:
        if observer is not silence and target.see(silence):
            raise Unseen("the host is down")
        try:
            return target.see(observer)
        except Unseen:
            raise
        except Exception as error:
            return pytest.fail(_shown(f"{type(error).__name__}: {error}"), pytrace=False)

    return found


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Skip a check that could not look, with the reason, which another check reports.

    What a check says is escaped here, wherever pytest then shows it: hosts have said parts of it.
    """
    try:
        return (yield)
    except Unseen as reason:
        return pytest.skip(_shown(str(reason)))
    except AssertionError as error:
        return pytest.fail(_shown(str(error)), pytrace=False)


def _shown(text: str) -> str:
    return "\n".join(map(shown, text.split("\n")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note each check's outcome."""
    report = yield
    if isinstance(item, pytest.Function) and (report.when == "call" or not report.passed):
        outcome = Outcome(_target(item).name, _check(item), report.outcome, _reason(call))
        item.config.stash[_OUTCOMES].append(outcome)
    return report


def _target(item: pytest.Function) -> Target:
    found: Target = item.callspec.params["target"]  # type: ignore[assignment]
    return found


def _check(item: pytest.Function) -> str:
    """A check's name for people: `as deployed: SMTP TLS` for one that goes over the steps."""
    name = item.originalname.removeprefix("test_").replace("_", " ")
    step = item.callspec.params.get("step")
    return f"{name}: {step.name}" if isinstance(step, Step) else name


def _reason(call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return ""
    # pytest appends the expression that was false.
    return str(call.excinfo.value).partition("\nassert ")[0]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    outcomes = config.stash[_OUTCOMES]
    if outcomes:
        terminalreporter.section("hosts and checks")
        for line in table(outcomes, terminalreporter._tw.fullwidth):
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file for programs."""
    if session.config.option.json:
        write_json(session.config.stash[_OUTCOMES], Path(session.config.option.json))


def _password(login: str) -> str:
    return os.environ.get(PASSWORD) or getpass.getpass(f"Password of {login}: ")
