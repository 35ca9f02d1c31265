"""The templates of CONTRIBUTING.md are right: those of tests pass, those of entries are in their lists."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# The file that a template is for, the list in it that it is an entry of, and the template.
TEMPLATES = re.findall(
    r"^```python\n# (tests/[\w/]+\.py)(?:, in (\w+))?\n(.*?)^```\n",
    (ROOT / "CONTRIBUTING.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
TESTS = {path: text for path, its, text in TEMPLATES if not its}
ENTRIES = [(path, its, text) for path, its, text in TEMPLATES if its]


def _module(path: str) -> ModuleType:
    return import_module(path.removesuffix(".py").replace("/", "."))


def test_there_is_one_for_each_kind_of_test() -> None:
    assert len(TESTS) == 3
    assert [its for _, its, _ in ENTRIES] == [
        "_other_cases",
        "STATES",
        "CASES",
        "STATES",
        "BREAKAGES",
        "HEALTHY",
    ]


def test_the_templates_of_tests_pass_in_their_files(tmp_path: Path) -> None:
    names = []
    for number, (path, text) in enumerate(TESTS.items()):
        [function] = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef)
        names.append(function.name)
        file = (ROOT / path).read_text().replace("__file__", repr(str(ROOT / path)))
        (tmp_path / f"test_copy_{number}.py").write_text(f"{file}\n\n{text}")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-c",
            "pyproject.toml",
            "-k",
            " or ".join(names),
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert {name for name in names if re.search(rf"::{name}\b.* PASSED", done.stdout)} == set(names)


@pytest.mark.parametrize(("path", "its", "text"), ENTRIES, ids=lambda word: word.partition("\n")[0])
def test_a_template_of_an_entry_is_one(path: str, its: str, text: str) -> None:
    module = _module(path)
    known: Any = getattr(module, its)
    if isinstance(known, dict):
        [(name, entry)] = eval(f"{{{text}}}", vars(module)).items()
        assert type(entry) is type(known[name])
    elif isinstance(known, tuple):
        [entry] = eval(f"[{text}]", vars(module))
        assert entry in known
    else:
        assert isinstance(eval(text, vars(module)), module.Case)
        assert text.strip() in (ROOT / path).read_text()
