"""pyinfra has what this program uses beyond its documented interface, and the tests notice if it does not."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from smtp_auth.runs import pyinfra_internals
from tests.unit.pyinfra_side import SIDES

ROOT = Path(__file__).resolve().parents[2]

Found = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def found() -> Found:
    """Each function's errors with pyinfra as it is, and with its part deleted."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.pyinfra_side"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", SIDES)
def test_pyinfras_side_is_there(found: Found, name: str) -> None:
    assert found[name][0] == ""


@pytest.mark.parametrize("name", SIDES)
def test_it_would_be_missed(found: Found, name: str) -> None:
    assert found[name][1] != ""


def test_everything_has_a_check() -> None:
    members = inspect.getmembers(
        pyinfra_internals, lambda one: inspect.isfunction(one) or inspect.isclass(one)
    )
    ours = {name for name, one in members if one.__module__ == pyinfra_internals.__name__}
    assert set(SIDES) == ours


def _imported(path: Path) -> set[str]:
    """The modules and names that a module imports, as `module.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_other_module_reaches_into_pyinfras_command_line() -> None:
    for path in ROOT.joinpath("smtp_auth").rglob("*.py"):
        if path != Path(pyinfra_internals.__file__):
            assert not [name for name in _imported(path) if name.startswith("pyinfra_cli")], path
