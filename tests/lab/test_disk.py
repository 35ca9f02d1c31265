"""A host's disk has what was synced, and the host boots from it."""

from pathlib import Path

import pytest

from lab.disk import KINDS, on_disk
from lab.fleet import DEFAULT_FLEET
from lab.lab import Lab

pytestmark = pytest.mark.lab

# A new file that is written, and one that is synced, renamed and synced by its name. If an old file was
# written over, that would be on the disk, too: file systems sync what was truncated when it is closed.
WRITE = """
echo new >/etc/unsynced
echo new >/etc/.renamed && sync /etc/.renamed && mv /etc/.renamed /etc/renamed && sync /etc
"""


def has(folder: Path) -> dict[str, str | None]:
    """What the host has of both files."""
    files = {name: folder / "etc" / name for name in ("unsynced", "renamed")}
    return {name: file.read_text() if file.exists() else None for name, file in files.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_lacks_what_was_not_synced(lab: Lab, kind: str) -> None:
    host = lab.hosts[DEFAULT_FLEET[0].name]
    host.reset()
    with on_disk(host, kind) as disk:
        host.power_on()
        host.wait_ready()
        host.run("echo old >/etc/renamed")
        disk.sync()
        disk.keep("before")
        host.run(WRITE)
        disk.keep("after")
        assert has(host.root) == {"unsynced": "new\n", "renamed": "new\n"}
        host.kill()
        disk.put_back("after")
        left = has(host.root)
        assert left["renamed"] == "new\n"
        assert left["unsynced"] in (None, "")
        host.power_on()
        host.wait_ready()
        host.kill()
        disk.put_back("before")
        assert has(host.root) == {"unsynced": None, "renamed": "old\n"}
    assert has(host.root) == {"unsynced": None, "renamed": None}
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    assert not [file for file in files if f"/{host.machine}-" in file.read_text()]
    host.power_on()
    host.wait_ready()
