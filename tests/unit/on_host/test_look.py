"""The look at a host: its output on real hosts becomes the right `Look`, and the program reads a host right.

The program runs here in a folder that stands for a host's file system, with postconf and doveconf that
print what the real ones printed. What has a fixed place on a host is redirected in it: the directories of
programs, Dovecot's process file and the two ports, for which the test takes free ones.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from operations import STEPS
from smtp_auth.facts.ledger import Definition, Ledger, LedgerEntry, as_json
from smtp_auth.facts.look import File, LastChange, Look, Socket, parse
from smtp_auth.on_host.asking import look_command
from smtp_auth.on_host.packing import packed
from smtp_auth.on_host.programs import look_program
from smtp_auth.plan.step import files_managed, parameters_asked
from smtp_auth.services.certbot.certificates import names
from smtp_auth.settings import Settings, settings_from_data
from tests.unit.issuing import issued
from tests.unit.on_host import RECORDED, RELEASES

HOSTNAMES = {"bookworm": "mail1.example.jp", "trixie": "mail2.example.jp"}
POSTFIX = {"bookworm": "3.7.11", "trixie": "3.10.13"}
DOVECOT = {"bookworm": "2.3.19.1", "trixie": "2.4.1"}

# SHA-256 of the file itself, as `sha256sum` says it.
MAIN_CF_OF_RECORDED_HOST = {
    "bookworm": "86ecd83c3398538f3ddddce7252c6e055477ccfb4873fd5cebe870d98d0727d0",
    "trixie": "74505f1515f4cbfcfa8d3b2a34a8f1f925db06ffc4c98857585165dee5957d28",
}

COMMANDS = ("postconf", "doveconf", "systemctl", "openssl", "certbot")


def settings(live: str = "/etc/letsencrypt/live", hostname: str = "mail1.example.jp") -> Settings:
    """The defaults for example.jp."""
    data = {key.name: key.metadata["default"] for key in fields(Settings)}
    return settings_from_data(hostname, {**data, "mail_domain": "example.jp", "letsencrypt_live": live})


# What real hosts said.


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def recorded_lines(release: str) -> list[str]:
    """What the look printed at a host of this release, after a deploy."""
    return (RECORDED / release / "look.txt").read_text().splitlines()


@pytest.fixture
def recorded(release: str) -> Look:
    look = parse(recorded_lines(release))
    assert look is not None
    return look


def test_the_versions_of_a_recorded_host_are_read(release: str, recorded: Look) -> None:
    assert recorded.postfix_version == POSTFIX[release]
    assert recorded.dovecot_version == DOVECOT[release]
    assert recorded.uid == 0
    assert recorded.commands == set(COMMANDS)


def test_the_listener_and_the_ports_of_a_recorded_host_are_read(recorded: Look) -> None:
    assert recorded.listener == recorded.socket == Socket("0600", "postfix", "postfix")
    assert recorded.listening == recorded.postfix_listening == {25, 465}
    assert recorded.dovecot_running
    assert recorded.queue_directory == "/var/spool/postfix"
    [service] = recorded.submissions_services
    assert service.name == "submissions"
    assert service.effective_options["smtpd_tls_wrappermode"] == "yes"


def test_the_files_of_a_recorded_host_are_read(release: str, recorded: Look) -> None:
    assert recorded.main_cf.digest == MAIN_CF_OF_RECORDED_HOST[release]
    hook = recorded.files["hook"]
    assert hook.path == "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
    assert (hook.mode, hook.user, hook.group) == ("0755", "root", "root")
    assert "systemctl reload postfix" in (hook.content or "")
    assert recorded.files["sni"] == File("/etc/postfix/smtp_auth_sni", real_path="/etc/postfix/smtp_auth_sni")
    assert (recorded.leftovers, recorded.stale_tables) == ((), ())


def test_the_certificate_of_a_recorded_host_is_read(release: str, recorded: Look) -> None:
    lineage = recorded.certificates["example.jp"]
    assert recorded.lineages == ("example.jp",)
    assert lineage.directory == "/etc/letsencrypt/live/example.jp"
    assert names(lineage) == [HOSTNAMES[release]]
    assert lineage.key.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert 0 < lineage.changed < recorded.main_cf.changed < (recorded.postfix_reloaded or 0)


def test_a_look_that_was_cut_off_is_none(release: str) -> None:
    lines = recorded_lines(release)
    for length in range(len(lines)):
        assert parse(lines[:length]) is None, lines[length]
    assert parse([*lines[:-1], lines[-1][:-3]]) is None


# The program itself.

POSTCONF = r"""#!{perl}
shift @ARGV;
my %asked = map {{ $_ => 1 }} @ARGV;
open my $file, "<", "{answers}";
while (<$file>) {{ print if /^(\w+) =/ && delete $asked{{$1}} }}
print STDERR "postconf: warning: $_: unknown parameter\n" for keys %asked;
"""


class Host:
    """A folder that stands for the file system of a host of this release, where everything runs.

    The test's own process stands for Postfix's master.

    + before: Perl that is read before the program
    """

    before = ""

    def __init__(self, folder: Path, release: str, open_until: ExitStack) -> None:
        self.folder = folder
        self._open_until = open_until
        self.postfix = self._directory("etc/postfix")
        self.dovecot = self._directory("etc/dovecot/conf.d")
        self.lineage = self._directory("etc/letsencrypt/live/example.jp")
        self.hooks = self._directory("etc/letsencrypt/renewal-hooks/deploy")
        self.options = folder / "etc/letsencrypt/cli.ini"
        # The directory that certbot has by default.
        self.certbots = Path("/etc/letsencrypt")
        self.spool = self._directory("spool")
        self.commands = self._directory("commands")
        self.sbin = self._directory("sbin")
        self._install()
        recorded = RECORDED / release
        self._postconf = (recorded / "postconf.txt").read_text()
        self.set_parameter("config_directory", str(self.postfix))
        self.set_parameter("queue_directory", str(self.spool))
        self.set_doveconf((recorded / "doveconf_deployed.txt").read_text())
        for name in ("main.cf", "master.cf"):
            shutil.copyfile(recorded / name, self.postfix / name)
            # Whatever the umask of who cloned the repository, or of who runs the tests.
            (self.postfix / name).chmod(0o644)
        self._write_certificate()
        self.socket = self._directory("spool/private") / "auth"
        self._listening(socket.AF_UNIX, self.socket)
        self.socket.chmod(0o600)
        self.master_pid = self._directory("spool/pid") / "master.pid"
        # As Postfix writes it.
        self.master_pid.write_text(f"{os.getpid():>10}\n")
        self.systemd = self._directory("run/systemd")
        self.units = self._directory("etc/systemd/system")
        for path in ("run/systemd/system", "run/systemd/units"):
            self._directory(path)
        for name in ("postfix", "dovecot"):
            self.set_active(name)
        self.dovecot_pid = self._directory("run/dovecot") / "master.pid"
        self.dovecot_pid.write_text(f"{self.start_as('dovecot').pid}\n")
        self.held = self.free_port()
        self.others = self._port_of_another_process()

    def _directory(self, path: str) -> Path:
        (self.folder / path).mkdir(parents=True)
        return self.folder / path

    def _install(self) -> None:
        for name in ("sh", "perl", "date", "stat", "openssl"):
            (self.commands / name).symlink_to(shutil.which(name) or name)
        # Where an administrator's PATH often does not lead.
        answers = self.folder / "postconf.txt"
        self.write_command("postconf", POSTCONF.format(perl=shutil.which("perl"), answers=answers))
        self.write_command("doveconf", f"#!/bin/sh\nexec {shutil.which('cat')} {self.folder}/doveconf.txt\n")
        for name in ("systemctl", "certbot"):
            self.write_command(name, "#!/bin/sh\nexit 1\n")

    def _write_certificate(self) -> None:
        chain, key, _ = issued("mail1.example.jp")
        (self.lineage / "fullchain.pem").write_text(chain)
        (self.lineage / "privkey.pem").write_text(key)

    def _listening(self, family: int, address: Path | tuple[str, int]) -> socket.socket:
        listening = self._open_until.enter_context(socket.socket(family))
        listening.bind(address if isinstance(address, tuple) else str(address))
        listening.listen()
        return listening

    def free_port(self) -> int:
        """A port that the test's own process listens on."""
        return int(self._listening(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1])

    def _port_of_another_process(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.start(("cat",), pass_fds=[listening.fileno()])
            return int(listening.getsockname()[1])

    def start(self, command: tuple[str, ...], pass_fds: list[int] | None = None) -> subprocess.Popen[bytes]:
        """A process that ends with the test."""
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=pass_fds or []
        )
        self._open_until.enter_context(process)
        self._open_until.callback(process.kill)
        return process

    def start_as(self, name: str) -> subprocess.Popen[bytes]:
        """A child of the test's own process under this name."""
        process = self.start(("perl", "-e", f'$0 = "{name}"; $| = 1; print 1; <STDIN>'))
        assert process.stdout is not None
        process.stdout.read(1)
        return process

    def write_command(self, name: str, text: str) -> None:
        """Install a program."""
        path = self.sbin / name
        path.write_text(text)
        path.chmod(0o755)

    def set_parameter(self, name: str, value: str) -> None:
        """Let postconf say another value."""
        lines = [line for line in self._postconf.splitlines() if not line.startswith(f"{name} =")]
        self._postconf = "\n".join([*lines, f"{name} = {value}", ""])
        (self.folder / "postconf.txt").write_text(self._postconf)

    def set_doveconf(self, text: str) -> None:
        """Let doveconf say this, with the directories of this host."""
        text = text.replace("/etc/dovecot/dovecot.conf", f"{self.dovecot.parent}/dovecot.conf", 1)
        text = text.replace("/var/spool/postfix", str(self.spool))
        (self.folder / "doveconf.txt").write_text(text)

    def set_active(self, name: str, active: bool = True) -> None:
        """Let systemd hold a unit active, or not."""
        link = self.systemd / "units" / f"invocation:{name}.service"
        link.unlink(missing_ok=True)
        if active:
            link.symlink_to("0ac73ecd7ccd4511bd2f8a2e0bc6241a")

    def output(self) -> str:
        """What the program prints, called as a deploy calls it."""
        wanted = settings(str(self.lineage.parent))
        record = str(self.folder / "record")
        command = look_command(wanted, record, parameters_asked(STEPS, wanted), files_managed(STEPS))
        done = subprocess.run(
            ("sh", "-c", command),
            input=self._program(),
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(self.commands)},
        )
        # What Perl complains about would be shown to the administrator.
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def keep_proved(self, key: str, pid: int, *paths: Path) -> None:
        """Put on record that a service was proved as it is."""
        functions = packed("SmtpAuth::Proved", "SmtpAuth::Lines").rpartition("exit ")[0]
        state = "SmtpAuth::Proved::state_of(@ARGV)"
        line = f"SmtpAuth::Lines::as_line($key, {state})"
        call = f"my ($file, $key) = (shift, shift); open my $to, '>>', $file; print $to {line}"
        record = self.folder / "record"
        record.mkdir(exist_ok=True)
        words = (record / "proved", key, pid, *paths)
        subprocess.run(("perl", "-e", functions + call, *map(str, words)), check=True)

    def look(self) -> Look:
        """The look at this host."""
        look = parse(self.output().splitlines())
        assert look is not None
        return look

    def _program(self) -> str:
        text = look_program().replace("#!perl\n", f"#!perl\n{self.before}", 1)
        redirected = {
            "qw(/usr/sbin /usr/bin /sbin /bin /snap/bin)": f'"{self.sbin}"',
            "'/run/dovecot/master.pid'": f"'{self.dovecot_pid}'",
            "'/run/dovecot'": f"'{self.dovecot_pid.parent}'",
            "'/run/systemd'": f"'{self.systemd}'",
            "('/etc/systemd/system', '/run/systemd/system')": f"('{self.units}', '{self.systemd}/system')",
            "$DEFAULT = '/etc/letsencrypt'": f"$DEFAULT = '{self.certbots}'",
            "$ETC = '/etc'": f"$ETC = '{self.folder}/etc'",
            "(25, 465)": f"({self.held}, {self.others})",
            '"$DEFAULT/cli.ini"': f"'{self.options}'",
            "$PATIENCE = 10;": "$PATIENCE = 3;",
        }
        for fixed, here in redirected.items():
            assert fixed in text
            text = text.replace(fixed, here)
        return text


