"""deploy.py reads like the guide, and does what the list of steps says."""

import ast
import subprocess
import sys
from pathlib import Path

import operations
from operations import STEPS

ROOT = Path(__file__).resolve().parents[2]


def calls() -> list[tuple[str, str, int]]:
    """Module, `name=` and line of each operation that deploy.py calls."""
    [block] = [part for part in ast.parse((ROOT / "deploy.py").read_text()).body if isinstance(part, ast.If)]
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


def test_every_step_is_called_once_in_the_order_of_the_list() -> None:
    of_steps = [module for module, _, _ in calls() if module != "live"]
    assert [getattr(operations, module).STEP for module in of_steps] == list(STEPS)


def test_each_call_is_named_after_its_step() -> None:
    names = [name.partition(":")[0] for module, name, _ in calls() if module != "live"]
    assert names == [step.name for step in STEPS]


def test_each_call_has_a_line_of_its_own() -> None:
    """An operation's identity for pyinfra is the line that calls it."""
    lines = [line for _, _, line in calls()]
    assert len(set(lines)) == len(lines)


def test_what_the_steps_edited_goes_live_at_the_end() -> None:
    assert [module for module, _, _ in calls()][-1] == "live"


def test_config_is_a_list_of_calls() -> None:
    for statement in ast.parse((ROOT / "config.py").read_text()).body:
        is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, (ast.Call, ast.Constant))
        names = [ast.unparse(target) for target in getattr(statement, "targets", [])]
        assert is_call or isinstance(statement, ast.ImportFrom) or names == ["REQUIRE_PYINFRA_VERSION"], (
            ast.unparse(statement)
        )


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
    assert done.returncode == 1
    assert "config.py was not loaded: run pyinfra in the folder of deploy.py" in done.stderr
    assert "Traceback" not in done.stderr
