"""deploy.py has the order of the guide, and remove.py the reverse order."""

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import operations
from operations import STEPS
from smtp_auth.plan.step import Step

ROOT = Path(__file__).resolve().parents[2]


# The modules whose operations belong to no step.
NO_STEPS = ("live", "removal")


def calls(program: str = "deploy.py") -> list[tuple[str, str, int]]:
    """Module, `name=` and line of each operation that a program calls."""
    [block] = [part for part in ast.parse((ROOT / program).read_text()).body if isinstance(part, ast.If)]
    found = []
    for statement in block.body:
        assert isinstance(statement, ast.Expr)
        call = statement.value
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Attribute)
        assert isinstance(call.func.value, ast.Name)
        names = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        found.append((call.func.value.id, names["name"], call.lineno))
    return found


@pytest.mark.parametrize(("program", "steps"), [("deploy.py", STEPS), ("remove.py", STEPS[::-1])])
def test_every_step_is_called_once_in_the_order_of_the_list(program: str, steps: Sequence[Step]) -> None:
    found = [(module, name.partition(":")[0]) for module, name, _ in calls(program)]
    of_steps = [(module, name) for module, name in found if module not in NO_STEPS]
    assert [getattr(operations, module).STEP for module, _ in of_steps] == list(steps)
    assert [name for _, name in of_steps] == [step.name for step in steps]


@pytest.mark.parametrize("program", ["deploy.py", "undo.py", "remove.py"])
def test_each_call_has_a_line_of_its_own(program: str) -> None:
    """An operation's identity for pyinfra is the line that calls it."""
    lines = [line for _, _, line in calls(program)]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("program", ["deploy.py", "undo.py", "remove.py"])
def test_what_was_edited_goes_live_at_the_end(program: str) -> None:
    assert [module for module, _, _ in calls(program)][-1] == "live"


def test_config_is_a_list_of_calls() -> None:
    for statement in ast.parse((ROOT / "config.py").read_text()).body:
        is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, (ast.Call, ast.Constant))
        names = [ast.unparse(target) for target in getattr(statement, "targets", [])]
        assert (
            is_call or isinstance(statement, ast.ImportFrom) or names == ["config.REQUIRE_PYINFRA_VERSION"]
        ), ast.unparse(statement)


def test_another_pyinfra_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text((ROOT / "config.py").read_text().replace(">=3.10,<3.11", "<3"))
    done = subprocess.run(
        [Path(sys.executable).parent / "pyinfra", "@local", "debug-inventory"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pyinfra version requirement not met (requires <3" in done.stderr


def test_a_run_without_config_is_refused_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).parent / "pyinfra",
            "@local",
            "deploy.py",
            "--dry",
            "--config",
            "no-such-file.py",
        ],
        cwd=ROOT,
        input="\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "config.py was not loaded: run pyinfra in the folder of deploy.py" in done.stderr
    assert "Traceback" not in done.stderr
