"""What the data keys accept, and that each refusal says what to do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_auth.runs.pyinfra_internals import connector_keys
from smtp_auth.settings import (
    Problem,
    Settings,
    SettingsError,
    group_data,
    settings_from_data,
    settings_on_record,
)
from tests.unit.scenarios import DEFAULTS, HOST, wanted

ROOT = Path(__file__).resolve().parents[2]

RESTRICTION_KEYS = [key for key in DEFAULTS if key.startswith("mua_")]

# What no text of any key may contain: line ends, white space, and special characters of shells and Postfix.
POISON = [
    "\n", "\r", "\t", "\0", "\x1b", " ", "$", "$(id)", "`id`", ";", "|", "&", "#", "{", "}", "'", '"',
    "\\", "a\nb", "a b", "a;b", "a$b", "a`b`", "a{b", "../x", "/../x", "x/..", " x", "x ", "x\n",
    "-o x=y", "x\n -o y=z", "x\nsmtpd_relay_restrictions = permit", "{x", "x}", "$x", "é\n",
    "\v", "\f", "\x1c", "\x7f", "\x85", "\x9b", "\xa0", "\u2028", "\u2029", "\u200b", "\u202e", "\ufeff",
    "x\rz", "x\x85z", "x\u2028z", "x\u202ez", "x\0z", "x\x1b[2Jz", "x\\", "x\\\n y", "x#y", "\ud800", "(x",
    "x)",
]  # fmt: skip
WRONG_TYPES = [0, 1, 1.5, b"x", object(), {1}, {"a": 1}, [None], [[]], [0], True]


def refused(**data: object) -> list[Problem]:
    with pytest.raises(SettingsError) as caught:
        wanted(**data)
    return caught.value.problems


def test_the_defaults_and_a_domain_are_enough() -> None:
    found = wanted()
    assert (found.mail_domain, found.mail_hostname) == ("example.jp", HOST)
    assert found.domains == ("example.jp",)


def test_settings_on_record_are_what_they_were() -> None:
    found = wanted(additional_domains=["example.net"], submissions_options={"smtpd_milters": "inet:h:1"})
    assert settings_on_record(json.loads(json.dumps(asdict(found)))) == found


def test_settings_of_another_version_have_its_values_where_a_key_is_known() -> None:
    values = asdict(wanted(smtpd_tls_security_level="encrypt"))
    found = settings_on_record({**values, "a_key_that_has_gone": 1, "mail_domain": "not valid any more"})
    assert (found.smtpd_tls_security_level, found.mail_domain) == ("encrypt", "not valid any more")
    del values["mua_helo_restrictions"]
    assert settings_on_record(values).mua_helo_restrictions == wanted().mua_helo_restrictions


def test_the_defaults_are_those_of_group_data() -> None:
    values: dict[str, Any] = {}
    text = (ROOT / "group_data" / "all.py").read_text()
    assert text == group_data(), "run `make group-data`"
    exec(text, values)
    written = {key: value for key, value in values.items() if key in DEFAULTS}
    assert written == {key: value for key, value in DEFAULTS.items() if key != "mail_domain"}


@pytest.mark.parametrize("key", [key for key in DEFAULTS if key != "mail_domain"])
def test_a_missing_key_has_its_default(key: str) -> None:
    data = {name: value for name, value in DEFAULTS.items() if name != key}
    assert settings_from_data(HOST, data) == wanted()


def test_the_mail_domain_alone_is_enough() -> None:
    assert settings_from_data(HOST, {"mail_domain": "example.jp"}) == wanted()


def test_a_missing_mail_domain_says_where_it_belongs() -> None:
    data = {name: value for name, value in DEFAULTS.items() if name != "mail_domain"}
    for lacking in (data, {}):
        with pytest.raises(SettingsError, match=r"^mail_domain: required; .*group_data/") as caught:
            settings_from_data(HOST, lacking)
        assert [problem.key for problem in caught.value.problems] == ["mail_domain"]


def test_what_is_missing_and_what_is_wrong_are_reported_together() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from_data(HOST, {"tls_minimum_version": "SSLv3"})
    assert [problem.key for problem in caught.value.problems] == ["mail_domain", "tls_minimum_version"]


@pytest.mark.parametrize("value", [*POISON, ""])
@pytest.mark.parametrize(
    "key",
    ["mail_domain", "mail_hostname", "letsencrypt_live", "smtpd_tls_security_level", "tls_minimum_version"],
)
def test_a_text_key_takes_no_poison(key: str, value: str) -> None:
    [problem] = refused(**{key: value})
    assert (problem.key, problem.value) == (key, value)
    assert repr(value) in str(problem)
    assert "\n" not in str(problem)


@pytest.mark.parametrize("value", POISON)
@pytest.mark.parametrize("key", ["additional_domains", "certbot_reload_services", *RESTRICTION_KEYS])
def test_a_list_key_takes_no_poison(key: str, value: str) -> None:
    assert [problem.key for problem in refused(**{key: [value]})] == [key]


# A relative path names a map that Postfix reads, if it exists: nothing is written there.
@pytest.mark.parametrize("value", [text for text in [*POISON, ""] if ".." not in text])
@pytest.mark.parametrize("key", RESTRICTION_KEYS)
def test_an_argument_of_a_restriction_takes_no_poison(key: str, value: str) -> None:
    assert [problem.key for problem in refused(**{key: [f"check_client_access {value}"]})] == [key]


HARMLESS_IN_OPTIONS = {"a b", "-o x=y", "../x", "/../x", "x/..", "$", "$x", "a$b", "$(id)"}


@pytest.mark.parametrize("value", [text for text in POISON if text not in HARMLESS_IN_OPTIONS])
def test_an_option_takes_no_poison(value: str) -> None:
    assert [p.key for p in refused(submissions_options={"smtpd_milters": value})] == ["submissions_options"]


@pytest.mark.parametrize("name", [*POISON, "", "Smtpd", "a=b", "a-b", 1, None])
def test_an_option_has_the_name_of_a_parameter(name: object) -> None:
    assert [p.key for p in refused(submissions_options={name: "x"})] == ["submissions_options"]


@pytest.mark.parametrize("key", DEFAULTS)
@pytest.mark.parametrize("value", WRONG_TYPES)
def test_a_value_of_another_type_is_refused(key: str, value: object) -> None:
    seconds = ("host_seconds", "verify_seconds")
    fits = (key, type(value)) in (
        ("smtp_auth_on_port_25", bool),
        ("even_held", bool),
        *((name, kind) for name in seconds for kind in (int, float)),
    )
    # Nobody can answer in 0 seconds, and a share of 1 is never left.
    if (fits and not (key in seconds and value == 0)) or (key, value) == ("verify_lifetime_left", 0):
        assert wanted(**{key: value})
    else:
        assert [problem.key for problem in refused(**{key: value})] == [key]


@pytest.mark.parametrize("key", [key for key, value in DEFAULTS.items() if value is not None])
def test_none_is_refused_where_it_means_nothing(key: str) -> None:
    assert [problem.key for problem in refused(**{key: None})] == [key]


def test_all_problems_are_reported_at_once() -> None:
    problems = refused(mail_domain="x", smtp_auth_on_port_25="yes", mua_client_restrictions=["permitt"])
    assert [problem.key for problem in problems] == [
        "mail_domain",
        "smtp_auth_on_port_25",
        "mua_client_restrictions",
    ]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("Example.JP", "example.jp"),
        ("例え.jp", "xn--r8jz45g.jp"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_becomes_its_a_label(value: str, label: str) -> None:
    assert wanted(mail_domain=value).mail_domain == label


NO_DOMAINS = ["jp", "1.2.3.4", "-a.jp", "a-.jp", "a..jp", ".jp", "a.jp.", "a_b.jp", "a" * 64 + ".jp"]
NO_DOMAINS += ["a." * 127 + "jp", "mail@example.jp", "*.example.jp", "\u200d.jp"]


@pytest.mark.parametrize("value", NO_DOMAINS)
def test_what_is_no_domain_is_refused(value: str) -> None:
    [problem] = refused(mail_domain=value)
    assert "example.jp" in problem.accepted


def test_the_host_name_of_the_inventory_has_to_be_full() -> None:
    with pytest.raises(SettingsError, match=r"^mail_hostname = 'mail1': give the full name"):
        settings_from_data("mail1", DEFAULTS)
    found = settings_from_data("mail1", {**DEFAULTS, "mail_hostname": "mail.example.jp"})
    assert found.mail_hostname == "mail.example.jp"


@pytest.mark.parametrize("path", ["etc", "/", "/etc/", "//etc", "/a/./b", "/a/../b", "/..", "/a b"])
def test_a_directory_is_absolute_and_plain(path: str) -> None:
    assert [problem.key for problem in refused(letsencrypt_live=path)] == ["letsencrypt_live"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("certbot_reload_services", ["postfix", "postfix"]),
        ("certbot_reload_services", ["postfix", "postfix.service"]),
        ("additional_domains", ["example.org", "example.org"]),
        ("additional_domains", ["bücher.example", "xn--bcher-kva.example"]),
    ],
)
def test_nothing_is_named_twice(key: str, value: list[str]) -> None:
    [problem] = refused(**{key: value})
    assert "twice" in problem.accepted


def test_certbot_has_to_reload_postfix() -> None:
    [problem] = refused(certbot_reload_services=["dovecot"])
    assert "'postfix'" in problem.accepted
    assert wanted(certbot_reload_services=["postfix.service", "dovecot"]).certbot_reload_services == (
        "postfix",
        "dovecot",
    )


@pytest.mark.parametrize(
    ("restriction", "hint"),
    [
        ("permit_sasl_authenticatd", "did you mean permit_sasl_authenticated?"),
        ("no_such_thing", "see postconf(5)"),
        ("permit, reject", "did you mean"),
        ("reject permit", "takes 0 argument"),
        ("check_client_access", "takes 1 argument"),
        ("check_client_access  hash:/etc/x", "takes 1 argument"),
        ("check_client_access $x", "is not a map"),
    ],
)
def test_an_unknown_restriction_names_the_nearest(restriction: str, hint: str) -> None:
    [problem] = refused(mua_sender_restrictions=[restriction])
    assert hint in problem.accepted


REFUSES_LOGINS = "rejects even clients that have logged in, so nobody could send"


@pytest.mark.parametrize("what", ["client", "helo", "sender", "relay"])
@pytest.mark.parametrize("last", ["reject", "defer", "reject_unauth_destination"])
def test_a_list_that_refuses_logins_is_an_error(what: str, last: str) -> None:
    key = f"mua_{what}_restrictions"
    [problem] = refused(**{key: ["permit_mynetworks", last]})
    assert (problem.key, REFUSES_LOGINS in problem.accepted) == (key, True)
    for before in ("permit_sasl_authenticated", "check_sasl_access hash:/etc/postfix/users"):
        assert wanted(**{key: ["permit_mynetworks", before, last]})


@pytest.mark.parametrize("what", ["client", "recipient", "data", "end_of_data"])
def test_an_option_that_refuses_logins_is_an_error(what: str) -> None:
    name = f"smtpd_{what}_restrictions"
    [problem] = refused(submissions_options={name: "permit_mynetworks, reject"})
    assert f"{name}: {REFUSES_LOGINS}" in problem.accepted
    assert wanted(submissions_options={name: "our_class, reject", "smtpd_etrn_restrictions": "reject"})
    assert wanted(submissions_options={name: "$ours, reject"})


def test_restrictions_keep_their_order_and_arguments() -> None:
    restrictions = ["check_sasl_access hash:/etc/postfix/blocked", "permit_sasl_authenticated", "reject"]
    assert wanted(mua_relay_restrictions=restrictions).mua_relay_restrictions == tuple(restrictions)
    assert wanted(mua_helo_restrictions=[]).mua_helo_restrictions == ()


@pytest.mark.parametrize("value", ["}{", "{", "a}", "(", "$(x", "${x)", "({)}"])
def test_an_options_braces_and_parentheses_have_to_pair(value: str) -> None:
    [problem] = refused(submissions_options={"syslog_name": value})
    assert "do not match" in problem.accepted


def test_an_options_white_space_is_folded_as_postfix_reads_it() -> None:
    options = wanted(submissions_options={"smtpd_milters": "inet:a:1,  inet:b:2", "syslog_name": None})
    assert options.submissions_options == {"smtpd_milters": "inet:a:1, inet:b:2", "syslog_name": None}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("mail_domian", "did you mean mail_domain?"),
        ("ssh_usr", "did you mean ssh_user?"),
        ("mua_client_restriction", "did you mean mua_client_restrictions?"),
        ("verify_days_left", "did you mean verify_lifetime_left?"),
        ("nginx_port", "see group_data/all.py"),
        (7, "see group_data/all.py"),
    ],
)
def test_an_unknown_key_names_the_nearest_and_not_its_value(key: object, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from_data(HOST, {**DEFAULTS, key: "hunter2"}, also_known=connector_keys())  # type: ignore[dict-item]
    assert hint in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("verify_ca_file", "/nowhere/ca.pem", "the path of a file"),
        ("verify_ca_file", "x" * 300, "the path of a file"),
        ("verify_addresses", "DNS", "one of dns, ssh"),
        ("verify_lifetime_left", -0.1, "a share, at least 0 and less than 1"),
        ("verify_lifetime_left", 10, "a share, at least 0 and less than 1"),
        ("verify_lifetime_left", float("nan"), "a share, at least 0 and less than 1"),
        ("verify_lifetime_left", True, "a share, at least 0 and less than 1"),
    ],
)
def test_a_key_of_verification_is_checked_as_any_other(key: str, value: object, accepted: str) -> None:
    [problem] = refused(**{key: value})
    assert (problem.key, accepted in problem.accepted) == (key, True)


def test_the_authorities_file_is_one_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    assert wanted(verify_ca_file=str(file)).verify_ca_file == str(file)


def test_every_domain_has_its_lineage_below_the_directory() -> None:
    found = wanted(letsencrypt_live="/srv/live", additional_domains=["example.net"])
    assert [found.lineage(domain) for domain in found.domains] == [
        "/srv/live/example.jp",
        "/srv/live/example.net",
    ]


def test_keys_of_pyinfra_are_wanted() -> None:
    data = {"ssh_user": "admin", "ssh_config_file": "x", "docker_image": "y", "_sudo": True, "_own": "z"}
    assert settings_from_data(HOST, {**DEFAULTS, **data}, also_known=connector_keys()) == wanted()


def test_a_key_that_nobody_has_named_is_unknown() -> None:
    assert [problem.key for problem in refused(ssh_user="admin", _sudo=True)] == ["ssh_user"]
    assert settings_from_data(HOST, {**DEFAULTS, "ssh_user": "admin"}, also_known=["ssh_user"]) == wanted()


TEXT = st.text(max_size=40)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=5) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*DEFAULTS, "other"]) | TEXT, ANYTHING, max_size=6))
def test_whatever_the_data_is_the_answer_is_settings_or_problems(data: dict[str, Any]) -> None:
    problems: list[Problem] = []
    found: Settings | None = None
    try:
        found = settings_from_data(HOST, {**DEFAULTS, **data})
    except SettingsError as error:
        problems = error.problems
    assert isinstance(found, Settings) != bool(problems)
    assert all(str(problem).isprintable() for problem in problems)


@pytest.mark.parametrize(
    ("value", "lineages"),
    [
        (None, ["example.jp", "example.net"]),
        ("mail.example.jp", ["mail.example.jp", "example.net"]),
        ({"example.net": "shop-2026"}, ["example.jp", "shop-2026"]),
        ({"Example.JP": "one_1", "example.net": "one_1"}, ["one_1", "one_1"]),
    ],
)
def test_lineages_have_names_of_their_own(value: object, lineages: list[str]) -> None:
    found = wanted(certificate_name=value, additional_domains=["example.net"])
    assert [found.lineage(domain) for domain in found.domains] == [
        f"/etc/letsencrypt/live/{name}" for name in lineages
    ]


@pytest.mark.parametrize(
    "value", ["", "a/b", "..", ".x", "-x", "a b", "x;y", "x\n", 1, ["x"], {"example.jp": ""}]
)
def test_a_lineage_has_a_name_that_certbot_gives(value: object) -> None:
    (problem,) = refused(certificate_name=value)
    assert problem.key == "certificate_name"
    assert "certbot certificates" in problem.accepted


def test_a_lineage_of_no_domain_is_refused() -> None:
    (problem,) = refused(certificate_name={"example.org": "x"})
    assert (problem.value, problem.accepted) == (
        "example.org",
        "is neither the mail_domain nor one of the additional_domains",
    )


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "5", None, True])
def test_seconds_are_more_than_none(value: object) -> None:
    (problem,) = refused(verify_seconds=value)
    assert (problem.key, problem.accepted) == ("verify_seconds", "give a number of seconds, more than 0")
