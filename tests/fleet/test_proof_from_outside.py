"""What a host could have refused beforehand is refused in the preview, and the proof sees what others see.

It looks at the addresses that are open, behind STARTTLS, in each version of TLS, as a client that nobody
refuses. The numbers are kinds of states. Those of `NEAR` are what other administrators have done.
"""

import re
import shlex
import ssl
from collections.abc import Callable, Iterable, Mapping

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, side_by_side, succeed, tree
from tests.fleet.states import (
    ADDED_PASSWORD,
    RELOAD,
    State,
    auth_on_port_25,
    commands,
    prepare,
    reads,
    rounds,
    sends,
    service,
    try_states,
)

Seen = Callable[[LabHost, Lab], None]

# -- what is seen -------------------------------------------------------------------------------------


def _tls_1_2(port: int) -> Seen:
    """The port serves a client that knows no later version of TLS than 1.2."""

    def check(host: LabHost, lab: Lab) -> None:
        context = ssl._create_unverified_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if port == mail.SUBMISSIONS:
            with mail.submissions(host, lab.ca, context) as client:
                assert client.ehlo("client.example")[0] == 250
        else:
            with mail.smtp(host, port) as client:
                client.starttls(context=context)
                assert client.ehlo("client.example")[0] == 250

    return check


def _logs_in_with_cram_md5(host: LabHost, lab: Lab) -> None:
    with mail.submissions(host, lab.ca) as client:
        client.ehlo("client.example")
        assert client.esmtp_features["auth"].split() == ["CRAM-MD5"]
        client.login(host.user, ADDED_PASSWORD)


def _port_25_takes_mail(host: LabHost, lab: Lab) -> None:
    with mail.smtp(host) as client:
        # A table may reject address literals, and a rule other names.
        if client.ehlo("[192.0.2.1]")[0] != 250:
            assert client.ehlo("client.example")[0] == 250
        client.mail("")
        assert client.rcpt(f"{host.user}@{host.domain}")[0] == 250


NOT_RESTARTED = (
    sends,
    _port_25_takes_mail,
    reads("cmp /var/spool/postfix/pid/master.pid /root/master.pid && echo same", "same"),
)
DOVECOT_UNCHANGED = (
    sends,
    reads("cmp /root/flat /etc/dovecot/dovecot.conf && ls /etc/dovecot/conf.d | grep -c 99-", "0"),
)

# -- how states are made ------------------------------------------------------------------------------

RESTART = "systemctl restart postfix"


def _refused(words: str, *how: str, undo: str = ":") -> State:
    """A host that is refused in the preview. + words: those that the sentence has"""
    return State(commands(*how), refused=tuple(words.split()), undo=undo)


def _served(seen: Iterable[Seen], *how: str, said: str = "", undo: str = ":") -> State:
    return State(commands(*how), said=tuple(said.split()), seen=tuple(seen), undo=undo)


def _set(*settings: str) -> str:
    """Commands that set these parameters, `name=value`, and reload."""
    return commands(f"postconf {shlex.join(settings)}", RELOAD)


def _option(*options: str, of: str = "smtp/inet") -> str:
    """Commands that set these options, `name=value`, of a service of master.cf, and reload."""
    return commands(*(f"postconf -P {shlex.quote(f'{of}/{one}')}" for one in options), RELOAD)


def _smtps(*options: str, name: str = "smtps") -> str:
    return commands(service("smtpd_tls_wrappermode=yes", *options, name=name), RELOAD)


def _submission(*options: str) -> str:
    return commands(service("smtpd_tls_security_level=encrypt", *options, name="submission"), RELOAD)


def _line(after: str, line: str) -> str:
    """Commands that write a line into master.cf, behind one that matches, and reload."""
    return commands(f"sed -i '/{after}/a\\  {line}' /etc/postfix/master.cf", RELOAD)


def _reloaded(started_with: str, now: str) -> str:
    """Commands that start Postfix with one value of inet_interfaces, and reload it with another."""
    return commands(f"postconf 'inet_interfaces={started_with}'", RESTART, _set(f"inet_interfaces={now}"))


def _helo(rules: str) -> str:
    """Commands that make port 25 judge EHLO at once, and keep the process ID of master."""
    told = _set("smtpd_delay_reject=no", f"smtpd_helo_restrictions={rules}")
    return commands(told, "cp /var/spool/postfix/pid/master.pid /root")


