"""certbot's deploy hook where a reload is not enough, where nobody runs it, and where it is no script."""

import shutil
from collections.abc import Sequence

from lab.command import wait_until
from lab.host import LabHost
from tests.fleet.by_hand import reloads_of_postfix
from tests.fleet.deploying import Run, deploy, fingerprint, side_by_side, succeed
from tests.fleet.hook import HOOK, run_until_postfix_is_reloaded
from tests.fleet.tls import SMTP, SUBMISSIONS, on_disk, served

LIVE = "/etc/letsencrypt/live"
OTHER = "www.other.example"

PORTS = {SUBMISSIONS: "/etc/postfix/sni465", SMTP: "/etc/postfix/sni"}


def _says(run: Run, host: LabHost, *words: str) -> bool:
    """Whether one line about the host contains all the words."""
    return any(all(word in line for word in words) for line in run.lines_of(host))


def _unchanged(hosts: Sequence[LabHost], **data: object) -> None:
    again = succeed(deploy(hosts, data=data))
    assert [again.changed(host) for host in hosts] == [0] * len(hosts), again.output


# -- tables with copies of keys -----------------------------------------------------------------------


def _with_tables(host: LabHost) -> None:
    """One table in main.cf and one in an option of the service on port 465; the index is only root's."""
    host.issue_certificate([f"{host.release}.{OTHER}"], OTHER)
    lines = [
        f"{name} {LIVE}/{lineage}/privkey.pem {LIVE}/{lineage}/fullchain.pem"
        for name, lineage in ((host.name, host.domain), (OTHER, OTHER))
    ]
    for path in PORTS.values():
        (host.root / path.lstrip("/")).write_text("".join(f"{line}\n" for line in lines))
    host.run(
        f"cd /etc/postfix && chmod 644 sni sni465 && "
        f"postmap -F hash:{PORTS[SMTP]} btree:{PORTS[SUBMISSIONS]} && "
        f"chmod 600 sni.db sni465.db && postconf -e tls_server_sni_maps=hash:{PORTS[SMTP]} && "
        "printf '%s\\n' 'smtps inet n - y - - smtpd' ' -o smtpd_tls_wrappermode=yes' "
        f"' -o tls_server_sni_maps=btree:$config_directory/sni465' >>master.cf && systemctl reload postfix"
    )


def test_an_owners_tables_are_rebuilt_by_a_renewal(stock: list[LabHost]) -> None:
    side_by_side(_with_tables, stock)
    succeed(deploy(stock))
    side_by_side(_renewals_are_served, stock)
    _unchanged(stock)
    side_by_side(_a_failed_rebuild_leaves_the_index, stock)


def _renewals_are_served(host: LabHost) -> None:
    lineages = {host.name: host.domain, OTHER: OTHER}
    everything = "certbot renew --force-renewal --no-random-sleep-on-renew --non-interactive"
    # The second renewal is only of what no data key names, so Postfix is not reloaded.
    for words, reloads in (("", 1), (f" --cert-name {OTHER}", 0)):
        before = reloads_of_postfix(host)
        host.run(everything + words, timeout=180)
        for port in PORTS:
            for name, lineage in lineages.items():
                assert served(host, port, name) == on_disk(host, lineage), (host.name, port, name, words)
        assert reloads_of_postfix(host) == before + reloads
    assert host.run("stat -c '%a %U' /etc/postfix/sni.db /etc/postfix/sni465.db").stdout == "600 root\n" * 2
    log = (host.root / "var/log/letsencrypt/letsencrypt.log").read_text()
    assert "PRIVATE KEY" not in log
    assert "is not rebuilt" not in log
    assert host.run("find /etc/postfix -name 'sni*.db.*'").stdout == ""


def _a_failed_rebuild_leaves_the_index(host: LabHost) -> None:
    """One table has no source any more; the other is rebuilt, and Postfix reloaded."""
    host.run("mv /etc/postfix/sni /root/")
    kept = fingerprint(host, "/etc/postfix/sni.db")
    index = fingerprint(host, "/etc/postfix/sni465.db")
    before = host.run("pgrep -x qmgr").stdout
    said = host.run(f"RENEWED_LINEAGE={LIVE}/{host.domain} {HOOK}").stderr
    assert "reload_services.sh: hash:/etc/postfix/sni.db is not rebuilt" in said
    assert "sni465" not in said
    assert fingerprint(host, "/etc/postfix/sni.db") == kept
    assert fingerprint(host, "/etc/postfix/sni465.db") != index
    wait_until(
        lambda: host.run("pgrep -x qmgr", check=False).stdout not in ("", before),
        f"Postfix reloaded on {host.name}",
    )


# -- hooks that reload another Postfix, and programs --------------------------------------------------

ELSEWHERE = (
    "systemctl reload -M mail postfix",
    "export MAIL_CONFIG=/etc/postfix-out\npostfix reload",
)


def test_a_hook_that_reloads_another_postfix_gets_our_lines(stock: list[LabHost]) -> None:
    for commands in ELSEWHERE:
        for host in stock:
            hook = host.root / HOOK.lstrip("/")
            hook.write_text(f"#!/bin/sh\n{commands}\n")
            hook.chmod(0o755)
        succeed(deploy(stock))
        for host in stock:
            text = (host.root / HOOK.lstrip("/")).read_text()
            assert text.startswith("#!/bin/sh\n# BEGIN smtp-auth"), text
            assert text.endswith(f"# END smtp-auth\n{commands}\n"), text
            run_until_postfix_is_reloaded(host)


