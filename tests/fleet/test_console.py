"""`smtp-auth plan` and `apply` in a terminal, on booted hosts; what needs none is in
tests/unit/test_in_a_terminal.py.
"""

from pathlib import Path

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import RELEASES
from tests.fleet.deploying import tree
from tests.screens import as_text, file_of
from tests.screens.scenes import QUESTION, rows, typed, write_inventory
from tests.terminal import CTRL_C

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    "screen",
    [
        *(("plan", 80), ("apply", 130), ("interrupted", 80), ("left", 130)),
        *(("apply", 80), ("plan", 130), ("left", 80), ("interrupted", 130)),
    ],
    ids=lambda screen: "-".join(map(str, screen)),
)
def test_a_screen_is_as_it_is_kept(lab: Lab, tmp_path: Path, screen: tuple[str, int]) -> None:
    """If a screen has changed on purpose: make screens pictures."""
    hosts = [lab.hosts[name] for name in RELEASES]
    shown = rows(screen[0], tmp_path, hosts, screen[1])
    assert as_text(shown) == file_of(*screen).read_text()


def test_what_is_typed_while_hosts_are_asked_does_nothing_to_them(
    stock: list[LabHost], tmp_path: Path
) -> None:
    write_inventory(tmp_path, stock)
    before = {host: tree(host) for host in stock}
    for answer, status in (("no\n", 1), (CTRL_C, 130)):
        with typed(tmp_path, "apply") as terminal:
            terminal.type("yes\n\n~")
            # The terminal shows what is typed, so it has arrived.
            terminal.wait_for("~")
            assert QUESTION not in terminal.shown
            terminal.wait_for(QUESTION)
            terminal.type(answer)
            assert terminal.status() == status, terminal.shown
            assert terminal.is_as_before()
    assert {host: tree(host) for host in stock} == before