@pytest.fixture
def host(tmp_path: Path, release: str) -> Iterator[Host]:
    # This process stands for master, by its name, too.
    comm = Path("/proc/self/comm")
    name = comm.read_text()
    with ExitStack() as stack:
        stack.callback(comm.write_text, name)
        comm.write_text("master")
        yield Host(tmp_path, release, stack)


ID = "0ac73ecd7ccd4511bd2f8a2e0bc6241a"


def write_machine(host: Host, machine_id: str | None = ID, **keys: str) -> None:
    """Give a host an ID and public keys, by the names of their kinds."""
    ssh = host.folder / "etc/ssh"
    shutil.rmtree(ssh, ignore_errors=True)
    ssh.mkdir()
    (host.folder / "etc/machine-id").unlink(missing_ok=True)
    if machine_id is not None:
        (host.folder / "etc/machine-id").write_text(f"{machine_id}\n")
    for kind, key in keys.items():
        (ssh / f"ssh_host_{kind}_key.pub").write_text(f"ssh-{kind} {key} root@host\n")


def test_a_machine_is_told_by_its_id_and_its_keys(host: Host) -> None:
    machines = set()
    for machine_id, keys in ((ID, {"rsa": "AAAA"}), (ID[::-1], {"rsa": "AAAA"}), (ID, {"rsa": "AAAB"})):
        write_machine(host, machine_id, **keys)
        machines.add(host.look().machine)
    assert len(machines) == 3
    assert "" not in machines
    # A comment identifies nothing.
    (host.folder / "etc/ssh/ssh_host_rsa_key.pub").write_text("ssh-rsa AAAB another@comment\n")
    assert host.look().machine in machines


