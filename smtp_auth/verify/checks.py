"""The plugin that makes a run of pytest a verification: hosts are looked at, then judged by each check."""

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from smtp_auth.facts.machine import machines_with_names
from smtp_auth.plan.step import Step
from smtp_auth.verify.connection import look
from smtp_auth.verify.fixtures import UNSEEN, escaped, skip
from smtp_auth.verify.report import NOT_MADE, Outcome, settled
from smtp_auth.verify.secret import without_secrets
from smtp_auth.verify.target import OBSERVERS, Caution, Observer, Target, Unseen

LookAt = Callable[[Mapping[Target, Sequence[Observer]]], Sequence[Target]]


class Checks:
    """Runs the checks, and notes their outcomes. Registered with pytest, beside `fixtures`.

    + targets: the hosts
    + steps: those of the deploy, in their order
    + look: lets the observers that the chosen checks need look at the hosts, and returns those that were
      looked at: the checks of the others do not run
    + logs_in: whether the checks that log in run, too
    """

    def __init__(
        self, targets: Sequence[Target], steps: Sequence[Step], look: LookAt, *, logs_in: bool
    ) -> None:
        self._targets, self._steps, self._look, self._logs_in = targets, steps, look, logs_in
        self._looked_at: Sequence[Target] = ()
        # Both by pytest's ID of the check.
        self._outcomes: dict[str, Outcome] = {}
        self._cautions: dict[str, list[str]] = {}

    @property
    def outcomes(self) -> list[Outcome]:
        """Every check's outcome, also of those that were chosen and not made."""
        # pytest collects the warnings of a check only after its report.
        return settled(
            replace(one, warnings=tuple(dict.fromkeys(self._cautions.get(node, ()))))
            for node, one in self._outcomes.items()
        )

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out the checks that log in if no mailbox is given."""
        return True if collection_path.name == "test_mailbox.py" and not self._logs_in else None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check for every host, and a check with the argument `step` for every step, too."""
        names = [target.name for target in self._targets]
        metafunc.parametrize("target", self._targets, ids=names, scope="session")
        if "step" in metafunc.fixturenames:
            metafunc.parametrize("step", self._steps, ids=[step.name for step in self._steps])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Run all observers that the chosen checks need, on all hosts in parallel."""
        if session.config.option.collectonly or session.testsfailed:
            return
        looks: dict[Target, list[Observer]] = {}
        checks = [item for item in session.items if isinstance(item, pytest.Function)]
        for item in checks:
            looks.setdefault(_target(item), []).extend(OBSERVERS[name] for name in _looks(item))
        self._looked_at = self._look(looks)
        # A run may end before it has made all of them.
        self._outcomes = {item.nodeid: Outcome(_target(item).name, _check(item), NOT_MADE) for item in checks}
        session.items[:] = [item for item in checks if _target(item) in self._looked_at]

    @pytest.fixture(scope="session")
    def names_of_machines(self) -> dict[str, tuple[str, ...]]:
        """For each host whose machine has several names: all of them."""
        machines = {one.name: _machine(one) for one in self._looked_at}
        return {name: names for names in machines_with_names(machines) for name in names}

    @pytest.fixture
    def machine_names(self, target: Target, names_of_machines: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The names of the machine of the check's host, if it has several."""
        return names_of_machines.get(target.name, ())

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Escape what a check says, wherever pytest shows it."""
        try:
            return (yield)
        except Unseen as reason:
            return skip(pyfuncitem, reason)
        except AssertionError as error:
            return pytest.fail(escaped(str(error)), pytrace=False)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Keep the warnings of a check: pytest collects them, and the table shows them."""
        if issubclass(warning_message.category, Caution):
            self._cautions.setdefault(nodeid, []).append(escaped(str(warning_message.message)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note each check's outcome."""
        report = yield
        # pytest shows them, with the values of variables, and writes them to its JUnit file.
        report.sections = [(title, without_secrets(text)) for title, text in report.sections]
        if report.longrepr is not None and without_secrets(said := str(report.longrepr)) != said:
            report.longrepr = without_secrets(said)
        if isinstance(item, pytest.Function) and (report.when == "call" or not report.passed):
            target = _target(item)
            reported_by, is_limited = item.stash.get(UNSEEN, ("", False))
            seconds = sum(target.seconds.get(name, 0.0) for name in _looks(item))
            self._outcomes[item.nodeid] = Outcome(
                target.name,
                _check(item),
                report.outcome,
                _reason(call),
                seconds=seconds,
                # From pytest's `record_property`, so that its JUnit file has them, too.
                measured={name: one for name, one in item.user_properties if isinstance(one, float)},
                not_after={
                    name: one.timestamp() for name, one in item.user_properties if isinstance(one, datetime)
                },
                reported_by=reported_by,
                limited=is_limited,
            )
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail if a check was skipped for a reason that no other check reports."""
        is_well = session.exitstatus == pytest.ExitCode.OK
        if is_well and any(one.outcome == "failed" for one in self.outcomes):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _machine(target: Target) -> str:
    try:
        return target.see(look).machine
    except Exception:
        # The checks of that host report it.
        return ""


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
