"""Files that a command writes."""

import os
from pathlib import Path

from smtp_auth.fleet.written import Target


def test_what_a_killed_process_has_left_is_not_in_the_way(tmp_path: Path) -> None:
    """In a container, each process has the same ID."""
    file = tmp_path / "left.json"
    (tmp_path / f".{file.name}.{os.getpid()}").write_text("half")
    assert Target("--remaining", str(file)).write(iter(["a", "b"]))
    assert file.read_text() == "a\nb\n"
