"""Whether services will serve: what only a connection would show, and the look tells beforehand."""

import subprocess
from dataclasses import replace
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.plan.plan import plan_ignoring_obstacles
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.dovecot.listener import WANTED
from smtp_auth.services.postfix.broken_services import is_disabled
from smtp_auth.services.postfix.conversations import conversations
from smtp_auth.settings import SettingsError
from tests.unit.past import Host
from tests.unit.scenarios import stock, wanted, with_lineages, with_master_cf
from tests.unit.test_other_services import YES, deployed, host, notes, planned, service, submission

NO_PLAIN = "noanonymous, noplaintext"
OWN_CERTIFICATE = "smtpd_tls_cert_file=/etc/ssl/own.pem"
OWN_KEY = "smtpd_tls_key_file=/etc/ssl/own.key"


def refused(look: Look, **data: Any) -> str:
    """The only refusal; empty if there is none."""
    said = planned(look, **data).refusals
    assert len(said) <= 1, said
    return "".join(said)


# -- where Postfix listens ----------------------------------------------------------------------------


def listening(*addresses: str, interfaces: str = "all") -> Look:
    """A host with inet_interfaces in main.cf, whose Postfix listens on these addresses."""
    return host(
        main=f"inet_interfaces = {interfaces}\n",
        postfix_sockets=frozenset((25, address) for address in addresses),
    )


@pytest.mark.parametrize(
    "look",
    [
        listening("127.0.0.1", "::1"),
        listening("127.0.1.1", interfaces="$myhostname"),
        listening("127.0.0.1", interfaces="127.0.0.1, 192.0.2.1"),
        listening("::ffff:127.0.0.1", interfaces="all"),
    ],
)
def test_a_postfix_that_has_kept_loopback_is_refused(look: Look) -> None:
    said = refused(look)
    assert "listens only on loopback (" in said
    assert "although inet_interfaces = " in said
    assert "systemctl restart postfix" in said


@pytest.mark.parametrize("interfaces", ["127.0.0.1, ::1", "Loopback-Only", "localhost"])
def test_inet_interfaces_that_are_loopback_are_refused(interfaces: str) -> None:
    said = refused(listening("0.0.0.0", "::", interfaces=interfaces))
    assert f"(inet_interfaces = {interfaces})" in said
    assert "systemctl restart postfix" in said


@pytest.mark.parametrize(
    ("look", "is_warned"),
    [
        (listening("192.0.2.1"), True),
        (listening("192.0.2.1", interfaces="192.0.2.1, 192.0.2.2"), True),
        (listening("0.0.0.0", "::", interfaces="192.0.2.1"), True),
        (listening("0.0.0.0", "::"), False),
        (listening("::"), False),
        (listening("192.0.2.1", "2001:0db8:0000:0000:0000:0000:0000:0001", interfaces="192.0.2.1"), False),
        (listening("192.0.2.1", interfaces="mail.example.jp, 127.0.0.1"), True),
        # What a name stands for is not known.
        (listening("192.0.2.1", interfaces="mail.example.jp"), False),
        (listening(), False),
    ],
)
def test_a_postfix_that_has_kept_other_addresses_is_warned_of(look: Look, is_warned: bool) -> None:
    plan = planned(look)
    assert plan.refusals == ()
    assert any("Postfix still listens on" in warning for warning in plan.warnings) == is_warned


def test_a_service_with_an_address_says_nothing_of_inet_interfaces() -> None:
    look = host(service("127.0.0.1:10025"), main="inet_interfaces = all\n")
    look = replace(look, postfix_sockets=frozenset({(25, "0.0.0.0"), (10025, "127.0.0.1")}))
    assert refused(look) == ""


