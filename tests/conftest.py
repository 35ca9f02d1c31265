"""What `make test` takes a part of, since all of it takes too long for every commit.

`--sample WORD` takes one in so many parametrisations of each test of `SAMPLED`; the word decides which.
`make test` gives the commit: the same commit takes the same again, also if only some of the cases are
collected, and others take what one leaves out. `make test-all`, and pytest without the option, leave out
nothing.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.tried import commit

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL


# A busy machine may stop for longer than Hypothesis lets an example take.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="module")
def server() -> Iterator["PostgreSQL"]:
    """A PostgreSQL for the tests of a module."""
    # libpq is where the lab's requirements are installed.
    from tests.postgresql import postgresql

    with postgresql() as found:
        yield found


@dataclass(frozen=True)
class Sampled:
    """Why a parametrised test is not wholly part of `make test`, and how much of it is.

    + one_in: of so many values of the argument, one is taken; if it has fewer, some commits take none
    + argument: which one, if several are parametrised; of the others, every value is taken
    """

    one_in: int
    why: str
    argument: str = ""


SAMPLED = {
    "tests/fleet/test_console.py::test_a_screen_is_as_it_is_kept": Sampled(
        2, "a scene in a terminal each: two to four seconds"
    ),
    "tests/fleet/test_faults.py::test_a_fault_at_any_point_is_survived": Sampled(
        4,
        "a hundred faults a starting state and release: three minutes; of the one that is taken, a quarter",
    ),
    "tests/fleet/test_histories.py::test_postfix_reads_what_it_would_have_read_without_us": Sampled(
        5, "a dozen seconds each: deploys, undos and removals one after another"
    ),
    "tests/fleet/test_in_the_middle.py::test_a_change_outlives_a_reload_of_systemd": Sampled(
        2, "one command each, on two hosts: twelve seconds"
    ),
    "tests/fleet/test_in_the_middle.py::test_a_change_waits_until_others_have_finished": Sampled(
        2, "one lock each, on two hosts: five seconds"
    ),
    "tests/fleet/test_in_the_middle.py::test_an_orderly_shutdown_puts_a_change_back": Sampled(
        2, "two boots each: fifteen seconds"
    ),
    "tests/fleet/test_ledger.py::test_a_certificate_that_is_gone_is_not_restored": Sampled(
        3, "deploys, an undo and a removal each: seven seconds", "spoil"
    ),
    "tests/fleet/test_linked_directories.py::test_all_that_is_done_to_a_file_is_done_to_the_same": Sampled(
        3, "deploys, undo and removal on two hosts each: fourteen seconds"
    ),
    "tests/fleet/test_odd_access.py::test_it_is_refused_with_the_cause": Sampled(
        7, "two ways to access a host, on four hosts: ten seconds"
    ),
    "tests/fleet/test_odd_access.py::test_it_is_served": Sampled(
        8, "two ways, on four hosts: deploys and verifications, half a minute"
    ),
    "tests/fleet/test_one_host_alone.py::test_an_error_in_this_program_fails_one_host_alone": Sampled(
        2, "an error at five places each: twenty seconds", "error"
    ),
    "tests/fleet/test_own_pace.py::test_the_others_are_done_while_it_hangs": Sampled(
        2, "two phases each, on two hosts: a dozen seconds"
    ),
    "tests/fleet/test_power_cuts.py::test_a_boot_finishes_or_restores": Sampled(
        16, "seventy boots each, two minutes; of the one that is taken, a sixth of the moments"
    ),
    "tests/fleet/test_preview.py::test_the_deploy_does_what_the_preview_showed": Sampled(
        4, "two states each, on four hosts: fourteen seconds"
    ),
    "tests/fleet/test_proof_from_outside.py::test_a_host_is_asked_beforehand": Sampled(
        4, "two states each, on four hosts: seven seconds"
    ),
    "tests/fleet/test_proof_from_outside.py::test_a_host_near_it_is_asked_beforehand": Sampled(
        6, "two states each, on four hosts: eight seconds"
    ),
    "tests/fleet/test_rollout.py::test_a_canary_that_does_not_verify_stops_it": Sampled(
        3, "on the lab's four hosts: a minute; or on twelve of a lab of its own: a minute and a half"
    ),
    "tests/fleet/test_rollout.py::test_a_change_whose_connection_is_lost_is_taken_back": Sampled(
        2, "a host that is silent for as long as one may be: twenty seconds"
    ),
    "tests/fleet/test_rollout.py::test_a_host_that_hangs_in_its_verification_is_taken_back": Sampled(
        2, "a host that hangs for as long as one may: twenty seconds"
    ),
    "tests/fleet/test_rollout.py::test_an_interruption_leaves_every_host_whole": Sampled(
        12, "an interrupted rollout and another one, on two hosts: fifteen seconds", "how"
    ),
    "tests/fleet/test_rollout.py::test_it_stops_at_the_second_failure_if_one_is_accepted": Sampled(
        6, "two rollouts and perhaps an undo, on four hosts: half a minute", "takes_back"
    ),
    "tests/fleet/test_queue.py::test_every_host_is_changed_once": Sampled(
        12, "a rollout over two zones each, on four hosts: three quarters of a minute", "disturb"
    ),
    "tests/fleet/test_slices.py::test_eight_slices_of_each_wave_are_one_run": Sampled(
        4, "on the lab's four hosts: three quarters of a minute; or on twelve: two minutes"
    ),
    "tests/fleet/test_put_back.py::test_what_does_not_serve_is_put_back": Sampled(
        2, "two faults on each of four hosts: ten seconds", "state"
    ),
    "tests/fleet/test_rehearsal.py::test_the_preview_says_what_the_host_would_refuse": Sampled(
        2, "two states each, on four hosts: seven seconds"
    ),
    "tests/fleet/test_services_beside.py::test_a_host_with_services_beside_port_465": Sampled(
        6, "two states each, on four hosts: ten seconds"
    ),
    "tests/fleet/test_transaction.py::test_a_failure_is_never_an_exit_status_of_0": Sampled(
        3, "deploys that fail, on two hosts each: ten seconds"
    ),
    "tests/fleet/test_undo.py::test_removal_gives_back_what_was_there": Sampled(
        6, "deploys and a removal each, on two hosts: fifteen seconds"
    ),
    "tests/fleet/test_undo.py::test_removal_leaves_what_others_have_edited_since": Sampled(
        6, "deploys and a removal each, on two hosts: fifteen seconds"
    ),
    "tests/fleet/test_undo.py::test_undo_and_its_undo_give_back_every_byte": Sampled(
        6, "deploys and undos each, on two hosts: fifteen seconds"
    ),
    "tests/fleet/test_verify_breakages.py::test_a_breakage_is_noticed_by_its_checks_and_no_others": Sampled(
        12, "sixteen verifications of four broken hosts: fifteen seconds each", "breakage"
    ),
    "tests/fleet/test_verify_breakages.py::test_what_is_skipped_takes_nothing_else_with_it": Sampled(
        12, "it judges the same verifications", "breakage"
    ),
    "tests/fleet/test_verify_healthy.py::test_a_healthy_host_is_not_blamed": Sampled(
        6, "four states each, deployed to and verified: half a minute"
    ),
    "tests/fleet/test_wild_hosts.py::test_a_host_in_the_wild": Sampled(
        8, "two states each, on four hosts: eight seconds, and one that takes a minute"
    ),
    "tests/fleet/test_wild_hosts.py::test_postfix_is_reloaded_after_a_renewal": Sampled(
        4, "a hook each, on two hosts: six seconds"
    ),
    "tests/fleet/test_what_logins_may_do.py::test_a_login_may_do_what_it_could": Sampled(
        15, "two drawn configurations each, on four hosts: six to nine seconds"
    ),
    "tests/unit/on_host/test_change.py::test_a_host_boots_after_the_power_has_failed_at_any_effect": Sampled(
        8, "a boot for each of seventy effects: fifteen seconds"
    ),
    "tests/unit/on_host/test_change.py::test_the_power_fails_at_any_effect": Sampled(
        16, "two changes for each of seventy effects: fifteen seconds"
    ),
    "tests/unit/test_histories.py::test_a_removal_leaves_what_the_owner_would_have_without_us": Sampled(
        2, "a hundred drawn histories each: six seconds"
    ),
    "tests/unit/test_in_a_terminal.py::test_only_yes_changes_a_host": Sampled(
        4, "a run of smtp-auth each: a second"
    ),
    "tests/unit/test_in_a_terminal.py::test_what_is_typed_before_the_question_is_thrown_away": Sampled(
        2, "a run of smtp-auth each: a second"
    ),
    "tests/unit/test_what_people_type.py::test_a_command_line_that_is_wrong_is_one_sentence": Sampled(
        4, "two runs of pyinfra each: a second and a half"
    ),
    "tests/unit/test_linear.py::test_long_texts_are_compared_in_a_time_that_grows_with_their_size": Sampled(
        5, "texts of a hundred kilobytes and more: seven seconds"
    ),
    "tests/unit/test_what_people_type.py::test_an_inventory_that_is_wrong_is_one_sentence": Sampled(
        4, "two runs of pyinfra each: a second and a half"
    ),
    "tests/fleet/test_week_after.py::test_the_last_run_is_taken_back_where_it_may_be": Sampled(
        2, "on the lab's four hosts, or on twelve of a lab of its own: two minutes"
    ),
    "tests/unit/rollout/test_queue.py::test_a_killed_worker_leaves_its_slice_to_another": Sampled(
        3, "a dead worker each, which is noticed after seconds: six seconds"
    ),
    "tests/unit/rollout/test_queue.py::test_a_plan_that_was_tampered_with_is_not_carried_out": Sampled(
        4, "a worker each: three seconds"
    ),
    "tests/unit/verify/test_command.py::test_a_mistake_is_one_sentence": Sampled(
        4, "a run of smtp-auth each: a second"
    ),
}


@pytest.fixture(scope="session", autouse=True)
def _commit(request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]) -> None:
    """Say in the file of results of which commit they are."""
    if request.config.getoption("xmlpath"):
        record_testsuite_property("commit", commit())


_LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample",
        metavar="WORD",
        help="leave out a part of the slowest tests, chosen by a word, such as a commit",
    )


def is_taken(index: int, one_in: int, word: str) -> bool:
    """Whether the sample of a word has a test's parametrisation with this index."""
    return (index + int(hashlib.sha256(word.encode()).hexdigest(), 16)) % one_in == 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    word = config.getoption("--sample")
    if word is None:
        return
    cases: dict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test in SAMPLED and isinstance(item, pytest.Function):
            cases[test].append(item)
    left_out = {
        item
        for test, its in cases.items()
        for item in its
        if not is_taken(_index(item, SAMPLED[test].argument), SAMPLED[test].one_in, word)
    }
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))
    config.stash[_LINES] = [
        line
        for test, its in cases.items()
        for line in (f"{test}: {SAMPLED[test].why}", *(_line(item, item in left_out) for item in its))
    ]


def _index(item: pytest.Function, argument: str) -> int:
    """Its place among the values of the argument, because that is the same whatever is collected."""
    indices = item.callspec.indices
    if argument:
        return indices[argument]
    (index,) = indices.values()
    return index


def _line(item: pytest.Item, left_out: bool) -> str:
    return f"    {item.nodeid.partition('[')[2].rstrip(']')}: {'left out' if left_out else 'taken'}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left out, and how the same is taken again."""
    lines = config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("sample")
        for line in lines:
            terminalreporter.write_line(line)
        word = config.getoption("--sample")
        terminalreporter.write_line(f"the same again: make test SAMPLE={word}; all of it: make test-all")
