"""An undo restores what earlier changes replaced; edits of others stay, and refuse the host on conflict."""

import json
import re
from dataclasses import replace

import pytest

from operations import STEPS
from smtp_auth.facts.decode import decode
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.on_host.programs import rehearsal_program
from smtp_auth.past.undo import UNDO, plan_of_undo
from smtp_auth.plan.as_json import as_json
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import Part
from smtp_auth.plan.text import step_lines
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot.listener import DROPIN
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix.sni import TABLE
from tests.unit.past import LISTENER, Host, carried_out, deployed
from tests.unit.scenarios import stock, wanted, with_file, with_lineages, with_master_cf

VERSIONS = ("3.7.11", "3.10.5")


def content(look: Look, file: ManagedFile) -> str:
    return look.files[file.key].content or ""


def contents(look: Look) -> dict[str, str | None]:
    return {key: file.content for key, file in look.files.items()}


def edited(look: Look, file: ManagedFile, old: str, new: str) -> Look:
    assert old in content(look, file)
    return with_file(look, file, content=content(look, file).replace(old, new))


def instructions_of(plan: Plan, look: Look) -> dict[str, list[str]]:
    """The instructions that the host gets, key to values."""
    _, _, text = rehearsal_program(plan, wanted(), look).partition("\n__END__\n")
    return decode(text.splitlines())


@pytest.mark.parametrize("version", VERSIONS)
def test_undo_and_undo_of_the_undo_give_back_every_byte_and_mode(version: str) -> None:
    first, settings = stock(version), wanted()
    second, change = deployed(first, settings)
    plan = plan_of_undo([change], settings, second, STEPS)
    assert not plan.refusals
    third, undone = carried_out(second, plan, settings, 2)
    assert undone.about == f"undo of {change.id}"
    assert contents(third) == contents(first)
    assert [third.files[key].mode for key in contents(first)] == [file.mode for file in first.files.values()]
    again = plan_of_undo([undone], settings, third, STEPS)
    fourth, _ = carried_out(third, again, settings, 3)
    assert contents(fourth) == contents(second)


def test_postfix_changes_before_dovecot_in_an_undo_and_after_it_in_the_undo_of_that() -> None:
    settings = wanted()
    look, change = deployed(stock("3.10.5"), settings)
    plan = plan_of_undo([change], settings, look, STEPS)
    assert plan.services == (POSTFIX, DOVECOT, CERTBOT)
    assert [reload.service for reload in plan.reloads] == [POSTFIX, DOVECOT]
    assert [planned.file.path.rpartition("/")[2] for planned in plan.files][:2] == ["master.cf", "main.cf"]
    assert (plan.proof.submissions, plan.proof.listener) == (False, None)
    look, undone = carried_out(look, plan, settings, 2)
    again = plan_of_undo([undone], settings, look, STEPS)
    assert again.services == (CERTBOT, DOVECOT, POSTFIX)
    assert (again.proof.submissions, again.proof.wrapped, again.proof.logins) == (True, True, True)
    assert again.proof.certificates == (
        ("mail1.example.jp", "/etc/letsencrypt/live/example.jp/fullchain.pem"),
    )
    assert again.proof.listener is not None


def test_a_changed_parameter_alone_is_undone() -> None:
    settings = wanted()
    first, _ = deployed(stock("3.10.5"), settings)
    strict = wanted(smtpd_tls_security_level="encrypt")
    second, change = deployed(first, strict, 2)
    plan = plan_of_undo([change], strict, second, STEPS)
    assert [edit.lines for edit in plan.edits] == [
        ("-smtpd_tls_security_level = encrypt\n", "+smtpd_tls_security_level = may\n")
    ]
    assert plan.expected == (("smtpd_tls_security_level", "may"),)


