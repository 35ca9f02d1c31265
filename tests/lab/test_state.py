"""lab.json: what is written is what is read, and only its owner reads it."""

from pathlib import Path

import pytest

from lab.command import LabError
from lab.fleet import HostSpec
from lab.process import Process
from lab.state import HostState, LabState, number_of, read


def some_state(root: Path) -> LabState:
    """A lab with one host that runs and one that does not."""
    state = LabState(root, 7, services={"dns": Process(5, 6)})
    for index, process in ((10, Process(11, 12)), (11, None)):
        spec = HostSpec(f"mail{index}.example.jp", "trixie", "example.jp")
        state.hosts[spec.name] = HostState(spec, "secret", index, process, ready=index == 10)
    return state


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = some_state(tmp_path)
    state.write()
    assert read(tmp_path) == state
    assert number_of(tmp_path) == 7


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    some_state(tmp_path).write()
    assert (tmp_path / ".lab").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".lab/lab.json").stat().st_mode & 0o777 == 0o600


def test_a_reader_finds_what_follows_from_the_number(tmp_path: Path) -> None:
    host = some_state(tmp_path).as_json()["hosts"]["mail10.example.jp"]
    assert host["address"] == "198.18.7.10"
    assert host["mount"] == str(tmp_path / ".lab/hosts/mail10.example.jp/root")


def test_no_lab_is_no_state(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    assert number_of(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"number": 1}'])
def test_a_damaged_record_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / ".lab").mkdir()
    (tmp_path / ".lab/lab.json").write_text(text)
    with pytest.raises(LabError, match="remove the lab"):
        read(tmp_path)
    assert number_of(tmp_path) is None


def test_a_lab_of_an_earlier_boot_holds_no_number(tmp_path: Path) -> None:
    state = some_state(tmp_path)
    state.boot = "an earlier one"
    state.write()
    assert number_of(tmp_path) is None
