"""What changes have replaced comes back, to the byte, and so does what a removal takes back."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.command import wait_until
from lab.host import LabHost
from tests.fleet import by_hand
from tests.fleet.authority import Authority
from tests.fleet.by_hand import EDIT
from tests.fleet.deploying import LEFTOVERS, ROOT, Run, deploy, inventory_of, side_by_side, succeed, tree
from tests.fleet.test_preview import WRITTEN

UNDO, REMOVE = "undo.py", "remove.py"


def files(host: LabHost) -> dict[str, tuple[int, bytes] | None]:
    """Path to mode and bytes of every file that a deploy may write."""
    found: dict[str, tuple[int, bytes] | None] = {}
    for path in WRITTEN:
        file = host.root / path
        found[path] = (file.stat().st_mode & 0o7777, file.read_bytes()) if file.exists() else None
    return found


def effective(host: LabHost) -> str:
    """What Postfix and Dovecot read."""
    return host.run("postconf -n 2>/dev/null; postconf -Mf; postconf -P; doveconf -n").stdout


def live(host: LabHost) -> list[str]:
    """The IDs of the changes that went live, by the host's own numbers, the oldest first."""
    # One that is just being recorded has a name that begins with a dot, and may be incomplete.
    folder = host.root / "var/lib/smtp-auth/changes"
    manifests = [json.loads(path.read_text()) for path in folder.glob("[!.]*/manifest.json")]
    manifests.sort(key=lambda manifest: int(manifest["number"]))
    return [manifest["id"] for manifest in manifests if manifest["outcome"] == "live"]


def program(hosts: Sequence[LabHost], name: str, *options: str, **data: Any) -> Run:
    return deploy(hosts, *(options or ("-y",)), data=data, program=name)


def _adopted(host: LabHost) -> None:
    host.run(
        "postconf -M 'smtps/inet=smtps inet n - y - - smtpd' && "
        "postconf -P smtps/inet/smtpd_tls_wrappermode=yes smtps/inet/smtpd_sasl_auth_enable=yes "
        "smtps/inet/smtpd_sasl_type=dovecot smtps/inet/smtpd_sasl_path=private/owners-auth "
        "smtps/inet/smtpd_client_restrictions=permit_sasl_authenticated,reject && "
        "cp -a /etc/dovecot/conf.d/10-master.conf /root/ && "
        "printf 'service auth {\n  unix_listener /var/spool/postfix/private/owners-auth {\n    mode = 0600\n"
        "    user = postfix\n    group = postfix\n  }\n}\n' >/etc/dovecot/conf.d/90-owners.conf"
    )
    by_hand.reload(host)


