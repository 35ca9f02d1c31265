"""Post-deploy verification for pytest: options, hosts, and the report.

    pytest tests/verify                                the hosts of inventory.py
    pytest tests/verify --limit mail1.example.jp       as with pyinfra: names, patterns, groups
    pytest tests/verify --inventory WHAT               another inventory: what pyinfra takes, too
    pytest tests/verify --data verify_ca_file=ca.pem   data keys over those of the inventory
    pytest tests/verify --mailbox alice                log in, too; the password is read from the
                                                       environment (VERIFY_PASSWORD) or a prompt
    pytest tests/verify --json FILE --junitxml FILE    for programs

    pytest tests/verify -v                             every check and every host, not only what did not pass

First, all hosts are looked at in parallel. The checks then judge what was seen. The arguments of a check are
the observers that it needs (from outside.py, inside.py, mailbox.py and others): these are fixtures.
"""

import getpass
import os
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gevent.pool import Pool

from operations import STEPS
from smtp_auth.facts.machine import machines_with_names
from smtp_auth.fleet.inventory import chosen_hosts
from smtp_auth.fleet.options import OPTIONS, choice_of
from smtp_auth.plan.step import Step
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import counted, shown
from smtp_auth.verify import addresses, connection, inside, mailbox, outside, reach, renewal
from smtp_auth.verify.fleet import targets
from smtp_auth.verify.reach import why_down
from smtp_auth.verify.report import Outcome, counts, settled, table, write_json
from smtp_auth.verify.secret import hide, without_secrets
from smtp_auth.verify.target import OBSERVERS, Caution, Mailbox, Target, Unseen

PASSWORD = "VERIFY_PASSWORD"

Observer = Callable[[Target], Any]

# Loading these modules registers their observers.
_OBSERVING = (addresses, connection, inside, mailbox, outside, reach, renewal)

_TARGETS = pytest.StashKey[list[Target]]()
# By pytest's ID of the check.
_OUTCOMES = pytest.StashKey[dict[str, Outcome]]()
_REPORTED_BY = pytest.StashKey[str]()

# How many hosts are looked at at the same time.
_AT_ONCE = pytest.StashKey[int]()