def test_several_changes_are_undone_with_an_edit_of_others_in_between() -> None:
    settings = wanted()
    first = stock("3.10.5")
    second, one = deployed(first, settings)
    between = with_file(second, MAIN_CF, content=content(second, MAIN_CF) + "owners = 1\n")
    third, two = deployed(between, wanted(smtpd_tls_security_level="encrypt"), 2)
    plan = plan_of_undo([one, two], settings, third, STEPS)
    assert not plan.refusals
    back, _ = carried_out(third, plan, settings, 3)
    assert content(back, MAIN_CF) == content(first, MAIN_CF) + "owners = 1\n"
    assert content(back, MASTER_CF) == content(first, MASTER_CF)


def test_edits_elsewhere_stay() -> None:
    settings = wanted()
    first = stock("3.10.5")
    look, change = deployed(first, settings)
    look = edited(look, MAIN_CF, "mydestination", "# whose mail\nmydestination")
    look = edited(look, HOOK, "# END smtp-auth\n", "# END smtp-auth\nlogger renewed\n")
    back, _ = carried_out(look, plan_of_undo([change], settings, look, STEPS), settings, 2)
    assert content(back, MAIN_CF) == content(first, MAIN_CF).replace(
        "mydestination", "# whose mail\nmydestination"
    )
    assert content(back, HOOK) == "logger renewed\n"


# Edits of a deployed host: the file, our text, the text that replaces it, and a part of the refusal.
CONFLICTS = [
    (
        MAIN_CF,
        "smtpd_sasl_path = private/auth",
        "smtpd_sasl_path = inet:[::1]:9",
        "smtpd_sasl_path is now inet:[::1]:9 instead of private/auth",
    ),
    (MAIN_CF, "smtpd_sasl_path = private/auth", "#", "-smtpd_sasl_path = private/auth; +#"),
    # The edit is elsewhere in the file, but sets the same parameter.
    (
        MAIN_CF,
        "mydestination",
        "smtpd_tls_auth_only = no\nmydestination",
        "smtpd_tls_auth_only would become no instead of undefined",
    ),
    (
        MASTER_CF,
        "smtpd_tls_wrappermode=yes",
        "smtpd_tls_wrappermode=no",
        "wrappermode is now no instead of yes",
    ),
    (
        MASTER_CF,
        "  -o smtpd_tls_wrappermode=yes\n",
        "  -o smtpd_tls_wrappermode=yes\n  -o smtpd_milters=inet:m\n",
        "smtpd_milters",
    ),
    (DROPIN, "mode = 0600", "mode = 0660", "+    mode = 0660"),
    (HOOK, "systemctl reload postfix", "true", "+"),
]


@pytest.mark.parametrize(("file", "ours", "theirs", "told"), CONFLICTS)
def test_an_edit_that_conflicts_with_the_undo_refuses_the_host(
    file: ManagedFile, ours: str, theirs: str, told: str
) -> None:
    settings = wanted()
    look, change = deployed(stock("3.10.5"), settings)
    plan = plan_of_undo([change], settings, edited(look, file, ours, theirs), STEPS)
    (reason,) = plan.refusals
    assert look.files[file.key].path in reason
    assert told in reason
    assert not plan.files


def test_of_an_edit_of_many_lines_the_first_are_shown() -> None:
    settings = wanted()
    look, change = deployed(stock("3.10.5"), settings)
    lines = content(look, MAIN_CF).splitlines()
    (reason,) = plan_of_undo([change], settings, edited(look, MAIN_CF, "\n", "\r\n"), STEPS).refusals
    shown, _, rest = reason.partition("; … and ")
    assert [part[1:] for part in shown.partition(" (")[2].split("; ")] == lines[:6]
    assert re.match(r"\d+ more lines\): restore what the change wrote there, or undo", rest)


def test_a_directory_at_the_path_of_a_restored_file_refuses_the_host() -> None:
    settings = wanted()
    look, change = deployed(stock("3.10.5"), settings)
    look, undone = carried_out(look, plan_of_undo([change], settings, look, STEPS), settings, 2)
    look = with_file(look, DROPIN, odd="a directory")
    plan = plan_of_undo([undone], settings, look, STEPS)
    assert plan.refusals == (
        f"{look.files[DROPIN.key].path} is a directory: replace it by a file, or delete it",
    )
    assert not plan.files


