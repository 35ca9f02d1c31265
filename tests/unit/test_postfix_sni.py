"""Which certificate Postfix serves for a name: our table, and its place among an owner's tables."""

from dataclasses import replace

import pytest

from operations import postfix_sni
from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.settings import Settings
from tests.unit.looks import look, settings
from tests.unit.scenarios import LIVE
from tests.unit.test_certificates import lineage

OURS = "texthash:/etc/postfix/smtp_auth_sni"

ONE = settings()
TWO = settings(additional_domains=["example.net"])


def seen(present: str = "", **files: str) -> Look:
    """A host with two lineages; the second also covers a name of the first."""
    lineages = [
        lineage("example.jp", ["mail.example.jp", "*.example.jp"]),
        lineage("example.net", ["smtp.example.net", "mail.example.jp"]),
    ]
    return look(lineages, parameters={"tls_server_sni_maps": present}, files=files)


def test_each_name_leads_to_the_first_lineage_that_covers_it() -> None:
    table = postfix_sni.desired_table(TWO, seen())
    first, second = (
        f"{LIVE}/{d}/privkey.pem {LIVE}/{d}/fullchain.pem" for d in ("example.jp", "example.net")
    )
    assert table.splitlines()[1:] == [
        f"mail.example.jp {first}",
        f".example.jp {first}",
        f"smtp.example.net {second}",
    ]


@pytest.mark.parametrize("there", [{}, {"sni": "of before\n"}])
def test_with_one_domain_the_table_stays_as_it_is(there: dict[str, str]) -> None:
    draft = Draft(ONE, seen(**there))
    postfix_sni.edit(draft)
    assert draft.content(postfix_sni.TABLE) == there.get("sni")
    assert draft.edits == []


@pytest.mark.parametrize(
    "owners",
    [
        "",
        "hash:/etc/postfix/sni",
        "inline:{ {a.example = /k /c}, {b.example = /k /c} }",
        "texthash:/etc/postfix/smtp_auth_sni_2",
    ],
)
def test_an_owners_tables_stay_behind_ours_and_survive_it(owners: str) -> None:
    with_ours = ", ".join(filter(None, [OURS, owners]))
    assert postfix_sni.desired(TWO, seen(owners)) == {"tls_server_sni_maps": with_ours}
    assert postfix_sni.desired(TWO, seen(with_ours)) == {}
    assert postfix_sni.desired(ONE, seen(with_ours)) == {"tls_server_sni_maps": owners or None}
    assert postfix_sni.desired(ONE, seen(owners)) == {}


@pytest.mark.parametrize("present", [f"hash:/etc/postfix/sni {OURS}", f"hash:/etc/postfix/sni,{OURS}", OURS])
def test_where_our_table_stands_is_its_owners_choice(present: str) -> None:
    assert postfix_sni.in_use(seen(present))
    assert postfix_sni.desired(TWO, seen(present)) == {}


@pytest.mark.parametrize(
    ("present", "changed", "reasons"),
    [
        (OURS, 1001.0, ["the certificate of example.net is newer than the running configuration"]),
        (OURS, 999.0, []),
        # A certificate that Postfix does not serve needs no reload.
        ("", 1001.0, []),
    ],
)
def test_a_further_certificate_that_is_newer_than_what_runs_is_a_reason_to_reload(
    present: str, changed: float, reasons: list[str]
) -> None:
    further = replace(lineage("example.net", ["smtp.example.net"]), changed=changed)
    chain = f"{LIVE}/example.jp/fullchain.pem"
    lineages = [lineage("example.jp", ["mail.example.jp"]), further]
    table = postfix_sni.desired_table(TWO, look(lineages))
    host = look(
        lineages,
        parameters={"tls_server_sni_maps": present, "smtpd_tls_cert_file": chain},
        files={"sni": table},
        reloaded=1000.0,
    )
    draft = Draft(TWO, host)
    postfix_sni.edit(draft)
    assert draft.due.get(POSTFIX.key, []) == reasons


def test_a_wildcard_is_asked_for_by_a_name_that_only_it_covers() -> None:
    wide = look(
        [
            lineage("example.jp", ["mail.example.jp", "mail0.example.jp"]),
            lineage("example.net", ["*.example.jp", "*.example.net"]),
        ]
    )
    asked = postfix_sni.asked_for(postfix_sni.served(TWO, wide))
    assert {name: one.directory.rpartition("/")[2] for name, one in asked.items()} == {
        "mail.example.jp": "example.jp",
        "mail0.example.jp": "example.jp",
        "mail1.example.jp": "example.net",
        "mail.example.net": "example.net",
    }


@pytest.mark.parametrize(
    ("wanted", "present", "tables"),
    [
        (ONE, "", ()),
        (ONE, "hash:/own, inline:{ a=b, c=d }", ("hash:/own", "inline:{ a=b, c=d }")),
        (ONE, f"{OURS} hash:/own", ("hash:/own",)),
        # Our table comes first and has the name.
        (TWO, f"{OURS}, hash:/own", ()),
    ],
)
def test_an_owners_tables_may_have_the_hosts_name(
    wanted: Settings, present: str, tables: tuple[str, ...]
) -> None:
    host = seen(present)
    host.parameters["smtpd_tls_cert_file"] = "/x"
    draft = Draft(wanted, host)
    postfix_sni.edit(draft)
    assert draft.proof.sni_tables == tables


def test_an_option_of_the_service_wins_over_main_cf() -> None:
    service = "submissions inet n - y - - smtpd -o tls_server_sni_maps={}\n"
    with_option = [seen("hash:/x", master_cf=service.format(value)) for value in ("hash:/own", "", OURS)]
    found = [Draft(ONE, host) for host in with_option]
    for draft in found:
        draft.look.parameters["smtpd_tls_cert_file"] = "/x"
        postfix_sni.edit(draft)
    assert [draft.proof.sni_tables for draft in found] == [("hash:/own",), (), ()]
    obstacles = [list(postfix_sni.STEP.obstacles(TWO, host)) for host in with_option]
    assert [len(reasons) for reasons in obstacles] == [1, 1, 0]
    assert f"add {OURS} to it" in obstacles[0][0]
