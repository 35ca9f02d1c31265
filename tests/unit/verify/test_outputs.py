"""What the options of outputs want, and what does not fit together: of a verification, and of plans."""

from argparse import Namespace
from pathlib import Path

import pytest

from smtp_auth.fleet import plan_command
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.outputs import outputs_of


def _options(**given: str) -> Namespace:
    return Namespace(**{"json": None, "html": None, "since": None, "prometheus": None, **given})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"since": "a"}, "--since a is for the page: give --html FILE, too"),
        ({"since": "a", "json": "-"}, "--since a is for the page: give --html FILE, too"),
        ({"since": "absent", "html": "-"}, "--since absent: No such file or directory"),
        ({"html": ""}, "--html has no file: give one, or - for standard output"),
        ({"html": "absent/page.html"}, "--html absent/page.html: there is no such folder"),
        (
            {"html": "-", "json": "-"},
            "--json - and --html -: standard output is for one of them: give the others a file",
        ),
    ],
)
def test_options_that_do_not_fit_are_a_mistake(given: dict[str, str], why: str) -> None:
    with pytest.raises(Mistake) as found:
        outputs_of(_options(**given))
    assert str(found.value) == why


def test_a_page_is_an_output() -> None:
    (page,) = outputs_of(_options(html="-"))
    assert (page.target.option, page.target.is_standard_output) == ("--html -", True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    ("one", "other"),
    [("file", "file"), ("new", "./new"), ("file", "link"), ("link", "link"), ("loop", "loop")],
)
@pytest.mark.usefixtures("folder")
def test_one_file_for_several_outputs_is_a_mistake(one: str, other: str) -> None:
    way_out = "this is one file, and the last would replace the others: give each its own"
    with pytest.raises(Mistake) as verified:
        outputs_of(_options(json=one, html="page", prometheus=other))
    assert str(verified.value) == f"--json {one} and --prometheus {other}: {way_out}"
    with pytest.raises(Mistake) as planned:
        plan_command.outputs_of(one, other)
    assert str(planned.value) == f"--json {one} and --prometheus {other}: {way_out}"


def test_files_of_their_own_and_what_is_read_are_none(folder: Path) -> None:
    (folder / "monday").write_text('{"version": 1, "hosts": {}}')
    # It is read before it is replaced.
    given = _options(json="monday", since="monday", html=f"{folder}/page", prometheus="-")
    assert len(outputs_of(given)) == 3
    assert len(plan_command.outputs_of("file", "-")) == 2
