"""Post-deploy verification for pytest: options, hosts, and the report.

    pytest tests/verify                                the hosts of inventory.py
    pytest tests/verify --limit mail1.example.jp       as with pyinfra: names, patterns, groups
    pytest tests/verify --inventory WHAT               another inventory: what pyinfra takes, too
    pytest tests/verify --data verify_ca_file=ca.pem   data keys over those of the inventory
    pytest tests/verify --mailbox alice                log in, too; the password is read from the
                                                       environment (VERIFY_PASSWORD) or a prompt
    pytest tests/verify --json FILE --junitxml FILE    for programs

    pytest tests/verify -v                             every check and every host, not only what did not pass

`smtp-auth verify` runs the same checks without this file. First, all hosts are looked at in parallel. The
checks then judge what was seen. The arguments of a check are the observers that it needs (from outside.py,
inside.py, mailbox.py and others): these are fixtures.
"""

import sys
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.fleet.console import rows, width_of
from smtp_auth.fleet.inventory import chosen_hosts
from smtp_auth.fleet.options import OPTIONS, choice_of
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify import fixtures
from smtp_auth.verify.checks import Checks
from smtp_auth.verify.fleet import targets
from smtp_auth.verify.looking import look_at
from smtp_auth.verify.options import OWN_OPTIONS
from smtp_auth.verify.outputs import Output, outputs_of
from smtp_auth.verify.password import mailbox_of, taken_from_environment
from smtp_auth.verify.report import counts_line, table

_CHECKS = pytest.StashKey[Checks]()
_HOSTS = pytest.StashKey[list[str]]()
_OUTPUTS = pytest.StashKey[list[Output]]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options: those of `smtp-auth`, and the verification's own."""
    group = parser.getgroup("verify", "verification of deployed hosts")
    for name, settings in {**OPTIONS, **OWN_OPTIONS}.items():
        # testinfra has --sudo, too.
        if not (name == "--sudo" and pluginmanager.hasplugin("pytest11.testinfra")):
            group.addoption(name, **settings)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the inventory before anything is collected."""
    options = config.option
    # Neither what the inventory runs nor a plugin finds it there.
    given = taken_from_environment()
    try:
        config.stash[_OUTPUTS] = outputs = outputs_of(options)
        mailbox = mailbox_of(options.mailbox, given)
        chosen = chosen_hosts(choice_of(options))
    except Mistake as error:
        raise pytest.UsageError(str(error)) from None
    for output in outputs:
        if output.target.is_standard_output:
            raise pytest.UsageError(
                f"{output.target.option}: pytest itself writes to standard output; smtp-auth verify does not"
            )
    hosts = targets(chosen.hosts, STEPS, mailbox)
    checks = Checks(
        hosts,
        STEPS,
        lambda looks: look_at(looks, chosen.at_once, is_verbose=options.verbose > 0),
        logs_in=mailbox is not None,
    )
    config.stash[_CHECKS], config.stash[_HOSTS] = checks, [host.name for host in hosts]
    for plugin in (checks, fixtures):
        config.pluginmanager.register(plugin)
    # The table shows the warnings.
    options.disable_warnings = True
    # The report at the end shows each failure once, so pytest need not print tracebacks and a list.
    options.tbstyle = "no" if options.tbstyle == "auto" else options.tbstyle
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.reportchars = ""
        # No names of files with dots behind them, and no percentages.
        reporter.showfspath = reporter._show_progress_info = False


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """Let pytest count a check, and show nothing of it: the table does."""
    is_shown = config.option.verbose > 0 or report.when == "teardown"
    return None if is_shown or not (report.when == "call" or not report.passed) else (report.outcome, "", "")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    outcomes = config.stash[_CHECKS].outcomes
    if not outcomes:
        return
    terminalreporter.section("hosts and checks")
    width = width_of(sys.stdout)
    lines = table(outcomes, width, everything=config.option.verbose > 0)
    for line in (*lines, counts_line(outcomes, len(config.stash[_HOSTS]))):
        for text in [line.text] if width is None else rows(line, width):
            terminalreporter.write_line(text)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the files. A program would take what an interrupted run knows for all there is."""
    stash = session.config.stash
    if session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return
    outcomes, names = stash[_CHECKS].outcomes, stash[_HOSTS]
    are_written = [output.write(outcomes, names) for output in stash[_OUTPUTS]]
    if not all(are_written):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