@pytest.mark.parametrize("machine_id", [None, "", "uninitialized"])
def test_a_machine_without_an_id_cannot_be_told_from_others(host: Host, machine_id: str | None) -> None:
    write_machine(host, machine_id, rsa="AAAA")
    assert host.look().machine == ""


def test_a_machine_without_a_key_cannot_be_told_from_others(host: Host) -> None:
    write_machine(host)
    assert host.look().machine == ""
    # Whoever opens it waits for a writer.
    os.mkfifo(host.folder / "etc/ssh/ssh_host_rsa_key.pub")
    assert host.look().machine == ""


def test_keys_that_sshd_is_told_of_belong_to_its_machine(host: Host) -> None:
    """The keys with the usual names may be those of the image from which it was cloned."""
    write_machine(host, rsa="AAAA")
    cloned = host.look().machine
    own = host.folder / "own_key"
    (host.folder / "etc/ssh/sshd_config.d").mkdir()
    (host.folder / "etc/ssh/sshd_config.d/own.conf").write_text(f'#HostKey /no\n hostkey = "{own}" # mine\n')
    assert host.look().machine == ""
    own.with_suffix(".pub").write_text("ssh-ed25519 AAAC\n")
    assert host.look().machine not in ("", cloned)


def test_what_postconf_and_doveconf_say_is_read(host: Host, release: str) -> None:
    look = host.look()
    assert look.postfix_version == POSTFIX[release]
    assert look.dovecot_version == DOVECOT[release]
    assert look.listener == Socket("0600", "postfix", "postfix")
    assert look.parameters["smtpd_tls_cert_file"] == "/etc/ssl/certs/ssl-cert-snakeoil.pem"
    assert look.parameters["smtpd_tls_chain_files"] == ""
    assert ("smtpd_hide_client_session" in look.parameters) == (release == "trixie")
    assert look.commands == set(COMMANDS)
    assert look.uid == os.geteuid()


def test_a_stock_dovecot_has_no_listener(host: Host, release: str) -> None:
    host.set_doveconf((RECORDED / release / "doveconf.txt").read_text())
    look = host.look()
    assert (look.listener, look.dovecot_version) == (None, DOVECOT[release])


def test_a_listener_with_other_permissions_is_read(host: Host, release: str) -> None:
    text = (RECORDED / release / "doveconf_deployed.txt").read_text()
    host.set_doveconf(text.replace("mode = 0600", "mode = 0666").replace("group = postfix", "group = mail"))
    assert host.look().listener == Socket("0666", "postfix", "mail")


ASKED = "#!/bin/sh\necho asked >>{log}\nexit {status}\n"


def test_of_units_that_are_active_systemd_is_not_asked(host: Host) -> None:
    log = host.folder / "asked"
    host.write_command("systemctl", ASKED.format(log=log, status=1))
    look = host.look()
    assert (look.has_systemd, look.masked, look.inactive) == (True, {}, frozenset())
    assert not log.exists()


@pytest.mark.parametrize(("status", "inactive"), [(0, set()), (3, {"postfix"})])
def test_systemd_decides_whether_a_unit_without_a_link_is_active(
    host: Host, status: int, inactive: set[str]
) -> None:
    host.set_active("postfix", False)
    host.write_command("systemctl", ASKED.format(log=host.folder / "asked", status=status))
    assert host.look().inactive == inactive
    assert (host.folder / "asked").read_text() == "asked\n"


def test_a_unit_is_masked_by_a_link_or_an_empty_file(host: Host) -> None:
    (host.units / "postfix.service").symlink_to("/dev/null")
    (host.systemd / "system" / "dovecot.service").write_text("")
    assert host.look().masked == {
        "postfix": f"{host.units}/postfix.service",
        "dovecot": f"{host.systemd}/system/dovecot.service",
    }
    # An owner's own unit goes before a mask until the next boot.
    (host.units / "dovecot.service").write_text("[Service]\n")
    assert host.look().masked.keys() == {"postfix"}


def test_a_host_without_systemd_is_known(host: Host) -> None:
    host.systemd.rename(host.folder / "elsewhere")
    look = host.look()
    assert (look.has_systemd, look.masked, look.inactive) == (False, {}, frozenset())


def test_a_configuration_that_postconf_cannot_read_gives_no_parameters(host: Host) -> None:
    host.write_command("postconf", "#!/bin/sh\necho mail_version = 3.7.11\nexit 1\n")
    look = host.look()
    assert look.parameters == {}
    assert look.main_cf.path == "/etc/postfix/main.cf"


DROPIN = "99-postfix-smtp-auth.conf"

LISTENER = """\
service auth {{
  unix_listener {name} {{
    mode = {mode}
    user = {user}
    group = {group}
  }}
}}
"""


def listener(name: object, mode: str = "0600", user: str = "postfix", group: str = "postfix") -> str:
    """A definition of the listener."""
    return LISTENER.format(name=name, mode=mode, user=user, group=group)


MAIN = "!include conf.d/*.conf\n!include_try local.conf\n"


HEAD = "# 2.4.1 (x): /etc/dovecot/dovecot.conf\n"


def of_mode(mode: str, name: str = "{socket}") -> str:
    """A definition that sets only the mode."""
    return f"service auth {{\n  unix_listener {name} {{\n    mode = {mode}\n  }}\n}}\n"