@pytest.mark.parametrize("name", ["mail1.example.jp:465", "127.0.1.1:465"])
def test_an_address_of_port_465_that_is_loopback_is_refused(name: str) -> None:
    look = host(service(name, YES, "smtpd_tls_wrappermode=yes"))
    sockets = frozenset({(25, "0.0.0.0"), (465, "127.0.1.1")})
    assert "port 465 is bound to loopback (" in refused(replace(look, postfix_sockets=sockets))
    reached = frozenset({(25, "127.0.0.1"), (465, "192.0.2.1")})
    assert refused(replace(host(service("mail1.example.jp:465", YES)), postfix_sockets=reached)) == ""


def test_sockets_of_an_older_master_cf_say_nothing() -> None:
    look = listening("127.0.0.1")
    newer = replace(look.master_cf, changed=9e9)
    assert refused(replace(look, files={**look.files, MASTER_CF.key: newer})) == ""


# -- SASL mechanisms ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "parameter"),
    [
        (host(main=f"smtpd_sasl_tls_security_options = {NO_PLAIN}\n"), "smtpd_sasl_tls_security_options"),
        (host(main="smtpd_sasl_mechanism_filter = !plain, static:rest\n"), "smtpd_sasl_mechanism_filter"),
        (host(main="smtpd_sasl_mechanism_filter = external\n"), "smtpd_sasl_mechanism_filter"),
        (
            host(main="smtpd_sasl_tls_security_options = forward_secrecy\n", mechanisms=("scram-sha-256",)),
            "smtpd_sasl_tls_security_options",
        ),
        (host(main="smtpd_sasl_tls_security_options = mutual_auth\n"), "smtpd_sasl_tls_security_options"),
    ],
)
def test_a_host_that_would_offer_no_mechanism_is_refused(look: Look, parameter: str) -> None:
    on_25, on_465 = planned(look).refusals
    assert "so smtp would end each connection" in on_25
    assert "so submissions on port 465 would end each connection" in on_465
    assert all(said.startswith(f"{parameter} = ") for said in (on_25, on_465))


def test_services_that_are_disabled_need_nothing() -> None:
    none = f"smtpd_sasl_tls_security_options={NO_PLAIN}"
    disabled = host(service("10587", YES, none), main="master_service_disable = 10587/inet\n")
    assert refused(disabled) == ""
    stray = "submission inet n - y - - smtpd -o smtpd_milters = x\n"
    assert refused(host(stray, main="master_service_disable = submission/inet\n")) == ""


def test_another_backend_of_port_465_has_its_own_mechanisms() -> None:
    look = host(main=f"smtpd_sasl_tls_security_options = {NO_PLAIN}\n")
    elsewhere = {"smtpd_sasl_path": "inet:192.0.2.9:12345"}
    assert refused(look, smtp_auth_on_port_25=False, submissions_options=elsewhere) == ""


def test_only_services_with_logins_need_a_mechanism() -> None:
    look = host(service("10587", f"smtpd_sasl_tls_security_options={NO_PLAIN}", "smtpd_sasl_auth_enable=no"))
    assert refused(look) == ""
    look = host(service("10587", YES, f"smtpd_sasl_tls_security_options={NO_PLAIN}"))
    assert "so 10587 would end each connection" in refused(look)
    elsewhere = ("smtpd_sasl_type=dovecot", "smtpd_sasl_path=inet:192.0.2.9:12345")
    look = host(service("10587", YES, *elsewhere, f"smtpd_sasl_tls_security_options={NO_PLAIN}"))
    assert refused(look) == ""
    no_tls = ("smtpd_tls_security_level=none", f"smtpd_sasl_tls_security_options={NO_PLAIN}")
    assert refused(host(service("10587", YES, *no_tls))) == ""
    on_25 = host(main=f"smtpd_sasl_tls_security_options = {NO_PLAIN}\n")
    options = {"smtpd_sasl_tls_security_options": "noanonymous"}
    assert refused(on_25, smtp_auth_on_port_25=False, submissions_options=options) == ""


