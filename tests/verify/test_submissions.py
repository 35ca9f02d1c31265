"""Port 465 as mail programs see it, and logins on port 25 (RFC 8314, RFC 4954)."""

from collections.abc import Callable

from smtp_auth.facts.look import Look
from smtp_auth.services.postfix.logins import offered_on_port_25
from smtp_auth.verify.conversation import Reply, extension
from smtp_auth.verify.target import Target
from smtp_auth.verify.visits import SLOW_DNS, Session

_LOG = "Postfix's log shows the reason (journalctl -u 'postfix*')"

_VERSIONS = ("TLSv1.2", "TLSv1.3")


def test_port_465_greets_inside_tls(attempts_465: dict[str, Session | str]) -> None:
    failed = {address: one for address, one in attempts_465.items() if isinstance(one, str)}
    assert not failed, f"port 465 gives no SMTP session inside TLS: {failed}; {_LOG}"


def test_port_465_greets_in_time(
    sessions_465: dict[str, Session], target: Target, record_property: Callable[[str, object], None]
) -> None:
    limit = target.settings.verify_seconds
    slowest = max(sessions_465.values(), key=lambda session: sum(session.pace.values()))
    for part, seconds in slowest.pace.items():
        record_property(part, seconds)
    for address, session in sessions_465.items():
        parts = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in session.pace.items())
        cause = "is the network slow, or does a firewall delay connections"
        if session.pace["connection"] < limit / 2:
            cause = SLOW_DNS
        assert sum(session.pace.values()) <= limit, (
            f"{address} takes longer than verify_seconds = {limit:g}: {parts}; {cause}?"
        )


def test_port_465_speaks_tls_at_the_floor_or_above(sessions_465: dict[str, Session], target: Target) -> None:
    floor = target.settings.tls_minimum_version
    for address, session in sessions_465.items():
        assert session.version in _VERSIONS[_VERSIONS.index(floor) :], (
            f"{address} uses {session.version}, which is older than {floor}: check "
            "smtpd_tls_mandatory_protocols"
        )


def test_port_465_refuses_older_tls(old_versions: dict[str, str]) -> None:
    accepted = [version for version, refusal in old_versions.items() if not refusal]
    assert not accepted, (
        f"port 465 accepts {', '.join(accepted)}: set smtpd_tls_mandatory_protocols (deploy again), "
        "and look for -o smtpd_tls_mandatory_protocols in master.cf"
    )


def test_port_465_refuses_plain_text(plain_text_answer: bytes) -> None:
    answer = plain_text_answer
    assert not answer[:1].isdigit(), (
        f"port 465 answers {answer[:60]!r} without TLS: smtpd_tls_wrappermode=yes is missing in master.cf"
    )


def test_port_465_offers_logins(sessions_465: dict[str, Session]) -> None:
    for address, session in sessions_465.items():
        offered = extension(session.hello, "AUTH")
        assert offered, (
            f"{address} offers no AUTH: smtpd_sasl_auth_enable=yes is missing in master.cf, or "
            "smtpd_sasl_exceptions_networks contains this machine"
        )
        assert "PLAIN" in offered, (
            f"{address} offers {' '.join(offered)}, but not PLAIN, which mail programs use"
        )


def test_port_25_greets(attempt_25: Reply | str) -> None:
    reply = attempt_25
    assert isinstance(reply, Reply), f"port 25 does not greet: {reply}; {_LOG}"


def test_port_25_offers_no_login_before_starttls(hello_25: Reply) -> None:
    offered = extension(hello_25, "AUTH")
    assert offered is None, (
        "port 25 offers logins without TLS, so passwords would be sent in plain text: "
        "set smtpd_tls_auth_only = yes"
    )


def test_port_25_offers_logins_inside_tls_only_where_wanted(
    owners: Look, sessions_25: dict[str, Session], target: Target
) -> None:
    wanted = offered_on_port_25(target.settings, owners)
    key = target.settings.smtp_auth_on_port_25
    for address, session in sessions_25.items():
        offered = extension(session.hello, "AUTH") is not None
        assert offered in wanted, (
            f"{address} {'offers' if offered else 'does not offer'} AUTH, but smtp_auth_on_port_25 is {key}: "
            f"set smtpd_sasl_auth_enable = {'no' if offered else 'yes'} (deploy again)"
        )


def test_a_wrong_password_is_refused_twice(wrong_logins: list[str]) -> None:
    for attempt, reply in enumerate(wrong_logins, 1):
        assert reply.startswith("535 "), (
            f"attempt {attempt} was answered with {reply} instead of 535: check Dovecot's passdb and its log"
        )