@pytest.mark.parametrize(
    ("files", "places"),
    [
        ({"local.conf": of_mode("0666")}, ["local.conf:3"]),
        ({"conf.d/99-z.conf": of_mode("0666")}, ["conf.d/99-z.conf:3"]),
        # The last one decides.
        ({"conf.d/99-z.conf": of_mode("0660"), "local.conf": of_mode("0666")}, ["local.conf:3"]),
        ({"conf.d/99-z.conf": of_mode("0666"), "local.conf": of_mode("0600")}, []),
        # The drop-in overrules what is read before it.
        ({"conf.d/10-master.conf": of_mode("0666")}, []),
        ({"conf.d/99-z.conf": of_mode("0666"), "local.conf": listener("{socket}", user="root")},
         ["local.conf:4"]),
        ({"local.conf": listener("{socket}", "0666", "root", "mail")},
         ["local.conf:3", "local.conf:4", "local.conf:5"]),
        # Includes: relative to the including file, of several files, in a section, of a file in itself.
        ({"local.conf": "\n!include own/*.conf\n", "own/a.conf": "!include more/b.conf\n",
          "own/more/b.conf": of_mode("0666")}, ["own/more/b.conf:3"]),
        ({"local.conf": "!include_try {none,b,a}.inc\n", "a.inc": of_mode("0666"),
          "b.inc": of_mode("0600")}, ["a.inc:3"]),
        ({"local.conf": "service auth {\n!include a.inc\n}\n",
          "a.inc": "unix_listener {socket} {\nmode=0666\n}\n"}, ["a.inc:2"]),
        ({"local.conf": of_mode("0666") + "!include local.conf\n!include dovecot.conf\n"}, ["local.conf:3"]),
        # How a line may be written.
        ({"local.conf": '# {\nservice "auth" { # one\n unix_listener \\\n  "{socket}" {\n'
                        'mode = "0666" # two\n}\n}\n'}, ["local.conf:5"]),
        ({"local.conf": "x = it's {\n" + of_mode("438")}, ["local.conf:4"]),
        ({"local.conf": "x = <<END\n" + of_mode("0666") + "END\n" + of_mode("0660")}, ["local.conf:10"]),
        ({"local.conf": of_mode("0666").replace("mode", "unix_listener_mode")}, ["local.conf:3"]),
        ({"local.conf": of_mode("384")}, []),
        # Something else.
        ({"local.conf": of_mode("0666", "{socket}2")}, []),
        ({"local.conf": of_mode("0666").replace("auth ", "lmtp ", 1)}, []),
        ({"local.conf": "service auth {\n  mode = 0666\n}\n"}, []),
    ],
)  # fmt: skip
def test_the_lines_that_overrule_the_drop_in_are_found(
    host: Host, files: dict[str, str], places: list[str]
) -> None:
    folder = host.dovecot.parent
    host.set_doveconf(f"{HEAD}{listener(host.socket, '0666')}")
    for name, text in {"dovecot.conf": MAIN, f"conf.d/{DROPIN}": listener("{socket}"), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{socket}", str(host.socket)))
    assert host.look().listener_places == tuple(f"{folder}/{place}" for place in places)


def test_without_the_drop_in_nothing_overrules_it(host: Host) -> None:
    (host.dovecot.parent / "dovecot.conf").write_text(MAIN)
    (host.dovecot.parent / "local.conf").write_text(of_mode("0666").replace("{socket}", str(host.socket)))
    host.set_doveconf(listener(host.socket, "0666"))
    look = host.look()
    assert (look.listener_places, look.listener_names) == ((), ())


@pytest.mark.parametrize(
    "text",
    [
        "{folder}/spool//private/auth",
        "{folder}/spool/public/../private/auth",
        "{folder}/link/auth",
        "../../spool/private/auth",
    ],
)
def test_another_name_of_the_same_socket_is_known(host: Host, text: str) -> None:
    (host.spool / "public").mkdir()
    (host.folder / "link").symlink_to(host.spool / "private")
    name = text.format(folder=host.folder)
    host.set_doveconf(listener(name, "0666"))
    look = host.look()
    assert (look.listener, look.listener_names) == (Socket("0666", "postfix", "postfix"), (name,))


def test_a_relative_name_depends_on_dovecots_directory(host: Host) -> None:
    host.set_doveconf(f"base_dir = {host.spool}/x\n{listener('../private/auth')}")
    (host.spool / "x").mkdir()
    assert host.look().listener_names == ("../private/auth",)


def test_a_path_may_be_a_setting_of_its_own(host: Host) -> None:
    host.set_doveconf(listener("postfix", f"0660\n    path = {host.socket}"))
    look = host.look()
    assert (look.listener, look.listener_names) == (Socket("0660", "postfix", "postfix"), ("postfix",))


def test_two_names_of_one_socket_are_known_with_their_places(host: Host) -> None:
    folder, other = host.dovecot.parent, f"{host.spool}//private/auth"
    (folder / "dovecot.conf").write_text(listener(host.socket) + listener(other))
    host.set_doveconf(f"{HEAD}{listener(host.socket)}{listener(other)}")
    look = host.look()
    assert look.listener_names == (str(host.socket), other)
    assert look.listener_places == (f"{folder}/dovecot.conf:2", f"{folder}/dovecot.conf:9")


@pytest.mark.parametrize(
    ("mode", "found"), [("0600", "0600"), ("384", "0600"), ("432", "0660"), ("00660", "0660"), ("$x", "$x")]
)
def test_a_mode_is_read_as_dovecot_reads_it(host: Host, mode: str, found: str) -> None:
    host.set_doveconf(listener(host.socket, mode))
    assert host.look().listener == Socket(found, "postfix", "postfix")


ACCOUNTS = {
    "getgrnam": 'return ($_[0], "x", 104, $_[0] eq "alone" ? "" : "postfix carol")',
    "getpwent": "return @{ (shift @people) // [] }",
    "endpwent": "return",
}


@pytest.mark.parametrize(
    ("mode", "group", "others"),
    [
        ("0660", "postfix", ("carol", "dave")),
        ("0620", "alone", ("dave",)),
        # Nobody may connect by the group.
        ("0640", "postfix", ()),
        ("0600", "postfix", ()),
    ],
)
def test_who_else_may_use_a_listener_is_known(
    host: Host, mode: str, group: str, others: tuple[str, ...]
) -> None:
    people = (("root", 0), ("postfix", 104), ("root", 104), ("dave", 104), ("eve", 1000))
    listed = ", ".join(f'["{name}", "x", 1, {gid}]' for name, gid in people)
    stand_ins = "".join(f"*CORE::GLOBAL::{name} = sub {{ {body} }};\n" for name, body in ACCOUNTS.items())
    host.before = f"BEGIN {{\nour @people = ({listed});\n{stand_ins}}}\n"
    host.set_doveconf(listener(host.socket, mode, group=group))
    assert host.look().listener_others == others


def test_a_configuration_that_doveconf_cannot_read_gives_no_version(host: Host) -> None:
    (host.sbin / "doveconf").write_text("#!/bin/sh\necho doveconf: Fatal >&2\nexit 89\n")
    look = host.look()
    assert (look.dovecot_version, look.listener) == (None, None)
    assert "doveconf" in look.commands


def test_programs_that_are_not_there_are_not_listed(host: Host) -> None:
    for name in ("postconf", "certbot"):
        (host.sbin / name).unlink()
    (host.sbin / "systemctl").chmod(0o644)
    look = host.look()
    assert look.commands == {"doveconf", "openssl"}
    assert look.parameters == {}


def test_a_files_owner_mode_and_content_are_read(host: Host, release: str) -> None:
    path = host.postfix / "main.cf"
    path.chmod(0o4640)
    file = host.look().main_cf
    assert (file.path, file.real_path) == (str(path), str(path))
    assert (file.mode, file.user, file.group) == ("4640", path.owner(), path.group())
    assert file.content == (RECORDED / release / "main.cf").read_text()
    assert file.changed == pytest.approx(path.stat().st_ctime)


def test_every_byte_of_a_file_is_read(host: Host) -> None:
    content = bytes(range(256)) + b"caf\xc3\xa9 caf\xe9 100%41\r\n\t\x00no line end"
    (host.postfix / "main.cf").write_bytes(content)
    look = host.look()
    assert (look.main_cf.content or "").encode("latin-1") == content
    assert host.output().isascii()


def test_an_empty_file_is_not_a_missing_one(host: Host) -> None:
    (host.postfix / "main.cf").write_text("")
    (host.postfix / "master.cf").unlink()
    look = host.look()
    assert (look.main_cf.content, look.main_cf.mode) == ("", "0644")
    path = str(host.postfix / "master.cf")
    assert replace(look.master_cf, writers=()) == File(path, real_path=path)


def test_files_that_are_not_there_have_a_path(host: Host) -> None:
    files = host.look().files
    paths = {
        "sni": host.postfix / "smtp_auth_sni",
        "hook": host.hooks / "reload_services.sh",
        "dropin": host.dovecot / "99-postfix-smtp-auth.conf",
    }
    for key, path in paths.items():
        assert replace(files[key], writers=()) == File(str(path), real_path=str(path))


def test_the_owner_and_mode_of_a_linked_file_are_those_of_the_file(host: Host) -> None:
    link, real = host.postfix / "main.cf", host.folder / "kept elsewhere.cf"
    link.rename(real)
    real.chmod(0o640)
    link.symlink_to(host.folder / "another")
    (host.folder / "another").symlink_to("kept elsewhere.cf")
    file = host.look().main_cf
    assert (file.path, file.real_path, file.mode) == (str(link), str(real), "0640")
    assert file.content == real.read_text()


def test_a_linked_file_changed_when_the_file_or_the_link_did(host: Host) -> None:
    link, real = host.postfix / "main.cf", host.folder / "main.cf"
    link.rename(real)
    link.symlink_to(real)
    while link.lstat().st_ctime_ns <= real.stat().st_ctime_ns:
        link.unlink()
        link.symlink_to(real)
    assert host.look().main_cf.changed == pytest.approx(link.lstat().st_ctime, abs=1e-5)
    while real.stat().st_ctime_ns <= link.lstat().st_ctime_ns:
        real.chmod(0o644)
    assert host.look().main_cf.changed == pytest.approx(real.stat().st_ctime, abs=1e-5)


def test_a_link_to_nothing_is_a_missing_file(host: Host) -> None:
    (host.postfix / "main.cf").unlink()
    (host.postfix / "main.cf").symlink_to(host.folder / "nothing")
    file = host.look().main_cf
    assert (file.content, file.mode) == (None, "")


def test_leftovers_of_a_change_are_found_beside_the_files(host: Host) -> None:
    elsewhere = host.folder / "elsewhere"
    elsewhere.mkdir()
    (host.postfix / "master.cf").rename(elsewhere / "master.cf")
    (host.postfix / "master.cf").symlink_to(elsewhere / "master.cf")
    left = [
        host.postfix / ".main.cf.smtp-auth-new~",
        host.postfix / f".main.cf.smtp-auth-old-{'a0' * 32}~",
        elsewhere / ".master.cf.smtp-auth-old-~",
    ]
    others = [
        host.postfix / "main.cf.previous~",
        host.postfix / "main.cf.smtp-auth-new~",
        host.postfix / ".main.cf.smtp-auth-old-xyz~",
        host.postfix / ".main.cf.smtp-auth-new",
    ]
    for path in left + others:
        path.write_text("")
    assert host.look().leftovers == tuple(str(path) for path in left)


def test_leftovers_are_found_where_dovecots_file_is_not_there_yet(host: Host) -> None:
    left = host.dovecot / ".99-postfix-smtp-auth.conf.smtp-auth-none-0f~"
    left.write_text("")
    assert host.look().leftovers == (str(left),)


def test_leftovers_are_found_where_the_hook_is_not_there_yet(host: Host) -> None:
    left = host.hooks / ".reload_services.sh.smtp-auth-none-0f~"
    left.write_text("")
    assert host.look().leftovers == (str(left),)


def test_the_listeners_path_is_told_whether_it_is_there_or_not(host: Host) -> None:
    for _ in range(2):
        assert f"listener.path\t{host.socket}" in host.output().splitlines()
        host.socket.unlink(missing_ok=True)


def test_the_auth_socket_is_read(host: Host) -> None:
    look = host.look()
    assert look.socket == Socket("0600", host.socket.owner(), host.socket.group())
    host.socket.chmod(0o666)
    assert host.look().socket == Socket("0666", host.socket.owner(), host.socket.group())


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_what_is_no_socket_is_none(host: Host, instead: str) -> None:
    host.socket.unlink()
    if instead == "a file":
        host.socket.write_text("")
    assert host.look().socket is None


def test_a_certificate_and_the_public_half_of_its_key_are_read(host: Host) -> None:
    chain, _, public = issued("mail1.example.jp")
    look = host.look()
    lineage = look.certificates["example.jp"]
    assert (lineage.directory, lineage.chain, lineage.key) == (str(host.lineage), chain, public)
    last = max((host.lineage / name).stat().st_ctime for name in ("fullchain.pem", "privkey.pem"))
    assert lineage.changed == pytest.approx(last, abs=1e-5)
    assert "PRIVATE" not in unquote(host.output())


def test_a_key_that_cannot_be_read_is_empty(host: Host) -> None:
    path = host.lineage / "privkey.pem"
    key = load_pem_private_key(path.read_bytes(), None)
    locked = BestAvailableEncryption(b"secret")
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    assert host.look().certificates["example.jp"].key == ""
    path.unlink()
    lineage = host.look().certificates["example.jp"]
    assert (lineage.key, lineage.chain) == ("", issued("mail1.example.jp").chain)


def test_a_key_that_openssl_reads_for_ever_is_empty(host: Host) -> None:
    """Whoever writes a key says how often a passphrase is hashed: for hours, if he likes."""
    (host.commands / "openssl").unlink()
    host.write_command("openssl", f"""#!/bin/sh\nexec {shutil.which("perl")} -e 'sleep 30; print "late"'\n""")
    assert host.look().certificates["example.jp"].key == ""


def test_a_certificate_that_is_not_there_is_none(host: Host) -> None:
    (host.lineage / "fullchain.pem").unlink()
    look = host.look()
    assert look.certificates["example.jp"].chain is None
    assert look.lineages == ()


def _put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _renewing(host: Host, name: str, directory: object, quote: str = "") -> Path:
    """certbot's configuration of the renewals of a lineage."""
    line = f"fullchain = {quote}{directory}/fullchain.pem{quote}"
    text = f"# renew\nversion = 4.0.0\ncert = /x/cert.pem\n{line}\n\n[renewalparams]\n"
    return _put(host.lineage.parents[1] / "renewal" / name, text)


@pytest.mark.parametrize(
    ("files", "is_certbots"),
    [
        ((), False),
        (("renewal/README",), False),
        (("renewal/example.jp.conf",), True),
        (("accounts/acme-v02.api.letsencrypt.org/directory/2d/regr.json",), True),
        (("accounts/acme.zerossl.com/v2/DV90/2d/regr.json",), True),
        # dehydrated's and lego's.
        (("accounts/aHR0cHM/registration_info.json", "accounts/aHR0cHM/account_key.pem"), False),
        (("accounts/acme-v02.api.letsencrypt.org/root@example.jp/account.json",), False),
        # Those of an earlier version of ours.
        (("renewal-hooks/deploy/reload_services.sh",), False),
    ],
)
def test_whether_the_lineages_are_certbots_is_told(
    host: Host, files: tuple[str, ...], is_certbots: bool
) -> None:
    for file in files:
        _put(host.lineage.parents[1] / file)
    assert host.look().is_certbots == is_certbots


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("no-directory-hooks = true", True),
        ("no-directory-hooks=1", True),
        ("no-directory-hooks", True),
        ("--no-directory-hooks = 'yes'", True),
        ("no-directory-hooks = on  # a script reloads", True),
        ("no-directory-hooks = false\nno-directory-hooks = true", True),
        ("no-directory-hooks = true\nno-directory-hooks = no", False),
        # certbot ends with an error.
        ("no_directory_hooks = true", True),
        ("no-directory-hooks = false", False),
        ("# no-directory-hooks = true", False),
        ("deploy-hook = systemctl reload postfix", False),
    ],
)
def test_options_of_certbots_that_keep_it_from_running_hooks_are_told(
    host: Host, line: str, found: bool
) -> None:
    host.options.write_text(f"max-log-backups = 0\n{line}\n")
    assert host.look().without_hooks == (str(host.options) if found else "")


