"""certbot's deploy hook: its new text, with an owner's lines, and what it does when it runs."""

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from operations.certbot_hook import STEP, desired_content, desired_mode
from smtp_auth.facts.look import File, Lineage, Look
from smtp_auth.plan.as_json import host_as_json
from smtp_auth.plan.text import step_lines
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.certbot.hook import effect_of_hook
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of, surely_rebuilds
from smtp_auth.settings import Settings
from tests.unit.looks import look, settings
from tests.unit.past import Host
from tests.unit.scenarios import LIVE, RELEASES, Part, stock, wanted, with_file

TABLE = "hash:/etc/postfix/sni"

BY_HAND = "#!/bin/sh\nsystemctl reload postfix\n"


# An index that everybody may read, as postmap makes one of such a source.
POSTMAP = """#!/bin/sh
[ "$1" = -F ] || exit 1
case $2 in hash:* | btree:*) suffix=db ;; *) suffix=${2%%:*} ;; esac
umask 022
{ echo "index of $2 with copies of"; cat "${2#*:}"; } >"${2#*:}.$suffix"
"""


@dataclass(frozen=True)
class Ran:
    """What a run of a hook did: its status, standard error, and the arguments of each `systemctl`."""

    status: int
    said: str
    reloads: list[str]


class Machine:
    """A folder with lineages and a `systemctl` that only records its arguments."""

    def __init__(self, folder: Path) -> None:
        self.live = folder / "live"
        self.calls = folder / "calls"
        self._hook = folder / "reload_services.sh"
        self._programs = folder / "bin"
        self._programs.mkdir()
        self.failing("none")
        self.write_program("postmap", POSTMAP)

    def write_program(self, name: str, text: str) -> None:
        """Install a program that the hook finds."""
        program = self._programs / name
        program.write_text(text)
        program.chmod(0o755)

    def failing(self, unit: str) -> None:
        """From now on the reload of this unit fails."""
        self.write_program("systemctl", f'#!/bin/sh\necho "$*" >>{self.calls}\n[ "$2" != {unit} ]\n')

    def add(self, name: str, pair: Path) -> Path:
        """Add a lineage with the key and certificate of this folder."""
        return Path(shutil.copytree(pair, self.live / name))

    def settings(self, **data: Any) -> Settings:
        return settings(letsencrypt_live=str(self.live), **data)

    def run(self, content: str, renewed: Path | None) -> Ran:
        """Run a hook as certbot does, through a shell."""
        self._hook.write_bytes(content.encode("latin-1"))
        self._hook.chmod(0o755)
        self.calls.unlink(missing_ok=True)
        variables = {} if renewed is None else {"RENEWED_LINEAGE": str(renewed)}
        path = f"{self._programs}:{os.environ['PATH']}"
        done = subprocess.run(
            str(self._hook),
            shell=True,
            env={"PATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return Ran(done.returncode, done.stderr, calls)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three folders with a key and its certificate, of both key types."""
    folders = [tmp_path_factory.mktemp("pair") for _ in range(3)]
    kinds = (["rsa:2048"], *[["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]] * 2)
    for folder, kind in zip(folders, kinds, strict=True):
        files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
        words = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-newkey", *kind, *files]
        subprocess.run(words, check=True, capture_output=True)
    return folders


@pytest.fixture
def machine(tmp_path: Path, pairs: list[Path]) -> Machine:
    """A machine with the lineages of two domains, and one that no mail program asks for."""
    made = Machine(tmp_path)
    for name, pair in zip(("example.jp", "example.net", "www.example.jp"), pairs, strict=True):
        made.add(name, pair)
    return made


# -- what it becomes -------------------------------------------------------------------------------


# Hooks of owners, to whether they certainly reload Postfix whenever they run.
SURELY = [
    BY_HAND,
    "#!/bin/sh -e\nsystemctl restart postfix.service\n",
    "#!/usr/bin/env bash\nsystemctl reload nginx postfix",
    "#!/bin/sh\nsystemctl --system --no-block -q reload postfix </dev/null >>/var/log/renewed 2>&1\n",
    "#!/bin/sh\nsystemctl reload docker postfix --job-mode=replace\n",
    "#!/bin/sh\nssh mail2 systemctl reload postfix\nsystemctl reload postfix\n",
    "#!/bin/sh\npostfix -v reload\n",
    "#!/bin/bash\n# ours\nservice postfix reload >/dev/null 2>&1\nexit 0\n",
    "#!/bin/sh\n/etc/init.d/postfix reload\n",
    "#!/bin/sh\nsystemctl try-reload-or-restart 'postfix'\n",
    "#!/bin/sh\nlogger renewed; /usr/bin/systemctl --no-block reload \\\n  postfix || logger failed # why\n",
    "#!/bin/sh\nif [ -e /x ]; then\n  logger\nfi\nfor x in a; do logger $x; done\n/usr/sbin/postfix reload\n",
    '#!/bin/sh\nlogger "all of it; exit 0"\nsudo systemctl reload postfix && logger done\n',
]
PERHAPS = [
    '#!/usr/bin/python3\nfrom os import *\nsystem("docker restart web; systemctl reload postfix")\n',
    '#!/usr/bin/perl\nsystem("ssh backup touch /x"); system("systemctl reload postfix");\n',
    '#!/bin/sh\n[ "$RENEWED_LINEAGE" = /x ] || exit 0\npostfix reload\n',
    '#!/bin/sh\n[ "$RENEWED_LINEAGE" = /x ] && systemctl reload postfix\n',
    "#!/bin/sh\nfalse &&\n  systemctl reload postfix\n",
    "#!/bin/sh\nfalse && \\\n  systemctl reload postfix\n",
    "#!/bin/sh\nif [ -e /x ]; then\nsystemctl reload postfix\nfi\n",
    "#!/bin/sh\nif [ -e /x ]; then\nexit 0\nfi\nsystemctl reload postfix\n",
    "#!/bin/sh\ncase $x in *) exit 0;; esac\nsystemctl reload postfix\n",
    "#!/bin/sh\nexec logger x\nsystemctl reload postfix\n",
    "#!/bin/sh\nlogger x; exit; systemctl reload postfix\n",
    "#!/bin/sh\nset -e\nsystemctl reload postfix\n",
    "#!/bin/sh -eu\nlogger x\nsystemctl reload postfix\n",
    "#!/bin/sh\nf() {\nsystemctl reload postfix\n}\n",
    "#!/bin/bash\nfunction f\n{\nsystemctl reload postfix\n}\n",
    "#!/bin/sh\n. /etc/default/x\nsystemctl reload postfix\n",
    "#!/bin/sh\n(systemctl reload postfix)\n",
    "#!/bin/sh\ncat >/dev/null <<END\nsystemctl reload postfix\nEND\n",
    "#!/bin/sh\necho 'two\nsystemctl reload postfix\nlines'\n",
    "#!/bin/sh\necho systemctl reload postfix\n",
    "#!/bin/sh\nsystemctl reload postfix &\n",
    "#!/bin/sh\nsystemctl $OPTIONS reload postfix\n",
    "#!/bin/sh\nexport MAIL_CONFIG=/etc/postfix-out\npostfix reload\n",
    "#!/bin/sh\nMAIL_CONFIG=/etc/postfix-out postfix reload\n",
    "#!/bin/sh\nalias systemctl=true\nsystemctl reload postfix\n",
    "#!/bin/sh\n[ -e /x ] && systemctl reload docker postfix\n",
    "#!/usr/bin/python3\nimport os\nos.system('systemctl reload postfix')\n",
    "#!/usr/bin/python3\nsubprocess.run(['ssh', 'web', 'true'])\nrun(['systemctl', 'reload', 'postfix'])\n",
    "#!/usr/bin/python3\nrun([\n    'systemctl',\n    'reload',\n    'postfix',\n])\n",
]
# What reloads another system's units, a user's, another instance of Postfix, or nothing.
ELSEWHERE = [
    "systemctl -M mail reload postfix",
    "systemctl reload -M mail postfix",
    "systemctl reload -Mmail postfix",
    "systemctl reload postfix --machine mail",
    "systemctl --machine=mail reload postfix.service",
    "systemctl --mach mail restart postfix",
    "systemctl -qH root@mail2 reload postfix",
    "systemctl --host=mail2 reload postfix",
    "systemctl --user reload postfix",
    "systemctl --root=/srv/mail reload postfix",
    "systemctl --image=/srv/mail.raw reload postfix",
    "systemctl --global reload postfix",
    "systemctl reload --dry-run postfix",
    "ssh mail2 systemctl reload postfix",
    "ssh mail2 'systemctl reload postfix'",
    "chroot /srv/mail postfix reload",
    "systemd-nspawn -D /srv/mail service postfix reload",
    "machinectl shell mail /bin/systemctl reload postfix",
    "docker exec mail postfix reload",
    "postmulti -i postfix-out -p reload",
    "postmulti -i postfix-out -x postfix reload",
    "postfix -c /etc/postfix-out reload",
]
NOT = [
    '#!/usr/bin/python3\nrun(["docker", "exec",\n "mail", "postfix", "reload"])\n',
    '#!/usr/bin/python3\nrun(["systemctl", "restart", "dovecot"])\nlog("postfix is left alone")\n',
    *(f"#!/bin/sh\n{command}\n" for command in ELSEWHERE),
    *(f"#!/usr/bin/perl\nsystem('{command}');\n" for command in ELSEWHERE if "'" not in command),
    "#!/usr/bin/python3\nsubprocess.run(['ssh', 'mail2', 'systemctl', 'reload', 'postfix'])\n",
    "#!/bin/sh\n#systemctl reload postfix\n",
    "#!/bin/sh\nsystemctl reload postfix-policyd\n",
    "#!/bin/sh\nsystemctl reload my-postfix\n",
    "#!/bin/sh\nsystemctl status postfix\n",
    "#!/bin/sh\necho systemctl; reload=postfix\n",
    "#!/bin/sh\nservice postfix status\n",
    "#!/bin/sh\nlogger x\nexit 0\nsystemctl reload postfix\n",
]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (script, found)
        for found, scripts in zip(ScriptEffect, (SURELY, PERHAPS, NOT), strict=True)
        for script in scripts
    ],
)
def test_what_a_script_does_is_read_as_far_as_it_can_be(content: str, wanted: ScriptEffect) -> None:
    assert effect_of(content, "postfix") is wanted
    assert effect_of(content, "postfix.service") is wanted


@pytest.mark.parametrize("content", SURELY)
@pytest.mark.parametrize("domains", [[], ["example.net"]])
def test_a_hook_that_reloads_postfix_stays_as_it_is(content: str, domains: list[str]) -> None:
    assert desired_content(settings(additional_domains=domains), content) == content


@pytest.mark.parametrize("content", [one for one in (*PERHAPS, *NOT) if one.startswith("#!/bin/")])
def test_otherwise_our_lines_come_first(content: str) -> None:
    first, _, rest = content.partition("\n")
    before, block, after = desired_content(settings(), content).partition("# BEGIN smtp-auth")
    assert (before, bool(block)) == (f"{first}\n", True)
    assert after.partition("# END smtp-auth\n")[2] == rest


@pytest.mark.parametrize(
    ("content", "mended"),
    [
        ("systemctl reload postfix\n", BY_HAND),
        ("#!/bin/sh\r\nsystemctl reload postfix\r\n", BY_HAND),
        ("systemctl reload postfix\r\n", BY_HAND),
        ("\xef\xbb\xbf#!/bin/sh\nsystemctl reload postfix\n", BY_HAND),
    ],
)
def test_what_keeps_a_hook_from_running_is_mended(content: str, mended: str) -> None:
    assert desired_content(settings(), content) == mended


@pytest.mark.parametrize(
    ("mode", "wanted"), [("", "0755"), ("0644", "0755"), ("0640", "0750"), ("0600", "0700"), ("0750", "0750")]
)
def test_the_run_bit_goes_where_the_hook_may_be_read(mode: str, wanted: str) -> None:
    assert desired_mode(File("hook", "", mode=mode)) == wanted


def test_lines_of_an_earlier_version_at_the_end_come_first_now() -> None:
    earlier = "#!/bin/sh\nlogger x\n# BEGIN smtp-auth: managed\nold\n# END smtp-auth\nexit 0\n"
    assert desired_content(settings(), earlier) == desired_content(
        settings(), "#!/bin/sh\nlogger x\nexit 0\n"
    )


@pytest.mark.parametrize("own", [None, "", "logger x\r\n", "#!/bin/sh\nlogger x\nexit 0", BY_HAND])
def test_a_second_time_changes_nothing(own: str | None) -> None:
    wanted = settings(additional_domains=["example.net"], certbot_reload_services=["postfix", "nginx"])
    once = desired_content(wanted, own)
    assert desired_content(wanted, once) == once


def test_a_unit_that_is_no_longer_asked_for_leaves_only_our_lines() -> None:
    own = "#!/bin/sh\nsystemctl reload nginx\n"
    more = desired_content(settings(certbot_reload_services=["postfix", "dovecot"]), own)
    less = desired_content(settings(), more)
    assert less == desired_content(settings(), own)
    assert "dovecot" not in less


@pytest.mark.parametrize("first", ["#!/usr/bin/python3", "#!/usr/bin/env fish", "#!/usr/bin/perl -w"])
def test_a_hook_in_another_language_is_its_owners_to_complete(first: str) -> None:
    content = f"{first}\n# systemctl reload postfix\nrun('systemctl', 'reload', 'nginx')\n"
    assert desired_content(settings(), content) == content
    (found,) = STEP.obstacles(settings(), look(files={"hook": content}))
    assert first in found
    assert "does not reload postfix" in found
    complete = look(files={"hook": content + "run('systemctl reload postfix')\n"})
    assert list(STEP.obstacles(settings(), complete)) == []
    (warning,) = STEP.warnings(settings(), complete)
    assert "it is unknown whether the script reloads postfix after each renewal" in warning


@pytest.mark.parametrize("content", [None, "logger x\n", "#!/bin/sh\nlogger x\n", "#!/usr/bin/env bash\n"])
def test_a_shell_hook_is_no_obstacle(content: str | None) -> None:
    seen = look(files={"hook": content} if content is not None else {})
    assert list(STEP.obstacles(settings(), seen)) == []


def test_without_certbot_the_plan_says_what_its_client_has_to_run() -> None:
    units = settings(certbot_reload_services=["postfix", "dovecot"])
    (found,) = STEP.warnings(units, look(commands=()))
    assert "systemctl reload postfix; systemctl reload dovecot" in found
    assert list(STEP.warnings(units, look())) == []
    (found,) = STEP.warnings(settings(), look(commands=(), sni_tables=["hash:/etc/x;reboot"]))
    assert "postmap -F 'hash:/etc/x;reboot'; systemctl reload postfix" in found


def test_our_lines_go_once_the_owners_do_the_same() -> None:
    ours = desired_content(settings(), None)
    theirs = ours.replace("#!/bin/sh\n", BY_HAND)
    assert desired_content(settings(), theirs) == BY_HAND


# -- where certbot does not run it -----------------------------------------------------------------


def test_where_the_lineages_are_not_certbots_the_plan_says_what_their_client_has_to_run() -> None:
    elsewhere = settings(
        letsencrypt_live="/var/lib/dehydrated/certs", certbot_reload_services=["postfix", "x"]
    )
    (found,) = STEP.warnings(elsewhere, look(is_certbots=False, sni_tables=[TABLE]))
    assert "/var/lib/dehydrated/certs is not a directory of certbot's, so no deploy hook is written" in found
    assert f"postmap -F {TABLE}; systemctl reload postfix; systemctl reload x" in found
    assert "the program that renews /var/lib/dehydrated/certs/example.jp " in found


def test_where_certbot_is_told_to_run_no_hooks_none_is_written() -> None:
    host = Host(replace(stock("3.10.5"), without_hooks="/etc/letsencrypt/cli.ini"))
    plan = host.deploy()
    wanted = "/etc/letsencrypt/cli.ini has no-directory-hooks, so no deploy hook is written: make the program"
    assert any(wanted in warning for warning in plan.warnings)
    assert host.look.files["hook"].content is None
    # One of ours that is there stays.
    host.look = replace(host.look, without_hooks="")
    host.deploy()
    host.look = replace(host.look, without_hooks="/etc/letsencrypt/cli.ini")
    assert not host.deploy().files


def test_a_lineage_without_a_renewal_configuration_is_named() -> None:
    renewed = Lineage(f"{LIVE}/example.jp", "chain", renewal="/etc/letsencrypt/renewal/other.conf")
    copied = Lineage(f"{LIVE}/example.net", "chain")
    missing = Lineage(f"{LIVE}/example.org")
    (found,) = STEP.warnings(settings(), look([renewed, copied, missing]))
    assert f"certbot has no renewal configuration for {LIVE}/example.net, so it runs no hook" in found
    assert found.endswith("run this after each renewal: systemctl reload postfix")


HOOKS_LINES = "# BEGIN smtp-auth"


def _host(**data: str) -> Host:
    """A host after a deploy, whose lineages turn out not to be certbot's."""
    host = Host(stock("3.10.5"))
    if "own" in data:
        host.edit(HOOK, data["own"])
    host.deploy()
    assert HOOKS_LINES in host.content(HOOK)
    host.look = replace(host.look, is_certbots=False)
    return host


def test_a_hook_of_ours_is_deleted_where_certbot_does_not_run_it() -> None:
    host = _host()
    plan = host.deploy()
    assert [planned.content for planned in plan.files] == [None]
    assert host.look.files["hook"].content is None
    assert not host.deploy().files
    host.undo()
    assert HOOKS_LINES in host.content(HOOK)
    host.remove()
    assert host.look.files["hook"].content is None


def test_a_removal_takes_a_hook_of_ours_away_wherever_it_is() -> None:
    host = _host()
    host.remove()
    assert host.look.files["hook"].content is None


def test_an_owners_hook_only_loses_our_lines_where_certbot_does_not_run_it() -> None:
    own = "#!/bin/sh\nlogger renewed\n"
    host = _host(own=own)
    host.deploy()
    assert host.content(HOOK) == own
    assert not host.deploy().files


def test_what_an_owner_has_added_to_our_hook_stays_where_certbot_does_not_run_it() -> None:
    host = _host()
    host.edit(HOOK, f"{host.content(HOOK)}logger renewed\n")
    host.deploy()
    assert host.content(HOOK) == "#!/bin/sh\nlogger renewed\n"
    assert not host.deploy().files


def test_our_lines_stay_where_certbot_was_only_removed() -> None:
    host = Host(stock("3.10.5"))
    host.deploy()
    host.look = replace(host.look, commands=host.look.commands - {"certbot"})
    assert not host.deploy().files


# -- programs --------------------------------------------------------------------------------------

PROGRAMS = [
    "\x7fELF\x02\x01\x01\0\0postfix",
    "MZ\x90\0\x03",
    "\xff\xfe#\0!\0",
    "#!/bin/sh\nexit\n\0\x01",
    "\x1f\x8b\x08x",
]


def _with_hook(content: str, mode: str) -> Look:
    return with_file(stock("3.10.5"), HOOK, content=content, mode=mode)


@pytest.mark.parametrize("content", PROGRAMS)
@pytest.mark.parametrize(
    ("mode", "said"), [("0755", "it is unknown what it does"), ("0644", "not executable")]
)
def test_nothing_is_written_into_a_program(content: str, mode: str, said: str) -> None:
    host = Host(_with_hook(content, mode))
    plan = host.deploy()
    assert not any(planned.file.path.endswith(HOOK.name) for planned in plan.files)
    (warning,) = (one for one in plan.warnings if "no script" in one)
    assert said in warning
    assert "systemctl reload postfix" in warning
    assert effect_of_hook(content, "postfix") is ScriptEffect.PERHAPS


@pytest.mark.parametrize("content", ["\x1b[1mtext\x07", "caf\xe9\n", "#!/bin/sh\nsed 's\x01a\x01b\x01'\n"])
def test_text_with_odd_bytes_is_a_script(content: str) -> None:
    assert HOOKS_LINES in desired_content(settings(), content)


# -- tables with copies ----------------------------------------------------------------------------

REBUILDS = [
    f"postmap -F {TABLE}",
    f"/usr/sbin/postmap -F {TABLE} && systemctl reload postfix",
    f"postmap -vF btree:/etc/postfix/other {TABLE} 2>/dev/null",
    f"postmap -v -F '{TABLE}' || logger failed",
]
NO_REBUILDS = [
    f"postmap {TABLE}",
    "postmap -F /etc/postfix/sni",
    "cd /etc/postfix && postmap -F hash:sni",
    f"postmap -F -c /etc/postfix-out {TABLE}",
    f"postmap -F -q mail.example.jp {TABLE}",
    f"postmap -F {TABLE}_2",
    f"[ -e /x ] && postmap -F {TABLE}",
    f"ssh mail2 postmap -F {TABLE}",
    f"echo postmap -F {TABLE}",
]


@pytest.mark.parametrize(
    ("command", "surely"), [*((one, True) for one in REBUILDS), *((one, False) for one in NO_REBUILDS)]
)
def test_an_owners_own_rebuild_is_enough(command: str, surely: bool) -> None:
    own = f"#!/bin/sh\n{command}\nsystemctl reload postfix\n"
    assert surely_rebuilds(own, TABLE) == surely
    content = desired_content(settings(), own, [TABLE])
    assert (content == own) == surely
    assert ("systemctl reload" in content.partition("# END smtp-auth")[0].partition("# BEGIN")[2]) is False
    assert desired_content(settings(), content, [TABLE]) == content
    assert effect_of_hook(content, "postfix") is ScriptEffect.SURELY


def test_tables_are_rebuilt_before_the_reload() -> None:
    content = desired_content(settings(), None, [TABLE, "cdb:/etc/x y"])
    assert "for smtp_auth in hash:/etc/postfix/sni.db 'cdb:/etc/x y.cdb'; do" in content
    assert content.index("postmap -F") < content.index("systemctl reload postfix")
    assert desired_content(settings(), content) == desired_content(settings(), None)


def test_a_hook_in_another_language_has_to_rebuild_the_tables_itself() -> None:
    content = "#!/usr/bin/python3\nos.system('systemctl reload postfix')\n"
    said = list(STEP.warnings(settings(), look(files={"hook": content}, sni_tables=[TABLE])))
    assert len(said) == 2
    assert f"make sure that it runs postmap -F {TABLE}" in said[1]


# -- what it does ----------------------------------------------------------------------------------


def test_it_reloads_for_a_lineage_that_this_host_serves(machine: Machine) -> None:
    hook = desired_content(machine.settings(additional_domains=["example.net"]), None)
    for name in ("example.jp", "example.net"):
        assert machine.run(hook, machine.live / name) == Ran(0, "", ["reload postfix"])


def test_it_leaves_postfix_alone_for_another_lineage(machine: Machine) -> None:
    hook = desired_content(machine.settings(), None)
    assert machine.run(hook, machine.live / "www.example.jp") == Ran(0, "", [])


def test_called_by_hand_it_reloads(machine: Machine) -> None:
    assert machine.run(desired_content(machine.settings(), None), None).reloads == ["reload postfix"]


def test_other_units_are_reloaded_for_any_lineage(machine: Machine) -> None:
    hook = desired_content(machine.settings(certbot_reload_services=["postfix", "nginx"]), None)
    assert machine.run(hook, machine.live / "www.example.jp").reloads == ["reload nginx"]


@pytest.mark.parametrize("failing", ["postfix", "dovecot", "nginx"])
@pytest.mark.parametrize("own", [None, "#!/bin/sh -eu\n", "#!/bin/bash\nset -eu\n"])
def test_one_units_failure_is_told_and_the_others_are_reloaded(
    machine: Machine, failing: str, own: str | None
) -> None:
    units = ["dovecot", "postfix", "nginx"]
    hook = desired_content(machine.settings(certbot_reload_services=units), own)
    machine.failing(failing)
    ran = machine.run(hook, machine.live / "example.jp")
    assert f"{failing} is not reloaded" in ran.said
    assert sorted(ran.reloads) == sorted(f"reload {unit}" for unit in units)


@pytest.mark.parametrize("name", ["example.jp", "example.net"])
def test_it_does_not_reload_onto_a_key_of_another_certificate(machine: Machine, name: str) -> None:
    hook = desired_content(machine.settings(additional_domains=["example.net"]), None)
    shutil.copy(machine.live / "www.example.jp" / "privkey.pem", machine.live / name)
    ran = machine.run(hook, machine.live / name)
    assert f"postfix is not reloaded for {machine.live / name}" in ran.said
    assert ran.reloads == []


def test_without_a_certificate_it_does_not_reload(machine: Machine) -> None:
    hook = desired_content(machine.settings(), None)
    (machine.live / "example.jp" / "fullchain.pem").unlink()
    ran = machine.run(hook, machine.live / "example.jp")
    assert (ran.said != "", ran.reloads) == (True, [])


def test_a_further_domain_that_is_gone_keeps_no_renewal_from_being_served(machine: Machine) -> None:
    hook = desired_content(machine.settings(additional_domains=["example.net"]), None)
    shutil.rmtree(machine.live / "example.net")
    ran = machine.run(hook, machine.live / "example.jp")
    assert (ran.said, ran.reloads) == ("", ["reload postfix"])


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/sh -eu", "/bin/bash", "/bin/bash -eu"])
@pytest.mark.parametrize(("own", "status"), [("true", 0), ("false", 1), ("(exit 3)", 3)])
def test_the_owners_status_stays(machine: Machine, shell: str, own: str, status: int) -> None:
    alone = machine.run(f"#!{shell}\n{own}\n", machine.live / "example.jp")
    hook = desired_content(machine.settings(), f"#!{shell}\n{own}\n")
    ran = machine.run(hook, machine.live / "example.jp")
    assert alone.status == ran.status == status
    assert ran.reloads == ["reload postfix"]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/sh -eu", "/bin/bash", "/bin/bash -eu"])
def test_the_owners_lines_run_whatever_becomes_of_ours(machine: Machine, shell: str) -> None:
    machine.failing("postfix")
    hook = desired_content(machine.settings(), f"#!{shell}\nsystemctl reload nginx\nexit 3\n")
    ran = machine.run(hook, machine.live / "example.jp")
    assert (ran.status, ran.reloads) == (3, ["reload postfix", "reload nginx"])


def _table(machine: Machine, kind: str, suffix: str, mode: int = 0o600) -> tuple[str, Path]:
    """A table that everybody may read, and its index, which has this mode."""
    source = machine.live.parent / f"of {kind}"
    source.write_text("names\n")
    index = Path(f"{source}.{suffix}")
    index.write_text("old")
    index.chmod(mode)
    return f"{kind}:{source}", index


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/sh -eu", "/bin/bash", "/bin/bash -eu"])
def test_tables_are_rebuilt_and_keep_their_mode(machine: Machine, shell: str) -> None:
    kinds = (("hash", "db", 0o600), ("cdb", "cdb", 0o640), ("lmdb", "lmdb", 0o400))
    tables = [_table(machine, *kind) for kind in kinds]
    hook = desired_content(machine.settings(), f"#!{shell}\n", [table for table, _ in tables])
    # Whichever lineage was renewed: the tables may contain it.
    for name, reloads in (("example.jp", ["reload postfix"]), ("www.example.jp", [])):
        for _, index in tables:
            index.chmod(0o600)
            index.write_text("old")
        for (_, index), (_, _, mode) in zip(tables, kinds, strict=True):
            index.chmod(mode)
        assert machine.run(hook, machine.live / name) == Ran(0, "", reloads)
        for (_, index), (kind, _, mode) in zip(tables, kinds, strict=True):
            assert index.stat().st_mode & 0o777 == mode
            assert index.read_text().startswith(f"index of {kind}:")
            assert index.read_text().endswith("with copies of\nnames\n")
    assert not [
        path for path in machine.live.parent.iterdir() if path.is_dir() and path.name.startswith("of ")
    ]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/sh -eu", "/bin/bash", "/bin/bash -eu"])
@pytest.mark.parametrize("trouble", ["no source", "no index", "postmap fails", "no postmap"])
def test_a_table_that_cannot_be_rebuilt_stays_and_the_rest_goes_on(
    machine: Machine, shell: str, trouble: str
) -> None:
    (table, index), (other, others) = _table(machine, "hash", "db"), _table(machine, "cdb", "cdb")
    if trouble == "no source":
        Path(table.removeprefix("hash:")).unlink()
    elif trouble == "no index":
        index.unlink()
    elif trouble == "postmap fails":
        machine.write_program(
            "postmap", POSTMAP.replace("umask", 'case $2 in hash:*) : >"$2.db"; exit 1 ;; esac\numask')
        )
    else:
        machine.write_program("postmap", "#!/nonexistent\n")
    hook = desired_content(machine.settings(), f"#!{shell}\nsystemctl reload nginx\n", [table, other])
    ran = machine.run(hook, machine.live / "example.jp")
    assert f"reload_services.sh: {table}.db is not rebuilt" in ran.said
    assert (ran.status, ran.reloads) == (0, ["reload postfix", "reload nginx"])
    assert not index.exists() if trouble == "no index" else index.read_text() == "old"
    assert (others.read_text() == "old") == (trouble == "no postmap")
    assert not [
        path for path in machine.live.parent.iterdir() if path.is_dir() and path.name.startswith("of ")
    ]


def test_a_linked_index_stays_linked(machine: Machine) -> None:
    table, link = _table(machine, "hash", "db")
    real = link.rename(machine.live.parent / "elsewhere.db")
    link.symlink_to(real)
    assert machine.run(desired_content(machine.settings(), None, [table]), None).said == ""
    assert link.is_symlink()
    assert real.read_text().startswith("index of")


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (None, ScriptEffect.SURELY),
        ("#!/bin/sh\nexit 0\n", ScriptEffect.SURELY),
        (BY_HAND, ScriptEffect.SURELY),
    ],
)
def test_a_hook_as_it_is_deployed_has_its_effect(own: str | None, found: ScriptEffect) -> None:
    wanted = settings(certbot_reload_services=["postfix", "dovecot"])
    content = desired_content(wanted, own)
    assert [effect_of_hook(content, unit) for unit in ("postfix", "dovecot")] == [found, found]


def test_what_stands_in_front_of_our_lines_may_keep_them_from_their_effect() -> None:
    content = desired_content(settings(), None).replace("#!/bin/sh\n", "#!/bin/sh\nexit 0\n")
    assert effect_of_hook(content, "postfix") is ScriptEffect.NO
    may_end = content.replace("exit 0", "[ -e /x ] || exit 0")
    assert effect_of_hook(may_end, "postfix") is ScriptEffect.PERHAPS
    assert effect_of_hook("#!/bin/sh\n", "postfix") is ScriptEffect.NO


SECRETS = '#!/bin/sh\r\ntoken=hunter2\r\ncurl -H "$token" https://example.jp\r\n'


@pytest.mark.parametrize(
    "own",
    [
        SECRETS,
        SECRETS.removesuffix("\r\n"),
        f"\xef\xbb\xbf{SECRETS}",
        # Its first line ends with LF, and so the others stay; the last line gets an end.
        "#!/bin/sh\n# token=hunter2\ntoken=hunter2",
        # A second reason to compare lines: they repeat.
        SECRETS * 900,
    ],
    ids=["CRLF", "CRLF without a last line end", "a byte order mark", "no last line end", "long"],
)
def test_an_owners_lines_in_a_private_hook_are_not_shown(own: str) -> None:
    public, private = (
        Part(with_file(stock(next(iter(RELEASES))), HOOK, content=own, mode=mode), wanted(), STEP)
        for mode in ("0755", "0700")
    )
    of_public, of_private = (
        ["\n".join(step_lines(part.plan, STEP)), str(host_as_json(part.plan))] for part in (public, private)
    )
    assert ["hunter2" in found for found in of_public] == [True, True]
    assert ["hunter2" in found for found in of_private] == [False, False]
    assert all("# BEGIN smtp-auth" in found for found in (*of_public, *of_private))
    assert "lines, not shown: not everybody may read the file)" in of_private[0]