@pytest.mark.parametrize(
    "look",
    [
        host(
            main=f"smtpd_sasl_security_options = {NO_PLAIN}\nsmtpd_sasl_tls_security_options = noanonymous\n"
        ),
        host(main=f"smtpd_sasl_tls_security_options = {NO_PLAIN}\n", mechanisms=("plain", "cram-md5")),
        host(main="smtpd_sasl_tls_security_options = mutual_auth\n", mechanisms=("scram-sha-1",)),
        host(main="smtpd_sasl_mechanism_filter = !login, static:all\n"),
        host(main="smtpd_sasl_mechanism_filter = texthash:/etc/postfix/mechanisms\n"),
        host(main=f"smtpd_sasl_tls_security_options = {NO_PLAIN}\n", mechanisms=("of-a-plugin",)),
    ],
)
def test_a_host_with_a_mechanism_is_served(look: Look) -> None:
    assert refused(look) == ""


# -- words in master.cf -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("  -o smtpd_recipient_restrictions=permit_sasl_authenticated, reject\n", "reject"),
        ("  -o smtpd_sasl_auth_enable = yes\n", "-o smtpd_sasl_auth_enable = yes"),
        ("  -o syslog_name=x # mine\n", "# mine"),
        ("  -o syslog_name=x\n  -o\n", "-o"),
        ("  -o { smtpd_sasl_auth_enable yes }\n", "-o smtpd_sasl_auth_enable yes"),
    ],
)
@pytest.mark.parametrize("name", ["submission", "submissions", "192.0.2.1:465"])
def test_a_word_that_is_no_option_is_refused(name: str, lines: str, words: str) -> None:
    said = refused(host(f"{name} inet n - y - - smtpd\n{lines}"))
    assert f"smtpd ends at each connection to {name}/inet" in said
    assert f"which is no option: {words};" in said


@pytest.mark.parametrize(
    "stanza",
    [
        "submission inet n - y - - smtpd -i 10 -m 5 -o syslog_name=x\n",
        "submission inet n - y - - smtpd -v -o syslog_name=x\n# a comment\n  -D\n",
        "submission inet n - y - - smtpd -o{smtpd_milters=a,b}\n",
        "policy unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd -o reject\n",
        "maildrop unix - n n - - pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} # c\n",
        # Its owner's, and no change has a conversation with it.
        "10025 inet n - y - - smtpd -o smtpd_milters = x\n",
    ],
)
def test_other_words_are_no_obstacle(stanza: str) -> None:
    assert refused(host(stanza)) == ""


def test_a_word_that_came_after_a_deploy_is_refused() -> None:
    one = Host(host())
    assert one.deploy().refusals == ()
    one.edit(MASTER_CF, one.content(MASTER_CF).replace("permit_sasl_authenticated,reject", "a, reject"))
    [said] = one.deploy().refusals
    assert "smtpd ends at each connection to submissions/inet" in said


# -- what hides a service -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "networks", ["!10.0.0.0/8, 0.0.0.0/0, [::]/0", "!10.0.0.0/8, static:all", "0.0.0.0/0", "10.0.0.0/8"]
)
def test_logins_may_be_for_a_network_only(networks: str) -> None:
    assert refused(host(main=f"smtpd_sasl_exceptions_networks = {networks}\n")) == ""


@pytest.mark.parametrize(
    ("value", "label", "is_it"),
    [
        ("", "submissions/inet", False),
        ("inet", "submissions/inet", True),
        ("INET", "submissions/inet", True),
        ("submissions/inet", "submissions/inet", True),
        ("submissions/inet", "smtps/inet", False),
        ("smtps.inet", "smtps/inet", True),
        ("!smtp/inet, inet", "smtp/inet", False),
        ("!smtp/inet, inet", "465/inet", True),
        ("unix, submission/inet", "submissions/inet", False),
    ],
)
def test_what_master_service_disable_disables(value: str, label: str, is_it: bool) -> None:
    assert is_disabled(value, label) is is_it


