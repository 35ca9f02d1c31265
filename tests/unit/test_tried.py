"""docs/tried.md has the rows of tests/tried.py, and their figures are those of a run."""

import re
from pathlib import Path

import pytest

from tests.tried import PAGE, ROOT, TRIALS, page

_RUN = """<testsuites><testsuite timestamp="2026-11-26T14:08:58">
<properties><property name="commit" value="abc"/></properties>
<testcase classname="tests.unit.test_linear" name="test_a[x]">
<properties><property name="cases" value="1200"/></properties></testcase>
<testcase classname="tests.unit.test_linear" name="test_a[y]"/>
<testcase classname="tests.unit.test_linear" name="test_b"><failure/></testcase>
<testcase classname="tests.unit.test_linear" name="test_c"><skipped/></testcase>
<testcase classname="tests.unit.test_other" name="test_d"/>
</testsuite></testsuites>"""


def _rows(text: str) -> list[str]:
    return re.findall(r"^\| ([A-Z].*?) \| \[", text, re.MULTILINE)


def test_the_page_has_the_rows_of_the_list() -> None:
    assert _rows(PAGE.read_text()) == [trial.what for trial in TRIALS]


@pytest.mark.parametrize("test", [test for trial in TRIALS for test in trial.tests])
def test_what_a_row_counts_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    text = (ROOT / file).read_text()
    assert not name or f"\ndef {name}(" in text


def test_the_figures_are_those_of_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run.xml"
    run.write_text(_RUN)
    text = page([run, run])
    assert "\nCommit abc, 2026-11-26.\n" in text
    assert re.findall(r"test_linear.py\) \| (.*) \|$", text, re.MULTILINE) == ["2,404 | 2,402"]
    assert text.count(" | 0 | 0 |") == len(TRIALS) - 1