def test_nothing_is_written_into_a_program(stock: list[LabHost]) -> None:
    for mode, said in ((0o755, "it is unknown what it does"), (0o644, "it is not executable")):
        for host in stock:
            hook = host.root / HOOK.lstrip("/")
            shutil.copyfile(host.root / "usr/bin/true", hook)
            hook.chmod(mode)
        before = [fingerprint(host, HOOK) for host in stock]
        run = succeed(deploy(stock))
        for host in stock:
            assert _says(run, host, "a program and no script", said, "systemctl reload postfix"), run.output
        assert [fingerprint(host, HOOK) for host in stock] == before


# -- lineages that certbot does not renew -------------------------------------------------------------

# As Debian's dehydrated has it: with accounts beside the certificates, as certbot does.
ANOTHERS = "/var/lib/dehydrated"

CERTBOTS_OWN = "/srv/acme"


def _another_clients(host: LabHost) -> None:
    """Its certificates, and a table with copies of them."""
    pair = " ".join(f"{ANOTHERS}/certs/{host.domain}/{name}.pem" for name in ("privkey", "fullchain"))
    host.run(
        f"mkdir -p {ANOTHERS}/certs {ANOTHERS}/accounts/aHR0cHM && cp -rL {LIVE}/. {ANOTHERS}/certs && "
        f"echo '{{}}' >{ANOTHERS}/accounts/aHR0cHM/registration_info.json && "
        f"echo {host.name} {pair} >/etc/postfix/sni && chmod 600 /etc/postfix/sni && "
        "postmap -F hash:/etc/postfix/sni && postconf -e tls_server_sni_maps=hash:/etc/postfix/sni"
    )


def test_no_hook_is_written_where_another_client_keeps_its_certificates(stock: list[LabHost]) -> None:
    side_by_side(_another_clients, stock)
    data = {"letsencrypt_live": f"{ANOTHERS}/certs"}
    run = succeed(deploy(stock, data=data))
    for host in stock:
        directory = f"{ANOTHERS}/certs/{host.domain}"
        wanted = (
            f"the program that renews {directory} run this after each renewal: "
            "postmap -F hash:/etc/postfix/sni; systemctl reload postfix"
        )
        assert _says(run, host, f"{ANOTHERS}/certs is not a directory of certbot's", wanted), run.output
        assert host.run(f"ls {ANOTHERS}").stdout == "accounts\ncerts\n"
        assert served(host, SUBMISSIONS, host.name) == on_disk(host, host.domain, f"{ANOTHERS}/certs"[1:])
    _unchanged(stock, **data)


def test_a_lineage_that_certbot_does_not_renew_gets_the_hook_and_a_warning(stock: list[LabHost]) -> None:
    for host in stock:
        host.run("rm /etc/letsencrypt/renewal/*.conf")
    run = succeed(deploy(stock))
    for host in stock:
        assert (host.root / HOOK.lstrip("/")).exists()
        wanted = f"no renewal configuration for {LIVE}/{host.domain}"
        assert _says(run, host, wanted, "run this after each renewal: systemctl reload postfix"), run.output
    _unchanged(stock)


def test_where_certbot_is_told_to_run_no_hooks_none_is_written(stock: list[LabHost]) -> None:
    for host in stock:
        host.run("echo 'no-directory-hooks = true' >>/etc/letsencrypt/cli.ini")
    run = succeed(deploy(stock))
    for host in stock:
        wanted = "/etc/letsencrypt/cli.ini has no-directory-hooks, so no deploy hook is written"
        assert _says(run, host, wanted, "run this after each renewal: systemctl reload postfix"), run.output
        assert not (host.root / HOOK.lstrip("/")).exists()


def test_a_hook_of_ours_is_only_kept_where_certbot_runs_it(stock: list[LabHost]) -> None:
    """In another directory of certbot's, it is written and run; once that is not certbot's, it is deleted."""
    data, hook = {"letsencrypt_live": f"{CERTBOTS_OWN}/live"}, HOOK.replace("/etc/letsencrypt", CERTBOTS_OWN)

    def move(host: LabHost) -> None:
        host.run(f"cp -a /etc/letsencrypt {CERTBOTS_OWN}")
        # certbot's name of a lineage need not be that of its directory.
        host.run(
            f"cd {CERTBOTS_OWN}/renewal && sed -i s:/etc/letsencrypt:{CERTBOTS_OWN}: *.conf && "
            "mv *.conf x.conf"
        )

    side_by_side(move, stock)
    run = succeed(deploy(stock, data=data))
    assert "run this after each renewal" not in run.output

    def renew(host: LabHost) -> None:
        host.run(
            f"certbot renew --force-renewal --no-random-sleep-on-renew --config-dir {CERTBOTS_OWN}",
            timeout=180,
        )
        assert served(host, SUBMISSIONS, host.name) == on_disk(host, host.domain, f"{CERTBOTS_OWN}/live"[1:])

    side_by_side(renew, stock)
    for host in stock:
        host.run(f"rm -r {CERTBOTS_OWN}/renewal {CERTBOTS_OWN}/accounts")
    preview = succeed(deploy(stock, "--dry", "--diff", data=data))
    succeed(deploy(stock, data=data))
    for host in stock:
        assert _says(preview, host, f"{hook} is deleted, because certbot does not run it"), preview.output
        assert "-# BEGIN smtp-auth: managed, changes down to END are lost" in preview.difference(host)
        assert not (host.root / hook.lstrip("/")).exists()
    _unchanged(stock, **data)