def _helo_table(rule: str) -> str:
    table = f"echo {shlex.quote(rule)} >/etc/postfix/helo"
    return commands(table, _helo("check_helo_access regexp:/etc/postfix/helo"))


def _listener(path: str, *settings: str) -> str:
    """Commands that append a listener for Postfix to a file of Dovecot's, and restart Dovecot."""
    lines = ("service auth {", "unix_listener /var/spool/postfix/private/auth {", *settings, "}", "}")
    return commands(f"printf '%s\\n' {shlex.join(lines)} >>{path}", "systemctl restart dovecot")


def _flat(*settings: str) -> str:
    """Commands that write a dovecot.conf with a listener, which includes no other file, and keep a copy."""
    own = commands("doveconf -n >/root/flat", "cp /root/flat /etc/dovecot/dovecot.conf")
    return commands(
        own, _listener("/etc/dovecot/dovecot.conf", *settings), "cp /etc/dovecot/dovecot.conf /root/flat"
    )


def _mounted(path: str, *before: str) -> State:
    there = f"{{ [ -e {path} ] || touch {path}; }}"
    return _refused(f"{path} mount", *before, there, f"mount --bind {path} {path}", undo=f"umount {path}")


# Dovecot has the passwords in plain text, without which it could not check what CRAM-MD5 sends.
CRAM_MD5 = commands(
    f"echo '{{user}}:{{PLAIN}}{ADDED_PASSWORD}' >/etc/dovecot/users",
    "sed -i 's/^auth_mechanisms/#&/; s/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf",
    "set -- 'passdb passwd-file {' 'passwd_file_path = /etc/dovecot/users' '}'",
    "if dovecot --version | grep -q '^2[.]3'; then set -- 'passdb {' 'driver = passwd-file' "
    "'args = /etc/dovecot/users' '}'; fi",
    "printf '%s\\n' 'auth_mechanisms = plain login cram-md5' \"$@\" >/etc/dovecot/conf.d/00-users.conf",
    "systemctl restart dovecot",
)

NO_PLAIN_TEXT = "smtpd_sasl_tls_security_options=noanonymous,noplaintext"
STRAY = "-o smtpd_recipient_restrictions=permit_sasl_authenticated, reject"
SNAKEOIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"
AUTH_LISTENER = "/var/spool/postfix/private/auth"

STATES = {
    "1 a name that is loopback": _refused(
        "loopback inet_interfaces",
        "sed -i 's/^127.0.0.1.*/& {name}/; /^198/d' /etc/hosts",
        _set("inet_interfaces=$myhostname, 127.0.0.1"),
        RESTART,
    ),
    "1 127.0.0.1, ::1": _refused("loopback inet_interfaces", _set("inet_interfaces=127.0.0.1, ::1"), RESTART),
    "2 no mechanism inside TLS": _refused("smtpd_sasl_tls_security_options mechanism", _set(NO_PLAIN_TEXT)),
    "3 no cipher of TLS 1.2": _refused("TLSv1.2", _set("smtpd_tls_mandatory_exclude_ciphers=aECDSA")),
    "5 a stray word on port 465": _refused(
        "reject smtps master.cf", _smtps(), _line("smtpd_tls_wrappermode", STRAY)
    ),
    "5 a stray word on port 25": _refused("reject smtp master.cf", _line("^smtp .*inet", STRAY)),
    "6 inet is disabled": _refused("master_service_disable", _set("master_service_disable=inet")),
    "6 submissions/inet is disabled": _refused(
        "master_service_disable", _set("master_service_disable=submissions/inet")
    ),
    "6 wrapper mode in main.cf": _refused("smtpd_tls_wrappermode main.cf", _set("smtpd_tls_wrappermode=yes")),
    "6 a mount on main.cf": _mounted("/etc/postfix/main.cf"),
    "6 a mount on the listener": _mounted(
        AUTH_LISTENER, _listener("/etc/dovecot/conf.d/90-auth.conf", "mode = 0666")
    ),
    "7 local.conf": _refused(
        "/etc/dovecot/local.conf:3", _listener("/etc/dovecot/local.conf", "mode = 0666")
    ),
    "7 one file, 0666": _refused(AUTH_LISTENER, _flat("mode = 0666")),
    # served
    "1 all addresses, and only reloaded": _served(
        [sends], _reloaded("$myhostname", "all"), said="inet_interfaces restart"
    ),
    "4 HELO rules": _served(
        NOT_RESTARTED,
        _helo("reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname"),
    ),
    "7 one file, 0660": _served(DOVECOT_UNCHANGED, _flat("mode = 0660", "user = postfix", "group = postfix")),
}