# How many observers run on each, at least. However many of them wait for a host that hangs, it takes the
# place of one.
_OBSERVERS = 4


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options: those of `smtp-auth`, and the verification's own."""
    group = parser.getgroup("verify", "verification of deployed hosts")
    for name, settings in OPTIONS.items():
        # testinfra has --sudo, too.
        if not (name == "--sudo" and pluginmanager.hasplugin("pytest11.testinfra")):
            group.addoption(name, **settings)
    group.addoption("--mailbox", metavar="LOGIN", help="log in as this user and send a message to it")
    group.addoption("--json", metavar="FILE", help="write every host's outcomes to this file")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the inventory before anything is collected."""
    options = config.option
    # Neither what the inventory runs nor a plugin finds it there.
    given = os.environ.pop(PASSWORD, "")
    if options.mailbox == "":
        # A script's variable is empty, perhaps: without a login, all of it would seem to work.
        raise pytest.UsageError("--mailbox: the login is empty")
    _check_writable(options.json)
    mailbox = Mailbox(options.mailbox, _password(options.mailbox, given)) if options.mailbox else None
    try:
        chosen = chosen_hosts(choice_of(options))
    except Mistake as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_TARGETS] = targets(chosen.hosts, STEPS, mailbox)
    config.stash[_AT_ONCE] = chosen.at_once
    config.stash[_OUTCOMES] = {}
    # The table shows the warnings.
    options.disable_warnings = True
    # The report at the end shows each failure once, so pytest need not print tracebacks and a list.
    options.tbstyle = "no" if options.tbstyle == "auto" else options.tbstyle
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.reportchars = ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the checks that log in if no mailbox is given."""
    return True if collection_path.name == "test_mailbox.py" and not config.option.mailbox else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every check for every host, and a check with the argument `step` for every step, too."""
    found = metafunc.config.stash[_TARGETS]
    metafunc.parametrize("target", found, ids=[target.name for target in found], scope="session")
    if "step" in metafunc.fixturenames:
        metafunc.parametrize("step", STEPS, ids=[step.name for step in STEPS])


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Run all observers that the chosen checks need, on all hosts in parallel."""
    if session.config.option.collectonly or session.testsfailed:
        return
    looks: dict[Target, list[Observer]] = {}
    for item in session.items:
        if isinstance(item, pytest.Function):
            looks.setdefault(_target(item), [why_down]).extend(OBSERVERS[name] for name in _looks(item))
    # After Ctrl-C, nothing waits for greenlets; for threads, Python does.
    at_once = session.config.stash[_AT_ONCE]
    side_by_side = max(_OBSERVERS, at_once // max(1, len(looks)))
    looked_at = Pool(at_once).imap_unordered(
        lambda target: _look_at(target, looks[target], side_by_side), looks
    )
    with warnings.catch_warnings():
        # Since 3.12, Python warns of threads at each command on this machine (`@local`).
        warnings.simplefilter("ignore", DeprecationWarning)
        _show_progress(session.config.pluginmanager.get_plugin("terminalreporter"), [*looks], looked_at)


def _look_at(target: Target, observers: list[Observer], side_by_side: int) -> Target:
    # `wrong_logins` takes longest, so it is started first.
    ordered = sorted(dict.fromkeys(observers), key=lambda observe: observe.__name__ != "wrong_logins")

    def try_look(observe: Observer) -> None:
        # The check that needs this observer raises an exception again, and reports it.
        with suppress(Exception):
            target.see(observe)

    Pool(side_by_side).map(try_look, ordered)
    return target


@pytest.fixture(scope="session")
def names_of_machines(request: pytest.FixtureRequest) -> dict[str, tuple[str, ...]]:
    """For each host whose machine has several names: all of them."""
    machines = {one.name: _machine(one) for one in request.config.stash[_TARGETS]}
    return {name: names for names in machines_with_names(machines) for name in names}


@pytest.fixture
def machine_names(target: Target, names_of_machines: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of the machine of the check's host, if it has several."""
    return names_of_machines.get(target.name, ())


def _machine(target: Target) -> str:
    try:
        return target.see(inside.look).machine
    except Exception:
        # The checks of that host report it.
        return ""


def _show_progress(reporter: Any, targets: list[Target], looked_at: Iterable[Target]) -> None:
    waiting = dict.fromkeys(target.name for target in targets)
    for target in looked_at:
        del waiting[target.name]
        done = f"looked at {len(targets) - len(waiting)} of {counted(len(targets), 'host')}"
        if reporter is None:
            continue
        if reporter.isatty:
            names = ", ".join([*waiting][:3]) + (", …" if len(waiting) > 3 else "")
            reporter.rewrite(f"{done}{f'; waiting for {names}' if waiting else ''}", erase=True)
        else:
            reporter.write_line(f"{done}: {target.name}")
    if reporter is not None and reporter.isatty:
        reporter.write_line("")


def _fixture(observe: Callable[[Target], Any]) -> Callable[..., Any]:
    """A fixture: what an observer found on the check's host. If it could not look, the check is skipped."""

    def seen(target: Target, request: pytest.FixtureRequest) -> Any:
        try:
            if observe is not why_down and target.see(why_down):
                raise Unseen("the host is down", "the host is up")
            return target.see(observe)
        except Unseen as reason:
            request.node.stash[_REPORTED_BY] = reason.reported_by
            return pytest.skip(_shown(str(reason)))
        except Exception as error:
            return pytest.fail(_shown(f"{type(error).__name__}: {error}"), pytrace=False)

    return pytest.fixture(name=observe.__name__)(seen)


globals().update({f"_{name}": _fixture(observe) for name, observe in OBSERVERS.items()})


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Escape what a check says, wherever pytest shows it: parts of it are output of hosts and their peers."""
    try:
        return (yield)
    except Unseen as reason:
        pyfuncitem.stash[_REPORTED_BY] = reason.reported_by
        return pytest.skip(_shown(str(reason)))
    except AssertionError as error:
        return pytest.fail(_shown(str(error)), pytrace=False)


def _shown(text: str) -> str:
    return "\n".join(map(shown, without_secrets(text).split("\n")))


def pytest_warning_recorded(warning_message: warnings.WarningMessage, nodeid: str) -> None:
    """Keep the warnings of a check: pytest collects them, and the table shows them."""
    if issubclass(warning_message.category, Caution):
        _cautions.setdefault(nodeid, []).append(_shown(str(warning_message.message)))


# By pytest's ID of the check. A global, because pytest gives the hook above no session.
_cautions: dict[str, list[str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note each check's outcome."""
    report = yield
    # pytest shows them, with the values of variables, and writes them to its JUnit file.
    report.sections = [(title, without_secrets(text)) for title, text in report.sections]
    if report.longrepr is not None and without_secrets(said := str(report.longrepr)) != said:
        report.longrepr = without_secrets(said)
    if isinstance(item, pytest.Function) and (report.when == "call" or not report.passed):
        target = _target(item)
        seconds = sum(target.seconds.get(name, 0.0) for name in _looks(item))
        item.config.stash[_OUTCOMES][item.nodeid] = Outcome(
            target.name,
            _check(item),
            report.outcome,
            _reason(call),
            seconds=seconds,
            # From pytest's `record_property`, so that its JUnit file has them, too.
            measured={str(name): float(str(value)) for name, value in item.user_properties},
            reported_by=item.stash.get(_REPORTED_BY, ""),
        )
    return report


def _target(item: pytest.Function) -> Target:
    found: Target = item.callspec.params["target"]  # type: ignore[assignment]
    return found


def _looks(item: pytest.Function) -> list[str]:
    """The names of the observers that a check needs."""
    return [name for name in item.fixturenames if name in OBSERVERS]


def _check(item: pytest.Function) -> str:
    """A check's name for people: `as deployed: SMTP TLS` if it runs once per step."""
    name = item.originalname.removeprefix("test_").replace("_", " ")
    step = item.callspec.params.get("step")
    return f"{name}: {step.name}" if isinstance(step, Step) else name


def _reason(call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return ""
    # pytest appends the expression that was false.
    return without_secrets(str(call.excinfo.value).partition("\nassert ")[0])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    outcomes = _outcomes(config)
    if not outcomes:
        return
    terminalreporter.section("hosts and checks")
    everything = config.option.verbose > 0
    for line in table(outcomes, terminalreporter._tw.fullwidth, everything=everything):
        terminalreporter.write_line(line)
    found = counts(outcomes)
    hosts = counted(len({outcome.host for outcome in outcomes}), "host")
    terminalreporter.write_line(
        f"{hosts}: {found['failed']} with a check that failed, {found['warned']} with warnings"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the JSON file. A check that was skipped for a reason that no other check reports has failed."""
    outcomes = _outcomes(session.config)
    if session.config.option.json:
        try:
            write_json(outcomes, Path(session.config.option.json))
        except OSError as error:
            _write_line(session.config, f"{session.config.option.json}: {error.strerror}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if session.exitstatus == pytest.ExitCode.OK and any(one.outcome == "failed" for one in outcomes):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _outcomes(config: pytest.Config) -> list[Outcome]:
    """Every check's outcome; pytest collects the warnings of a check only after its report."""
    noted = config.stash[_OUTCOMES].items()
    return settled(
        replace(one, warnings=tuple(dict.fromkeys(_cautions.get(node, ())))) for node, one in noted
    )


def _password(login: str, given: str) -> str:
    """The password of the mailbox. Raises pytest's `UsageError`."""
    try:
        password = given or _ask(login)
        hide(password)
    except UnicodeError:
        raise pytest.UsageError(f"the password of {login} is not UTF-8") from None
    return password


def _ask(login: str) -> str:
    try:
        # getpass would read standard input, and show what is typed, if there is none.
        Path("/dev/tty").open("r+b", buffering=0).close()
    except OSError:
        raise pytest.UsageError(
            f"nobody can be asked for the password of {login}: there is no terminal. Set {PASSWORD}"
        ) from None
    try:
        return getpass.getpass(f"Password of {login}: ")
    except EOFError:
        raise pytest.UsageError(f"no password of {login} was given") from None


def _check_writable(file: str | None) -> None:
    """Raise pytest's `UsageError` now if a file cannot be written: not when all hosts have been looked at."""
    if not file:
        return
    path, existed = Path(file), Path(file).exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise pytest.UsageError(f"--json {file}: {error.strerror}") from None
    if not existed:
        path.unlink()


def _write_line(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(line, red=True)
