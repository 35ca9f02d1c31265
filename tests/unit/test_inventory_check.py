"""Inventories that are wrong are refused, and those that pyinfra understands as meant are not.

Run as a program it prints in JSON what becomes of each text. It is a process of its own: pyinfra's command
line replaces the standard library's sockets when it is imported.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from smtp_auth.runs.inventory_check import check_data, read_checked
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.pyinfra_internals import read_inventory

ROOT = Path(__file__).resolve().parents[2]

READ = [
    "mail = ['a', 'b']",
    "mail = [('a', {'ssh_user': 'admin'}), 'b']",
    "mail = (['a', ('b', {})], {'ssh_user': 'admin'})",
    "mail = (('a', 'b'), {})",
    # A host may be in several groups.
    "mail = ['a', 'b']\nweb = [('b', {})]\nempty = []",
    # What is no group, beside one.
    "mail = ['a', 'b']\ndomain = 'example.jp'\nports = [25, 465, 25]\ndata = {'a': 1}\n_two = ('x', 'y')",
    "import socket\nfrom pathlib import Path\nmail = [name for name in ('a', 'b')]",
]

MISTAKEN = [
    ("", "has no host: write a list of names"),
    ("mail = []", "has no host: write a list of names"),
    ("_mail = ['a']", "has no host: write a list of names"),
    ("mail = {'a'}", "has no host: mail is no list of hosts"),
    ("ports = [25]", "has no host: ports is no list of hosts"),
    # pyinfra reads the first two as a group of hosts "m", "a", ….
    ("mail = ('mail1', 'mail2')", "mail is a tuple, but no group"),
    ("mail = ('mail1', {})", "mail is a tuple, but no group"),
    ("mail = (['a'],)", "mail is a tuple, but no group"),
    ("mail = ()", "mail is a tuple, but no group"),
    ("mail = ['a', None]", "element 2 of mail is no host"),
    ("mail = ['a', ['b']]", "element 2 of mail is no host"),
    ("mail = ['']", "element 1 of mail is no host"),
    ("mail = [('a',)]", "element 1 of mail is no host"),
    ("mail = [('a', 'b')]", "element 1 of mail is no host"),
    ("mail = ['a', ('a', {})]", "mail names a twice"),
    ("mail = ['a']\n1/0", "hosts.py, line 2: ZeroDivisionError: division by zero"),
    ("import nowhere", "hosts.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
    ("mail = ['a'", "hosts.py, line 1: '[' was never closed"),
]


@pytest.fixture(scope="module")
def found() -> dict[str, list[str] | str]:
    """The names of the hosts of each text, or the sentence with which it is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.test_inventory_check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("text", READ)
def test_what_pyinfra_understands_is_read(found: dict[str, list[str] | str], text: str) -> None:
    assert found[text] == ["a", "b"]


@pytest.mark.parametrize(("text", "sentence"), MISTAKEN)
def test_what_it_does_not_is_a_mistake(found: dict[str, list[str] | str], text: str, sentence: str) -> None:
    assert sentence in str(found[text])


@pytest.mark.parametrize("words", [["a"], ["a=1", "b"], ["=1"]])
def test_data_is_key_and_value(words: list[str]) -> None:
    check_data(["a=", "b=c=d"])
    with pytest.raises(Mistake, match="is not KEY=VALUE"):
        check_data(words)


def _read(file: Path) -> list[str] | str:
    try:
        return [host.name for host in read_checked(str(file), lambda: read_inventory(str(file)))]
    except Mistake as mistake:
        return str(mistake)


def main() -> None:
    """Read each text."""
    from pyinfra.api import State
    from pyinfra.context import ctx_state

    found = {}
    for text in (*READ, *(text for text, _ in MISTAKEN)):
        with tempfile.TemporaryDirectory() as folder, ctx_state.use(State()):
            file = Path(folder) / "hosts.py"
            file.write_text(text)
            found[text] = _read(file)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
