"""certbot's deploy hook: its new text, with an owner's lines, and what it does when it runs."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from operations.certbot_hook import STEP, desired_content, desired_mode
from smtp_auth.facts.look import File
from smtp_auth.services.certbot.hook import effect_of_hook
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of
from smtp_auth.settings import Settings
from tests.unit.looks import look, settings

BY_HAND = "#!/bin/sh\nsystemctl reload postfix\n"


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

    def failing(self, unit: str) -> None:
        """From now on the reload of this unit fails."""
        program = self._programs / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$*" >>{self.calls}\n[ "$2" != {unit} ]\n')
        program.chmod(0o755)

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
    "#!/bin/bash\n# ours\nservice postfix reload >/dev/null 2>&1\nexit 0\n",
    "#!/bin/sh\n/etc/init.d/postfix reload\n",
    "#!/bin/sh\nsystemctl try-reload-or-restart 'postfix'\n",
    "#!/bin/sh\nlogger renewed; /usr/bin/systemctl --no-block reload \\\n  postfix || logger failed # why\n",
    "#!/bin/sh\nif [ -e /x ]; then\n  logger\nfi\nfor x in a; do logger $x; done\n/usr/sbin/postfix reload\n",
    '#!/bin/sh\nlogger "all of it; exit 0"\nsudo systemctl reload postfix && logger done\n',
]
PERHAPS = [
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
    "#!/usr/bin/python3\nimport os\nos.system('systemctl reload postfix')\n",
]
NOT = [
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


@pytest.mark.parametrize("content", [*PERHAPS[:-1], *NOT])
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


def test_our_lines_go_once_the_owners_do_the_same() -> None:
    ours = desired_content(settings(), None)
    theirs = ours.replace("#!/bin/sh\n", BY_HAND)
    assert desired_content(settings(), theirs) == BY_HAND


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
