"""The queue with a real PostgreSQL, and with a stand-in for the process that carries out a slice."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import LiteralString
from unittest.mock import AsyncMock, MagicMock

import procrastinate
import psycopg
import pytest

from smtp_auth.cli import _arguments, _run
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.local_time import in_utc
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.queue import rows
from smtp_auth.rollout.queue.database import Database
from smtp_auth.rollout.queue.rows import Key, Window
from smtp_auth.rollout.queue.slicing import Slicing
from smtp_auth.rollout.queue.worker import _Connector
from smtp_auth.runs.mistakes import Mistake
from tests.postgresql import PostgreSQL
from tests.processes import wait_for
from tests.queues import Queue, Worker, queue_of

RUN = "2026-11-22T10:15:00Z-3f2a"


@pytest.fixture
def queue(server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr(rows, "MOST_HOSTS", 1)
    with queue_of(server, tmp_path, {"STAND_IN": str(tmp_path), "PGPASSWORD": "not for a slice"}) as found:
        yield found


def plan_of(waves: Sequence[Mapping[str, str | None]], most_failures: int = 0) -> RolloutPlan:
    """A plan. + waves: of each, the zones by the names of the hosts"""
    return RolloutPlan(
        RUN,
        in_utc(datetime.now(UTC)),
        "ann@desk",
        "0123456789ab",
        "1,100%",
        most_failures,
        {
            name: PlannedHost(HostPlan(State.PENDING, digest=f"of {name}"), number, zone)
            for number, hosts in enumerate(waves, 1)
            for name, zone in hosts.items()
        },
    )


TWO_WAVES = ({"a1": "tokyo"}, {"a2": "tokyo", "b2": "osaka", "a3": "tokyo"})
ALL = ("a1", "a2", "a3", "b2")

# Words before a worker that nobody takes for dead, however busy the machine is.
PATIENT = ("env", "STALE=600")


def put_in(queue: Queue, plan: RolloutPlan, begins: datetime | None = None) -> None:
    rows.put_in(Database(queue.server.conninfo), plan, "ann@desk", Window(begins))


def given(queue: Queue, folder: Path, plan: RolloutPlan, *words: str) -> CompletedProcess[str]:
    """Put a plan in as its administrator does."""
    file = folder / "plan.json"
    file.write_text("\n".join(plan_file.lines(plan)))
    return queue("rollout", "--plan", str(file), "--yes", *words)


def changes(tmp_path: Path) -> dict[str, int]:
    """How often each host was changed."""
    return {
        file.name.partition(" ")[2]: len(file.read_text().splitlines())
        for file in sorted(tmp_path.glob("changed *"))
    }


def begun(tmp_path: Path, name: str) -> None:
    wait_for((tmp_path / f"begun {name}").exists, f"{name} does not begin")


def test_waves_follow_each_other_over_zones(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of(TWO_WAVES))
    assert "wave 1, zone tokyo, 1 host: waiting" in queue("status").stdout
    tokyo = queue.worker("--zone", "tokyo")
    wait_for(lambda: changes(tmp_path) == {"a1": 1, "a2": 1, "a3": 1}, "tokyo is not done")
    # The other zone has no worker yet: its hosts are nobody else's.
    assert queue.state() == "running"
    osaka = queue.worker("--zone", "osaka")
    queue.wait_until("done")
    assert changes(tmp_path) == dict.fromkeys(ALL, 1)
    assert queue("status").returncode == 0
    assert [tokyo.end(), osaka.end()] == [0, 0]


def test_a_failure_stops_the_next_wave(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of([{"bad1": None}, {"a2": None}]))
    queue.worker()
    queue.wait_until("stopped")
    assert changes(tmp_path) == {"bad1": 1}
    shown = queue("status", "--json", "-")
    assert shown.returncode == 1
    (found,) = json.loads(shown.stdout)["rollouts"].values()
    assert "bad1" in found["why"]
    assert found["slices"][0]["hosts"]["bad1"]["failed_checks"] == ["relay"]
    told = " ".join(queue("status").stdout.split())
    assert f"wave 1, 1 host: done by {found['slices'][0]['worker']}, 0 as wanted, 1 failed" in told
    # What a report says of a host may quote its files.
    assert "mynetworks" not in str(queue.server.rows("SELECT report FROM smtp_auth_slices"))
    assert "mynetworks" not in str(queue.server.rows("SELECT report FROM smtp_auth_waves"))


def test_hosts_that_had_no_wave_are_told_at_the_end(queue: Queue) -> None:
    plan = plan_of([{"a1": None}])
    lost = PlannedHost(HostPlan(State.UNREACHABLE), None, None)
    put_in(queue, replace(plan, hosts={**plan.hosts, "b1": lost}))
    queue.worker()
    queue.wait_until("done")
    shown = queue("status")
    assert shown.returncode == 1
    assert f"{RUN}: done, wave 1: 1 host not as wanted: b1\n" in shown.stdout


def test_hosts_that_are_done_are_not_counted_again(queue: Queue, tmp_path: Path) -> None:
    plan = plan_of(TWO_WAVES)
    shown = given(queue, tmp_path, plan.after({"a1", "a2"})).stdout
    assert "    wave 1: done\n    wave 2: 2 hosts: osaka 1, tokyo 1\n" in shown
    again = given(queue, tmp_path, plan.after(ALL))
    assert again.returncode == 2
    assert "there is nothing to carry out" in again.stderr


def test_a_next_wave_that_the_database_refuses_for_a_while_begins(queue: Queue, tmp_path: Path) -> None:
    # As a connection that breaks just then: procrastinate has its own exception for it.
    queue.server.rows("CREATE SEQUENCE attempts")
    queue.server.rows(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('attempts') = 1 THEN RAISE 'not now'; END IF; RETURN NEW; END $$"
    )
    queue.server.rows(
        "CREATE TRIGGER refuses BEFORE INSERT ON procrastinate_jobs FOR EACH ROW "
        "WHEN (NEW.args @> '{\"wave\": 2}') EXECUTE FUNCTION refuse()"
    )
    put_in(queue, plan_of([{"a1": None}, {"a2": None}]))
    worker = queue.worker()
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1, "a2": 1}
    assert "the database does not take it: not now" in worker.said.read_text()


def test_a_resume_lets_a_wave_be_judged_that_nobody_has_judged(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of([{"a1": None, "b1": None}]))
    queue.worker()
    queue.wait_until("done")
    wait_for(lambda: not _slice_jobs(queue), "a job is left")
    # As if somebody had deleted the job whose worker was to judge.
    queue.server.rows("DELETE FROM smtp_auth_waves")
    queue.server.rows("UPDATE smtp_auth_rollouts SET state = 'running'")
    assert queue("pause").returncode == 0
    assert queue("resume").returncode == 0
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1, "b1": 1}


def _at_work(queue: Queue, folder: Path) -> Worker:
    """A worker whose host is held up in its change, until the file `hold a1` is deleted."""
    (folder / "hold a1").touch()
    put_in(queue, plan_of(TWO_WAVES[:1]))
    worker = queue.worker("--zone", "tokyo")
    begun(folder, "a1")
    return worker


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_killed_worker_leaves_its_slice_to_another(queue: Queue, tmp_path: Path, when: str) -> None:
    held = tmp_path / "hold a1"
    first = _at_work(queue, tmp_path)
    (process,) = [int(file.name.split()[1]) for file in tmp_path.glob("started *")]
    if when == "before":
        # As if it had begun no change.
        os.kill(process, signal.SIGKILL)
        first.kill()
    elif when == "during":
        first.kill()
    else:
        os.kill(first.process.pid, signal.SIGSTOP)
        held.unlink()
        wait_for(lambda: changes(tmp_path), "the change does not end")
        first.kill()
    held.unlink(missing_ok=True)
    queue.worker("--zone", "tokyo")
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1}


def test_a_job_that_cannot_be_given_back_does_not_keep_others(queue: Queue, tmp_path: Path) -> None:
    first = _at_work(queue, tmp_path)
    first.kill()
    (tmp_path / "hold a1").unlink()
    # Two jobs of the dead worker: the first has somebody's lock, which a job that waits has, too.
    jobs = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock"
    own = "SELECT queue_name, task_name, args"
    queue.server.rows(f"{jobs}, scheduled_at) {own}, 'x', now() + '1 hour' FROM procrastinate_jobs LIMIT 1")
    queue.server.rows(
        f"{jobs}, status, worker_id) {own}, NULL, status, worker_id FROM procrastinate_jobs "
        "WHERE status = 'doing'"
    )
    queue.server.rows(
        "UPDATE procrastinate_jobs SET queueing_lock = 'x' "
        "WHERE id = (SELECT min(id) FROM procrastinate_jobs WHERE status = 'doing')"
    )
    queue.worker("--zone", "tokyo")
    queue.wait_until("done")
    wait_for(lambda: ("doing",) not in _slice_jobs(queue), "a job is left")
    assert changes(tmp_path) == {"a1": 1}


def test_a_worker_that_comes_back_leaves_the_job_of_its_successor(queue: Queue, tmp_path: Path) -> None:
    first = _at_work(queue, tmp_path)
    (process,) = [int(file.name.split()[1]) for file in tmp_path.glob("started *")]
    os.kill(first.process.pid, signal.SIGSTOP)
    second = queue.worker("--zone", "tokyo")
    wait_for(lambda: len([*tmp_path.glob("started *")]) == 2, "nobody takes the slice over")
    os.kill(first.process.pid, signal.SIGCONT)
    os.kill(process, signal.SIGKILL)
    wait_for(lambda: "has ended" in first.said.read_text(), "the first process does not end")
    assert first.end() == 0
    second.kill()
    (tmp_path / "hold a1").unlink()
    wait_for(lambda: changes(tmp_path), "the change does not end")
    queue.worker("--zone", "tokyo")
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1}


def test_a_killed_worker_lets_no_further_host_begin(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_HOSTS", 2)
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of([{"a1": "tokyo", "a2": "tokyo"}]))
    worker = queue.worker("--zone", "tokyo")
    begun(tmp_path, "a1")
    worker.kill()
    wait_for((tmp_path / "told").exists, "the process under way was not told")
    (tmp_path / "hold a1").unlink()
    _wait_for_the_end_of_its_process(tmp_path)
    assert changes(tmp_path) == {"a1": 1}


def _wait_for_the_end_of_its_process(folder: Path) -> None:
    (process,) = [file.name.split()[1] for file in folder.glob("started *")]
    # It is there as long as a process is no zombie.
    wait_for(lambda: not Path("/proc", process, "cwd").exists(), "the process does not end")


def test_a_killed_worker_leaves_no_file(queue: Queue, tmp_path: Path) -> None:
    worker = _at_work(queue, tmp_path)
    worker.kill()
    (tmp_path / "hold a1").unlink()
    _wait_for_the_end_of_its_process(tmp_path)
    # What is left are the files of the stand-in, in what is the worker's TMPDIR, too.
    words = {file.name.split()[0] for file in tmp_path.iterdir()}
    assert words == {"begun", "changed", "started", "starting", "told", "worker"}


def test_the_database_stops_and_starts_while_a_slice_is_under_way(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of(TWO_WAVES))
    workers = [queue.worker("--zone", zone) for zone in ("tokyo", "tokyo", "osaka")]
    begun(tmp_path, "a1")
    queue.server.stop()
    wait_for(lambda: "not reached" in workers[0].said.read_text() + workers[1].said.read_text(), queue.said())
    status = queue("status")
    assert status.returncode == 1
    assert "the database is not reached: " in status.stderr
    (tmp_path / "hold a1").unlink()
    wait_for(lambda: changes(tmp_path), "the change under way does not end")
    queue.server.start()
    queue.wait_until("done")
    assert changes(tmp_path) == dict.fromkeys(ALL, 1)
    assert [worker.end() for worker in workers] == [0, 0, 0]


def test_a_worker_says_once_that_the_database_is_away(queue: Queue) -> None:
    worker = queue.worker("--zone", "tokyo")
    wait_for(lambda: queue.server.rows("SELECT 1 FROM procrastinate_workers"), "the worker does not begin")
    queue.server.stop()
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.settimeout(60)
        queue.server.socket.unlink(missing_ok=True)
        nobody.bind(str(queue.server.socket))
        queue.server.socket.chmod(0o777)
        nobody.listen()
        wait_for(lambda: "is not reached" in worker.said.read_text(), "it does not say so")
        for _ in range(5):
            nobody.accept()[0].close()
    queue.server.socket.unlink()
    queue.server.start()
    wait_for(lambda: "is reached again" in worker.said.read_text(), "it does not say so")
    assert worker.said.read_text().count("is not reached") == 1
    assert worker.end() == 0
    assert worker.said.read_text().count("is reached again") == 1


def test_a_worker_whose_clock_is_slow_does_not_try_a_job_without_rest(queue: Queue, tmp_path: Path) -> None:
    _at_work(queue, tmp_path)
    queue.copy_a_job()
    queue.worker("--zone", "tokyo", before=["env", "CLOCK=-3600", "STALE=600"])
    later = "SELECT 1 FROM procrastinate_jobs WHERE status = 'todo' AND attempts > 0 AND scheduled_at > now()"
    wait_for(lambda: queue.server.rows(later), "it is tried again at once")
    (tmp_path / "hold a1").unlink()
    queue.wait_until("done")


def test_which_job_waits_already_is_known_in_any_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL says it as a sentence, in which procrastinate searches for an English one."""
    german = AsyncMock(side_effect=AssertionError)
    for name in ("execute_query_async", "execute_query_one_async"):
        monkeypatch.setattr(procrastinate.PsycopgConnector, name, german)
        with pytest.raises(procrastinate.exceptions.UniqueViolation) as raised:
            asyncio.run(getattr(_Connector(), name)("SELECT"))
        assert raised.value.constraint_name == "procrastinate_jobs_queueing_lock_idx_v1"