def test_an_edit_is_not_shown_where_not_everybody_may_read_it() -> None:
    settings = wanted()
    first = with_file(stock("3.10.5"), MAIN_CF, mode="0640")
    look, change = deployed(first, settings)
    look = edited(look, MAIN_CF, "smtpd_sasl_path = private/auth", "smtpd_sasl_path = secret")
    (reason,) = plan_of_undo([change], settings, look, STEPS).refusals
    assert "not shown" in reason
    assert "secret" not in reason


def test_lines_are_shown_nowhere_where_not_everybody_may_read_them() -> None:
    settings = wanted()
    first = with_file(stock("3.10.5"), MAIN_CF, mode="0640")
    look, change = deployed(first, settings)
    plan = plan_of_undo([change], settings, look, STEPS)
    lines = [*step_lines(plan, Part(UNDO.name, "")), json.dumps(as_json({"mail1.example.jp": plan}))]
    assert any(line.endswith("lines, not shown: not everybody may read the file)") for line in lines)
    assert not any("smtpd_sasl_path" in line for line in lines)
    # Files that everybody may read are shown.
    assert any("smtpd_tls_wrappermode" in line for line in lines)


def test_the_instructions_name_deleted_files_and_services_of_ports() -> None:
    settings = wanted()
    look, change = deployed(stock("3.10.5"), settings)
    plan = plan_of_undo([change], settings, look, STEPS)
    instructions = instructions_of(plan, look)
    assert instructions["postfix.moving"] == ["submissions/inet"]
    gone = [key for key in instructions if key.endswith(".digest") and instructions[key] == [""]]
    assert gone == ["file.dropin.digest", "file.hook.digest"]
    assert "file.dropin.content" not in instructions
    assert instructions["postfix.prove"] == ["port=25\tname=mail1.example.jp"]
    assert instructions["postfix.earlier"] == ["yes"]
    assert "certbot.file" not in instructions


@pytest.mark.parametrize(("mode", "proved"), [("0644", False), ("0755", True)])
def test_a_restored_hook_is_proved_only_if_certbot_runs_it(mode: str, proved: bool) -> None:
    settings = wanted()
    first = with_file(stock("3.10.5"), HOOK, content="#!/bin/sh\nlogger renewed\n", mode=mode)
    look, change = deployed(first, settings)
    assert look.files[HOOK.key].mode == "0755"
    plan = plan_of_undo([change], settings, look, STEPS)
    assert ("certbot.file" in instructions_of(plan, look)) is proved


def test_what_an_owner_has_undone_by_hand_is_not_undone_again() -> None:
    settings = wanted()
    first = stock("3.10.5")
    look, change = deployed(first, settings)
    for file in (MASTER_CF, DROPIN, HOOK):
        look = with_file(look, file, content=first.files[file.key].content, mode=first.files[file.key].mode)
    plan = plan_of_undo([change], settings, look, STEPS)
    assert [planned.file.path for planned in plan.files] == ["/etc/postfix/main.cf"]


def test_a_file_that_somebody_deleted_is_not_restored() -> None:
    strict, settings = wanted(smtpd_tls_security_level="encrypt"), wanted()
    first, _ = deployed(stock("3.10.5"), settings)
    look, change = deployed(first, wanted(certbot_reload_services=["postfix", "nginx"]), 2)
    plan = plan_of_undo([change], strict, with_file(look, HOOK, content=None, mode=""), STEPS)
    assert "reload_services.sh was deleted after change 2026" in plan.refusals[0]


def test_a_service_that_did_not_work_before_need_not_work_after_an_undo() -> None:
    settings = wanted()
    service = "smtps inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    first = with_master_cf(stock("3.10.5"), content(stock("3.10.5"), MASTER_CF) + service)
    look, change = deployed(first, settings)
    served = plan_of_undo([change], settings, look, STEPS)
    assert "port=465" in instructions_of(served, look)["postfix.prove"][1]
    assert change.manifest["submissions_proved"] == "yes"
    change.manifest["unserved"] = "465"  # type: ignore[index]
    plan = plan_of_undo([change], settings, look, STEPS)
    assert instructions_of(plan, look)["postfix.prove"] == ["port=25\tname=mail1.example.jp"]
    assert "postfix.chain" not in instructions_of(plan, look)
    assert any("port 465 did not work before change" in note.text for note in plan.notes)


