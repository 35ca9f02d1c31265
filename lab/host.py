"""One host of a lab: making it, booting it, running commands in it, restoring it and removing it."""

import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import mounts, network
from lab.command import SYSTEM_PATH, LabError, environment, failure, run, wait_until
from lab.process import Cgroup, Process, is_init_of_namespace
from lab.services import Services, directory
from lab.snapshot import Snapshots, matters
from lab.state import HostState, LabState

STOCK = "stock"

# The environment of an administrator's root shell.
_ROOT_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": SYSTEM_PATH,
    "SHELL": "/bin/bash",
    "USER": "root",
}

# With --keep-unit, systemd-nspawn leaves a host's reboot to its caller: it exits with status 133 and expects
# to be started again. Each boot gets its own cgroup: that of the last boot has children with controllers, and
# such a cgroup accepts no process.
_KEEPER = """
trees=
while [ "$1" != -- ]; do trees="$trees $1"; shift; done
shift
boot=0
while
    boot=$((boot + 1))
    (
        for tree in $trees; do
            mkdir "$tree/boot-$boot" && sh -c 'echo $PPID' >"$tree/boot-$boot/cgroup.procs"
        done
        exec "$@"
    )
    [ $? -eq 133 ]
do :; done
"""

# Entries of /run and /tmp that a running host creates by itself.
_OWN_RUNTIME = frozenset({"agetty.reload", "log", "mount", "nologin", "sudo", "systemd", "user", "utmp"})

_MAIL_UNITS = "'postfix*' 'dovecot*'"

_GREETINGS = ((22, b"SSH-"), (25, b"220 "), (143, b"* OK"))