def test_beside_certbots_lineages_those_of_another_client_are_not_certbots(host: Host) -> None:
    _renewing(host, "example.jp.conf", host.lineage)
    live = host.lineage.parent.rename(host.lineage.parents[1] / "certs")
    host.lineage = live / "example.jp"
    look = host.look()
    assert (look.is_certbots, look.certificates["example.jp"].renewal) == (False, "")


def test_lineages_behind_a_link_are_certbots_and_so_is_the_hook(host: Host) -> None:
    renewal = _renewing(host, "example.jp.conf", host.lineage)
    link = host.folder / "certificates"
    link.symlink_to(host.lineage.parent)
    host.lineage = link / "example.jp"
    look = host.look()
    assert look.is_certbots
    assert look.certificates["example.jp"].renewal == str(renewal)
    assert look.files["hook"].path == str(host.hooks / "reload_services.sh")


def test_lineages_are_certbots_under_each_path_of_its_directory(host: Host) -> None:
    """Before the first renewal, only the directory itself tells it: the one that certbot has by default."""
    real = host.folder / "srv"
    host.lineage.parent.rename(real)
    host.lineage.parent.symlink_to(real)
    host.lineage = real / "example.jp"
    assert not host.look().is_certbots
    host.certbots = host.hooks.parents[1]
    look = host.look()
    assert look.is_certbots
    assert look.files["hook"].path == str(host.hooks / "reload_services.sh")


