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
    answers,
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


PORT_25_TAKES_MAIL = answers(25, 250, to="{user}@{domain}")
SERVES_AND_WAS_NOT_RESTARTED = (
    sends,
    PORT_25_TAKES_MAIL,
    reads("cmp /var/spool/postfix/pid/master.pid /root/master.pid && echo same", "same"),
)
SERVES_WITH_DOVECOTS_FILES_AS_THEY_WERE = (
    sends,
    reads("cmp /root/flat /etc/dovecot/dovecot.conf && ls /etc/dovecot/conf.d | grep -c 99-", "0"),
)

# -- how states are made ------------------------------------------------------------------------------

RESTART = "systemctl restart postfix"


def _refused(how: str, *words: str, undo: str = ":") -> State:
    return State(how, refused=words, undo=undo)


def _served(how: str, *seen: Seen, said: tuple[str, ...] = (), undo: str = ":") -> State:
    return State(how, said=said, seen=seen or (sends,), undo=undo)


def _set(*settings: str) -> str:
    """Commands that set these parameters, `name=value`, and reload."""
    return commands(f"postconf {shlex.join(settings)}", RELOAD)


def _option(*options: str, of: str = "smtp/inet") -> str:
    """Commands that set these options, `name=value`, of a service of master.cf, and reload."""
    return commands(*(f"postconf -P {shlex.quote(f'{of}/{one}')}" for one in options), RELOAD)


def _smtps(*options: str, name: str = "smtps") -> str:
    return commands(service("smtpd_tls_wrappermode=yes", *options, name=name), RELOAD)


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


def _mounted(path: str, before: str = ":") -> State:
    how = commands(before, f"{{ [ -e {path} ] || touch {path}; }}", f"mount --bind {path} {path}")
    return _refused(how, path, "mount", undo=f"umount {path}")


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
ENCRYPTED = ("smtpd_tls_security_level=encrypt",)
OWN_PAIR = ("smtpd_tls_cert_file=/nothing", "smtpd_tls_key_file=/nothing")
AUTH_LISTENER = "/var/spool/postfix/private/auth"
OF_POSTFIX = ("user = postfix", "group = postfix")

STATES = {
    # refused
    "1 a name that is loopback": _refused(
        commands(
            "sed -i 's/^127.0.0.1.*/& {name}/; /^198/d' /etc/hosts",
            "postconf 'inet_interfaces=$myhostname, 127.0.0.1'",
            RESTART,
        ),
        *("loopback", "inet_interfaces"),
    ),
    "1 127.0.0.1, ::1": _refused(
        commands("postconf 'inet_interfaces=127.0.0.1, ::1'", RESTART), "loopback", "inet_interfaces"
    ),
    "2 no mechanism inside TLS": _refused(
        _set(NO_PLAIN_TEXT), "smtpd_sasl_tls_security_options", "mechanism"
    ),
    "3 no cipher of TLS 1.2 on port 465": _refused(
        _set("smtpd_tls_mandatory_exclude_ciphers=aECDSA"), "TLSv1.2"
    ),
    "5 a stray word on port 465": _refused(
        commands(_smtps(), _line("smtpd_tls_wrappermode", STRAY)), "reject", "smtps", "master.cf"
    ),
    "5 a stray word on port 25": _refused(_line("^smtp .*inet", STRAY), "reject", "smtp/inet", "master.cf"),
    "6 master_service_disable = inet": _refused(
        _set("master_service_disable=inet"), "master_service_disable"
    ),
    "6 master_service_disable = submissions/inet": _refused(
        _set("master_service_disable=submissions/inet"), "master_service_disable"
    ),
    "6 smtpd_tls_wrappermode = yes in main.cf": _refused(
        _set("smtpd_tls_wrappermode=yes"), "smtpd_tls_wrappermode", "main.cf"
    ),
    "6 main.cf on a mount of its own": _mounted("/etc/postfix/main.cf"),
    "6 the listener on a mount of its own": _mounted(
        AUTH_LISTENER, _listener("/etc/dovecot/conf.d/90-auth.conf", "mode = 0666")
    ),
    "7 local.conf overrules the listener": _refused(
        _listener("/etc/dovecot/local.conf", "mode = 0666"), "/etc/dovecot/local.conf:3"
    ),
    "7 0666 in one file": _refused(_flat("mode = 0666"), AUTH_LISTENER),
    # served
    "1 one more address, and only reloaded": _served(
        _reloaded("$myhostname", "$myhostname, 127.0.0.1"), said=("inet_interfaces", "restart")
    ),
    "4 HELO rules, at once": _served(
        _helo("reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname"),
        *SERVES_AND_WAS_NOT_RESTARTED,
    ),
    "7 0660 in one file": _served(
        _flat("mode = 0660", *OF_POSTFIX), *SERVES_WITH_DOVECOTS_FILES_AS_THEY_WERE
    ),
}

