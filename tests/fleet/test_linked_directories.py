"""Directories of the configuration that are links: each file has one identity, whichever path leads to it."""

import pytest

from lab.host import LabHost
from tests.fleet.deploying import Run, deploy, side_by_side, succeed

pytestmark = pytest.mark.lab

HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
MANAGED = (
    "/etc/postfix/main.cf",
    "/etc/postfix/master.cf",
    "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf",
    HOOK,
)


def _linked(path: str, target: str, link: str = "") -> str:
    """The command that moves a directory or file and leaves a link. + link: what it contains"""
    return f"mkdir -p $(dirname {target}) && mv {path} {target} && ln -s {link or target} {path}"


# Name to the commands that link something on a stock host.
LINKED = {
    "the services' directories, relative, and no hooks yet": (
        _linked("/etc/postfix", "/srv/mail/postfix", "../srv/mail/postfix"),
        _linked("/etc/dovecot", "/srv/mail/dovecot"),
        "rm -r /etc/letsencrypt/renewal-hooks",
        _linked("/etc/letsencrypt", "/srv/mail/letsencrypt"),
    ),
    "a part of each": (
        _linked("/etc/postfix/main.cf", "/srv/postfix-main.cf"),
        _linked("/etc/dovecot/conf.d", "/srv/dovecot"),
        "rm -r /etc/letsencrypt/renewal-hooks",
        "mkdir /srv/hooks && ln -s /srv/hooks /etc/letsencrypt/renewal-hooks",
    ),
    "links to links, and configuration with the other paths": (
        _linked("/etc/letsencrypt", "/srv/mail/letsencrypt"),
        _linked("/etc/postfix", "/srv/mail/postfix", "/srv/postfix") + " && ln -s mail/postfix /srv/postfix",
        _linked("/etc/dovecot", "/srv/dovecot"),
        "echo '!include_try /srv/dovecot/conf.d/*.conf' >>/etc/dovecot/dovecot.conf",
        "postconf -e smtpd_tls_cert_file=/srv/mail/letsencrypt/live/example.jp/fullchain.pem "
        "'smtpd_tls_key_file=$config_directory/../letsencrypt/live/example.jp/privkey.pem'",
    ),
}


def _bytes(host: LabHost) -> str:
    """The links and the digests of the files in the linked directories."""
    places = "/etc/postfix/ /etc/dovecot/ /etc/letsencrypt/ /srv"
    files, links = (
        f"find {places} -type f -exec sha256sum {{}} +",
        f"find {places} -type l -printf '%p %l\\n'",
    )
    return host.run(f"{{ {files}; {links}; }} | sort -u").stdout


def _edited(hosts: list[LabHost]) -> list[list[str]]:
    run = succeed(deploy(hosts, "--dry", "--diff"))
    return [_edited_on(run, host) for host in hosts]


def _edited_on(run: Run, host: LabHost) -> list[str]:
    lines = [line for line in run.lines_of(host) if "edited since: " in line]
    return [path for line in lines for path in line.partition("edited since: ")[2].split(", ")]


@pytest.mark.parametrize("name", LINKED)
def test_all_that_is_done_to_a_file_is_done_to_the_same(stock: list[LabHost], name: str) -> None:
    def link(host: LabHost) -> None:
        host.run(" && ".join([*LINKED[name], "systemctl restart dovecot postfix"]))

    side_by_side(link, stock)
    before = [_bytes(host) for host in stock]
    for program in ("undo.py", "remove.py"):
        succeed(deploy(stock))
        assert "2 hosts: 2 unchanged" in succeed(deploy(stock)).report
        if program == "undo.py":
            _edits_are_noticed(stock)
        succeed(deploy(stock, program=program))
        assert [_bytes(host) for host in stock] == before


def _edits_are_noticed(hosts: list[LabHost]) -> None:
    real = [sorted(host.run(f"readlink -f {' '.join(MANAGED)}").stdout.split()) for host in hosts]
    for host in hosts:
        host.run(f"for file in {' '.join(MANAGED)}; do cp $file /root/ && echo '# a note' >>$file; done")
    assert _edited(hosts) == real
    for host in hosts:
        host.run(f"for file in {' '.join(MANAGED)}; do cat /root/$(basename $file) >$file; done")
    assert _edited(hosts) == [[], []]