def test_linked_lineages_in_certbots_directory_are_certbots(host: Host) -> None:
    _renewing(host, "example.jp.conf", host.lineage)
    real = host.lineage.parent.rename(host.folder / "elsewhere")
    host.lineage.parent.symlink_to(real)
    look = host.look()
    assert (look.is_certbots, bool(look.certificates["example.jp"].renewal)) == (True, True)
    assert look.files["hook"].path == str(host.hooks / "reload_services.sh")


@pytest.mark.parametrize("quote", ["", '"', "'"])
@pytest.mark.parametrize("name", ["example.jp.conf", "mail-2026.conf"])
def test_the_configuration_of_a_lineages_renewals_is_told(host: Host, name: str, quote: str) -> None:
    _renewing(host, "another.conf", host.lineage.with_name("another"))
    renewal = _renewing(host, name, host.lineage, quote)
    assert host.look().certificates["example.jp"].renewal == str(renewal)


def test_a_configuration_of_another_lineage_renews_nothing_here(host: Host) -> None:
    # Under the name of this lineage, and of the same lineage in another directory.
    _renewing(host, "example.jp.conf", "/nonexistent/letsencrypt/live/example.jp")
    _renewing(host, "another.conf", host.lineage.with_name("another"))
    _put(host.lineage.parents[1] / "renewal/empty.conf")
    look = host.look()
    assert (look.is_certbots, look.certificates["example.jp"].renewal) == (True, "")


def test_the_lineages_that_hold_a_certificate_are_listed(host: Host) -> None:
    live = host.lineage.parent
    for name in ("zwei.example", "empty.example", ".hidden.example"):
        (live / name).mkdir()
    (live / "README").write_text("")
    for name in ("zwei.example", ".hidden.example"):
        (live / name / "fullchain.pem").write_text("")
    assert host.look().lineages == ("example.jp", "zwei.example")


SUFFIXES = {"hash": "db", "btree": "db", "lmdb": "lmdb", "cdb": "cdb"}


def sni_table(host: Host, kind: str, *, age: int) -> str:
    """An owner's table that names the lineage's files; its index is older than these by `age` seconds."""
    source = host.folder / f"{kind}{age}"
    files = [host.lineage / "privkey.pem", host.lineage / "fullchain.pem"]
    source.write_text(f"# names\nexample.jp {files[0]} {files[1]}\n")
    index = Path(f"{source}.{SUFFIXES[kind]}")
    index.write_text("")
    made = files[1].stat().st_mtime - age
    os.utime(index, (made, made))
    return f"{kind}:{source}"


def test_an_sni_table_made_before_its_certificate_is_stale(host: Host) -> None:
    fresh = [sni_table(host, kind, age=-5) for kind in SUFFIXES]
    stale = [sni_table(host, kind, age=5) for kind in SUFFIXES]
    unindexed = stale[0].replace("hash:", "texthash:")
    host.set_parameter("tls_server_sni_maps", ", ".join([unindexed, *fresh, *stale]))
    assert host.look().stale_tables == tuple(stale)


def test_a_table_with_copies_of_a_lineages_files_is_told(host: Host) -> None:
    tables = [sni_table(host, kind, age=-5) for kind in SUFFIXES]
    # Neither this one's files nor those of the next are a lineage's.
    others = _table_of(host, "others", host.folder / "key.pem")
    unread = _table_of(host, "unread", host.lineage.with_name("gone") / "key.pem")
    inline = f"inline:{{ {{example.jp = {host.lineage}/privkey.pem}} }}"
    never_made = sni_table(host, "hash", age=7)
    Path(f"{never_made.removeprefix('hash:')}.db").unlink()
    values = [tables[0].replace("hash:", "texthash:"), inline, *tables, others, unread, never_made, tables[0]]
    host.set_parameter("tls_server_sni_maps", ", ".join(values))
    assert host.look().sni_tables == tuple(tables)


def _table_of(host: Host, name: str, *files: Path, between: str = " ") -> str:
    """A table of these files with its index."""
    source = _put(host.folder / name, f"example.jp {between.join(map(str, files))}\n")
    _put(Path(f"{source}.db"))
    return f"hash:{source}"


@pytest.mark.parametrize("between", [",", ", ", "\n    ", "\n# a comment\n\n  "])
def test_a_tables_source_is_read_as_postfix_reads_it(host: Host, between: str) -> None:
    other, chain = _put(host.folder / "key.pem"), host.lineage / "fullchain.pem"
    table = _table_of(host, "sni", other, chain, between=between)
    index = Path(f"{table.removeprefix('hash:')}.db")
    made = chain.stat().st_mtime - 5
    os.utime(index, (made, made))
    os.utime(other, (made - 5, made - 5))
    host.set_parameter("tls_server_sni_maps", table)
    look = host.look()
    assert (look.sni_tables, look.stale_tables) == ((table,), (table,))