NEAR = {
    # refused
    "2 as an option of port 25": _refused(
        _option(NO_PLAIN_TEXT), "smtpd_sasl_tls_security_options", "mechanism"
    ),
    "2 a filter that discards all": _refused(
        _set("smtpd_sasl_mechanism_filter=!plain, !login, static:rest"),
        *("smtpd_sasl_mechanism_filter", "mechanism"),
    ),
    "2 inherited from outside TLS": _refused(
        _set("smtpd_sasl_security_options=noanonymous, noplaintext"),
        *("smtpd_sasl_security_options", "mechanism"),
    ),
    "3 no key exchange": _refused(_set("smtpd_tls_mandatory_exclude_ciphers=kEECDH"), "TLSv1.2"),
    "3 a list of ciphers for RSA": _refused(
        _set("tls_medium_cipherlist=ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"), "TLSv1.2"
    ),
    "3 an option of port 465": _refused(_smtps("smtpd_tls_exclude_ciphers=ECDHE"), "TLSv1.2"),
    "3 port 25 excludes the ciphers of our key": _refused(
        _option("smtpd_tls_exclude_ciphers=aECDSA"), "TLSv1.2", "smtp on port 25"
    ),
    "5 a stray word on port 587": _refused(
        commands(service(name="submission"), _line("^submission", STRAY)),
        *("reject", "submission/inet", "master.cf"),
    ),
    "5 spaces around the equal sign": _refused(
        commands(_smtps(), _line("wrappermode", "-o smtpd_sasl_auth_enable = yes")),
        *("smtpd_sasl_auth_enable", "smtps/inet", "master.cf"),
    ),
    "5 a comment behind an option": _refused(
        commands(service(name="submission"), _line("^submission", "-o syslog_name=x # mine")),
        *("#", "submission/inet", "master.cf"),
    ),
    "5 an option without its argument": _refused(
        commands(service(name="submission"), _line("^submission", "-o syslog_name=x -o")),
        *("-o", "submission/inet", "master.cf"),
    ),
    "6 disabled by its number": _refused(
        commands(_smtps(name="465"), _set("master_service_disable=465/inet")), "master_service_disable"
    ),
    "6 disabled by what remains": _refused(
        commands(_smtps(), _set("master_service_disable=!smtp/inet, inet")), "master_service_disable"
    ),
    "6 disabled as by old releases": _refused(
        commands(_smtps(), _set("master_service_disable=smtps.inet")), "master_service_disable"
    ),
    "6 smtpd_tls_wrappermode = Yes on port 25": _refused(
        _option("smtpd_tls_wrappermode=Yes"), "smtpd_tls_wrappermode", "smtp/inet"
    ),
    "6 master.cf on a mount of its own": _mounted("/etc/postfix/master.cf"),
    "6 the drop-in on a mount of its own": _mounted("/etc/dovecot/conf.d/99-postfix-smtp-auth.conf"),
    "7 a file behind the drop-in": _refused(
        _listener("/etc/dovecot/conf.d/zz-local.conf", "# ours", "mode = 0666"),
        "/etc/dovecot/conf.d/zz-local.conf:4",
    ),
    "7 a file elsewhere": _refused(
        commands(
            "echo '!include_try /etc/mail-auth.conf' >>/etc/dovecot/dovecot.conf",
            _listener("/etc/mail-auth.conf", "mode = 0666"),
        ),
        "/etc/mail-auth.conf:3",
    ),
    # served
    "2 outside TLS alone": _served(
        _set(
            "smtpd_sasl_security_options=noanonymous, noplaintext",
            "smtpd_sasl_tls_security_options=noanonymous",
        ),
        *(sends, auth_on_port_25(True)),
    ),
    "2 a certificate of port 25, whose key is main.cf's": _served(
        _option(f"smtpd_tls_cert_file={SNAKEOIL[0]}"), sends, _tls_1_2(25)
    ),
    "2 a key of port 587, whose certificate is main.cf's": _served(
        commands(service(*ENCRYPTED, f"smtpd_tls_key_file={SNAKEOIL[1]}", name="submission"), RELOAD),
        *(sends, _tls_1_2(587)),
    ),
    "2 port 587 had no TLS before": _served(
        commands(
            service(
                *ENCRYPTED, "smtpd_tls_cert_file=/nothing", "smtpd_tls_key_file=/nothing", name="submission"
            ),
            RELOAD,
        ),
    ),
    "2 Dovecot knows CRAM-MD5": _served(
        commands(CRAM_MD5, _set(NO_PLAIN_TEXT)), _logs_in_with_cram_md5, auth_on_port_25(True)
    ),
    "3 an exclusion of nothing": _served(
        _set("smtpd_tls_mandatory_exclude_ciphers=ECDHE-ECDSA"), sends, _tls_1_2(465)
    ),
    "3 TLS 1.3 alone": _served(_set("smtpd_tls_mandatory_protocols=>=TLSv1.3")),
    "4 localhost is rejected": _served(_helo_table("/^localhost/ REJECT"), *SERVES_AND_WAS_NOT_RESTARTED),
    "4 address literals are rejected": _served(_helo_table(r"/^\[/ REJECT"), *SERVES_AND_WAS_NOT_RESTARTED),
    "4 the host's own name, too": _served(
        _helo_table(r"/^(mail[12][.]|\[|localhost)/ REJECT"), *SERVES_AND_WAS_NOT_RESTARTED
    ),
    "5 words of other programs": _served(
        commands(
            "printf '%s\\n' 'archive unix - n n - - pipe' '  user=nobody argv=/bin/cat -o a b = #' "
            "'submission inet n - y - - smtpd -v' '  # ours' '  -o syslog_name=x' >>/etc/postfix/master.cf",
            RELOAD,
        )
    ),
    "6 other names are disabled": _served(
        commands(_smtps(), _set("master_service_disable=submission/inet, submissions/inet"))
    ),
    "6 main.cf says yes, port 25 no": _served(
        commands(_option("smtpd_tls_wrappermode=no"), _set("smtpd_tls_wrappermode=yes")), sends, _tls_1_2(25)
    ),
    "6 a directory on a mount of its own": _served(
        "mount --bind /etc/postfix /etc/postfix", undo="umount /etc/postfix"
    ),
    "7 0600 in one file": _served(
        _flat("mode = 0600", "user = postfix"), *SERVES_WITH_DOVECOTS_FILES_AS_THEY_WERE
    ),
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


def _halves(hosts: list[LabHost], *halves: Iterable[str]) -> dict[LabHost, tuple[str, ...]]:
    """To each half of the fleet, which has both releases, something of its own."""
    return {
        host: tuple(one) for one, half in zip(halves, (hosts[:2], hosts[2:]), strict=False) for host in half
    }


def _says(run: Run, host: LabHost, *words: str) -> None:
    """A line of the report about the host matches each of these expressions."""
    lines = [line for line in run.report.splitlines() if f" {host.name} " in f" {line}"]
    assert any(all(re.search(word, line) for word in words) for line in lines), f"{words}: {run.output}"


def _make(states: Mapping[LabHost, tuple[str, ...]]) -> None:
    side_by_side(lambda host: prepare(host, states[host][0]), states)


# submissions_options that take away TLS or logins. The sentence names the key.
OPTIONS: list[Mapping[str, str | None]] = [
    {"smtpd_tls_wrappermode": "no"},
    {"smtpd_sasl_auth_enable": "No"},
    {"smtpd_tls_wrappermode": None},
    {"smtpd_sasl_auth_enable": None},
    {"smtpd_tls_security_level": "none"},
    {"smtpd_discard_ehlo_keywords": "silent-discard, AUTH"},
]


def test_data_that_take_away_tls_or_logins_are_refused(lab: Lab) -> None:
    hosts = _fleet(lab)
    before = side_by_side(tree, hosts)
    for two in zip(OPTIONS[::2], OPTIONS[1::2], strict=True):
        options = {host: two[host in hosts[2:]] for host in hosts}
        data = {host.name: {"submissions_options": dict(options[host])} for host in hosts}
        run = deploy(hosts, "--dry", per_host=data)
        for host in hosts:
            _says(run, host, "refused", *options[host])
    assert side_by_side(tree, hosts) == before


def test_postfix_that_listens_on_loopback_alone_has_to_be_restarted(lab: Lab) -> None:
    hosts = _fleet(lab)
    lists = "127.0.0.1, $myhostname"
    _make(_halves(hosts, [_reloaded("loopback-only", "all")], [_reloaded("loopback-only", lists)]))
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
    _make(_halves(hosts, [RESTART], ["systemctl restart dovecot"]))
    files, before = _on(hosts, FILES), _on(hosts, CONNECTIONS)
    preview = succeed(deploy(hosts, "--dry"))
    assert all(any("prove" in line for line in preview.lines_of(host)) for host in hosts), preview.output
    assert _on(hosts, CONNECTIONS) == before
    # Without -y: nobody is there who could answer a question.
    proving = succeed(deploy(hosts, "--diff"))
    proved = _on(hosts, CONNECTIONS)
    assert all(int(now) > int(then) for now, then in zip(proved, before, strict=True)), proving.output
    again = succeed(deploy(hosts, "--diff"))
    assert _on(hosts, CONNECTIONS) == proved, again.output
    assert all("4 hosts: 4 unchanged" in run.report for run in (proving, again))
    assert _on(hosts, FILES) == files


def test_a_host_with_nothing_to_do_that_does_not_serve_fails(lab: Lab) -> None:
    hosts = _fleet(lab)
    succeed(deploy(hosts))
    # Only a connection shows it.
    dies = _option("smtpd_peername_lookup=maybe", of="submissions/inet")
    milter = ("smtpd_milters=inet:127.0.0.1:9", "milter_default_action=tempfail")
    _make(_halves(hosts, [dies], [_option(*milter, of="submissions/inet")]))
    files = _on(hosts, FILES)
    for _ in range(2):
        run = deploy(hosts)
        assert run.status == 1, run.output
        for host in hosts:
            _says(run, host, "failed", "port 465")
    assert _on(hosts, FILES) == files