NEAR = {
    "2 as an option of port 25": _refused(
        "smtpd_sasl_tls_security_options mechanism", _option(NO_PLAIN_TEXT)
    ),
    "2 a filter that discards all": _refused(
        "smtpd_sasl_mechanism_filter mechanism",
        _set("smtpd_sasl_mechanism_filter=!plain, !login, static:rest"),
    ),
    "2 inherited from outside TLS": _refused(
        "smtpd_sasl_security_options mechanism", _set("smtpd_sasl_security_options=noanonymous, noplaintext")
    ),
    "3 no key exchange": _refused("TLSv1.2", _set("smtpd_tls_mandatory_exclude_ciphers=kEECDH")),
    "3 ciphers for RSA": _refused("TLSv1.2", _set("tls_medium_cipherlist=ECDHE-RSA-AES256-GCM-SHA384")),
    "3 an option of port 465": _refused("TLSv1.2", _smtps("smtpd_tls_exclude_ciphers=ECDHE")),
    "3 port 25 excludes the ciphers of our key": _refused(
        "TLSv1.2 smtp", _option("smtpd_tls_exclude_ciphers=aECDSA")
    ),
    "5 a stray word on port 587": _refused(
        "reject submission master.cf", _submission(), _line("^submission", STRAY)
    ),
    "5 spaces around the equal sign": _refused(
        "smtps master.cf", _smtps(), _line("wrappermode", "-o smtpd_sasl_auth_enable = yes")
    ),
    "5 a comment behind an option": _refused(
        "# submission master.cf", _submission(), _line("^submission", "-o syslog_name=x # mine")
    ),
    "5 an option without its argument": _refused(
        "-o submission master.cf", _submission(), _line("^submission", "-o syslog_name=x -o")
    ),
    "6 disabled by its number": _refused(
        "master_service_disable", _smtps(name="465"), _set("master_service_disable=465/inet")
    ),
    "6 disabled but for port 25": _refused(
        "master_service_disable", _smtps(), _set("master_service_disable=!smtp/inet, inet")
    ),
    "6 disabled as by old releases": _refused(
        "master_service_disable", _smtps(), _set("master_service_disable=smtps.inet")
    ),
    "6 wrapper mode on port 25": _refused("smtpd_tls_wrappermode smtp", _option("smtpd_tls_wrappermode=Yes")),
    "6 a mount on master.cf": _mounted("/etc/postfix/master.cf"),
    "6 a mount on the drop-in": _mounted("/etc/dovecot/conf.d/99-postfix-smtp-auth.conf"),
    "1 localhost": _refused("loopback inet_interfaces", _set("inet_interfaces=localhost"), RESTART),
    "7 a file behind the drop-in": _refused(
        "/etc/dovecot/conf.d/zz-local.conf:4",
        _listener("/etc/dovecot/conf.d/zz-local.conf", "# ours", "mode = 0666"),
    ),
    "7 a file elsewhere": _refused(
        "/etc/mail-auth.conf:3",
        "echo '!include_try /etc/mail-auth.conf' >>/etc/dovecot/dovecot.conf",
        _listener("/etc/mail-auth.conf", "mode = 0666"),
    ),
    # served
    "2 outside TLS alone": _served(
        [sends, auth_on_port_25(True)],
        _set("smtpd_sasl_security_options=noanonymous, noplaintext"),
        _set("smtpd_sasl_tls_security_options=noanonymous"),
    ),
    "2 a certificate of port 25, whose key is main.cf's": _served(
        [sends, _tls_1_2(25)], _option(f"smtpd_tls_cert_file={SNAKEOIL[0]}")
    ),
    "2 a key of port 587, whose certificate is main.cf's": _served(
        [sends, _tls_1_2(587)], _submission(f"smtpd_tls_key_file={SNAKEOIL[1]}")
    ),
    "2 port 587 had no TLS before": _served(
        [sends], _submission("smtpd_tls_cert_file=/nothing", "smtpd_tls_key_file=/nothing")
    ),
    "2 Dovecot knows CRAM-MD5": _served(
        [_logs_in_with_cram_md5, auth_on_port_25(True)], CRAM_MD5, _set(NO_PLAIN_TEXT)
    ),
    "3 an exclusion of nothing": _served(
        [sends, _tls_1_2(465)], _set("smtpd_tls_mandatory_exclude_ciphers=ECDHE-ECDSA")
    ),
    "3 TLS 1.3 alone": _served([sends], _set("smtpd_tls_mandatory_protocols=>=TLSv1.3")),
    "4 localhost is rejected": _served(NOT_RESTARTED, _helo_table("/^localhost/ REJECT")),
    "4 address literals are rejected": _served(NOT_RESTARTED, _helo_table(r"/^\[/ REJECT")),
    "4 the host's own name, too": _served(
        NOT_RESTARTED, _helo_table(r"/^(mail[12][.]|\[|localhost)/ REJECT")
    ),
    "5 words of other programs": _served(
        [sends],
        "printf '%s\\n' 'archive unix - n n - - pipe' '  user=nobody argv=/bin/cat -o a b = #' "
        "'submission inet n - y - - smtpd -v' '  # ours' '  -o syslog_name=x' >>/etc/postfix/master.cf",
        RELOAD,
    ),
    "6 other names are disabled": _served(
        [sends], _smtps(), _set("master_service_disable=submission/inet, submissions/inet")
    ),
    "6 wrapper mode, and port 25 says no": _served(
        [sends, _tls_1_2(25)], _option("smtpd_tls_wrappermode=no"), _set("smtpd_tls_wrappermode=yes")
    ),
    "6 a mount on a directory": _served(
        [sends], "mount --bind /etc/postfix /etc/postfix", undo="umount /etc/postfix"
    ),
    "7 a file behind the drop-in, 0660": _served(
        [sends, reads("ls /etc/dovecot/conf.d | grep -c 99-", "0")],
        _listener("/etc/dovecot/local.conf", "mode = 0660", "user = postfix", "group = postfix"),
    ),
    "7 one file, 0600": _served(DOVECOT_UNCHANGED, _flat("mode = 0600", "user = postfix")),
}


