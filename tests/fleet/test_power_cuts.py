"""What a host's disk has at each moment of a change, and what the host makes of it at the next boot.

A change is held up at each of its effects and at each sync. What the disk has then is kept: what is left if
the power is cut, without what was not synced; or, with everything written, what is left if all programs of
the host are killed. Each that differs from the one before is given to the host, which boots. No deploy
follows: by itself, it must be wholly on the old configuration and serve as before, or wholly on the new one
and serve that. The copies in its record must be whole, because undo and removal believe them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from lab.command import LabError
from lab.disk import Disk, on_disk
from lab.host import LabHost
from lab.lab import Lab
from tests.conftest import is_taken
from tests.fleet.deploying import deploy, ended, side_by_side, started, succeed
from tests.fleet.faults import Faults
from tests.fleet.planning import plan_at
from tests.fleet.test_faults import STARTS, Bench, Start, hosts_at

pytestmark = pytest.mark.lab

# What the disk has if the power is cut, by its file system; and if everything is killed, and nothing lost.
KILLED = "killed"
HOW = ("ext4", "xfs", "btrfs", KILLED)
CASES = [(start, how) for start in STARTS for how in HOW]

# Of so many moments, one is part of a sample.
SAMPLED = 6

RECORD = "var/lib/smtp-auth"

# Where a change writes; what its programs have in memory is lost in any case.
PLACES = ("etc/postfix", "etc/dovecot", "etc/letsencrypt/renewal-hooks", "etc/systemd", RECORD)

Copies = dict[str, bytes]


@dataclass
class Moment:
    """What the disk had at a moment of the change.

    + name: how it is kept; + before: which effect was next
    """

    name: str
    before: str


@dataclass
class Tried:
    """A host on its disk, and what was kept of a change.

    + change: its folder in the record; + copies: what the record has after the change: path to content
    """

    bench: Bench
    disk: Disk
    moments: list[Moment] = field(default_factory=list)
    change: str = ""
    copies: Copies = field(default_factory=dict)


def _content(host: LabHost) -> dict[str, object]:
    """The files where a change writes, as they are now: path to content, mode and owner."""
    found: dict[str, object] = {}
    for place in PLACES:
        for path in sorted((host.root / place).rglob("*")):
            stat = path.lstat()
            what = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(host.root))] = what, stat.st_mode, stat.st_uid, stat.st_gid
    return found


def _changes(host: LabHost) -> set[str]:
    """The names of the changes in the record."""
    return {path.name for path in (host.root / RECORD).glob("changes/*")}


def _copies(host: LabHost) -> Copies:
    """What the record keeps for undo and removal: path to content."""
    record = host.root / RECORD
    paths = [
        *(path for kept in ("before", "after") for path in record.glob(f"changes/*/{kept}/**/*")),
        *record.glob("changes/*/ledger.json"),
        *record.glob("baseline/**/*"),
    ]
    return {str(path.relative_to(record)): path.read_bytes() for path in paths if path.is_file()}


# -- a change, moment by moment -----------------------------------------------------------------------


def _walk(tried: Tried, how: str) -> None:
    """Make the change, and keep what is on the disk at each moment."""
    host, start, disk = tried.bench.host, tried.bench.start, tried.disk
    last: object = None

    def keep(number: int, before: str) -> None:
        nonlocal last
        if how == KILLED:
            now: object = _content(host)
        else:
            now = disk.writes()
        if now == last:
            return
        if how == KILLED:
            disk.sync()
        last = now
        tried.moments.append(Moment(f"moment-{number}", f"effect {number}, {before}"))
        disk.keep(f"moment-{number}")

    with Faults(host) as faults, faults.in_ssh():
        tried.bench.before, recorded = tried.bench.files(), _changes(host)
        faults.arm_effect(0, "walk")
        disk.sync()
        with started([host], data=start.data, program=start.program) as process:
            number = 0
            for number, kind in enumerate(faults.walked(lambda: process.poll() is not None), 1):
                keep(number, kind)
            keep(number + 1, "the end")
            succeed(ended(process))
        tried.bench.after = tried.bench.files()
        tried.copies = _copies(host)
        (tried.change,) = _changes(host) - recorded


def _without_faults(host: LabHost) -> None:
    """Delete what made the change pause, from the files of a host that is off."""
    for path in host.root.glob("var/cache/faults/*"):
        if path.is_file():
            path.unlink()
    profile = host.root / "root/.bashrc"
    profile.write_text(re.sub(r"\APATH=/var/cache/faults.*\n", "", profile.read_text()))


# -- the next boot ------------------------------------------------------------------------------------


def _boot(tried: Tried, moment: Moment) -> str:
    """Boot the host with what its disk had; returns the configuration that it is on."""
    host, bench = tried.bench.host, tried.bench
    host.kill()
    tried.disk.put_back(moment.name)
    _without_faults(host)
    _switch_on(host)
    now = bench.files()
    assert now in (bench.before, bench.after), bench.left()
    whole = "old" if now == bench.before else "new"
    bench.serves()
    if whole == "new" and bench.start.serves:
        bench.log_in()
    # A cut while the boot unit is written leaves it without its link: nobody reads it, and the next change
    # replaces it.
    assert bench.leftovers() == [], _said_at_boot(host)
    outcome = _outcome(tried)
    assert (outcome == "live") == (whole == "new"), outcome
    # What had swapped nothing left nothing that anybody reads.
    if outcome in ("live", "put back"):
        found = _copies(host)
        wrong = sorted(path for path, content in tried.copies.items() if found.get(path) != content)
        assert wrong == [], outcome
    plan = plan_at(host, bench.start.data)
    assert plan.refusals == ()
    assert [reason for reload in plan.reloads for reason in reload.due] == []
    return f"{whole}, {outcome}"


def _said_at_boot(host: LabHost) -> str:
    """Why the host has restored nothing, if so, and what its journal has of that."""
    said = "cat /run/smtp-auth-not-restored; journalctl -b -u smtp-auth-recovery"
    return host.run(said, check=False).stdout


def _outcome(tried: Tried) -> str:
    """The outcome that the record has of the change; nothing if it has none."""
    manifest = tried.bench.host.root / RECORD / "changes" / tried.change / "manifest.json"
    return str(json.loads(manifest.read_text())["outcome"]) if manifest.exists() else ""


def _finish(tried: Tried, whole: str) -> None:
    """The record is true: what is on it can be made, or taken back."""
    bench = tried.bench
    if whole.startswith("old"):
        succeed(deploy([bench.host], data=bench.start.data, program=bench.start.program))
        assert bench.files() == bench.after
    elif bench.start.program == "deploy.py":
        succeed(deploy([bench.host], program="undo.py"))
        assert bench.files() == bench.before


def _all_moments(tried: Tried, how: str, share: Callable[[int], bool]) -> list[tuple[str, str]]:
    """What became of a host at its share of the moments, and what is wrong with it."""
    _walk(tried, how)
    found: list[tuple[str, str]] = []
    finished: set[str] = set()
    for moment in (one for place, one in enumerate(tried.moments) if share(place)):
        whole, wrong = "", ""
        try:
            whole = _boot(tried, moment)
            if whole not in finished:
                finished.add(whole)
                _finish(tried, whole)
        except (AssertionError, LabError, OSError, ValueError) as error:
            wrong = f"{tried.bench.host.name}: {moment.before}: {error}"
            print(wrong)
        found.append((whole, wrong))
    return found


# -- the matrix ---------------------------------------------------------------------------------------


def _switch_on(host: LabHost) -> None:
    host.power_on()
    host.wait_ready()


@contextmanager
def _on_disks(lab: Lab, start: Start, how: str) -> Iterator[list[Tried]]:
    """The hosts at the start, each on a disk."""
    hosts = hosts_at(lab, start)
    try:
        with ExitStack() as stack:
            kind = "ext4" if how == KILLED else how
            disks = side_by_side(lambda host: stack.enter_context(on_disk(host, kind)), hosts)
            side_by_side(_switch_on, hosts)
            yield [Tried(Bench(disk.host, lab.ca, Faults(disk.host), start), disk) for disk in disks]
    finally:
        side_by_side(lambda host: host.reset(), hosts)


def _share(releases: list[str], host: int, word: str | None) -> Callable[[int], bool]:
    """Which moments a host is given: hosts of a release share them, and a sample's word leaves some out."""
    mine, all_of_it = releases[:host].count(releases[host]), releases.count(releases[host])

    def is_mine(moment: int) -> bool:
        turn, whose = divmod(moment, all_of_it)
        return whose == mine and (word is None or is_taken(turn, SAMPLED, word))

    return is_mine


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_boot_finishes_or_restores(
    lab: Lab, case: tuple[str, str], measured: Callable[[str], None], pytestconfig: pytest.Config
) -> None:
    start, how = case
    word = pytestconfig.getoption("--sample")
    with _on_disks(lab, STARTS[start], how) as hosts:
        releases = [tried.bench.host.release for tried in hosts]
        shares = [_share(releases, host, word) for host in range(len(hosts))]
        found = side_by_side(lambda one: _all_moments(one[0], how, one[1]), zip(hosts, shares, strict=True))
    for release in sorted(set(releases)):
        some = [
            point for its, points in zip(releases, found, strict=True) if its == release for point in points
        ]
        outcomes = Counter(whole if not wrong else "WRONG" for whole, wrong in some)
        # Fewer would mean that some were omitted by mistake.
        assert len(some) >= (20 if word is None else 20 // SAMPLED)
        told = ", ".join(f"{number} {whole}" for whole, number in sorted(outcomes.items()))
        measured(f"{how}, from {start} on {release}: {len(some)} moments booted: {told}")
    assert "\n".join(wrong for points in found for _, wrong in points if wrong) == ""