@pytest.mark.parametrize(
    ("main", "words"),
    [
        ("master_service_disable = inet\n", "keeps submissions/inet from being served"),
        ("smtpd_discard_ehlo_keywords = silent-discard, AUTH\n", "would not offer AUTH, because"),
        ("smtpd_sasl_exceptions_networks = 0.0.0.0/0 ::/0\n", "would not offer AUTH to anybody"),
        ("smtpd_sasl_exceptions_networks = static:all\n", "would not offer AUTH to anybody"),
        ("smtpd_tls_wrappermode = Yes\n", "in /etc/postfix/main.cf makes port 25 begin with TLS"),
    ],
)
def test_a_service_that_would_be_hidden_is_refused(main: str, words: str) -> None:
    assert words in refused(host(main=main))


def test_port_25_may_keep_wrapper_mode_off() -> None:
    look = stock("3.10.5")
    text = (look.master_cf.content or "").replace(
        "smtp      inet  n       -       y       -       -       smtpd\n",
        "smtp inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=no\n",
    )
    assert "wrappermode=no" in text
    wrapped = host(main="smtpd_tls_wrappermode = yes\n")
    assert refused(with_master_cf(wrapped, text)) == ""
    on_25 = with_master_cf(host(), text.replace("wrappermode=no", "wrappermode=yes"))
    assert "smtp/inet in /etc/postfix/master.cf makes port 25 begin with TLS" in refused(on_25)


@pytest.mark.parametrize(
    "options",
    [
        {"smtpd_tls_wrappermode": "no"},
        {"smtpd_sasl_auth_enable": "No"},
    ],
)
def test_data_that_take_away_tls_or_logins_are_an_error(options: dict[str, str | None]) -> None:
    with pytest.raises(SettingsError, match="port 465 begins with TLS and offers AUTH") as error:
        planned(host(), submissions_options=options)
    assert next(iter(options)) in str(error.value)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"submissions_options": {"smtpd_tls_wrappermode": None}}, "smtpd_tls_wrappermode"),
        ({"submissions_options": {"smtpd_sasl_auth_enable": None}}, ""),
        (
            {"submissions_options": {"smtpd_sasl_auth_enable": None}, "smtp_auth_on_port_25": False},
            "smtpd_sasl_auth_enable",
        ),
        # In wrapper mode, Postfix speaks TLS at any level.
        ({"submissions_options": {"smtpd_tls_security_level": "none"}}, ""),
    ],
)
def test_an_option_may_be_deleted_if_main_cf_has_the_same(data: dict[str, Any], name: str) -> None:
    said = refused(host(), **data)
    assert said.startswith(f"submissions_options: {name} = None deletes that option") if name else said == ""


# -- versions and ciphers of TLS ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "data", "versions"),
    [
        (host(), {}, ("TLSv1.3", "TLSv1.2")),
        (host(), {"tls_minimum_version": "TLSv1.3"}, ("TLSv1.3",)),
        (host(main="smtpd_tls_mandatory_protocols = >=TLSv1.3\n"), {}, ("TLSv1.3",)),
        (host(main="smtpd_tls_mandatory_protocols = TLSv1.2\n"), {}, ("TLSv1.2",)),
        (host(service("smtps", "smtpd_tls_mandatory_protocols=>=TLSv1.3")), {}, ("TLSv1.3",)),
        (host(main="smtpd_tls_mandatory_protocols = !SSLv2\n"), {}, ("TLSv1.3", "TLSv1.2")),
    ],
)
def test_each_version_from_the_floor_on_is_proved(
    look: Look, data: dict[str, Any], versions: tuple[str, ...]
) -> None:
    assert planned(look, **data).proof.versions == versions


