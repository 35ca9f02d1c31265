"""docs/tried.md, made from the result of a full run: what was tried against this program, and what held.

`python -m tests.tried FILE…` prints the page. The files are those of pytest's `--junit-xml`; `make test`
writes one, and runs of parts may be given together. A test counts as one case, or as many as it says with
`record_property("cases", …)`.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]

PAGE = ROOT / "docs" / "tried.md"


@dataclass(frozen=True)
class Trial:
    """A row of the page.

    + what: what is tried, and what must hold, for people
    + tests: the tests that try it: names of files, or `FILE::TEST` without parameters
    """

    what: str
    tests: tuple[str, ...]


_SETTINGS = "tests/unit/test_settings.py::test_"
_CONVERSATION = "tests/unit/verify/test_conversation.py::test_"
_QUEUE = "tests/unit/rollout/test_queue.py::test_"

TRIALS = (
    Trial(
        "A value of a data key with line ends, special characters or another type: refused, with a sentence",
        (
            f"{_SETTINGS}a_text_key_takes_no_poison",
            f"{_SETTINGS}a_list_key_takes_no_poison",
            f"{_SETTINGS}an_argument_of_a_restriction_takes_no_poison",
            f"{_SETTINGS}an_option_takes_no_poison",
            f"{_SETTINGS}an_option_has_the_name_of_a_parameter",
            f"{_SETTINGS}a_value_of_another_type_is_refused",
            f"{_SETTINGS}none_is_refused_where_it_means_nothing",
            f"{_SETTINGS}what_is_no_domain_is_refused",
            f"{_SETTINGS}a_directory_is_absolute_and_plain",
            f"{_SETTINGS}an_options_braces_and_parentheses_have_to_pair",
            f"{_SETTINGS}a_lineage_has_a_name_that_certbot_gives",
            f"{_SETTINGS}seconds_are_more_than_none",
        ),
    ),
    Trial(
        "A value that passes: it makes no second parameter, service, option, command or file",
        ("tests/unit/test_injection.py::test_a_good_part_of_the_hostile_values_passed",),
    ),
    Trial(
        "Control characters in what a host, a peer or a record says: escaped in each output",
        ("tests/unit/test_shown.py", "tests/unit/test_escapes.py"),
    ),
    Trial(
        "HTML and scripts in names and reasons on a verification's page: a browser runs and loads nothing",
        ("tests/unit/verify/test_page.py", "tests/unit/verify/test_page_in_chromium.py"),
    ),
    Trial(
        "A text of many of one thing without an end: read in a time that grows with its size alone",
        ("tests/unit/test_linear.py",),
    ),
    Trial(
        "A manifest, a ledger or settings of another shape: unreadable, on that host alone",
        ("tests/unit/test_hostile_record.py", "tests/unit/on_host/test_hostile_manifests.py"),
    ),
    Trial(
        "A mail server that sends an answer byte by byte, or without an end, also inside TLS: it "
        "breaks off its own conversation",
        (
            f"{_CONVERSATION}an_answer_has_a_deadline_however_it_arrives",
            f"{_CONVERSATION}a_server_may_send_so_much_and_no_more",
            f"{_CONVERSATION}a_conversation_has_a_deadline_as_a_whole",
            f"{_CONVERSATION}a_server_that_does_not_read_has_a_deadline",
            f"{_CONVERSATION}a_handshake_has_a_deadline",
            f"{_CONVERSATION}what_is_no_tls_is_an_error_of_ssl",
            f"{_CONVERSATION}records_inside_tls_count_for_the_deadline",
            "tests/unit/on_host/test_prove.py::test_a_greeting_without_an_end_is_none",
            "tests/fleet/test_hostile_mail_servers.py",
        ),
    ),
    Trial(
        "A host that never answers over SSH, answers byte by byte, or sends without an end, a banner for "
        "example: it fails alone",
        (
            "tests/unit/test_hostile_ssh.py",
            "tests/unit/test_bounds.py",
            "tests/fleet/test_hosts_that_hang.py",
        ),
    ),
    Trial(
        "An account without rights on the host: it holds up nothing, is believed nothing, and leads root "
        "nowhere",
        (
            "tests/unit/on_host/test_ways.py",
            "tests/unit/test_writers.py",
            "tests/fleet/test_strangers.py",
        ),
    ),
    Trial(
        "What people type wrong: one sentence and the exit status of its kind",
        ("tests/unit/test_what_people_type.py", "tests/fleet/test_what_people_type.py"),
    ),
    Trial(
        "A password, or a line of a private file, in each output and encoding: it is in none",
        ("tests/unit/verify/test_secret.py", "tests/fleet/test_secrets.py"),
    ),
    Trial(
        "A host that is not as expected: one sentence and no change, or the right result",
        ("tests/fleet/test_hostile_hosts.py", "tests/fleet/test_odd_access.py"),
    ),
    Trial(
        "An error on one host, in each pass: it fails that host alone",
        ("tests/fleet/test_one_host_alone.py",),
    ),
    Trial(
        "Data keys with other values than their defaults: each does what it says",
        ("tests/fleet/test_data_keys.py",),
    ),
    Trial(
        "Keys typed early, answers, interruptions, closed pipes, a full disk, a narrow terminal: each is "
        "heeded, and nothing is torn",
        (
            "tests/unit/test_console.py",
            "tests/unit/test_in_a_terminal.py",
            "tests/fleet/test_console.py",
        ),
    ),
    Trial(
        "A plan of hosts whose calls are traced: no file changes outside its own mount namespace",
        ("tests/fleet/test_plan_writes_nothing.py",),
    ),
    Trial(
        "A host that hangs while it is connected to, looked at, changed or proved: the others are done",
        ("tests/fleet/test_own_pace.py",),
    ),
    Trial(
        "Undo of the last run over hosts that had no part in it, or were changed since, edited, held or "
        "switched off: every byte comes back where it may",
        ("tests/fleet/test_week_after.py", "tests/unit/test_undo_command.py"),
    ),
    Trial(
        "Holds that come between plan and change, that are over, damaged, or overridden, and many at once",
        ("tests/fleet/test_holds.py", "tests/unit/test_holds.py", "tests/unit/on_host/test_hold.py"),
    ),
    Trial(
        "A rollout that is interrupted or killed while it plans, asks, changes, verifies, waits between "
        "waves or takes back: every host is whole, and a later attempt leads to the end",
        ("tests/fleet/test_rollout.py::test_an_interruption_leaves_every_host_whole",),
    ),
    Trial(
        "A queue whose worker is killed before, during or after a change, or hangs in one, whose database "
        "stops in one, that has a slice twice, or rows that somebody else has written: every host is changed "
        "once, and nothing else runs",
        (
            "tests/fleet/test_queue.py",
            f"{_QUEUE}a_killed_worker_leaves_its_slice_to_another",
            f"{_QUEUE}a_killed_worker_lets_no_further_host_begin",
            f"{_QUEUE}the_database_stops_and_starts_while_a_slice_is_under_way",
            f"{_QUEUE}a_stolen_queue_runs_nothing_else",
        ),
    ),
)


@dataclass(frozen=True)
class Result:
    """The result of one test. + test: `FILE::TEST` without parameters"""

    test: str
    cases: int
    held: bool


def results_in(suites: ElementTree.Element) -> Iterator[Result]:
    """The results in a file of pytest's. A test that was left out has none."""
    for case in suites.iter("testcase"):
        if case.find("skipped") is not None:
            continue
        file = case.get("classname", "").replace(".", "/")
        name, _, _ = case.get("name", "").partition("[")
        cases = next(
            (one.get("value", "") for one in case.iter("property") if one.get("name") == "cases"), "1"
        )
        held = case.find("failure") is None and case.find("error") is None
        yield Result(f"{file}.py::{name}", int(cases), held)


