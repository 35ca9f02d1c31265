"""A change that starts while one of its run is under way on the host: by another attempt, or another name."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtp_auth.on_host.packing import packed
from tests.processes import WITH_THE_TESTS, wait_for

RUN = "2026-11-22T10:15:00Z-3f2a"


class UnderWay:
    """A folder that stands for /run, with a change of the run under way.

    + looks: is there once somebody looks at its folder again; + waits: once somebody waits for it
    """

    def __init__(self, folder: Path) -> None:
        self._run, self._record = folder / "run", folder / "record"
        self.looks, self.waits = folder / "looks", folder / "waits"
        self.change = self._run / f"smtp-auth-{RUN}"
        self.change.mkdir(parents=True)
        self._record.mkdir()
        (self.change / "change.pl").write_text(_change("a", "ann@desk"))
        (self.change / "who").write_text("root from 198.18.0.1")

    def start(self, file: str) -> subprocess.Popen[str]:
        """Start a change. + file: what its file gets"""
        program = packed("SmtpAuth::Supervise").replace("$RUN = '/run'", f"$RUN = '{self._run}'")
        *before, looks, waits = program.split("select undef")
        marked = [f"open my $mark, '>', '{file}';\nselect undef" for file in (self.looks, self.waits)]
        with tempfile.TemporaryFile("w+") as sent:
            sent.write(f"{'select undef'.join(before)}{marked[0]}{looks}{marked[1]}{waits}")
            sent.write(f"__END__\n{_change(file, 'bob@lap')}")
            sent.seek(0)
            return subprocess.Popen(
                [*WITH_THE_TESTS, "perl", "-x", "-", "start", RUN, str(self._record)],
                stdin=sent,
                stdout=subprocess.PIPE,
                text=True,
            )

    def end(self) -> None:
        """End the change that is under way."""
        (self._record / "last").write_text(f"id\t{RUN}\nproved\t465: TLSv1.3\noutcome\tlive\n")
        shutil.rmtree(self.change)


def _change(file: str, controller: str) -> str:
    return f"controller\t{controller}\nfile.main_cf.content\t{file}\ncomplete\t1\n"


@pytest.fixture
def under_way(tmp_path: Path) -> Iterator[UnderWay]:
    found = UnderWay(tmp_path)
    folder = os.open(found.change, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_SH)
    yield found
    os.close(folder)


def test_the_same_change_is_waited_for(under_way: UnderWay) -> None:
    started = under_way.start("a")
    wait_for(under_way.waits.exists, "it does not wait")
    under_way.end()
    assert started.communicate(timeout=60)[0] == "proved\t465: TLSv1.3\noutcome\tlive\n"
    assert started.returncode == 0


def test_a_start_that_has_not_filled_its_folder_yet_is_waited_for(under_way: UnderWay) -> None:
    (under_way.change / "change.pl").write_text("file.main_cf.con")
    started = under_way.start("a")
    # The first pause.
    wait_for(under_way.looks.exists, "it does not look again")
    (under_way.change / "change.pl").write_text(_change("a", "ann@desk"))
    wait_for(under_way.waits.exists, "it does not wait")
    under_way.end()
    assert started.communicate(timeout=60)[0].endswith("outcome\tlive\n")


def test_another_change_is_refused(under_way: UnderWay) -> None:
    """Two names of a machine that nobody can tell apart are in one run, with other data."""
    started = under_way.start("b")
    said = "another deploy is running on this host (root from 198.18.0.1); nothing was changed: run again"
    assert started.communicate(timeout=60)[0].startswith(f"said\t{said}")
    assert started.returncode == 1
    assert (under_way.change / "change.pl").read_text() == _change("a", "ann@desk")