def test_a_worker_ends_while_the_database_is_away(queue: Queue, tmp_path: Path) -> None:
    first = _at_work(queue, tmp_path)
    queue.server.stop()
    (tmp_path / "hold a1").unlink()
    wait_for(lambda: "does not take it" in first.said.read_text(), "it does not say so")
    ended = first.end()
    queue.server.start()
    assert ended == 0
    assert "its report is lost" in first.said.read_text()
    queue.worker("--zone", "tokyo")
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1}


def test_the_same_slice_twice_is_carried_out_once(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of(TWO_WAVES[:1]))
    for _ in range(3):
        queue.copy_a_job()
    for _ in range(2):
        queue.worker("--zone", "tokyo", before=PATIENT)
    begun(tmp_path, "a1")
    wait_for(lambda: "retry" in _events(queue), "the other worker does not see that it is busy")
    (tmp_path / "hold a1").unlink()
    queue.wait_until("done")
    assert len([*tmp_path.glob("started *")]) == 1
    assert changes(tmp_path) == {"a1": 1}


def _events(queue: Queue) -> str:
    return str(queue.server.rows("SELECT type FROM procrastinate_events"))


def test_a_pause_lets_no_further_host_begin_and_a_resume_goes_on(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of([{"a1": None}, {"a2": None}]))
    queue.worker()
    begun(tmp_path, "a1")
    assert queue("pause").returncode == 0
    wait_for((tmp_path / "told").exists, "the process under way was not told")
    (tmp_path / "hold a1").unlink()
    wait_for(lambda: _states(queue) == ["waiting"], "the slice does not end")
    assert changes(tmp_path) == {"a1": 1}
    assert queue("resume", "3f2a").returncode == 0
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1, "a2": 1}