def page(files: Iterable[Path]) -> str:
    """The page, from the results of one or several runs."""
    results: list[Result] = []
    when: set[str] = set()
    commits: set[str] = set()
    for file in files:
        suites = ElementTree.parse(file).getroot()
        results += results_in(suites)
        when |= {suite.get("timestamp", "")[:10] for suite in suites.iter("testsuite")}
        commits |= {
            one.get("value", "")
            for one in suites.iterfind(".//testsuite/properties/property[@name='commit']")
        }
    lines = [
        "# What was tried",
        "",
        "What people, hosts and peers may give this program to make it do what it must not, and what held.",
        "Each row is a part of the tests. `make tried` makes this page from the result of a full run.",
        "",
        f"Commit {', '.join(sorted(commits))}, {' and '.join(sorted(when))}.",
        "",
        "| what was tried | tests | cases | held |",
        "| --- | --- | ---: | ---: |",
    ]
    for trial in TRIALS:
        its = [one for one in results if _is_of(one, trial)]
        tried = sum(one.cases for one in its)
        held = sum(one.cases for one in its if one.held)
        lines.append(f"| {trial.what} | {_links(trial)} | {tried:,} | {held:,} |")
    return "\n".join(lines) + "\n"


def _is_of(result: Result, trial: Trial) -> bool:
    return result.test in trial.tests or result.test.partition("::")[0] in trial.tests


def _links(trial: Trial) -> str:
    files = dict.fromkeys(test.partition("::")[0] for test in trial.tests)
    return ", ".join(f"[{Path(file).stem}](../{file})" for file in files)


def commit() -> str:
    """The commit of the checkout, and whether there are edits since."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    print(page(map(Path, sys.argv[1:])), end="")