@pytest.mark.parametrize(
    ("look", "ports"),
    [
        (host(submission()), []),
        (host(submission(), main="smtpd_tls_exclude_ciphers = aECDSA, DES\n"), [465, 25, 587]),
        (host(main="smtpd_tls_mandatory_exclude_ciphers = aECDSA\n"), [465]),
        (host(main="tls_medium_cipherlist = kRSA\n"), [465, 25]),
        (host(submission("smtpd_tls_exclude_ciphers=aECDSA")), [587]),
        (host(submission("smtpd_tls_exclude_ciphers=aECDSA", "smtpd_tls_security_level=none")), []),
        (host(submission("smtpd_tls_exclude_ciphers=aECDSA", OWN_CERTIFICATE, OWN_KEY)), []),
        (
            host(
                main="smtpd_tls_mandatory_exclude_ciphers = aECDSA\n"
                "smtpd_tls_mandatory_protocols = >=TLSv1.3\n"
            ),
            [],
        ),
    ],
)
def test_limited_ciphers_are_asked_about(look: Look, ports: list[int]) -> None:
    checks = planned(look).proof.ciphers
    assert [check.sentence.split(" on port ")[1].split()[0] for check in checks] == [*map(str, ports)]
    assert {check.kind for check in checks} <= {"RSA", "ECDSA"}


def test_a_key_that_this_program_does_not_know_asks_about_no_ciphers() -> None:
    look = with_lineages(host(main="smtpd_tls_exclude_ciphers = aECDSA\n"), wanted())
    curve = "openssl ecparam -name secp224r1 -param_enc explicit -genkey -noout | openssl pkey -pubout"
    key = subprocess.run(curve, shell=True, capture_output=True, text=True, check=True).stdout
    certificates = {domain: replace(lineage, key=key) for domain, lineage in look.certificates.items()}
    plan = plan_ignoring_obstacles(wanted(), replace(look, certificates=certificates), STEPS)
    assert plan.proof.ciphers == ()


def test_without_tls_on_port_25_no_ciphers_are_asked_about() -> None:
    look = host(main="smtpd_tls_exclude_ciphers = aECDSA\n")
    [check] = planned(look, smtpd_tls_security_level="none").proof.ciphers
    assert " on port 465 " in check.sentence


def test_the_list_of_ciphers_is_the_one_that_postfix_makes() -> None:
    main = "tls_medium_cipherlist = HIGH:MEDIUM\nsmtpd_tls_exclude_ciphers = aNULL, DES:MD5\n"
    on_465, on_25 = planned(host(main=main)).proof.ciphers
    assert on_465.listed == on_25.listed == "HIGH:MEDIUM:!aNULL:!DES:!MD5"
    assert (
        "(smtpd_tls_exclude_ciphers = aNULL, DES:MD5; tls_medium_cipherlist = HIGH:MEDIUM)" in on_25.sentence
    )


# -- a certificate without its key --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        (OWN_CERTIFICATE, ("smtpd_tls_key_file", "/etc/ssl/private/ssl-cert-snakeoil.key")),
        (OWN_KEY, ("smtpd_tls_cert_file", "/etc/ssl/certs/ssl-cert-snakeoil.pem")),
    ],
)
def test_half_a_pair_keeps_the_other_half(own: str, kept: tuple[str, str]) -> None:
    _, options = deployed(host(submission(own)))
    assert options["submission/inet"][kept[0]] == kept[1]


def test_a_key_in_the_file_of_its_certificate_stays_there() -> None:
    look = host(submission(OWN_CERTIFICATE))
    main = (look.main_cf.content or "").replace("smtpd_tls_key_file", "#smtpd_tls_key_file")
    look = replace(look, files={**look.files, "main_cf": replace(look.main_cf, content=main)})
    look = replace(look, parameters={**look.parameters, "smtpd_tls_key_file": "$smtpd_tls_cert_file"})
    _, options = deployed(look)
    assert options["submission/inet"]["smtpd_tls_key_file"] == "$smtpd_tls_cert_file"


LINEAGE = "/etc/letsencrypt/live/example.jp"


def kept_on(one: Host, name: str) -> dict[str, str]:
    """The options of a service that name a certificate or key."""
    [found] = [found for found in services(one.content(MASTER_CF)) if found.name == name]
    return {key: value for key, value in found.effective_options.items() if "_file" in key}