@pytest.mark.parametrize(
    ("options", "dies"),
    [
        (("smtpd_tls_wrappermode=yes", "smtpd_sasl_auth_enable=yes", "smtpd_sasl_type=dovecot"), True),
        (("smtpd_tls_wrappermode=yes", "smtpd_sasl_auth_enable=no", "smtpd_sasl_type=dovecot"), False),
        (("smtpd_tls_wrappermode=yes", "smtpd_sasl_auth_enable=yes", "smtpd_sasl_type=cyrus"), False),
    ],
)
@pytest.mark.parametrize("path", ["private/auth", "/var/spool/postfix/private/auth"])
def test_a_service_whose_smtpd_dies_counts_as_one_that_did_not_work(
    options: tuple[str, ...], dies: bool, path: str
) -> None:
    lines = "".join(f"  -o {option}\n" for option in (*options, f"smtpd_sasl_path={path}"))
    first = stock("3.10.5")
    look = with_master_cf(first, f"{content(first, MASTER_CF)}smtps inet n - y - - smtpd\n{lines}")
    look = replace(look, listening=frozenset((25, 465)))
    plan = plan_of(wanted(), look, STEPS)
    assert instructions_of(plan, look)["postfix.unserved"] == ["465" if dies else ""]
    there = replace(look, socket=LISTENER)
    assert instructions_of(plan, there)["postfix.unserved"] == [""]


def test_a_service_that_postfix_has_not_read_yet_counts_as_one_that_did_not_work() -> None:
    first = stock("3.10.5")
    look = with_master_cf(first, f"{content(first, MASTER_CF)}smtps inet n - y - - smtpd\n")
    plan = plan_of(wanted(), look, STEPS)
    assert instructions_of(plan, look)["postfix.unserved"] == ["465"]


def test_a_damaged_copy_in_the_record_refuses_the_host() -> None:
    settings = wanted()
    look, change = deployed(stock("3.10.5"), settings)
    spoilt = type(change)(change.manifest, {**change.before, "/etc/postfix/main.cf": "edited"}, change.after)
    plan = plan_of_undo([spoilt], settings, look, STEPS)
    assert plan == Plan(refusals=(plan.refusals[0],))
    assert "the record's copies of /etc/postfix/main.cf from change" in plan.refusals[0]


def test_main_cf_changes_before_the_table_that_it_names_is_deleted() -> None:
    settings = wanted(additional_domains=["example.net"])
    look, change = deployed(with_lineages(stock("3.10.5"), settings), settings)
    plan = plan_of_undo([change], settings, look, STEPS)
    keys = [planned.file.path for planned in plan.files]
    assert keys.index("/etc/postfix/main.cf") < keys.index(look.files[TABLE.key].path)


def test_an_undo_of_several_changes_shows_what_comes_back_and_no_step_of_it() -> None:
    host = Host(stock("3.10.5"))
    host.deploy()
    before = host.look.main_cf.content
    host.deploy(tls_minimum_version="TLSv1.3")
    host.undo()
    host.undo()
    plan = plan_of_undo(host.changes[1:], wanted(), host.look, STEPS, host.baseline)
    (edit,) = plan.edits
    name = "smtpd_tls_mandatory_protocols"
    assert edit.lines == (f"-{name} = >=TLSv1.3\n", f"+{name} = >=TLSv1.2\n")
    assert [file.content for file in plan.files] == [before]
    # These cancel each other out.
    nothing = plan_of_undo(host.changes[2:], wanted(), host.look, STEPS, host.baseline)
    assert (nothing.edits, nothing.is_empty, len(nothing.notes)) == ((), True, 2)