def test_a_table_that_names_a_lineages_files_by_links_is_told(host: Host) -> None:
    link = host.folder / "mail.pem"
    link.symlink_to(host.lineage / "fullchain.pem")
    table = _table_of(host, "sni", link)
    host.set_parameter("tls_server_sni_maps", f"proxy:{table}")
    assert host.look().sni_tables == (table,)


def test_the_tables_of_services_are_told(host: Host) -> None:
    table = sni_table(host, "btree", age=5)
    said = f"smtps/inet/tls_server_sni_maps = {table}"
    asked_of_services = f"if ($ARGV[0] eq '-Px') {{ print qq{{{said}\\n}}; exit }} shift @ARGV;"
    command = host.sbin / "postconf"
    host.write_command("postconf", command.read_text().replace("shift @ARGV;", asked_of_services))
    assert host.look().sni_tables == ()
    with (host.postfix / "master.cf").open("a") as master:
        master.write("smtps inet n - y - - smtpd -o tls_server_sni_maps=btree:$own_directory/sni\n")
    look = host.look()
    assert (look.sni_tables, look.stale_tables) == ((table,), (table,))


def test_a_directory_in_place_of_a_file_is_no_empty_file(host: Host) -> None:
    (host.postfix / "smtp_auth_sni").mkdir()
    assert host.look().files["sni"].content is None


def test_an_sni_table_that_was_never_made_is_not_stale(host: Host) -> None:
    table = sni_table(host, "hash", age=5)
    Path(f"{table.removeprefix('hash:')}.db").unlink()
    host.set_parameter("tls_server_sni_maps", table)
    assert host.look().stale_tables == ()


def test_the_ports_and_who_holds_them_are_read(host: Host) -> None:
    look = host.look()
    assert look.listening == {host.held, host.others}
    assert look.postfix_listening == {host.held}


def test_a_connection_to_a_port_is_no_service_there(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = listening.accept()
    host.others = port
    with client, connection:
        assert host.look().listening == {host.held}


@pytest.mark.parametrize("name", ["qmgr", "oqmgr"])
def test_postfix_was_reloaded_when_its_queue_manager_started(host: Host, name: str) -> None:
    before = time.time()
    host.start_as(name)
    reloaded = host.look().postfix_reloaded
    assert reloaded is not None
    # The kernel counts in hundredths of a second.
    assert before - 0.02 < reloaded < time.time()


def test_postfix_without_a_queue_manager_was_reloaded_when_it_started(host: Host) -> None:
    host.start_as("pickup")
    ticks = int(Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19])
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    before = time.monotonic()
    reloaded = host.look().postfix_reloaded
    # Some time passes in the look before it asks for the time. The kernel counts in hundredths of a second.
    assert reloaded == pytest.approx(started, abs=time.monotonic() - before + 0.02)


@pytest.mark.parametrize(
    "instead", ["nothing", "an empty file", "a process that has ended", "a process of another program"]
)
def test_a_postfix_that_does_not_run_holds_nothing(host: Host, instead: str) -> None:
    ended = host.start(("true",))
    ended.wait()
    text = {
        "an empty file": "",
        "a process that has ended": f"{ended.pid}\n",
        "a process of another program": f"{host.start_as('masters').pid}\n",
    }
    for path in (host.master_pid, host.dovecot_pid):
        path.unlink()
        if instead in text:
            path.write_text(text[instead])
    look = host.look()
    assert look.postfix_reloaded is None
    assert look.postfix_listening == set()
    assert look.listening == {host.held, host.others}
    assert not look.dovecot_running


def test_a_dovecot_that_runs_is_seen_with_its_unit(host: Host) -> None:
    look = host.look()
    assert look.dovecot_running
    groups = re.findall(r"^\d+:(?:name=systemd)?:(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    assert look.dovecot_unit in {group.rpartition("/")[2] for group in groups}


def test_a_further_lineage_with_the_hosts_name_in_its_certificate_is_told(host: Host) -> None:
    live = host.lineage.parent
    # This one's only looks like it.
    (host.lineage / "fullchain.pem").write_text(issued("webmail1.example.jp").chain)
    for name, covered in {
        "mine": "mail1.example.jp",
        "wild": "*.example.jp",
        "www": "www.example.jp",
    }.items():
        (live / name).mkdir()
        (live / name / "fullchain.pem").write_text(issued(covered).chain)
    (live / "odd\nname").mkdir()
    (live / "odd\nname" / "fullchain.pem").write_text(issued("mail1.example.jp").chain)
    covering = host.look().covering
    assert set(covering) == {"mine", "wild", "odd\nname"}
    assert names(covering["wild"]) == ["*.example.jp"]


@pytest.mark.parametrize("covered", ["mail1.example.jp", "*.example.jp"])
def test_where_the_mail_domains_lineage_does_no_other_is_told(host: Host, covered: str) -> None:
    (host.lineage / "fullchain.pem").write_text(issued(covered).chain)
    (host.lineage.parent / "mine").mkdir()
    (host.lineage.parent / "mine" / "fullchain.pem").write_text(issued("mail1.example.jp").chain)
    assert host.look().covering == {}


@pytest.mark.parametrize(
    ("make", "odd"),
    [
        (lambda path: path.symlink_to("/nonexistent/x"), "a link to /nonexistent/x, which does not exist"),
        (lambda path: path.mkdir(), "a directory"),
        (lambda path: os.mkfifo(path), "no file"),
    ],
)
def test_what_stands_where_a_file_cannot_be_written_is_told(
    host: Host, make: Callable[[Path], None], odd: str
) -> None:
    make(host.hooks / "reload_services.sh")
    hook = host.look().files["hook"]
    assert (hook.odd, hook.content) == (odd, None)


def _on_record(host: Host, change: str, outcome: str, path: Path, text: str, controller: str = "a@b") -> None:
    folder = host.folder / "record" / "changes" / change
    kept = Path(f"{folder}/after{path}")
    kept.parent.mkdir(parents=True)
    kept.write_text(text)
    manifest = {"controller": controller, "ssh_user": "root", "began": change[:20], "outcome": outcome}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in manifest.items())
    (folder / "manifest.json").write_text(f"{{\n{lines}\n}}\n")


def test_the_last_change_is_the_last_that_went_live(host: Host) -> None:
    assert host.look().last_change is None
    path = host.postfix / "main.cf"
    _on_record(host, "2026-11-22T10:15:00Z-0001", "live", path, "older")
    _on_record(host, "2026-11-22T10:16:00Z-0002", "live", path, path.read_text())
    _on_record(host, "2026-11-22T10:17:00Z-0003", "put back", path, "never live")
    found = LastChange("2026-11-22T10:16:00Z-0002", "a@b as root", "2026-11-22T10:16:00Z")
    assert host.look().last_change == found
    path.write_text(path.read_text() + "owners = 1\n")
    assert host.look().last_change == replace(found, edited=(str(path),))