def test_a_half_that_belongs_to_the_new_certificate_gets_its_key() -> None:
    own = f"smtpd_tls_cert_file={LINEAGE}/fullchain.pem"
    one = Host(host(service("smtps", YES, "smtpd_tls_wrappermode=yes", own)))
    assert one.deploy().refusals == ()
    assert kept_on(one, "smtps") == {"smtpd_tls_cert_file": f"{LINEAGE}/fullchain.pem"}


@pytest.mark.parametrize(
    ("main", "own", "data"),
    [
        ("", f"smtpd_tls_cert_file={LINEAGE}/cert.pem", {}),
        (f"lineage = {LINEAGE}\n", "smtpd_tls_cert_file=$lineage/fullchain.pem", {}),
        ("", OWN_CERTIFICATE, {"submissions_options": {"smtpd_tls_cert_file": None}}),
    ],
)
def test_no_half_is_kept_that_would_not_belong(main: str, own: str, data: dict[str, Any]) -> None:
    one = Host(host(service("smtps", YES, "smtpd_tls_wrappermode=yes", own), main=main))
    assert one.deploy(**data).refusals == ()
    assert "smtpd_tls_key_file" not in kept_on(one, "smtps")


def test_a_half_of_ours_goes_with_what_it_belonged_to() -> None:
    one = Host(host(submission(OWN_CERTIFICATE)))
    one.deploy()
    assert "smtpd_tls_key_file" in kept_on(one, "submission")
    content = one.content(MASTER_CF).replace("/etc/ssl/own.pem", f"{LINEAGE}/fullchain.pem")
    one.edit(MASTER_CF, content)
    assert one.deploy().refusals == ()
    assert kept_on(one, "submission") == {"smtpd_tls_cert_file": f"{LINEAGE}/fullchain.pem"}


def test_a_half_that_refers_to_another_parameter_is_kept_as_it_was() -> None:
    main = "smtpd_tls_eckey_file = $smtpd_tls_key_file\n"
    one = Host(host(submission("smtpd_tls_eccert_file=/etc/ssl/ec.pem"), main=main))
    one.deploy()
    assert kept_on(one, "submission")["smtpd_tls_eckey_file"] == "/etc/ssl/private/ssl-cert-snakeoil.key"


def test_in_wrapper_mode_a_half_is_kept_at_any_level() -> None:
    own = ("smtpd_tls_wrappermode=yes", "smtpd_tls_security_level=none", OWN_CERTIFICATE)
    one = Host(host(service("smtps", YES, *own)))
    one.deploy()
    assert "smtpd_tls_key_file" in kept_on(one, "smtps")


def test_what_is_kept_is_what_the_service_has_now() -> None:
    one = Host(host())
    one.deploy()
    own = f"smtpd_tls_cert_file={LINEAGE}/fullchain.pem"
    one.edit(MASTER_CF, one.content(MASTER_CF) + submission(own))
    assert one.deploy().refusals == ()
    assert "smtpd_tls_key_file" not in kept_on(one, "submission")
    removed = Host(one.look, [*one.changes], dict(one.baseline))
    removed.remove()
    assert defined_parameters(removed.content(MAIN_CF))["smtpd_tls_key_file"] == f"{LINEAGE}/privkey.pem"
    other = {"certificate_name": "mail.example.jp"}
    one.look = with_lineages(one.look, wanted(**other))
    assert one.deploy(**other).refusals == ()
    assert kept_on(one, "submission")["smtpd_tls_key_file"] == f"{LINEAGE}/privkey.pem"
    one.remove()
    assert kept_on(one, "submission")["smtpd_tls_key_file"] == f"{LINEAGE}/privkey.pem"


@pytest.mark.parametrize(
    ("main", "own", "kept"),
    [
        (
            "smtpd_tls_eckey_file = /etc/ssl/ec.key\n",
            "smtpd_tls_eccert_file=/etc/ssl/ec.pem",
            {"smtpd_tls_eckey_file": "/etc/ssl/ec.key"},
        ),
        (
            "smtpd_tls_chain_files = /etc/ssl/chain.pem\n",
            OWN_CERTIFICATE,
            {"smtpd_tls_chain_files": "/etc/ssl/chain.pem"},
        ),
        ("", "smtpd_tls_cert_file=none", {}),
        ("", "smtpd_tls_chain_files=/etc/ssl/chain.pem", {}),
    ],
)
def test_every_kind_of_half_is_kept(main: str, own: str, kept: dict[str, str]) -> None:
    one = Host(host(submission(own), main=main))
    for _ in range(2):
        assert one.deploy().refusals == ()
        name, value = own.split("=")
        assert kept_on(one, "submission") == {name: value, **kept}