STATES: dict[str, Callable[[LabHost], None]] = {
    "stock": lambda host: None,
    "edited by hand": by_hand.make_messy,
    "adopted": _adopted,
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_undo_and_its_undo_give_back_every_byte(
    stock: list[LabHost], state: Callable[[LabHost], None]
) -> None:
    side_by_side(state, stock)
    first, read = [files(host) for host in stock], [effective(host) for host in stock]
    succeed(deploy(stock))
    second = [files(host) for host in stock]
    preview = succeed(program(stock, UNDO, "--dry", "--diff"))
    assert [files(host) for host in stock] == second
    succeed(program(stock, UNDO))
    assert [files(host) for host in stock] == first
    assert [effective(host) for host in stock] == read
    for host in stock:
        assert f"undoes change {live(host)[0]}" in preview.output
        assert host.run(LEFTOVERS).stdout == ""
    succeed(program(stock, UNDO))
    assert [files(host) for host in stock] == second
    assert succeed(deploy(stock)).output.count("unchanged") == 1


def test_undo_to_goes_back_over_several_with_edits_of_others_in_between(stock: list[LabHost]) -> None:
    first = [files(host) for host in stock]
    succeed(deploy(stock))
    side_by_side(lambda host: host.run("postconf -e owners_own=1 && systemctl reload postfix"), stock)
    succeed(deploy(stock, data={"smtpd_tls_security_level": "encrypt"}))
    succeed(program(stock, UNDO, "-y", "--data", f"undo_to={live(stock[0])[0]}"))
    for host, before in zip(stock, first, strict=True):
        path = "etc/postfix/main.cf"
        mode, text = before[path] or (0, b"")
        assert files(host) == before | {path: (mode, text + b"owners_own = 1\n")}


def test_an_edit_where_something_would_come_back_refuses_that_host_alone(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    edited, other = stock
    edited.run(EDIT)
    before = files(edited)
    done = program(stock, UNDO)
    assert done.status == 1
    assert "smtpd_tls_auth_only is now no instead of yes" in done.output
    assert files(edited) == before
    assert files(other)["etc/dovecot/conf.d/99-postfix-smtp-auth.conf"] is None


def test_a_certificate_that_has_ended_does_not_come_back(stock: list[LabHost]) -> None:
    authority = Authority()
    for host in stock:
        for name, text in authority.lineage(host.name, days=-1).items():
            (host.root / "etc/postfix" / name).write_text(text)
        _adopted(host)
        host.run(
            "postconf -e smtpd_tls_cert_file=/etc/postfix/fullchain.pem "
            "smtpd_tls_key_file=/etc/postfix/privkey.pem && systemctl reload postfix"
        )
    succeed(deploy(stock))
    before = [tree(host) for host in stock]
    for options in (("--dry", "--diff"), ("-y",)):
        for name in (UNDO, REMOVE):
            done = program(stock, name, *options)
            assert done.status == 1
            assert done.output.count("the certificate in /etc/postfix/fullchain.pem has expired") >= len(
                stock
            )
    assert [tree(host) for host in stock] == before


def test_a_record_that_does_not_go_back_so_far_is_said(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    before = [files(host) for host in stock]
    for host in stock:
        (host.root / "var/lib/smtp-auth/pruned").write_text("1 2026-11-22T10:14:00Z-ffff\n")
    done = program(stock, UNDO, undo_to="2026-11-22T10:14:00Z-ffff")
    assert done.status == 1
    assert done.output.count("is older than the last twenty live changes") >= len(stock)
    assert [files(host) for host in stock] == before
    succeed(program(stock, UNDO, undo_to=live(stock[0])[0]))


def test_data_that_is_not_valid_keeps_nobody_from_undoing(stock: list[LabHost]) -> None:
    first = [files(host) for host in stock]
    succeed(deploy(stock))
    succeed(program(stock, UNDO, mail_domain="not a domain", smtpd_tls_security_level="nonsense"))
    assert [files(host) for host in stock] == first


def test_nothing_to_undo_or_to_remove_is_no_failure(stock: list[LabHost]) -> None:
    for name in (UNDO, REMOVE):
        assert "2 unchanged" in succeed(program(stock, name)).output


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_removal_gives_back_what_was_there(stock: list[LabHost], state: Callable[[LabHost], None]) -> None:
    side_by_side(state, stock)
    first, read = [files(host) for host in stock], [effective(host) for host in stock]
    succeed(deploy(stock))
    succeed(deploy(stock, data={"smtpd_tls_security_level": "encrypt"}))
    succeed(program(stock, REMOVE, "--dry", "--diff"))
    succeed(program(stock, REMOVE))
    assert [files(host) for host in stock] == first
    assert [effective(host) for host in stock] == read
    assert "2 unchanged" in succeed(program(stock, REMOVE)).output
    succeed(deploy(stock))


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_removal_leaves_what_others_have_edited_since(
    stock: list[LabHost], state: Callable[[LabHost], None]
) -> None:
    side_by_side(state, stock)
    edit = (
        "postconf -e owners_own=1 && postconf -M 'owners/unix=owners unix - - n - - discard' && "
        "systemctl reload postfix"
    )
    side_by_side(lambda host: host.run(edit), stock)
    read = [effective(host) for host in stock]
    side_by_side(LabHost.reset, stock)
    side_by_side(state, stock)
    succeed(deploy(stock))
    side_by_side(lambda host: host.run(edit), stock)
    succeed(program(stock, REMOVE))
    assert [effective(host) for host in stock] == read


def log(host: LabHost) -> list[str]:
    """The subjects of the commits of /etc, the newest first."""
    return host.run("git -C /etc log --format=%s").stdout.splitlines()


def _has_commits(host: LabHost, number: int) -> bool:
    return len(log(host)) == number


def test_etckeeper_has_the_edits_of_others_and_ours_apart(stock: list[LabHost]) -> None:
    for host in stock:
        host.run("cd /etc && etckeeper init && etckeeper commit first && echo 1 >/etc/owners")
        # A push that nobody answers.
        (host.root / "etc/etckeeper/commit.d/99push").write_text("#!/bin/sh\nexec sleep 1000\n")
    succeed(deploy(stock))
    for host in stock:
        wait_until(partial(_has_commits, host, 3), "the commit of the change")
        ours, others, _ = log(host)
        assert ours.startswith("smtp-auth: SMTP TLS; Certificate rotation; ")
        assert live(host)[0] in ours
        assert "Edits of others" in others
        theirs = host.run("git -C /etc show --name-only --format= HEAD~1").stdout.split()
        assert "owners" in theirs
        assert not any(name.startswith(("postfix/", "dovecot/")) for name in theirs)


def test_a_host_without_a_record_is_left_unchanged(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    side_by_side(lambda host: host.run("rm -rf /var/lib/smtp-auth"), stock)
    before = [files(host) for host in stock]
    for name, reason in (
        (UNDO, "no change that could be undone"),
        (REMOVE, "no change that could be removed"),
    ):
        done = succeed(program(stock, name))
        assert done.output.count(reason) >= len(stock)
        assert "2 unchanged" in done.output
    assert [files(host) for host in stock] == before
    succeed(deploy(stock))


def test_the_preview_says_what_the_last_change_was(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    edited, other = stock
    edited.run("postconf -e owners_own=1")
    preview = succeed(program(stock, "deploy.py", "--dry", "--diff", smtpd_tls_security_level="encrypt"))
    assert f"last change {live(other)[0]} by " in preview.output
    assert any("edited since: /etc/postfix/main.cf" in line for line in preview.lines_of(edited))
    assert any("none of its files was edited since" in line for line in preview.lines_of(other))
    # Where nothing would change, an edit alone is told.
    preview = succeed(program(stock, "deploy.py", "--dry", "--diff"))
    assert any("edited since: /etc/postfix/main.cf" in line for line in preview.lines_of(edited))
    assert not any("last change" in line for line in preview.lines_of(other))


def test_history_of_a_fleet(stock: list[LabHost], tmp_path: Path) -> None:
    succeed(deploy(stock))
    succeed(program(stock, UNDO))
    succeed(deploy(stock))
    succeed(program(stock, REMOVE))
    inventory = tmp_path / "inventory.py"
    inventory.write_text(inventory_of(stock, {}, {}))

    def history(*options: str) -> str:
        words = [sys.executable, "-m", "smtp_auth.cli", "history", f"--inventory={inventory}", *options]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    removed, _, undone, deployed = history().splitlines()
    assert undone.endswith(f"undo of {live(stock[0])[0]}")
    assert live(stock[0])[0] in deployed
    assert "all 2 hosts" in deployed
    assert removed.endswith("removal: As first seen")
    assert "+smtpd_tls_auth_only = yes" in history("--show", live(stock[0])[0])
    found = json.loads(history("--json", "-"))
    assert found["version"] == 1
    assert [one["outcome"] for one in found["hosts"][stock[0].name]["changes"]] == ["live"] * 4