def _states(queue: Queue) -> list[object]:
    return [state for (state,) in queue.server.rows("SELECT state FROM smtp_auth_slices")]


def test_a_resume_before_the_process_has_ended_leaves_no_job(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of([{"a1": None}, {"a2": None}]))
    worker = queue.worker()
    begun(tmp_path, "a1")
    assert queue("pause").returncode == 0
    wait_for((tmp_path / "told").exists, "the process under way was not told")
    assert queue("resume").returncode == 0
    (tmp_path / "hold a1").unlink()
    queue.wait_until("done")
    wait_for(lambda: not _slice_jobs(queue), "a job is left")
    assert changes(tmp_path) == {"a1": 1, "a2": 1}
    assert worker.end() == 0


def _slice_jobs(queue: Queue) -> list[tuple[object, ...]]:
    return queue.server.rows("SELECT status FROM procrastinate_jobs WHERE task_name = 'smtp_auth.carry_out'")


@pytest.mark.parametrize("what", ["stop", "pause"])
def test_no_job_of_a_dead_worker_is_tried_again_while_nothing_may_begin(
    queue: Queue, tmp_path: Path, what: str
) -> None:
    first = _at_work(queue, tmp_path)
    first.kill()
    assert queue(what).returncode == 0
    queue.worker("--zone", "tokyo")
    wait_for(lambda: not _slice_jobs(queue), "a job is left")
    lost = f", process {first.process.pid}, not heard of for "
    wait_for(lambda: lost in " ".join(queue("status").stdout.split()), "the status does not say so")
    (tmp_path / "hold a1").unlink()
    if what == "pause":
        assert queue("resume").returncode == 0
        queue.wait_until("done")
        assert changes(tmp_path) == {"a1": 1}