def test_a_pair_and_an_inherited_pair_stay_as_they_are() -> None:
    before = host(submission(OWN_CERTIFICATE, OWN_KEY), service("10587", YES))
    _, options = deployed(before)
    for one in services(before.master_cf.content or ""):
        names = {"smtpd_tls_cert_file", "smtpd_tls_key_file"}
        assert options[one.label].keys() & names == one.effective_options.keys() & names


def test_a_half_that_came_after_a_deploy_is_its_owners_choice() -> None:
    one = Host(host())
    one.deploy()
    one.edit(MASTER_CF, one.content(MASTER_CF) + submission(OWN_KEY))
    assert notes(one.deploy()) is not None
    [found] = [found for found in services(one.content(MASTER_CF)) if found.name == "submission"]
    assert "smtpd_tls_cert_file" not in found.effective_options


# -- what is proved although nothing changes ----------------------------------------------------------


def test_what_was_not_proved_since_it_was_started_is_proved_once() -> None:
    one = Host(host())
    assert one.deploy().to_prove(one.look) == ()
    look = replace(one.look, socket=WANTED, postfix_reloaded=9e9)
    plan = planned(look)
    assert plan.is_empty
    assert [service.key for service in plan.to_prove(look)] == ["dovecot", "postfix"]
    proved = replace(look, proved=frozenset({"postfix"}))
    assert [service.key for service in plan.to_prove(proved)] == ["dovecot", "postfix"]
    assert plan.to_prove(replace(look, proved=frozenset({"postfix", "dovecot"}))) == ()


# -- what is proved behind STARTTLS -------------------------------------------------------------------


def starttls(look: Look, port: int, **data: Any) -> str:
    """What the proof is told of STARTTLS on a port; empty if nothing."""
    look = replace(look, listening=frozenset({25, 587}), postfix_sockets=frozenset({(587, "0.0.0.0")}))
    plan = planned(look, **data)
    assert plan.refusals == ()
    [words] = [words for words in conversations(plan, wanted(**data), look) if f"port={port}" in words]
    return "".join(word.removeprefix("starttls=") for word in words if word.startswith("starttls="))


@pytest.mark.parametrize(
    ("look", "port", "how"),
    [
        (host(submission()), 25, "required"),
        (host(submission()), 587, "required"),
        (host(submission("smtpd_tls_security_level=none")), 587, "yes"),
        (host(submission("smtpd_discard_ehlo_keywords=starttls")), 587, "yes"),
        # Whether these have served behind STARTTLS before is not known.
        (host(submission(OWN_CERTIFICATE, OWN_KEY)), 587, ""),
        (host(submission("smtpd_sasl_type=cyrus", "smtpd_sasl_path=smtpd")), 587, ""),
        (host(submission("smtpd_sasl_type=dovecot", "smtpd_sasl_path=inet:192.0.2.9:12345")), 587, ""),
    ],
)
def test_what_is_proved_behind_starttls(look: Look, port: int, how: str) -> None:
    assert starttls(look, port) == how


def test_port_25_of_another_program_is_not_proved() -> None:
    look = host()
    text = (look.master_cf.content or "").replace("smtp      inet", "10025     inet")
    look = replace(with_master_cf(look, text), listening=frozenset({25}))
    plan = planned(look)
    assert not [words for words in conversations(plan, wanted(), look) if "port=25" in words]


def test_without_tls_on_port_25_none_is_required() -> None:
    assert starttls(host(submission()), 25, smtpd_tls_security_level="none") == "yes"
