"""Runs pytest in this process, as if nobody had configured it."""

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from smtp_auth.fleet.console import Line, show_beside
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown

# It takes the checks alone: no file of settings, no conftest.py, no plugin beside. It writes neither a cache
# nor compiled modules, and leaves the output of this process where it goes.
_MANNER = (
    *("--noconftest", "-c", os.devnull, "-o", "junit_family=xunit1", "--strict-markers"),
    *("-p", "no:cacheprovider", "--assert=plain", "--capture=no"),
    # They would look at each check, for what checks do not do: log, and leave threads and objects behind.
    *("-p", "no:logging", "-p", "no:threadexception", "-p", "no:unraisableexception"),
)

# The options whose answer is pytest's own output.
_SHOWN_BY_PYTEST = (
    *("help", "markers", "showfixtures", "show_fixtures_per_test", "collectonly"),
    *("setuponly", "setupshow", "setupplan", "usepdb", "trace"),
)


@dataclass(frozen=True)
class Run:
    """A run of pytest. + shows_itself: whether what was asked for is what pytest has shown"""

    is_well: bool
    shows_itself: bool


def run(folder: Path, plugins: Sequence[object], options: Sequence[str]) -> Run:
    """Run the tests of a folder. pytest itself shows nothing, unless an option asks for what it shows.

    + options: further options of pytest

    Raises `Mistake` if pytest does not take them, or they leave no test.
    """
    said, quiet = io.StringIO(), _Quiet(str(folder))
    words = [str(folder), *_MANNER, f"--rootdir={folder}", f"--confcutdir={folder}", *options]
    with _alone(), redirect_stderr(said):
        try:
            status = pytest.main(words, [*plugins, quiet])
        except OSError as error:
            # A file that an option names: of JUnit, for example.
            if error.filename is None:
                raise
            quiet.troubles.append(f"{error.filename}: {error.strerror}")
            status = pytest.ExitCode.INTERNAL_ERROR
    if status == pytest.ExitCode.USAGE_ERROR:
        raise Mistake(f"pytest: {_sentence(said.getvalue())}")
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise Mistake("pytest: its options leave no check")
    lines = [line for text in (*quiet.troubles, said.getvalue()) for line in text.splitlines()]
    show_beside(Line(shown(line), under=4) for line in lines)
    return Run(status == pytest.ExitCode.OK, quiet.shows)


@dataclass
class _Quiet:
    """A plugin that takes pytest's own reporter away.

    + folder: the only thing that is tested
    + shows: whether the reporter was left, because its output is what was asked for
    + troubles: why tests could not be collected
    """

    folder: str
    # It ends before it asks any plugin if its version is asked for.
    shows: bool = True
    troubles: list[str] = field(default_factory=list)

    # After the reporter is made.
    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        others = [word for word in config.args if word != self.folder]
        if others:
            raise pytest.UsageError(f"{others[0]} is no option: checks are chosen with -k")
        self.shows = any(getattr(config.option, name, False) for name in _SHOWN_BY_PYTEST)
        if not self.shows:
            config.pluginmanager.unregister(name="terminalreporter")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.troubles.append(str(report.longrepr))


@contextmanager
def _alone() -> Iterator[None]:
    """Inside the `with`, nothing is known of what somebody has set for their own tests, and Python keeps no
    compiled modules.
    """
    was, writes_nothing = dict(os.environ), sys.dont_write_bytecode
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_nothing
        os.environ.clear()
        os.environ.update(was)


def _sentence(said: str) -> str:
    """What pytest says of its command line, without its usage."""
    found = re.search(r"(?:^|\n)\S+: error: (.*)", said) or re.search(r"ERROR: (.*)", said)
    return found[1].strip() if found else said.strip()