@pytest.mark.parametrize("names", rounds(STATES), ids=" / ".join)
def test_a_host_is_asked_beforehand(lab: Lab, names: tuple[str, ...]) -> None:
    try_states(lab, [STATES[name] for name in names])


@pytest.mark.parametrize("names", rounds(NEAR), ids=" / ".join)
def test_a_host_near_it_is_asked_beforehand(lab: Lab, names: tuple[str, ...]) -> None:
    try_states(lab, [NEAR[name] for name in names])


# -- what needs more than a state ---------------------------------------------------------------------


def _fleet(lab: Lab) -> list[LabHost]:
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    return hosts


def _make(hosts: list[LabHost], first: str, second: str) -> None:
    """Make a state on each half of the fleet, which has both releases."""
    side_by_side(lambda host: prepare(host, second if host in hosts[2:] else first), hosts)


def _says(run: Run, host: LabHost, *words: str) -> None:
    """A line of the report about the host matches each of these expressions."""
    lines = [line for line in run.report.splitlines() if f" {host.name} " in f" {line}"]
    assert any(all(re.search(word, line) for word in words) for line in lines), f"{words}: {run.output}"


# submissions_options, and whether they are refused because they could take away TLS or logins.
OPTIONS: list[tuple[Mapping[str, str | None], bool]] = [
    ({"smtpd_tls_wrappermode": "no"}, True),
    ({"smtpd_sasl_auth_enable": "No"}, True),
    ({"smtpd_tls_wrappermode": None}, True),
    # main.cf has yes, too.
    ({"smtpd_sasl_auth_enable": None}, False),
    # In wrapper mode, Postfix speaks TLS at any level.
    ({"smtpd_tls_security_level": "none"}, False),
    ({"smtpd_discard_ehlo_keywords": "silent-discard, AUTH"}, True),
    ({"smtpd_sasl_mechanism_filter": "!plain, !login, static:rest"}, True),
    ({"smtpd_tls_security_level": "encrypt", "smtpd_discard_ehlo_keywords": "etrn"}, False),
]


def test_data_that_take_away_tls_or_logins_are_refused(lab: Lab) -> None:
    hosts = _fleet(lab)
    before = side_by_side(tree, hosts)
    for two in zip(OPTIONS[::2], OPTIONS[1::2], strict=True):
        of = {host: two[host in hosts[2:]] for host in hosts}
        data = {host.name: {"submissions_options": dict(of[host][0])} for host in hosts}
        run = deploy(hosts, "--dry", per_host=data)
        for host, (options, takes_away) in of.items():
            if takes_away:
                _says(run, host, "refused", *options)
            else:
                assert f"{host.name} " not in run.report, run.output
    assert side_by_side(tree, hosts) == before