def test_what_was_stopped_can_be_put_in_again(queue: Queue, tmp_path: Path) -> None:
    plan = plan_of([{"a1": None}, {"a2": None}])
    put_in(queue, plan, _in_seconds(3600))
    assert queue("stop").returncode == 0
    assert _slice_jobs(queue) == []
    worker = queue.worker()
    assert "no rollout is under way" in queue("resume").stderr
    resumed = queue("resume", RUN)
    assert resumed.returncode == 2
    assert "only one that is paused can become running: put its plan in again" in resumed.stderr
    put_in(queue, plan)
    queue.wait_until("done")
    assert worker.end() == 0


def test_no_job_begins_before_the_time_that_counts(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of([{"a1": "tokyo"}]), _in_seconds(3600))
    # Jobs of other times: of an earlier attempt, or somebody else's.
    queue.copy_a_job()
    queue.worker("--zone", "tokyo")
    wait_for(lambda: len(_slice_jobs(queue)) == 1, "the early job is not taken")
    assert _states(queue) == ["waiting"]
    assert queue("pause").returncode == 0
    assert queue("resume").returncode == 0
    assert _at_once(queue) == []
    queue.server.rows("UPDATE smtp_auth_rollouts SET begins = now()")
    queue.server.rows("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at IS NOT NULL")
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1}


def test_no_wave_begins_after_the_window(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "hold a1").touch()
    done = given(
        queue, tmp_path, plan_of([{"a1": "tokyo"}, {"a2": "tokyo"}]), "--not-after", "2999-01-01T04:00"
    )
    assert done.returncode == 0
    queue.worker("--zone", "tokyo")
    begun(tmp_path, "a1")
    assert "begins nothing after 2999-01-01 04:00" in " ".join(queue("status").stdout.split())
    queue.server.rows("UPDATE smtp_auth_rollouts SET not_after = now()")
    (tmp_path / "hold a1").unlink()
    queue.wait_until("paused")
    # What had begun has come to its end.
    assert changes(tmp_path) == {"a1": 1}
    status = queue("status")
    assert status.returncode == 1
    assert "paused, wave 2: it is later than --not-after allows" in " ".join(status.stdout.split())
    assert queue("resume").returncode == 0
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1, "a2": 1}


@pytest.mark.parametrize(
    ("part", "whole", "status", "is_said"),
    [
        ("state = 'waiting'", "running", 1, True),
        ("state = 'under way', seen = now() - make_interval(secs => 31)", "running", 1, True),
        ("state = 'under way', seen = now() + make_interval(secs => 600)", "running", 0, True),
        ("state = 'done'", "running", 0, True),
        ("state = 'done'", "done", 0, False),
    ],
)
def test_a_window_that_is_over_while_nobody_works_is_shown(
    queue: Queue, part: str, whole: str, status: int, is_said: bool
) -> None:
    put_in(queue, plan_of(TWO_WAVES[:1]))
    queue.server.rows("UPDATE smtp_auth_rollouts SET not_after = now()")
    queue.server.rows(f"UPDATE smtp_auth_slices SET {part}")
    queue.server.rows(f"UPDATE smtp_auth_rollouts SET state = '{whole}'")
    found = queue("status")
    assert found.returncode == status
    said = "begins nothing any more, because it is after 20"
    assert (said in " ".join(found.stdout.split())) is is_said


