"""`up` may be killed at any moment: `down` finds everything, and so does the next `up`."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.claim import Claims
from lab.command import run
from lab.fixtures import ROOT
from lab.fleet import HostSpec
from lab.lab import Lab
from lab.names import Names
from lab.process import Cgroup
from lab.state import number_of, read
from tests.processes import wait_for

pytestmark = pytest.mark.lab

SPECS = (
    HostSpec("one.crash.test", "bookworm", "crash.test"),
    HostSpec("two.crash.test", "trixie", "crash.test"),
)
UP = f"""
import pathlib, sys
from lab import HostSpec, Lab
Lab(pathlib.Path(sys.argv[1])).up({SPECS!r})
"""
ON_DISK = f"""
import pathlib, sys
from lab import HostSpec, Lab
from lab.disk import on_disk
lab = Lab(pathlib.Path(sys.argv[1]))
lab.up({SPECS[:1]!r})
with on_disk(lab.hosts["{SPECS[0].name}"], "ext4") as disk:
    disk.host.power_on()
    disk.host.wait_ready()
    print("booted", flush=True)
    sys.stdin.read()
"""
WATCHED_UP = f"""
import pathlib, sys
from lab import HostSpec, Lab
from lab.watch import watched
with watched(pathlib.Path(sys.argv[1])):
    Lab(pathlib.Path(sys.argv[1])).up({SPECS!r})
    sys.stdin.read()
"""


def claimed(root: Path) -> bool:
    return bool(Claims().of(root))


def recorded(root: Path) -> bool:
    return number_of(root) is not None


def networked(root: Path) -> bool:
    number = number_of(root)
    return number is not None and any(Path("/run/netns").glob(f"mlab{number}-*"))


def mounted(root: Path) -> bool:
    return any((root / ".lab/hosts").glob("*/root/etc/hostname"))


def started(root: Path) -> bool:
    state = read(root)
    return state is not None and any(host.process for host in state.hosts.values())


def certified(root: Path) -> bool:
    return any((root / ".lab/hosts").glob("*/root/etc/letsencrypt/live/crash.test/cert.pem"))


def saving(root: Path) -> bool:
    return any((root / ".lab/hosts").glob("*/states/.stock"))


MOMENTS = (claimed, recorded, networked, mounted, started, certified, saving)


@pytest.fixture
def killed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, int]]:
    """A checkout whose `up` was killed at a moment, and the number that it had claimed."""
    moment: Callable[[Path], bool] = request.param
    process = subprocess.Popen([sys.executable, "-c", UP, str(tmp_path)], cwd=ROOT)
    try:
        wait_for(lambda: moment(tmp_path) or process.poll() is not None, "the moment")
        process.send_signal(signal.SIGKILL)
        process.wait()
        yield tmp_path, Claims().of(tmp_path)[0]
    finally:
        process.kill()
        process.wait()
        Lab(tmp_path).down()


def traces(number: int, root: Path) -> list[str]:
    """Everything on this machine with a lab's number in its name, or with its folder's name."""
    names = Names(number)
    found = [line for line in run("ip", "-brief", "link").stdout.split() if is_of(line, names)]
    found += [str(path) for path in Path("/run/netns").glob(f"{names.bridge}-*")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if f" {names.bridge} " in line or str(root) in line]
    found += [str(path) for path in Cgroup(names.bridge).paths() if path.exists()]
    found += [str(p) for p in Path("/run/systemd/nspawn").glob(f"*/{names.bridge}-*")]
    found += [str(path) for path in root.glob(".lab")]
    disks = map(said, Path("/sys/block").glob("loop*/loop/backing_file"))
    found += [disk for disk in disks if str(root) in disk]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        command = said(path)
        if f"{names.bridge}-" in command or str(root) in command or names.gateway in command:
            found.append(command)
    return found


def said(file: Path) -> str:
    """What the kernel says in a file; nothing if what it tells of has ended meanwhile."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def is_of(word: str, names: Names) -> bool:
    return word == names.bridge or word.startswith((f"{names.bridge}h", f"{names.bridge}t"))


@pytest.mark.parametrize("killed", MOMENTS, indirect=True, ids=lambda moment: moment.__name__)
def test_down_removes_what_a_killed_up_left(killed: tuple[Path, int]) -> None:
    root, number = killed
    assert number_of(root) is not None or claimed(root)
    Lab(root).down()
    assert traces(number, root) == []
    assert Claims().of(root) == []


@pytest.mark.parametrize("killed", [certified], indirect=True)
def test_up_goes_on_where_a_killed_one_ended(killed: tuple[Path, int]) -> None:
    root, number = killed
    lab = Lab(root)
    lab.up(SPECS)
    assert all(lab.hosts[spec.name].serves() for spec in SPECS)
    assert lab.number == number
    lab.down()
    assert traces(number, root) == []


@pytest.mark.parametrize("killed", [started], indirect=True)
def test_up_begins_anew_when_its_record_is_lost(killed: tuple[Path, int]) -> None:
    root, number = killed
    (root / ".lab/lab.json").write_text("{")
    lab = Lab(root)
    lab.up(SPECS[:1])
    assert [host.name for host in lab.hosts.values() if host.serves()] == [SPECS[0].name]
    lab.down()
    assert traces(number, root) == []


@pytest.mark.parametrize("moment", [recorded, mounted, certified], ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_watched_lab_ends_with_its_program(
    tmp_path: Path, moment: Callable[[Path], bool], number: signal.Signals
) -> None:
    """Nobody has to say `down`."""
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED_UP, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE
    )
    try:
        wait_for(lambda: moment(tmp_path) or process.poll() is not None, "the moment")
        lab = number_of(tmp_path)
        assert lab is not None
        process.send_signal(number)
        process.wait()
        wait_for(lambda: traces(lab, tmp_path) == [], "the end of all that belongs to the lab")
        assert Claims().of(tmp_path) == []
    finally:
        process.kill()
        process.communicate()
        Lab(tmp_path).down()


def test_down_ends_the_disk_of_a_killed_program(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ON_DISK, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "booted\n"
        process.kill()
        process.wait()
        (lab,) = Claims().of(tmp_path)
        assert sum("-present" in trace for trace in traces(lab, tmp_path)) == 1
        Lab(tmp_path).down()
        # The kernel ends a loop device shortly after the last process that saw its file system.
        wait_for(lambda: traces(lab, tmp_path) == [], "the end of all that belongs to the lab")
    finally:
        process.kill()
        process.communicate()
        Lab(tmp_path).down()
