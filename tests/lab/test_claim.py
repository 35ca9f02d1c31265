"""Claims: each lab gets a number of its own, and abandoned numbers are released."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from lab import claim
from lab.claim import Claims
from lab.command import wait_until
from lab.process import Process
from lab.state import LabState


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Claims:
    """The claims of a machine with no lab on it, and with a small inotify limit."""
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(claim, "_INOTIFY", limit)
    monkeypatch.setattr(claim, "_networks_in_use", list)
    return Claims(tmp_path / "run")


def never(number: int) -> None:
    """Nothing must be cleared."""
    raise AssertionError(f"cleared {number}")


def checkout(folder: Path) -> Path:
    """A checkout without a lab."""
    folder.mkdir()
    return folder


def test_two_checkouts_get_two_numbers(claims: Claims, tmp_path: Path) -> None:
    one, two = checkout(tmp_path / "one"), checkout(tmp_path / "two")
    assert claims.take(one, never) == 0
    assert claims.take(two, never) == 1
    assert claims.of(one) == [0]
    assert claims.of(two) == [1]


def test_a_released_number_is_free_again(claims: Claims, tmp_path: Path) -> None:
    one, two = checkout(tmp_path / "one"), checkout(tmp_path / "two")
    claims.release(claims.take(one, never))
    assert claims.take(two, never) == 0


def test_the_inotify_limit_is_raised_while_there_is_a_lab(claims: Claims, tmp_path: Path) -> None:
    limit = tmp_path / "max_user_instances"
    first = claims.take(checkout(tmp_path / "one"), never)
    second = claims.take(checkout(tmp_path / "two"), never)
    assert int(limit.read_text()) > 1000
    claims.release(first)
    assert int(limit.read_text()) > 1000
    claims.release(second)
    assert int(limit.read_text()) == 128


def abandon(tmp_path: Path, root: Path, number: int = 0) -> None:
    """Make a claim the claim of a program that has exited."""
    gone = Process(os.getpid(), 1)
    text = json.dumps({"root": str(root), "pid": gone.pid, "start": gone.start})
    (tmp_path / "run" / f"claim-{number}").write_text(text)


def test_an_abandoned_number_is_cleared_and_taken(claims: Claims, tmp_path: Path) -> None:
    one, two = checkout(tmp_path / "one"), checkout(tmp_path / "two")
    claims.take(one, never)
    abandon(tmp_path, one)
    cleared: list[int] = []
    assert claims.take(two, cleared.append) == 0
    assert cleared == [0]


def test_a_running_lab_keeps_its_number_after_its_program_ended(claims: Claims, tmp_path: Path) -> None:
    one, two = checkout(tmp_path / "one"), checkout(tmp_path / "two")
    LabState(one, claims.take(one, never)).write()
    abandon(tmp_path, one)
    assert claims.take(two, never) == 1


def test_an_unreadable_claim_is_abandoned(claims: Claims, tmp_path: Path) -> None:
    claims.take(checkout(tmp_path / "one"), never)
    (tmp_path / "run" / "claim-0").write_text("{")
    cleared: list[int] = []
    assert claims.take(checkout(tmp_path / "two"), cleared.append) == 0
    assert cleared == [0]


def test_while_the_machine_is_cleared_the_claims_of_others_are_known(claims: Claims, tmp_path: Path) -> None:
    one, two, gone = (checkout(tmp_path / name) for name in ("one", "two", "gone"))
    for root in (one, two):
        LabState(root, claims.take(root, never)).write()
    claims.take(gone, never)
    abandon(tmp_path, gone, number=2)
    cleared: list[int] = []
    inside = checkout(one / ".bench")
    LabState(inside, claims.take(inside, cleared.append)).write()
    with claims.cleared(one, cleared.append) as others:
        assert others == [str(two)]
    assert claims.below(one) == [one, inside]
    assert cleared == [2]
    assert claims.of(gone) == []


def test_the_inotify_limit_is_restored_with_the_last_abandoned_claim(claims: Claims, tmp_path: Path) -> None:
    claims.take(checkout(tmp_path / "one"), never)
    abandon(tmp_path, tmp_path / "one")
    with claims.cleared(tmp_path, lambda _: None) as others:
        assert others == []
    assert int((tmp_path / "max_user_instances").read_text()) == 128


def test_a_claim_is_taken_although_the_folder_was_deleted_meanwhile(claims: Claims, tmp_path: Path) -> None:
    with claims.cleared(tmp_path, never):
        pass
    claims.take(checkout(tmp_path / "one"), never)
    with ThreadPoolExecutor(1) as pool:
        with claims.cleared(tmp_path, never):
            waiting = pool.submit(claims.take, checkout(tmp_path / "two"), never)
            wait_until(lambda: len(holders(tmp_path / "run" / "lock")) == 2, "the second one at the lock")
            shutil.rmtree(tmp_path / "run")
        assert waiting.result(timeout=30) == 0
    assert claims.of(tmp_path / "two") == [0]


def holders(path: Path) -> list[Path]:
    """This process's open files with this path."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        # Others are closed meanwhile.
        with suppress(FileNotFoundError):
            found += [one] if one.readlink() == path else []
    return found