def test_postfix_that_listens_on_loopback_alone_has_to_be_restarted(lab: Lab) -> None:
    hosts = _fleet(lab)
    lists = "127.0.0.1, $myhostname"
    _make(hosts, _reloaded("loopback-only", "all"), _reloaded("loopback-only", lists))
    before = side_by_side(tree, hosts)
    for option in "--dry", "-y":
        run = deploy(hosts, option)
        for host in hosts:
            _says(run, host, "refused", "loopback", "inet_interfaces", "restart")
    assert side_by_side(tree, hosts) == before
    side_by_side(lambda host: prepare(host, RESTART), hosts)
    succeed(deploy(hosts))
    side_by_side(lambda host: sends(host, lab), hosts)


def test_a_unit_that_cannot_reload_postfix_is_refused(lab: Lab) -> None:
    # Debian 13 has no unit beside postfix.service in which Postfix could run.
    hosts = _fleet(lab)[::2]
    stopped, masked = hosts
    prepare(stopped, "systemctl stop postfix; systemctl start postfix@-")
    prepare(masked, "systemctl stop postfix; systemctl mask --runtime postfix; systemctl start postfix@-")
    before = side_by_side(tree, hosts)
    try:
        for option in "--dry", "-y":
            run = deploy(hosts, option)
            for host in hosts:
                _says(run, host, "refused", r"postfix\.service")
        assert side_by_side(tree, hosts) == before
    finally:
        prepare(masked, "systemctl unmask --runtime postfix")
        side_by_side(lambda host: prepare(host, "systemctl start postfix"), hosts)


CONNECTIONS = (
    "journalctl --output=cat -t postfix/smtpd -t postfix/submissions/smtpd | grep -c '^connect from'"
)
FILES = "find /etc/postfix /etc/dovecot /etc/letsencrypt -type f | sort | xargs sha256sum"


def _on(hosts: list[LabHost], command: str) -> list[str]:
    return side_by_side(lambda host: host.run(command, check=False).stdout, hosts)


def test_services_that_were_started_again_are_proved_once(lab: Lab) -> None:
    hosts = _fleet(lab)
    succeed(deploy(hosts))
    _make(hosts, RESTART, "systemctl restart dovecot")
    files, before = _on(hosts, FILES), _on(hosts, CONNECTIONS)
    preview = succeed(deploy(hosts, "--dry"))
    assert all(any("prove" in line for line in preview.lines_of(host)) for host in hosts), preview.output
    assert _on(hosts, CONNECTIONS) == before
    # Without -y: nobody is there who could answer a question.
    proving = succeed(deploy(hosts, "--diff"))
    proved = _on(hosts, CONNECTIONS)
    assert _more(proved, before), proving.output
    again = succeed(deploy(hosts, "--diff"))
    assert _on(hosts, CONNECTIONS) == proved, again.output
    assert not any("prove" in line for host in hosts for line in again.lines_of(host)), again.output
    assert all("4 hosts: 4 unchanged" in run.report for run in (proving, again))
    assert _on(hosts, FILES) == files
    side_by_side(lambda host: prepare(host, f"touch /etc/postfix/main.cf && {RELOAD}"), hosts)
    succeed(deploy(hosts, "--diff"))
    assert _more(_on(hosts, CONNECTIONS), proved)


def _more(now: list[str], before: list[str]) -> bool:
    return all(int(one) > int(other) for one, other in zip(now, before, strict=True))


def test_a_host_with_nothing_to_do_that_does_not_serve_fails(lab: Lab) -> None:
    hosts = _fleet(lab)
    succeed(deploy(hosts))
    # Only a connection shows it.
    dies = _option("smtpd_peername_lookup=maybe", of="submissions/inet")
    milter = ("smtpd_milters=inet:127.0.0.1:9", "milter_default_action=tempfail")
    _make(hosts, dies, _option(*milter, of="submissions/inet"))
    files = _on(hosts, FILES)
    # Again: what fails is not taken for proved. An smtpd that has died is not started again for a minute.
    for some in hosts, hosts[2:]:
        run = deploy(some)
        assert run.status == 1, run.output
        for host in some:
            _says(run, host, "failed", "port 465")
    assert _on(hosts, FILES) == files
    side_by_side(lambda host: prepare(host, _line("^submissions", STRAY)), hosts)
    run = deploy(hosts, "--dry")
    for host in hosts:
        _says(run, host, "refused", "reject", "submissions/inet", r"master\.cf")