def test_a_slice_that_comes_after_the_window_pauses_it_once_the_others_have_ended(
    queue: Queue, tmp_path: Path
) -> None:
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of([{"a1": "tokyo", "b1": "osaka"}]))
    queue.worker("--zone", "tokyo", before=PATIENT)
    begun(tmp_path, "a1")
    queue.server.rows("UPDATE smtp_auth_rollouts SET not_after = now()")
    queue.worker("--zone", "osaka", before=PATIENT)
    wait_for(lambda: "retry" in _events(queue), "the late slice does not wait")
    assert queue.state() == "running"
    (tmp_path / "hold a1").unlink()
    queue.wait_until("paused")
    assert changes(tmp_path) == {"a1": 1}
    assert not (tmp_path / "told").exists()


def test_a_window_that_ends_before_it_begins_is_refused(queue: Queue, tmp_path: Path) -> None:
    window = ("--at", "2999-01-01T04:00", "--not-after", "2999-01-01T03:00")
    done = given(queue, tmp_path, plan_of(TWO_WAVES), *window)
    assert done.returncode == 2
    assert "--not-after: 2999-01-01 03:00" in " ".join(done.stderr.split())
    assert queue.state() is None


def _at_once(queue: Queue) -> object:
    return queue.server.rows(
        "SELECT id FROM procrastinate_jobs WHERE task_name = 'smtp_auth.carry_out' "
        "AND (scheduled_at IS NULL OR scheduled_at <= now())"
    )


def _in_seconds(number: int) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=number)


def test_a_worker_that_is_ended_gives_its_slice_back(queue: Queue, tmp_path: Path) -> None:
    first = _at_work(queue, tmp_path)
    first.process.send_signal(signal.SIGTERM)
    wait_for((tmp_path / "told").exists, "the process under way was not told")
    (tmp_path / "hold a1").unlink()
    assert first.end() == 0
    assert _states(queue) == ["waiting"]
    assert "wave 1, zone tokyo, 1 host: waiting, 1 as wanted" in queue("status").stdout
    queue.worker("--zone", "tokyo")
    queue.wait_until("done")
    assert changes(tmp_path) == {"a1": 1}