class LabHost:
    """A booted Debian mail host.

    + state: its recorded state
    + lab: the recorded state of the lab
    + record: writes the lab's state to disk; called after each change of this host's state
    """

    def __init__(
        self, state: HostState, lab: LabState, services: Services, record: Callable[[], None]
    ) -> None:
        self._state = state
        self._lab = lab
        self._services = services
        self._record = record
        self._cgroup = Cgroup(lab.names.cgroup(self.name))
        self._mounts_of: Process | None = None

    @property
    def name(self) -> str:
        """The host's full name."""
        return self._state.spec.name

    @property
    def release(self) -> str:
        """The Debian release's code name."""
        return self._state.spec.release

    @property
    def domain(self) -> str:
        """The mail domain; also the name of the certificate lineage."""
        return self._state.spec.domain

    @property
    def group(self) -> str:
        """The inventory group."""
        return self._state.spec.group

    @property
    def address(self) -> str:
        """The host's IPv4 address, reachable from the controller."""
        return self._lab.names.address(self._state.index)

    @property
    def user(self) -> str:
        """The mailbox user."""
        return self._state.spec.user

    @property
    def password(self) -> str:
        """The mailbox user's password."""
        return self._state.password

    @property
    def ready(self) -> bool:
        """Whether the host was made completely."""
        return self._state.ready

    @property
    def folder(self) -> Path:
        """The folder on the controller with everything that belongs to this host."""
        return self._lab.host_folder(self.name)

    @property
    def root(self) -> Path:
        """The host's root file system, to read and write its files from the controller.

        It does not contain /run, /tmp, /proc and /dev of the running host.
        """
        root = self.folder / "root"
        return root if self._mounts_of is None else Path(f"/proc/{self._mounts_of.pid}/root{root}")

    @property
    def machine(self) -> str:
        """The name under which systemd-nspawn runs the host; it begins with the lab's name."""
        return self._lab.names.machine(self._state.index)

    @property
    def _snapshots(self) -> Snapshots:
        return Snapshots(self.root, self.folder / "states")

    # -- making and removing ----------------------------------------------------------------------

    def create(self, image: Path, keys: str, trusted: Sequence[str]) -> None:
        """Make the host's files and network, without booting it.

        + image: the base image
        + keys: who may log in as root, as in authorized_keys
        + trusted: certificates in PEM that the host's programs trust
        """
        mounts.make(self._lab.names, image, self.folder)
        network.make_host(self._lab.names, self.name, self._state.index)
        self._services.add_name(self.name, self.address)
        self._identify()
        self._trust(trusted)
        self._configure_postfix()
        self._write("root/.ssh/authorized_keys", keys, mode=0o600)
        (self.root / "root/.ssh").chmod(0o700)
        run("ssh-keygen", "-q", "-A", "-f", self.root)
        self._add_user()
        self._write(
            "etc/letsencrypt/cli.ini",
            (self.root / "etc/letsencrypt/cli.ini").read_text()
            + f"\n# The lab's authority.\nserver = {directory(self._lab.names)}\n",
        )

    def remove(self) -> None:
        """Remove the host, in any state."""
        self._cgroup.kill()
        names = self._lab.names
        mounts.remove(names, below=self.folder)
        network.remove_host(names, self.name, self._state.index)
        for leftover in leftovers(self.machine):
            leftover.rmdir()
        run("rm", "-rf", "--one-file-system", self.folder)

    def host_keys(self) -> list[str]:
        """The public keys of the host's ssh server: `ssh-ed25519 AAAA…`."""
        return [
            " ".join(key.read_text().split()[:2])
            for key in sorted((self.root / "etc/ssh").glob("ssh_host_*_key.pub"))
        ]

    def _write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def _identify(self) -> None:
        short = self.name.partition(".")[0]
        self._write("etc/hostname", f"{self.name}\n")
        self._write("etc/mailname", f"{self.domain}\n")
        # Without the host's own name in this file, a reload of Dovecot takes ten seconds.
        self._write(
            "etc/hosts",
            "127.0.0.1\tlocalhost\n"
            f"{self.address}\t{self.name} {short}\n"
            "::1\t\tlocalhost ip6-localhost ip6-loopback\n"
            "ff02::1\t\tip6-allnodes\n"
            "ff02::2\t\tip6-allrouters\n",
        )
        # Postfix copies it for its chrooted daemons when it starts.
        self._write("etc/resolv.conf", f"nameserver {self._lab.names.gateway}\n")
        self._write("etc/machine-id", os.urandom(16).hex() + "\n", mode=0o444)

    def _trust(self, certificates: Sequence[str]) -> None:
        # Writes the same files as update-ca-certificates, which takes seconds.
        bundle = self.root / "etc/ssl/certs/ca-certificates.crt"
        for number, pem in enumerate(certificates, 1):
            source = f"usr/local/share/ca-certificates/lab-{number}.crt"
            self._write(source, pem)
            digest = run("openssl", "x509", "-noout", "-subject_hash", stdin=pem).stdout.strip()
            link = self.root / f"etc/ssl/certs/lab-{number}.pem"
            link.symlink_to(f"/{source}")
            (link.parent / f"{digest}.0").symlink_to(link.name)
        bundle.write_text(bundle.read_text() + "".join(certificates))

    def _configure_postfix(self) -> None:
        # Postfix was installed in the image, without these names; on a real host its package knows them.
        parent = self.name.partition(".")[2]
        places = ["$myhostname", self.domain, self.name, f"localhost.{parent}", "localhost"]
        values = {"myhostname": self.name, "mydestination": ", ".join(dict.fromkeys(places))}
        path = self.root / "etc/postfix/main.cf"
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            key = line.partition("=")[0].rstrip()
            if key in values:
                lines[number] = f"{key} = {values.pop(key)}"
        if values:
            raise LabError(f"{self.name}: the stock main.cf sets no {' and no '.join(values)}")
        path.write_text("\n".join(lines) + "\n")

    def _add_user(self) -> None:
        run("chroot", self.root, "useradd", "--create-home", "--shell", "/bin/bash", self.user)
        run("chroot", self.root, "chpasswd", stdin=f"{self.user}:{self.password}\n")

    # -- power ------------------------------------------------------------------------------------

    def running(self) -> bool:
        """Whether the host is switched on."""
        process = self._state.process
        return process is not None and process.alive()

    def power_on(self) -> None:
        """Start to boot the host; `wait_ready` waits until it is up."""
        if self.running():
            return
        # Processes that a crash has left behind would share the host's cgroup.
        self._cgroup.kill()
        names = self._lab.names
        seen = self._mounts_of
        enter = [] if seen is None else ["nsenter", f"--target={seen.pid}", "--mount", "--"]
        started = self._cgroup.start(
            [
                *("/bin/sh", "-c", _KEEPER, "keeper", *map(str, self._cgroup.paths()), "--"),
                *(*enter, "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
                *("--console=pipe", "--link-journal=no", "--timezone=off", "--resolv-conf=off"),
                f"--machine={self.machine}",
                f"--network-namespace-path=/run/netns/{names.netns(self.name)}",
                f"--directory={self.folder / 'root'}",
            ],
            self.folder / "console.log",
            env={},
        )
        self._state.process = Process.of(started.pid)
        self._record()

    def see_mounts_of(self, process: Process | None) -> None:
        """Let the host, which is off, have the root that a process has mounted in its mount namespace.

        + process: None for the root that the lab has mounted
        """
        self._mounts_of = process

    def power_off(self) -> None:
        """Shut the host down in order, and wait until it is off."""
        if self.running():
            for nspawn in self._nspawn():
                # systemd-nspawn forwards this to the host as a request for an orderly shutdown.
                nspawn.signal(signal.SIGTERM)
            wait_until(lambda: not self.running(), f"{self.name} switched off", timeout=100)
        self._off()

    def kill(self) -> None:
        """Crash the host: kill all its processes at once."""
        self._off()

    def _off(self) -> None:
        self._cgroup.kill()
        self._state.process = None
        self._record()

    def reboot(self) -> None:
        """Reboot the host and wait until its services answer again."""
        before = self.leader()
        self.run("systemctl reboot", check=False)
        wait_until(
            lambda: (now := self._find_leader()) is not None and now != before,
            f"{self.name} rebooting",
            timeout=100,
        )
        self.wait_ready()

    def leader(self) -> Process:
        """The host's systemd."""
        leader = self._find_leader()
        if leader is None:
            raise LabError(f"{self.name} is switched off")
        return leader

    def _find_leader(self) -> Process | None:
        for nspawn in self._nspawn():
            for child in nspawn.children():
                if is_init_of_namespace(child.pid):
                    return child
        return None

    def _nspawn(self) -> list[Process]:
        return [] if self._state.process is None else self._state.process.children()

    def wait_ready(self, timeout: float = 90) -> None:
        """Wait until sshd, Postfix and Dovecot greet and the boot has finished."""
        wait_until(
            lambda: self._find_leader() is not None or not self.running(),
            f"{self.name} starting",
            timeout,
        )
        for port, greeting in _GREETINGS:

            def greets(port: int = port, greeting: bytes = greeting) -> bool:
                if not self.running():
                    said = (self.folder / "console.log").read_text(errors="replace")[-2000:]
                    raise LabError(f"{self.name} switched itself off: {said}")
                return self._greeting(port).startswith(greeting)

            wait_until(greets, f"the greeting of {self.name} on port {port}", timeout)
        wait_until(
            lambda: (
                self.run("systemctl is-system-running", check=False).stdout.strip() in {"running", "degraded"}
            ),
            f"the end of the boot of {self.name}",
            timeout,
        )

    def _greeting(self, port: int) -> bytes:
        try:
            with socket.create_connection((self.address, port), timeout=5) as connection:
                return connection.recv(200)
        except OSError:
            return b""

    # -- commands ---------------------------------------------------------------------------------

    def enter(self) -> list[str]:
        """The words before a command that make it run inside the host, as root."""
        variables = [f"{key}={value}" for key, value in _ROOT_ENVIRONMENT.items()]
        return [
            *("nsenter", f"--target={self.leader().pid}", "--all", "--root", "--wdns=/root"),
            *("--", "/usr/bin/env", "--ignore-environment", *variables),
        ]

    def run(
        self,
        command: str,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 180,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside the host, as a root login would.

        + command: for /bin/sh
        + stdin: what it reads; nothing by default
        + check: whether an exit status other than 0 is a LabError
        + timeout: seconds after which the command is killed
        """
        # In a process group of its own, so that a time-out kills the command and not only nsenter.
        with subprocess.Popen(
            [*self.enter(), "/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(stdin, timeout=timeout)
            except subprocess.TimeoutExpired:
                late = f"{self.name}: not finished within {timeout:g} s: {command}"
                # Asked while the command still waits.
                raise LabError(f"{late}\n{self._doing()}") from None
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
        done = subprocess.CompletedProcess(command, process.returncode, out, err)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: {failure([command], done)}")
        return done

    def _doing(self) -> str:
        """What the host waits for: systemd's jobs, and the processes."""
        asked = "systemctl list-jobs --no-pager; ps -e --forest -o pid,etimes,stat,wchan:20,args"
        try:
            return run(*self.enter(), "/bin/sh", "-c", asked, check=False, timeout=60).stdout
        except LabError:
            return "and it does not say what it does"

    # -- certificates -----------------------------------------------------------------------------

    def issue_certificate(self, names: Sequence[str] = (), cert_name: str | None = None) -> None:
        """Obtain a certificate lineage from the lab's authority with certbot.

        + names: the names it covers, which lead to this host from now on; by default the host's own
        + cert_name: the lineage's name; by default the mail domain
        """
        covered = list(names) or [self.name]
        for name in covered:
            self._services.add_name(name, self.address)
        words = ["certbot", "certonly", "--standalone", "--non-interactive", "--agree-tos"]
        words += ["--register-unsafely-without-email", "--cert-name", cert_name or self.domain]
        words += [word for name in covered for word in ("-d", name)]
        self.run(shlex.join(words))

    def renew(self) -> None:
        """Renew all lineages now, as certbot's timer would shortly before they expire."""
        # Without a terminal, certbot waits minutes before it asks the authority.
        self.run("certbot renew --force-renewal --no-random-sleep-on-renew")

    # -- states -----------------------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Save the host's present state under a name."""
        self._snapshots.save(name)
        (self.folder / "runtime").mkdir(exist_ok=True)
        (self.folder / "runtime" / name).write_text("\n".join(sorted(self._runtime())))

    def saved(self) -> list[str]:
        """The names of the states that can be restored."""
        return self._snapshots.names()

    def forget(self, name: str) -> None:
        """Remove a state."""
        self._snapshots.forget(name)

    def restore(self, name: str) -> None:
        """Restore the state of this name, and wait until the host's services answer.

        A host that is switched off is booted.
        """
        if not self._snapshots.has(name):
            raise LabError(f"{self.name} has no state named {name}: {', '.join(self.saved())}")
        if not self.running():
            self._snapshots.put_back(name)
            self.power_on()
            self.wait_ready()
            return
        changed = self._snapshots.differences(name)
        restart = any(matters(path) for path in changed) or not self.serves()
        units = [Path(path).name for path in changed if path.startswith("etc/systemd/system/")]
        if restart:
            self._stop_services()
        # Stop the units whose files were added or changed before these files are restored.
        for unit in units:
            if unit.endswith((".service", ".timer", ".path", ".socket")):
                self.run(f"systemctl stop {shlex.quote(unit)}", check=False)
        if changed:
            self._snapshots.put_back(name)
        self._clear_runtime(name)
        if restart:
            self._start_services(reload_units=bool(units))

    def reset(self) -> None:
        """Restore the state in which the lab made the host."""
        self.restore(STOCK)

    def serves(self) -> bool:
        """Whether sshd, Postfix and Dovecot greet right now."""
        return all(self._greeting(port).startswith(greeting) for port, greeting in _GREETINGS)

    def _stop_services(self) -> None:
        # They are killed, because an orderly stop takes seconds, and their files are restored anyway.
        self.run(
            f"""
            systemctl stop --no-block {_MAIL_UNITS}
            while systemctl list-units --quiet --state=active,deactivating {_MAIL_UNITS} | grep -q .; do
                systemctl kill --signal=KILL {_MAIL_UNITS} 2>/dev/null
            done
            """
        )

    def _start_services(self, reload_units: bool) -> None:
        # Postfix creates its own sockets again, but does not delete those of others (Dovecot's listener).
        self.run(
            "find /var/spool/postfix/private /var/spool/postfix/public -mindepth 1 -delete\n"
            + ("systemctl daemon-reload\n" if reload_units else "")
            # systemd treats the tests' frequent restarts as a service that fails to start. The units are
            # named one by one, because a pattern does not match stopped units.
            + "systemctl reset-failed postfix postfix@- dovecot dovecot.socket 2>/dev/null\n"
            # The timer, too: systemd stops it if its unit files are restored.
            "systemctl start postfix ssh dovecot certbot.timer",
        )
        self.wait_ready()

    def _runtime(self) -> set[str]:
        base = Path(f"/proc/{self.leader().pid}/root")
        return {
            f"{folder}/{entry.name}"
            for folder in ("run", "tmp")
            for entry in (base / folder).iterdir()
            if entry.name not in _OWN_RUNTIME and not entry.name.startswith((".", "systemd-"))
        }

    def _clear_runtime(self, name: str) -> None:
        kept = set((self.folder / "runtime" / name).read_text().splitlines())
        surplus = sorted(self._runtime() - kept)
        if surplus:
            self.run("rm -rf -- " + shlex.join(f"/{path}" for path in surplus))


def leftovers(prefix: str) -> list[Path]:
    """Folders that systemd-nspawn leaves behind if a host of this name is killed."""
    return [
        path
        for kind in ("propagate", "unix-export")
        for path in Path("/run/systemd/nspawn", kind).glob("*")
        if path.name == prefix
    ]
