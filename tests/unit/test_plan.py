"""The plan as a value: complete before anything happens, and the same for the same look."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from operations import STEPS, certbot_hook, postfix_sni
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.plan.as_json import as_json, difference
from smtp_auth.plan.difference import changed_lines
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import Step
from smtp_auth.plan.text import step_lines
from smtp_auth.postfix.logical_lines import split_lines
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.dovecot.listener import WANTED
from smtp_auth.services.postfix import POSTFIX
from tests.unit.config_files import main_cf
from tests.unit.scenarios import RELEASES, stock, wanted, with_file, with_lineages, with_main_cf

ROOT = Path(__file__).resolve().parents[2]

NEWER = "/etc/postfix/main.cf is newer than the running configuration"


def planned(look: Look, **data: object) -> Plan:
    return plan_of(wanted(**data), look, STEPS)


def after(look: Look, plan: Plan) -> Look:
    """The host after the plan was carried out, as a look would see it."""
    coming = {change.file.path: change for change in plan.files}
    files = {
        key: replace(file, content=coming[file.path].content, mode=coming[file.path].mode)
        if file.path in coming
        else file
        for key, file in look.files.items()
    }
    parameters = {**look.parameters, **{name: value for name, value in plan.expected if "/" not in name}}
    return replace(look, files=files, parameters=parameters, listener=WANTED, socket=WANTED)


def test_a_plan_is_made_without_pyinfra() -> None:
    """Making a plan does not need what carries it out, so plans can be made and read anywhere."""
    packages = ("postfix", "plan", "past", "services", "on_host")
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in packages
        for path in sorted((ROOT / "smtp_auth" / package).rglob("*.py"))
    ]
    assert len(modules) > len(packages)
    program = f"import sys, {', '.join(modules)}; print('pyinfra' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "False\n"


@pytest.mark.parametrize("version", RELEASES)
def test_the_same_look_gives_the_same_plan(version: str) -> None:
    assert planned(stock(version)) == planned(stock(version))
    assert hash(planned(stock(version))) == hash(planned(stock(version)))


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("domains", [[], ["example.net"]])
def test_a_host_on_which_the_plan_was_carried_out_has_an_empty_one(version: str, domains: list[str]) -> None:
    settings = wanted(additional_domains=domains)
    look = with_lineages(stock(version), settings)
    plan = plan_of(settings, look, STEPS)
    assert not plan.is_empty
    assert plan_of(settings, after(look, plan), STEPS).is_empty


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_hosts_plan_is_whole(version: str) -> None:
    plan = planned(stock(version))
    assert [(change.file.path, change.mode) for change in plan.files] == [
        ("/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh", "0755"),
        ("/etc/dovecot/conf.d/99-postfix-smtp-auth.conf", "0644"),
        ("/etc/postfix/main.cf", "0644"),
        ("/etc/postfix/master.cf", "0644"),
    ]
    assert [(reload.service.name, reload.reasons) for reload in plan.reloads] == [
        ("Dovecot", ("its configuration changes",)),
        ("Postfix", ("its configuration changes",)),
    ]
    expected = dict(plan.expected)
    assert expected["smtpd_sasl_path"] == "private/auth"
    assert expected["submissions/inet/smtpd_tls_wrappermode"] == "yes"
    assert expected["mua_relay_restrictions"] == "permit_sasl_authenticated, reject"
    assert plan.proof.certificates == (
        ("mail1.example.jp", "/etc/letsencrypt/live/example.jp/fullchain.pem"),
    )


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_edits_are_the_whole_change_of_each_file(version: str, end: str) -> None:
    look = with_lineages(stock(version), wanted(additional_domains=["example.net"]))
    text = (look.main_cf.content or "").rstrip("\n").replace("\n", end or "\n") + end
    look = with_file(look, MAIN_CF, content=text)
    plan = plan_of(wanted(additional_domains=["example.net"]), look, STEPS)
    for change in plan.files:
        lines = Counter(line for edit in plan.edits if edit.path == change.file.path for line in edit.lines)
        net: Counter[str] = Counter()
        for line, count in lines.items():
            net[line[1:]] += count if line[0] == "+" else -count
        before, coming = (
            Counter(split_lines(one)) for one in (change.file.content or "", change.content or "")
        )
        assert (+net, -net) == (coming - before, before - coming)


def test_every_edit_names_its_parameter() -> None:
    plan = planned(
        with_main_cf(stock("3.10.5"), "smtpd_tls_eccert_file = /x\nsmtpd_tls_security_level = may\n")
    )
    by_parameter = {edit.parameters[0]: edit for edit in plan.edits if edit.path == "/etc/postfix/main.cf"}
    assert by_parameter["smtpd_tls_eccert_file"].lines == (
        "-smtpd_tls_eccert_file = /x\n",
        "+#smtpd_tls_eccert_file = /x\n",
    )
    assert "instead" in by_parameter["smtpd_tls_eccert_file"].reason
    assert "smtpd_tls_security_level" not in by_parameter
    [service] = [edit for edit in plan.edits if edit.path == "/etc/postfix/master.cf"]
    assert "submissions/inet/smtpd_sasl_auth_enable" in service.parameters


def test_what_is_refused_has_no_edits() -> None:
    plan = planned(replace(stock("3.10.5"), dovecot_running=False, postfix_reloaded=None))
    assert [reason.partition(",")[0] for reason in plan.refusals] == [
        "Postfix is not running",
        "Dovecot is not running",
    ]
    assert plan == Plan(refusals=plan.refusals)


def test_what_runs_older_files_than_those_on_the_disk_is_reloaded() -> None:
    look = after(stock("3.10.5"), planned(stock("3.10.5")))
    look = with_file(look, MAIN_CF, changed=1001.0)
    [reload] = planned(look).reloads
    assert (reload.service.name, reload.due, reload.changes) == ("Postfix", (NEWER,), False)
    assert planned(with_file(look, MAIN_CF, changed=1000.0)).is_empty


def test_a_newer_certificate_is_a_reason_only_where_it_is_served() -> None:
    look = after(stock("3.10.5"), planned(stock("3.10.5")))
    newer = replace(look.certificates["example.jp"], changed=1001.0)
    look = replace(look, certificates={"example.jp": newer})
    [reload] = planned(look).reloads
    assert reload.due == ("the certificate of example.jp is newer than the running configuration",)
    other = with_main_cf(look, f"{look.main_cf.content}smtpd_tls_cert_file = /other.pem\n")
    [reload] = planned(other).reloads
    assert (reload.due, reload.changes) == ((), True)


def test_what_an_earlier_change_left_is_something_to_do() -> None:
    look = after(stock("3.10.5"), planned(stock("3.10.5")))
    hooks = replace(look, leftovers=("/etc/letsencrypt/renewal-hooks/deploy/.x.smtp-auth-new~",))
    plan = planned(hooks)
    assert (plan.unfinished, plan.reloads, plan.is_empty) == ((CERTBOT,), (), False)
    assert plan.services == (CERTBOT,)
    plan = planned(replace(look, leftovers=("/etc/postfix/.main.cf.smtp-auth-new~",)))
    assert [reload.service for reload in plan.reloads] == [POSTFIX]


# -- as JSON, and compared ----------------------------------------------------------------------------


def test_the_json_is_complete() -> None:
    plan = planned(stock("3.7.11"), submissions_options={"smtpd_milters": "inet:a:1"})
    found = json.loads(json.dumps(as_json({"mail1.example.jp": plan})))
    assert found["version"] == 1
    host = found["hosts"]["mail1.example.jp"]
    assert {file["path"] for file in host["files"]} == {change.file.path for change in plan.files}
    assert host["files"][0]["sha256"]["before"] is None
    assert host["files"][0]["mode"] == {"before": None, "after": "0755"}
    lines = [line for edit in host["edits"] for line in edit["lines"]]
    assert lines == [line for edit in plan.edits for line in edit.lines]
    assert "smtpd_tls_cert_file" in [name for edit in host["edits"] for name in edit["parameters"]]
    assert all(edit["reason"] for edit in host["edits"])
    assert host["notes"] == [
        {
            "step": "Submissions",
            "text": "smtpd_hide_client_session is not written, because Postfix 3.7.11 does not have it",
        }
    ]
    assert host["reloads"][1] == {"service": "Postfix", "reasons": ["its configuration changes"]}
    assert host["postconf"]["submissions/inet/smtpd_milters"] == "inet:a:1"
    assert host["difference"] == difference(plan)


def test_the_json_tells_bytes_that_are_no_utf_8_and_keeps_those_that_are() -> None:
    text = "smtpd_sasl_type = caf\xe9\nsmtpd_sasl_path = caf\xc3\xa9\n"
    host = as_json({"x": planned(with_main_cf(stock("3.10.5"), text))})["hosts"]["x"]
    lines = [line for edit in host["edits"] for line in edit["lines"]]
    assert "-smtpd_sasl_type = caf\\xe9\n" in lines
    assert "-smtpd_sasl_path = café\n" in lines


def test_a_refused_host_is_told_in_the_json() -> None:
    plan = planned(replace(stock("3.10.5"), uid=1000))
    host = as_json({"x": plan})["hosts"]["x"]
    assert (host["refusals"], host["edits"]) == (list(plan.refusals), [])


def test_hosts_with_the_same_difference_are_found_whatever_else_their_files_hold() -> None:
    look = stock("3.10.5")
    other = with_file(look, MAIN_CF, content=f"# another host\n{look.main_cf.content}", mode="0640")
    other = with_file(other, MASTER_CF, content=f"# another host\n{look.master_cf.content}")
    assert planned(look) != planned(other)
    assert difference(planned(look)) == difference(planned(other))


@pytest.mark.parametrize(
    "data",
    [
        {"tls_minimum_version": "TLSv1.3"},
        {"certbot_reload_services": ["postfix", "nginx"]},
        {"submissions_options": {"syslog_name": "x"}},
    ],
)
def test_another_change_is_another_difference(data: dict[str, object]) -> None:
    assert difference(planned(stock("3.10.5"))) != difference(planned(stock("3.10.5"), **data))


def test_another_reload_is_another_difference() -> None:
    look = after(stock("3.10.5"), planned(stock("3.10.5")))
    newer = with_file(look, MAIN_CF, changed=1001.0)
    assert difference(planned(look)) != difference(planned(newer))


# -- the draft ----------------------------------------------------------------------------------------


@given(main_cf(), main_cf())
def test_the_changed_lines_are_what_goes_and_comes(before: str, after: str) -> None:
    lines = changed_lines(before, after)
    old, new = Counter(split_lines(before)), Counter(split_lines(after))
    for line in lines:
        new.update([line[1:]] if line[0] == "-" else [])
        old.update([line[1:]] if line[0] == "+" else [])
    assert old == new
    assert bool(lines) == (before != after)


def test_what_is_as_wanted_is_no_edit() -> None:
    draft = Draft(wanted(), stock("3.10.5"))
    draft.write(MAIN_CF, draft.main_cf)
    draft.write(MAIN_CF, draft.main_cf, mode="0644")
    assert draft.edits == []
    draft.write(MAIN_CF, draft.main_cf, mode="0640")
    assert draft.edits[0].mode == ("0644", "0640")


def test_a_mode_that_changes_shows() -> None:
    look = with_file(
        stock("3.10.5"), certbot_hook.HOOK, content="#!/bin/sh\nsystemctl reload postfix\n", mode="0644"
    )
    [step] = [step for step in STEPS if step is certbot_hook.STEP]
    assert step_lines(planned(look), step) == [
        "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh",
        "-mode 0644",
        "+mode 0755",
    ]


def test_what_a_terminal_would_obey_is_shown_escaped() -> None:
    text = "smtpd_sasl_type = \x1b[31mred\x07 \x9b\xc2\x9b\r\n"
    lines = step_lines(
        planned(with_main_cf(stock("3.10.5"), text)), next(s for s in STEPS if "Postfix" in s.name)
    )
    assert "-smtpd_sasl_type = \\x1b[31mred\\x07 \\x9b\\xc2\\x9b\\r" in lines
    assert all(line.isprintable() and line.isascii() for line in lines)


def test_a_further_step_is_one_more_in_the_list() -> None:
    """Look, plan, preview and JSON need only the list of steps to know a step."""

    def edit(draft: Draft) -> None:
        draft.set_parameters({"smtpd_helo_required": "yes"})

    further = Step("Greeting", "nothing", POSTFIX, edit, parameters=lambda _: ["smtpd_helo_required"])
    look = stock("3.10.5")
    look = replace(look, parameters={**look.parameters, "smtpd_helo_required": "no"})
    plan = plan_of(wanted(), look, (*STEPS, further))
    assert "+smtpd_helo_required = yes" in step_lines(plan, further)
    assert ("smtpd_helo_required", "yes") in plan.expected


def test_a_key_of_a_kind_that_nobody_knows_is_an_obstacle() -> None:
    look = stock("3.10.5")
    unknown = replace(
        look.certificates["example.jp"], key="-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"
    )
    [reason] = planned(replace(look, certificates={"example.jp": unknown})).refusals
    assert "it is unknown whether privkey.pem belongs to fullchain.pem" in reason


def test_the_proof_asks_for_each_lineages_certificate_by_a_name_of_its_own() -> None:
    settings = wanted(additional_domains=["example.net"])
    plan = plan_of(settings, with_lineages(stock("3.10.5"), settings), STEPS)
    assert plan.proof.certificates == (
        ("mail1.example.jp", "/etc/letsencrypt/live/example.jp/fullchain.pem"),
        ("mail.example.net", "/etc/letsencrypt/live/example.net/fullchain.pem"),
    )
    assert any(change.file.path.endswith(postfix_sni.TABLE.name) for change in plan.files)


def test_a_certificate_of_the_owners_on_the_service_is_theirs_to_answer_for() -> None:
    options = {"smtpd_tls_cert_file": "/own.pem", "smtpd_tls_key_file": "/own.key"}
    plan = planned(stock("3.10.5"), submissions_options=options)
    assert plan.proof.certificates == (("mail1.example.jp", ""),)
