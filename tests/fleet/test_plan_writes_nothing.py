"""`smtp-auth plan` changes nothing on a host: shown by a trace of all that its sessions do there."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.host import LabHost
from tests.fleet.commands import smtp_auth
from tests.fleet.deploying import ROOT

# Calls that change a file, a directory or their attributes; and those that start processes and name spaces.
_CHANGING = (
    "open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,utime,utimes,utimensat,setxattr,lsetxattr,fsetxattr,"
    "removexattr,lremovexattr,fremovexattr,truncate,ftruncate,fallocate,mknod,mknodat,bind,mount,umount2"
)
_STARTING = "clone,clone3,fork,vfork,unshare"

_FLAGS = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|TMPFILE)")
_PLACES = ("/etc/", "/var/lib/", "/var/spool/")

# The trace must see both sessions and processes that were started long before, as sshd is.
_TRACE = "/root/trace"


@dataclass
class Calls:
    """Calls that change a file below `_PLACES`, of sshd and all that it starts.

    + private: in a private mount name space; + public: outside
    """

    private: list[str] = field(default_factory=list)
    public: list[str] = field(default_factory=list)


@contextmanager
def traced(host: LabHost) -> Iterator[Calls]:
    """The calls while the block runs; they are complete after it."""
    host.run(
        "systemd-run --quiet --unit=trace strace -f -q -y -s 300 "
        f"-e trace={_CHANGING},{_STARTING} -e signal=none -o {_TRACE} -p $(systemctl show -P MainPID ssh) && "
        "until grep -q 'TracerPid:.[1-9]' /proc/$(systemctl show -P MainPID ssh)/status; do sleep 0.05; done"
    )
    found = Calls()
    try:
        yield found
    finally:
        host.run("systemctl stop trace")
        trace = host.root / _TRACE.lstrip("/")
        for is_private, line in _changes(trace.read_text(errors="replace")):
            (found.private if is_private else found.public).append(line)
        trace.unlink()


def _changes(trace: str) -> Iterator[tuple[bool, str]]:
    private: set[str] = set()
    for line in _joined(trace):
        process, _, call = line.partition(" ")
        name, _, arguments = call.lstrip().partition("(")
        succeeded = re.search(r"\) += ([0-9]+)", arguments)
        if not succeeded:
            continue
        if name == "unshare" and "CLONE_NEWNS" in arguments:
            private.add(process)
        elif name in _STARTING.split(","):
            if process in private:
                private.add(succeeded[1])
        elif not name.startswith("open") or _FLAGS.search(arguments):
            paths = re.findall(r'["<](/[^">]*)[">]', arguments)
            if any(path.startswith(_PLACES) for path in paths):
                yield process in private, line


def _joined(trace: str) -> Iterator[str]:
    """The lines of a trace; a call that another process has interrupted is one line."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        process = line.partition(" ")[0]
        if line.endswith(" <unfinished ...>"):
            begun[process] = line.removesuffix(" <unfinished ...>")
        elif " resumed>" in line and process in begun:
            yield begun.pop(process) + line.partition(" resumed>")[2]
        else:
            yield line


def test_no_call_of_a_plan_changes_a_file(stock: list[LabHost]) -> None:
    for host in stock:
        with traced(host) as calls:
            done = smtp_auth("plan", [host])
        assert "1 host: 1 pending" in done.output, done.progress
        assert calls.public == []
        # The rehearsal writes the new files where only it sees them.
        assert any("/etc/postfix/main.cf" in line for line in calls.private)


def test_the_trace_sees_a_change(stock: list[LabHost]) -> None:
    ssh = ["ssh", "-F", str(ROOT / ".lab" / "ssh_config")]
    for host in stock:
        with traced(host) as calls:
            subprocess.run([*ssh, host.name, "touch /etc/postfix/written"], check=True)
        assert any("/etc/postfix/written" in line for line in calls.public)