def test_a_process_is_interrupted_at_once_although_the_database_does_not_answer(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd has told it, too: what comes seconds later would be a second interruption."""
    asked, answers = threading.Event(), threading.Event()

    def may_go_on(*_: object) -> bool:
        asked.set()
        return answers.wait(60)

    async def ended() -> None:
        process = MagicMock(returncode=None, wait=asyncio.Event().wait)
        process.send_signal.side_effect = lambda _number: answers.set()
        stopping = asyncio.Event()
        slicing = Slicing(Database(queue.server.conninfo), "worker", (), stopping, lambda _text: None)
        waiting = asyncio.create_task(slicing._ended(process, MagicMock()))
        await asyncio.to_thread(asked.wait)
        stopping.set()
        assert await asyncio.to_thread(answers.wait, 30)
        waiting.cancel()

    monkeypatch.setattr(rows, "may_go_on", may_go_on)
    monkeypatch.setattr("smtp_auth.rollout.queue.slicing._PAUSE", 0.01)
    asyncio.run(ended())


def test_a_slice_without_a_report_stops_the_rollout(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "die").touch()
    put_in(queue, plan_of(TWO_WAVES[:1]))
    queue.worker("--zone", "tokyo")
    queue.wait_until("stopped")
    assert len([*tmp_path.glob("started *")]) == 3
    assert "status 2 and no report" in queue("status").stdout


_CARRY_OUT = {"run": RUN, "wave": 1, "zone": "tokyo", "shard": 1}

# Jobs that somebody else has put in: their tasks and arguments.
STOLEN: Sequence[tuple[str, object]] = (
    ("os.system", {"command": "touch stolen"}),
    ("builtin:procrastinate.builtin_tasks.remove_old_jobs", {"max_hours": 0}),
    ("procrastinate.builtin_tasks.remove_old_jobs", {"max_hours": 0}),
    ("smtp_auth.carry_out", {**_CARRY_OUT, "wave": "1 --undo-all"}),
    ("smtp_auth.carry_out", {**_CARRY_OUT, "wave": True}),
    ("smtp_auth.carry_out", {**_CARRY_OUT, "run": "../../etc"}),
    ("smtp_auth.carry_out", {**_CARRY_OUT, "zone": "osaka"}),
    ("smtp_auth.carry_out", {**_CARRY_OUT, "json": "/etc/passwd"}),
    ("smtp_auth.carry_out", ["smtp-auth", "remove"]),
    ("\x1b]0;owned\x07", {}),
)


def test_a_stolen_queue_runs_nothing_else(
    queue: Queue, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("cases", len(STOLEN))
    # The hosts of whose slices nobody may begin by such a job.
    put_in(queue, plan_of(TWO_WAVES[1:]), _in_seconds(3600))
    queue.server.rows("UPDATE smtp_auth_rollouts SET begins = now()")
    for task, arguments in STOLEN:
        queue.server.rows(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
            f"VALUES ('tokyo', '{task}', '{json.dumps(arguments)}')"
        )
    worker = queue.worker("--zone", "tokyo")
    # One whose arguments are no object is deleted soon.
    ended = "SELECT status FROM procrastinate_jobs WHERE status <> 'todo' AND jsonb_typeof(args) = 'object'"
    theirs = f"{ended} AND task_name <> 'smtp_auth.retry_stalled'"
    refused = [("failed",)] * (len(STOLEN) - 1)
    wait_for(lambda: queue.server.rows(theirs) == refused, f"not all are refused: {queue.said()}")
    said = " ".join(worker.said.read_text().split())
    for why in ("wave and shard must be numbers", "the run is no ID of a run", "the job is of another zone"):
        assert f"a job of the queue was not carried out: ValueError: {why}" in said
    assert _states(queue) == ["waiting"] * 3
    # The worker still does the next job.
    queue.server.rows("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at IS NOT NULL")
    wait_for(lambda: changes(tmp_path) == {"a2": 1, "a3": 1}, "no slice is carried out")
    assert "\x1b" not in worker.said.read_text()


def _waiting(queue: Queue) -> object:
    """How many jobs wait for a worker, but for its own periodic ones."""
    ((found,),) = queue.server.rows(
        "SELECT count(*) FROM procrastinate_jobs "
        "WHERE status = 'todo' AND task_name <> 'smtp_auth.retry_stalled'"
    )
    return found


def test_the_last_check_of_a_zone_is_kept(queue: Queue) -> None:
    queue.worker("--zone", "tokyo", "--check-at", "* * * * * */1")
    wait_for(lambda: queue.server.rows("SELECT zone FROM smtp_auth_checks"), "nothing is checked")
    shown = queue("status")
    assert shown.returncode == 0
    assert "zone tokyo was checked " in shown.stdout
    assert shown.stdout.endswith(": 1 converged, 1 pending\n    pending: a2\n")


@pytest.mark.parametrize("how", ["ended", "killed"])
def test_a_check_is_made_by_whichever_worker(queue: Queue, tmp_path: Path, how: str) -> None:
    hold = tmp_path / "hold check"
    hold.touch()
    asks = queue.worker("--zone", "tokyo", "--check-at", "* * * * * */1")
    wait_for((tmp_path / "checking").exists, "nothing is checked")
    if how == "ended":
        assert asks.end() == 0
    else:
        asks.kill()
    hold.unlink()
    assert not queue.server.rows("SELECT zone FROM smtp_auth_checks")
    queue.worker("--zone", "tokyo")
    wait_for(lambda: queue.server.rows("SELECT zone FROM smtp_auth_checks"), "the check is lost")
    wait_for(lambda: not _waiting(queue), f"a check is left: {queue.said()}")


_CHECK_DUE = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
    """VALUES ('tokyo', 'smtp_auth.check', '{"timestamp": 0}')"""
)


def test_a_check_is_kept_once_the_database_takes_it(queue: Queue, tmp_path: Path) -> None:
    queue.server.rows("ALTER TABLE smtp_auth_checks RENAME TO away")
    queue.server.rows(_CHECK_DUE)
    worker = queue.worker("--zone", "tokyo")
    wait_for(lambda: "does not take it: relation" in worker.said.read_text(), "it does not say so")
    queue.server.rows("ALTER TABLE away RENAME TO smtp_auth_checks")
    wait_for(lambda: queue.server.rows("SELECT zone FROM smtp_auth_checks"), "the check is lost")


def test_a_check_that_the_database_never_takes_does_not_keep_slices(queue: Queue, tmp_path: Path) -> None:
    queue.server.rows("DROP TABLE smtp_auth_checks")
    queue.server.rows(_CHECK_DUE)
    worker = queue.worker("--zone", "tokyo")
    wait_for(lambda: "the check of the hosts is not kept" in worker.said.read_text(), "it is tried for ever")
    put_in(queue, plan_of(TWO_WAVES[:1]))
    wait_for(lambda: changes(tmp_path) == {"a1": 1}, "no slice is carried out")


@pytest.mark.parametrize("where", ["environment", "role"])
def test_times_are_read_in_any_style(queue: Queue, tmp_path: Path, where: str) -> None:
    before = ["env", "PGDATESTYLE=German"] if where == "environment" else []
    style = "German" if where == "role" else "ISO"
    queue.server.rows(f"ALTER ROLE queue SET datestyle TO {style}")
    put_in(queue, plan_of(TWO_WAVES[:1]), _in_seconds(1))
    queue.worker("--zone", "tokyo", before=before)
    queue.wait_until("done")
    assert queue("status").returncode == 0


def test_a_check_whose_time_nobody_was_there_for_is_made_up_for(queue: Queue) -> None:
    missed = datetime.now(UTC) - timedelta(hours=2)
    queue.worker("--zone", "tokyo", "--check-at", f"{missed.minute} {missed.hour} * * *")
    wait_for(lambda: queue.server.rows("SELECT zone FROM smtp_auth_checks"), "nothing is checked")


def test_a_check_that_fails_is_shown(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "die").touch()
    worker = queue.worker("--zone", "tokyo", "--check-at", "* * * * * */1")
    wait_for(lambda: queue.server.rows("SELECT zone FROM smtp_auth_checks"), "nothing is checked")
    shown = queue("status")
    assert shown.returncode == 1
    said = "its process has ended with status 2 and no output"
    assert f"it has failed: {said}" in " ".join(shown.stdout.split())
    assert f"the check of the hosts has failed: {said}" in " ".join(worker.said.read_text().split())
    (tmp_path / "die").unlink()
    wait_for(lambda: queue("status").returncode == 0, "the next check is not kept")


OTHER_RUN = "2026-11-22T10:15:00Z-ffff"

# A plan in the database that somebody has changed, and why it is not carried out.
TAMPERED = {
    "cut off": (lambda plan: plan[:-9], "this is no plan"),
    "edited": (lambda plan: plan.replace("of a1", "of a2"), "its checksum is wrong"),
    "of another run": (lambda _plan: _written(replace(plan_of(TWO_WAVES), run=OTHER_RUN)), "another rollout"),
    "without the wave": (lambda _plan: _written(plan_of([{}, {"a1": "tokyo"}])), "another rollout"),
}


def _written(plan: RolloutPlan) -> str:
    return "\n".join(plan_file.lines(plan))


@pytest.mark.parametrize("how", TAMPERED)
def test_a_plan_that_was_tampered_with_is_not_carried_out(queue: Queue, tmp_path: Path, how: str) -> None:
    tamper, said = TAMPERED[how]
    plan = plan_of(TWO_WAVES[:1])
    put_in(queue, plan)
    _set_text(queue, "UPDATE smtp_auth_rollouts SET plan = %s", tamper(_written(plan)))
    queue.worker("--zone", "tokyo")
    queue.wait_until("stopped")
    shown = queue("status")
    assert shown.returncode == 1
    assert "its plan in the database: " in shown.stdout
    assert said in " ".join(shown.stdout.split())
    assert not [*tmp_path.glob("started *")]


def test_a_plan_that_is_damaged_when_a_wave_ends_stops_it(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "hold a1").touch()
    put_in(queue, plan_of(TWO_WAVES))
    queue.worker("--zone", "tokyo")
    begun(tmp_path, "a1")
    _set_text(queue, "UPDATE smtp_auth_rollouts SET plan = %s", "{}")
    (tmp_path / "hold a1").unlink()
    queue.wait_until("stopped")
    assert changes(tmp_path) == {"a1": 1}


def test_a_damaged_report_is_shown_and_stops_it(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of([{"a1": "tokyo", "b1": "osaka"}]))
    queue.worker("--zone", "tokyo")
    wait_for(lambda: "done" in _states(queue), "tokyo is not done")
    _set_text(queue, "UPDATE smtp_auth_slices SET report = %s WHERE report IS NOT NULL", '{"run": 1}')
    shown = queue("status")
    assert (shown.returncode, shown.stderr) == (1, "")
    told = " ".join(shown.stdout.split())
    assert "zone tokyo, 1 host: done by " in told
    assert ": its report is damaged" in told
    queue.worker("--zone", "osaka")
    queue.wait_until("stopped")


def _set_text(queue: Queue, query: LiteralString, text: str) -> None:
    with psycopg.connect(queue.server.conninfo) as connection:
        connection.execute(query, [text])


def test_an_id_of_a_row_writes_nothing_to_a_terminal(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of(TWO_WAVES[:1]))
    queue.server.rows("DELETE FROM smtp_auth_slices")
    run = f"{RUN}\x1b]0;owned\x07"
    _set_text(queue, "UPDATE smtp_auth_rollouts SET run = %s", run)
    _set_text(
        queue,
        "INSERT INTO smtp_auth_slices (run, wave, zone, shard, shards, hosts) "
        "VALUES (%s, 1, 'tokyo', 1, 1, 1)",
        run,
    )
    # It is no run's ID, so that no job can be put in.
    for what, status in (("status", 0), ("pause", 0), ("resume", 2), ("stop", 0)):
        done = queue(what)
        said = done.stdout + done.stderr
        assert (done.returncode, "owned" in said, "\x1b" in said) == (status, True, False), said


def test_what_a_worker_cannot_do_stops_the_rollout(queue: Queue, tmp_path: Path) -> None:
    put_in(queue, plan_of(TWO_WAVES[:1]))
    # As if no space were left.
    (tmp_path / "full").touch()
    queue.worker("--zone", "tokyo")
    queue.wait_until("stopped")
    status = " ".join(queue("status").stdout.split())
    assert "the worker cannot carry it out: No space left on device" in status


def test_a_database_that_refuses_to_write_for_a_while_gets_the_report(queue: Queue, tmp_path: Path) -> None:
    worker = _at_work(queue, tmp_path)
    queue.server.rows("ALTER TABLE smtp_auth_slices RENAME TO away")
    (tmp_path / "hold a1").unlink()
    wait_for(lambda: "does not take it: relation" in worker.said.read_text(), "it does not say so")
    queue.server.rows("ALTER TABLE away RENAME TO smtp_auth_slices")
    queue.wait_until("done")
    assert len([*tmp_path.glob("started *")]) == 1


def test_what_the_database_forbids_is_one_sentence(queue: Queue) -> None:
    queue.server.rows("CREATE ROLE stranger LOGIN")
    queue.server.rows("GRANT USAGE ON SCHEMA public TO stranger")
    for command in ("setup", "status", "worker"):
        done = queue(command, "--database", queue.server.conninfo.replace("user=queue", "user=stranger"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "the database refuses it: permission denied for table smtp_auth_queue\n"


def test_a_slice_that_was_stored_before_its_connection_was_lost_is_carried_out_again(queue: Queue) -> None:
    plan = plan_of([{"a1": "tokyo"}])
    put_in(queue, plan)
    database = Database(queue.server.conninfo)
    claimed = rows.claim(database, Key(RUN, 1, "tokyo", 1), "worker", "a token")
    assert claimed
    # The worker was not told of the first one.
    assert [rows.store(database, claimed, None, "no report", is_done=False) for _ in range(2)] == [True, True]
    assert queue.server.rows("SELECT state, without_report FROM smtp_auth_slices") == [("waiting", 1)]


def test_a_process_that_is_interrupted_while_it_starts_is_not_lost(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "starts").touch()
    put_in(queue, plan_of(TWO_WAVES[:1]))
    first = queue.worker("--zone", "tokyo")
    wait_for((tmp_path / "starting").exists, "no process starts")
    assert first.end() == 0
    (tmp_path / "starts").unlink()
    assert queue.server.rows("SELECT state, without_report, said FROM smtp_auth_slices") == [
        ("waiting", 0, "")
    ]
    queue.worker("--zone", "tokyo")
    queue.wait_until("done")


@pytest.mark.parametrize(
    ("waves", "said"),
    [
        ([{"a1": "tokyo", "a2": None}], "a2 has no zone, and others have one"),
        ([{"a1": "t" * 41}], "is longer than 40 bytes"),
        ([], "no host would change"),
    ],
    ids=["a host without a zone", "a long zone", "nothing to do"],
)
def test_a_plan_that_cannot_be_put_in_is_refused(
    queue: Queue, tmp_path: Path, waves: Sequence[Mapping[str, str | None]], said: str
) -> None:
    done = given(queue, tmp_path, plan_of(waves))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert queue.state() is None


def test_a_rollout_that_is_under_way_is_not_put_in_twice(queue: Queue, tmp_path: Path) -> None:
    assert given(queue, tmp_path, plan_of(TWO_WAVES)).returncode == 0
    done = given(queue, tmp_path, plan_of(TWO_WAVES))
    assert done.returncode == 2
    assert "this rollout is under way" in done.stderr


def test_the_longest_zone_is_a_queue(queue: Queue, tmp_path: Path) -> None:
    zone = "z" * 40
    put_in(queue, plan_of([{"a1": zone}]))
    queue.worker("--zone", zone)
    queue.wait_until("done")


def test_a_queue_is_set_up_once(queue: Queue) -> None:
    again = queue("setup")
    assert (again.returncode, again.stdout) == (0, "The queue was set up before: nothing is changed.\n")
    queue.server.rows("UPDATE smtp_auth_queue SET version = '0'")
    for done in (queue("setup"), queue("status")):
        assert done.returncode == 2
        assert "of version 0, and this program uses 1, procrastinate 3." in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--database", "host=db password=hunter2"), "--database has a password, which everybody"),
        (("--database", "postgresql://queue:hunter2@db/x"), "--database has a password, which everybody"),
        (("--database", "host=/nowhere port=x y"), "--database is neither a URI of PostgreSQL nor words"),
        (("--database", "host=db\udcff"), "--database is neither a URI of PostgreSQL nor words"),
        (("--database", "postgresql://queue:hunter2@[::1/x"), "--database is neither"),
        (("--database", "host=db password=hunter2 hunter2"), "--database is neither"),
        (("--zone", "tokyo 2"), "--zone tokyo 2: give a short name of letters"),
        (("--zone", "\udcff"), "give a short name of letters"),
        (("--zone", "z" * 41), "give a zone's name, of at most 40 bytes"),
        (("--check-at", "at night"), "--check-at at night: give minute, hour, day"),
        (("--check-at", "30 4 31 4 *"), "--check-at 30 4 31 4 *: give minute, hour, day"),
        (("--check-at", "0 0 1 1 * 0 2020"), "--check-at 0 0 1 1 * 0 2020: give minute, hour, day"),
        (("--max-age", "soon"), "--max-age soon: give minutes"),
        (("--limit", "a1"), "--limit is no option"),
        (("--parallel", "0"), "--parallel 0: give a number of hosts"),
        (("--inventory", "tokio.py"), "the inventory tokio.py does not exist"),
        (("--data", "zone"), "KEY=VALUE"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_wrong_command_line_is_one_sentence(
    server: PostgreSQL,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: Sequence[str],
    said: str,
) -> None:
    # The last --database counts.
    given = ["smtp-auth", "queue", "worker", "--database", server.conninfo, *words]
    monkeypatch.setattr(sys, "argv", given)
    # In this process: a program of its own takes a second each.
    with pytest.raises((Mistake, SystemExit)) as ended:
        _run(_arguments())
    assert not isinstance(ended.value, SystemExit) or ended.value.code == 2
    complained = f"{capsys.readouterr().err}{ended.value}"
    assert said in complained
    assert "hunter2" not in complained


def test_a_worker_below_nohup_outlives_its_terminal(queue: Queue, tmp_path: Path) -> None:
    worker = queue.worker("--zone", "tokyo", before=["nohup"])
    wait_for(lambda: "worker of zone tokyo" in worker.said.read_text(), "it does not begin")
    worker.process.send_signal(signal.SIGHUP)
    put_in(queue, plan_of([{"a1": "tokyo"}]))
    queue.wait_until("done")