def test_an_edit_is_told_if_the_directory_has_become_a_link_since(host: Host) -> None:
    path = host.postfix / "main.cf"
    _on_record(host, "2026-11-22T10:15:00Z-0001", "live", path, path.read_text())
    real = host.folder / "srv"
    host.postfix.rename(real)
    host.postfix.symlink_to(real)
    last = host.look().last_change
    assert last is not None
    assert last.edited == ()
    path.write_text(path.read_text() + "owners = 1\n")
    assert host.look().last_change == replace(last, edited=(str(real / "main.cf"),))


@pytest.mark.parametrize("controller", ['"a\\b"@c', "zo\u00eb@c", "a\n@c"])
def test_who_made_the_last_change_is_read_whatever_their_name(host: Host, controller: str) -> None:
    path = host.postfix / "main.cf"
    _on_record(host, "2026-11-22T10:15:00Z-0001", "live", path, "", controller)
    last = host.look().last_change
    assert last is not None
    assert last.who == f"{controller} as root"


def test_a_record_that_somebody_has_edited_says_what_it_says(host: Host) -> None:
    _on_record(host, "2026-11-22T10:15:00Z-0001", "live", host.postfix / "main.cf", "")
    manifest = host.folder / "record/changes/2026-11-22T10:15:00Z-0001/manifest.json"
    manifest.write_text(manifest.read_text().replace("a@b", r"a\q@b"))
    last = host.look().last_change
    assert last is not None
    assert last.who == r"a\q@b as root"


def _with_ledger(host: Host, change: str, outcome: str, name: str) -> None:
    """A change on record, after which one definition of main.cf is ours."""
    _on_record(host, change, outcome, host.postfix / "main.cf", "")
    ledger = Ledger(definitions={"main_cf": {name: Definition(None, "1")}})
    folder = host.folder / "record/changes" / change
    (folder / "ledger.json").write_text(as_json(LedgerEntry(after=ledger)))


def _names(look: Look) -> list[list[str]]:
    """The definitions of main.cf in each ledger of a look."""
    return [[*ledger.of("main_cf")] for ledger in look.ledgers]


def test_the_ledger_is_that_of_the_last_live_change(host: Host) -> None:
    assert _names(host.look()) == []
    _with_ledger(host, "2026-11-22T10:15:00Z-0001", "live", "first")
    _with_ledger(host, "2026-11-22T10:16:00Z-0002", "live", "second")
    _with_ledger(host, "2026-11-22T10:17:00Z-0003", "put back", "third")
    assert _names(host.look()) == [["second"]]


@pytest.mark.parametrize("outcome", ["unfinished", "failed"])
def test_the_ledger_of_a_change_that_may_have_left_files_counts_until_a_live_one(
    host: Host, outcome: str
) -> None:
    _with_ledger(host, "2026-11-22T10:15:00Z-0001", "live", "first")
    _with_ledger(host, "2026-11-22T10:16:00Z-0002", outcome, "torn")
    # Another attempt, which was refused on the host.
    _on_record(host, "2026-11-22T10:17:00Z-0003", "refused", host.postfix / "main.cf", "")
    assert _names(host.look()) == [["torn"], []]
    _with_ledger(host, "2026-11-22T10:18:00Z-0004", "live", "last")
    assert _names(host.look()) == [["last"]]


def test_a_live_change_without_its_ledger_is_told(host: Host) -> None:
    _on_record(host, "2026-11-22T10:15:00Z-0001", "live", host.postfix / "main.cf", "")
    assert not host.look().has_ledger


def test_a_file_that_does_not_exist_is_where_its_directory_is(host: Host) -> None:
    place = host.postfix.rename(host.postfix.with_name("elsewhere"))
    host.postfix.symlink_to(place)
    assert host.look().files["sni"].real_path == str(place / "smtp_auth_sni")


def test_a_service_that_is_as_it_was_proved_is_told(host: Host) -> None:
    assert host.look().proved == frozenset()
    read = (host.postfix / "main.cf", host.postfix / "master.cf", host.lineage / "fullchain.pem")
    host.keep_proved("postfix", os.getpid(), *read)
    assert host.look().proved == {"postfix"}
    (host.dovecot.parent / "dovecot.conf").write_text("")
    dovecot = int(host.dovecot_pid.read_text())
    host.keep_proved("dovecot", dovecot, host.dovecot.parent / "dovecot.conf")
    assert host.look().proved == {"dovecot", "postfix"}
    (host.dovecot / "90-owners.conf").write_text("")
    assert host.look().proved == {"postfix"}


@pytest.mark.parametrize("changed", ["main.cf", "the certificate", "the process"])
def test_a_service_that_was_started_or_changed_is_not_proved(host: Host, changed: str) -> None:
    read = (host.postfix / "main.cf", host.postfix / "master.cf", host.lineage / "fullchain.pem")
    master = os.getpid()
    if changed == "the process":
        started = host.start_as("master")
        host.master_pid.write_text(f"{started.pid}\n")
        host.keep_proved("postfix", started.pid, *read)
        assert host.look().proved == {"postfix"}
        host.master_pid.write_text(f"{host.start_as('master').pid}\n")
    else:
        host.keep_proved("postfix", master, *read)
        path = read[0 if changed == "main.cf" else 2]
        path.write_text(path.read_text() + "\n")
    assert host.look().proved == frozenset()


def test_a_file_has_one_path_whichever_links_lead_to_it(host: Host) -> None:
    """Also before its directory exists: a deploy makes it, and the record has the file under this path."""
    real = host.folder / "srv/letsencrypt"
    shutil.rmtree(host.hooks.parent)
    real.parent.mkdir()
    host.lineage.parents[1].rename(real)
    (host.folder / "etc/letsencrypt").symlink_to("../srv/linked")
    (host.folder / "srv/linked").symlink_to(real)
    hook = real / "renewal-hooks/deploy/reload_services.sh"
    before = host.look().files["hook"]
    assert (before.path, before.real_path) == (str(host.hooks / hook.name), str(hook))
    hook.parent.mkdir(parents=True)
    assert host.look().files["hook"] == before
    hook.write_text("#!/bin/sh\n")
    assert host.look().files["hook"].real_path == str(hook)


def test_nothing_is_behind_a_link_to_a_missing_directory(host: Host) -> None:
    """It may be on a file system that is not mounted."""
    shutil.rmtree(host.hooks.parent)
    for target in (host.folder / "missing", host.folder / "missing/below", host.hooks.parent.name):
        host.hooks.parent.unlink(missing_ok=True)
        host.hooks.parent.symlink_to(target)
        assert host.look().files["hook"].real_path == str(host.hooks / "reload_services.sh")


def test_what_was_left_in_a_linked_directory_is_told_once(host: Host) -> None:
    real = host.folder / "srv"
    host.postfix.rename(real)
    host.postfix.symlink_to(real)
    left = real / ".main.cf.smtp-auth-new~"
    left.write_text("")
    assert host.look().leftovers == (str(left),)
