"""What is ours and what is the owner's: each kind of edit, and what a removal then does."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from operations import STEPS
from smtp_auth.facts.ledger import LedgerEntry, as_json, parse
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, ManagedFile
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.postfix.main_cf import set_parameter
from smtp_auth.postfix.master_cf import set_options
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.dovecot.listener import DROPIN, WANTED
from smtp_auth.services.postfix.sni import TABLE
from tests.unit.histories import OWNERS_465, OWNERS_587, effective
from tests.unit.past import Host, named, with_effective_parameters
from tests.unit.scenarios import stock, wanted, with_file, with_lineages

ADOPTED = "smtps inet n - y - 20 smtpd\n  -o smtpd_tls_wrappermode=yes\n"


@pytest.fixture(params=["3.7.11", "3.10.5"])
def host(request: pytest.FixtureRequest) -> Host:
    look = with_lineages(stock(request.param), wanted(additional_domains=["example.net"]))
    return Host(with_effective_parameters(look))


def change(host: Host, file: ManagedFile, how: Callable[[str], str]) -> None:
    before = host.content(file)
    host.edit(file, how(before))
    assert host.content(file) != before


def notes(plan: Plan) -> list[str]:
    assert not plan.refusals
    return [note.text for note in plan.notes]


def test_lines_that_an_owner_appended_to_the_hook(host: Host) -> None:
    host.deploy()
    change(host, HOOK, lambda text: text + "logger renewed\n")
    host.deploy(certbot_reload_services=["postfix", "dovecot"])
    host.remove()
    assert host.content(HOOK) == "#!/bin/sh\nlogger renewed\n"


def test_a_service_on_465_by_which_its_owner_has_replaced_ours(host: Host) -> None:
    host.deploy()
    ours = host.content(MASTER_CF).index("\nsubmissions inet")
    change(host, MASTER_CF, lambda text: text[: ours + 1] + OWNERS_465)
    theirs = effective(host.look)
    host.deploy()
    told = notes(host.remove())
    left = effective(host.look)
    assert {name: left[name] for name in left if name.startswith("smtps/")} == {
        name: theirs[name] for name in theirs if name.startswith("smtps/")
    }
    assert (left["smtpd_sasl_type"], left["smtpd_sasl_path"]) == ("dovecot", "private/auth")
    assert host.content(DROPIN)
    [told_of] = [
        note for note in told if note.startswith("smtps/inet stays, because its owner has set it up")
    ]
    assert "smtpd_sasl_path" in told_of
    assert host.look.files[DROPIN.key].path in told_of
    # Everything that stayed is the owner's now.
    assert host.remove().is_empty
    host.deploy()
    assert not host.remove().refusals
    assert effective(host.look) == left


def test_options_that_an_owner_added_to_an_adopted_service(host: Host) -> None:
    change(host, MASTER_CF, lambda text: text + ADOPTED)
    host.deploy()
    change(host, MASTER_CF, lambda text: set_options(text, {"smtps/inet": {"smtpd_milters": "inet:o:1"}}))
    host.deploy(submissions_options={"smtpd_hard_error_limit": "3"})
    host.remove()
    options = {name: value for name, value in effective(host.look).items() if name.startswith("smtps/")}
    assert options == {
        "smtps/inet": "n - y - 20 smtpd",
        "smtps/inet/smtpd_tls_wrappermode": "yes",
        "smtps/inet/smtpd_milters": "inet:o:1",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtpd_tls_security_level", "encrypt"),
        ("mua_client_restrictions", "permit_sasl_authenticated, check_client_access hash:/etc/o, reject"),
        ("smtpd_tls_mandatory_protocols", ">=TLSv1.3"),
    ],
)
def test_a_value_that_an_owner_has_set_and_a_deploy_keeps(host: Host, name: str, value: str) -> None:
    host.deploy()
    change(host, MAIN_CF, lambda text: set_parameter(text, name, value))
    host.deploy(submissions_options={"smtpd_hard_error_limit": "3"})
    was_ours = name in host.changes[0].ledger.after.of(MAIN_CF.key)
    told = f"{name} = {value} stays, because its owner has edited it" in notes(host.remove())
    assert told == was_ours
    assert effective(host.look)[name] == value


def test_a_value_of_the_owners_that_a_deploy_overwrites_later_is_restored(host: Host) -> None:
    host.deploy()
    change(host, MAIN_CF, lambda text: set_parameter(text, "smtpd_sasl_path", "inet:10.0.0.1:9"))
    change(host, MAIN_CF, lambda text: set_parameter(text, "smtpd_tls_auth_only", "no"))
    host.deploy()
    assert effective(host.look)["smtpd_sasl_path"] == "private/auth"
    host.remove()
    left = effective(host.look)
    assert (left["smtpd_sasl_path"], left["smtpd_tls_auth_only"]) == ("inet:10.0.0.1:9", "no")
    assert "smtpd_sasl_type" not in left


def test_after_a_removal_the_past_begins_anew(host: Host) -> None:
    host.deploy()
    host.remove()
    change(host, MAIN_CF, lambda text: text + "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n")
    change(host, MASTER_CF, lambda text: text + OWNERS_465)
    by_hand = {key: file.content for key, file in host.look.files.items()}
    host.deploy()
    host.remove()
    assert {key: file.content for key, file in host.look.files.items()} == by_hand


def test_below_a_linked_directory_our_own_file_is_ours(host: Host) -> None:
    def linked(path: str) -> str:
        return path.replace("/etc/dovecot/conf.d", "/srv/dovecot")

    dropin = host.look.files[DROPIN.key]
    host.look = with_file(host.look, DROPIN, real_path=linked(dropin.path))
    host.deploy()
    host.look = with_file(host.look, DROPIN, real_path=linked(dropin.path))
    host.remove()
    assert host.look.files[DROPIN.key].content is None


@pytest.mark.parametrize("name", ["465", "smtps", "192.0.2.1:submissions"])
def test_a_service_of_ours_whose_name_alone_was_changed_is_ours(host: Host, name: str) -> None:
    before = effective(host.look)
    host.deploy()
    change(host, MASTER_CF, lambda text: text.replace("\nsubmissions inet", f"\n{name} inet"))
    assert not host.deploy().files
    # An option that the data adds is written into the renamed service.
    host.deploy(submissions_options={"smtpd_hard_error_limit": "3"})
    assert effective(host.look)[f"{name}/inet/smtpd_hard_error_limit"] == "3"
    host.remove()
    assert effective(host.look) == before


@pytest.mark.parametrize("option", ["syslog_name=mine", "smtpd_sasl_auth_enable=no"])
def test_a_service_of_ours_whose_options_were_changed_is_its_owners(host: Host, option: str) -> None:
    host.deploy()
    name, _, value = option.partition("=")
    change(host, MASTER_CF, lambda text: set_options(text, {"submissions/inet": {name: value}}))
    theirs = effective(host.look)
    assert "submissions/inet stays, because its owner has edited it" in notes(host.remove())
    left = effective(host.look)
    assert {name: left[name] for name in left if name.startswith("submissions/")} == {
        name: theirs[name] for name in theirs if name.startswith("submissions/")
    }


def test_what_a_service_on_587_needs_stays_and_an_undo_is_refused(host: Host) -> None:
    host.deploy()
    change(host, MASTER_CF, lambda text: text + OWNERS_587)
    [refused] = host.undo().refusals
    assert refused.startswith(
        "an undo would break 587/inet in /etc/postfix/master.cf, which its owner has set up or changed since "
    )
    told = notes(host.remove())
    left = effective(host.look)
    assert "submissions/inet" not in left
    assert (left["smtpd_sasl_type"], left["smtpd_sasl_path"]) == ("dovecot", "private/auth")
    # This one is deleted, because the service has an option of its own.
    assert "smtpd_sasl_auth_enable" not in left
    assert host.content(DROPIN)
    assert any(
        note.startswith(
            "587/inet stays, because its owner has set it up or changed it since the first deploy; it needs"
        )
        for note in told
    )
    # Postfix must reload the service's certificate after a renewal.
    assert "systemctl reload postfix" in host.content(HOOK)


def test_an_undo_may_restore_a_value_of_the_owners_that_a_service_of_theirs_uses(host: Host) -> None:
    host.deploy()
    change(host, MASTER_CF, lambda text: text + OWNERS_587)
    change(host, MAIN_CF, lambda text: set_parameter(text, "smtpd_sasl_path", "inet:10.0.0.1:9"))
    host.deploy()
    assert not host.undo().refusals
    assert effective(host.look)["smtpd_sasl_path"] == "inet:10.0.0.1:9"


def test_a_service_on_587_from_before_us_is_as_it_was(host: Host) -> None:
    change(host, MASTER_CF, lambda text: text + OWNERS_587)
    before = {key: file.content for key, file in host.look.files.items()}
    host.deploy()
    host.remove()
    assert {key: file.content for key, file in host.look.files.items()} == before


def test_a_service_that_inherits_its_logins_keeps_them(host: Host) -> None:
    host.deploy()
    inherits = OWNERS_587.replace("  -o smtpd_sasl_auth_enable=yes\n", "")
    change(host, MASTER_CF, lambda text: text + inherits)
    host.remove()
    assert effective(host.look)["smtpd_sasl_auth_enable"] == "yes"


def test_a_service_without_logins_needs_nothing(host: Host) -> None:
    host.deploy()
    change(
        host, MASTER_CF, lambda text: text + "127.0.0.1:10025 inet n - y - - smtpd\n  -o content_filter=\n"
    )
    host.remove()
    assert "smtpd_sasl_type" not in effective(host.look)
    assert not host.content(DROPIN)


def test_a_parameter_to_which_main_cf_refers_stays(host: Host) -> None:
    host.deploy()
    change(host, MAIN_CF, lambda text: f"{text}smtpd_client_restrictions = $mua_client_restrictions\n")
    assert "mua_client_restrictions stays, because a setting of the owner refers to it" in notes(
        host.remove()
    )
    left = effective(host.look)
    assert "mua_client_restrictions" in left
    assert "mua_relay_restrictions" not in left


def _mua(text: str) -> str:
    return text + "mua_client_restrictions = permit_sasl_authenticated, check_client_access hash:/o, reject\n"


TAKEN_OUT = {
    "an option": (lambda text: text, {"submissions_options": {"smtpd_milters": "inet:ours:1"}}),
    "a list": (_mua, {"mua_client_restrictions": ["permit_sasl_authenticated", "reject"]}),
    "a floor": (lambda text: text, {"tls_minimum_version": "TLSv1.3"}),
    "a level": (lambda text: text, {"smtpd_tls_security_level": "encrypt"}),
    "a domain": (lambda text: text, {"additional_domains": ["example.net"]}),
    "logins on port 25": (
        lambda text: set_parameter(text, "smtpd_sasl_auth_enable", "yes"),
        {"smtp_auth_on_port_25": False},
    ),
}


@pytest.mark.parametrize(("before", "data"), TAKEN_OUT.values(), ids=TAKEN_OUT)
def test_what_is_taken_out_of_the_data_has_what_was_there_before(
    host: Host, before: Callable[[str], str], data: dict[str, object]
) -> None:
    host.edit(MAIN_CF, before(host.content(MAIN_CF)))
    without = Host(host.look)
    without.deploy()
    host.deploy(**data)
    assert effective(host.look) != effective(without.look)
    plan = host.deploy()
    assert effective(host.look) == effective(without.look)
    assert host.content(TABLE) == ""
    assert plan.edits
    assert not host.deploy().files


def test_the_preview_says_that_the_data_no_longer_asks_for_something(host: Host) -> None:
    host.deploy(submissions_options={"smtpd_milters": "inet:ours:1"})
    plan = host.deploy()
    [edit] = plan.edits
    assert (edit.step, edit.lines) == ("Submissions", ("-  -o smtpd_milters=inet:ours:1\n",))
    reason = "nothing asks for it any more, so the earlier state is restored"
    assert edit.reason == reason
    assert f"submissions/inet/smtpd_milters: {reason}" in notes(plan)


def test_a_change_that_lost_its_power_is_on_the_ledger(host: Host) -> None:
    before = {key: file.content for key, file in host.look.files.items()}
    first = host.look
    plan = host.deploy()
    entry = LedgerEntry(plan.ledger_before, named(plan.ledger, host.changes[-1].id))
    # main.cf was swapped, master.cf was not.
    files = {**host.look.files, MASTER_CF.key: first.files[MASTER_CF.key]}
    host.look = replace(host.look, files=files, last_change=None, ledgers=(entry.after, entry.before))
    host.deploy()
    host.remove()
    assert {key: file.content for key, file in host.look.files.items()} == before


def test_a_ledger_that_cannot_be_read_refuses_the_host(host: Host) -> None:
    [refused] = plan_of(wanted(), replace(host.look, has_ledger=False), STEPS).refusals
    assert refused.startswith(
        "the ledger of the last change, below /var/lib/smtp-auth/changes, cannot be read"
    )


def test_a_copy_that_is_not_what_the_ledger_says_is_not_restored(host: Host) -> None:
    change(host, DROPIN, lambda _: "# theirs\n")
    host.look = replace(host.look, listener=None)
    host.deploy()
    host.baseline = {place: "" if "dovecot" in place[1] else text for place, text in host.baseline.items()}
    [refused] = host.remove().refusals
    assert refused.startswith(
        f"the record's copy of {host.look.files[DROPIN.key].path} from before the first change is"
    )


def test_a_ledger_is_read_as_it_was_written(host: Host) -> None:
    host.look = replace(host.look, listener=None, socket=WANTED)
    plan = host.deploy(additional_domains=["example.net"])
    entry = LedgerEntry(plan.ledger_before, plan.ledger)
    assert parse(as_json(entry)) == entry
    with pytest.raises(ValueError, match="it has no 'before'"):
        parse('{"version": 1}')


def test_an_undo_leaves_a_renamed_service_ours(host: Host) -> None:
    first = effective(host.look)
    host.deploy()
    host.deploy(tls_minimum_version="TLSv1.3")
    change(host, MASTER_CF, lambda text: text.replace("\nsubmissions inet", "\n465 inet"))
    assert not host.undo().refusals
    host.remove()
    assert effective(host.look) == first


def test_values_of_a_file_that_not_everybody_may_read_are_not_told(host: Host) -> None:
    host.deploy()
    change(host, MAIN_CF, lambda text: set_parameter(text, "smtpd_sasl_path", "inet:secret:9"))
    change(
        host,
        MASTER_CF,
        lambda text: set_options(text, {"submissions/inet": {"smtpd_junk_command_limit": "77"}}),
    )
    for file in (MAIN_CF, MASTER_CF):
        host.look = with_file(host.look, file, mode="0640")
    told = notes(host.remove())
    assert "smtpd_sasl_path stays, because its owner has edited it" in told
    assert (
        "submissions/inet/smtpd_junk_command_limit remains as a comment, because its owner has added it"
        in told
    )
    assert not any("secret" in note or "77" in note for note in told)


def test_our_lines_stay_where_certbot_was_removed(host: Host) -> None:
    host.deploy()
    host.look = replace(host.look, commands=host.look.commands - {"certbot"})
    assert not host.deploy().files


def test_a_deploy_keeps_a_parameter_to_which_a_service_of_the_owners_refers(host: Host) -> None:
    host.deploy()
    inherits = "587 inet n - y - - smtpd\n  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    change(host, MASTER_CF, lambda text: text + inherits)
    lists = dict.fromkeys(_LISTS, "permit_sasl_authenticated,reject")
    plan = host.deploy(submissions_options=lists)
    assert "mua_client_restrictions" in effective(host.look)
    assert "mua_relay_restrictions" not in effective(host.look)
    assert "mua_client_restrictions stays, because a setting of the owner refers to it" in notes(plan)
    assert not host.deploy(submissions_options=lists).files


_LISTS = ("smtpd_client_restrictions", "smtpd_relay_restrictions")


@pytest.mark.parametrize(
    "master",
    [
        lambda text: set_options(text, {"smtp/inet": {"smtpd_recipient_restrictions": _PERMITS}}),
        lambda text: f"{text}587 inet n - y - - smtpd\n  -o smtpd_relay_restrictions={_PERMITS}\n",
    ],
    ids=["on port 25", "on port 587"],
)
def test_a_service_that_its_owner_has_not_edited_needs_nothing(
    host: Host, master: Callable[[str], str]
) -> None:
    change(host, MASTER_CF, master)
    before = effective(host.look)
    host.deploy()
    assert not host.undo().refusals
    host.deploy()
    host.edit(MAIN_CF, f"# a comment\n{host.content(MAIN_CF)}")
    assert notes(host.remove()) == []
    assert effective(host.look) == before


_PERMITS = "permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination"


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ("", ["smtpd_tls_security_level=encrypt"]),
        ("auth587 = yes\n", ["smtpd_sasl_auth_enable=$auth587"]),
        ("", ["smtpd_sasl_auth_enable=yes", "smtpd_sasl_path=$queue_directory/private/auth"]),
        ("", ["smtpd_sasl_auth_enable=yes", "smtpd_sasl_path=unix:private/auth"]),
    ],
)
def test_what_a_new_service_needs_is_found_however_it_says_so(
    host: Host, parameters: str, options: list[str]
) -> None:
    host.deploy()
    lines = "".join(f"  -o {option}\n" for option in options)
    change(host, MASTER_CF, lambda text: f"{text}587 inet n - y - - smtpd\n{lines}")
    host.edit(MAIN_CF, host.content(MAIN_CF) + parameters)
    [refused] = host.undo().refusals
    assert refused.startswith("an undo would break 587/inet")
    host.remove()
    assert host.content(DROPIN)
    assert effective(host.look)["smtpd_sasl_type"] == "dovecot"


def test_an_undo_does_not_delete_what_a_setting_of_the_owner_refers_to(host: Host) -> None:
    host.deploy()
    change(host, MAIN_CF, lambda text: f"{text}smtpd_client_restrictions = $mua_client_restrictions\n")
    [refused] = host.undo().refusals
    assert refused.startswith("an undo would delete mua_client_restrictions, although a setting of the owner")


def test_a_certificate_and_its_key_stay_together(host: Host) -> None:
    host.deploy()
    theirs = "/etc/letsencrypt/live/example.jp/cert.pem"
    change(host, MAIN_CF, lambda text: set_parameter(text, "smtpd_tls_cert_file", theirs))
    told = notes(host.remove())
    left = effective(host.look)
    assert left["smtpd_tls_cert_file"] == theirs
    assert left["smtpd_tls_key_file"] == "/etc/letsencrypt/live/example.jp/privkey.pem"
    belongs = (
        "smtpd_tls_key_file stays, because it belongs to smtpd_tls_cert_file, which its owner has edited"
    )
    assert belongs in told
    assert "systemctl reload postfix" in host.content(HOOK)


def test_what_an_owner_has_made_of_our_tables_is_restored_without_ours(host: Host) -> None:
    host.deploy(additional_domains=["example.net"])
    ours = effective(host.look)["tls_server_sni_maps"]
    change(host, MAIN_CF, lambda text: set_parameter(text, "tls_server_sni_maps", f"{ours}, hash:/etc/sni"))
    host.deploy()
    assert effective(host.look)["tls_server_sni_maps"] == "hash:/etc/sni"
    assert not host.content(TABLE)
    host.remove()
    assert effective(host.look)["tls_server_sni_maps"] == "hash:/etc/sni"


def test_our_table_stays_where_an_owner_names_it(host: Host) -> None:
    host.deploy(additional_domains=["example.net"])
    named = "587 inet n - y - - smtpd\n  -o tls_server_sni_maps=texthash:$config_directory/smtp_auth_sni\n"
    change(host, MASTER_CF, lambda text: text + named)
    host.deploy()
    assert host.content(TABLE)
    host.remove()
    assert host.content(TABLE)


def test_a_table_that_its_owner_has_edited_is_named(host: Host) -> None:
    host.deploy(additional_domains=["example.net"])
    change(host, TABLE, lambda text: f"{text}# theirs\n")
    host.deploy(additional_domains=["example.net"])
    path = host.look.files[TABLE.key].path
    assert f"{path} stays, because its owner has edited it; the record has that version" in notes(
        host.deploy()
    )


def test_an_earlier_value_is_what_its_parameters_say_today(host: Host) -> None:
    text = "mine = !SSLv2, !SSLv3\nsmtpd_tls_mandatory_protocols = $mine\n"
    change(host, MAIN_CF, lambda content: content + text)
    without = Host(host.look)
    host.deploy()
    for one in (host, without):
        change(one, MAIN_CF, lambda content: set_parameter(content, "mine", ">=TLSv1.3"))
        one.deploy()
    assert effective(host.look) == effective(without.look)


@pytest.mark.parametrize("how", [str.rstrip, lambda text: text.replace("\n", "\r\n")], ids=["end", "CRLF"])
def test_our_lines_in_the_hook_are_known_whatever_their_ends(host: Host, how: Callable[[str], str]) -> None:
    host.deploy()
    change(host, HOOK, how)
    other = Host(host.look, [*host.changes], {**host.baseline})
    host.deploy()
    assert host.content(HOOK).count("# BEGIN smtp-auth") == 1
    assert not host.deploy().files
    other.remove()
    assert "smtp-auth" not in other.content(HOOK)


def test_the_mode_of_an_edited_hook_is_restored(host: Host) -> None:
    host.edit(HOOK, "#!/bin/sh\necho renewed\n")
    host.deploy()
    assert host.look.files[HOOK.key].mode == "0755"
    change(host, HOOK, lambda text: f"{text}# theirs\n")
    host.remove()
    assert host.content(HOOK) == "#!/bin/sh\necho renewed\n# theirs\n"
    assert host.look.files[HOOK.key].mode == "0644"


def test_a_file_that_its_owner_has_deleted_does_not_stay(host: Host) -> None:
    host.deploy()
    host.edit(DROPIN, None)
    assert not any("99-postfix-smtp-auth.conf" in note for note in notes(host.remove()))


def test_a_renamed_service_of_the_owners_with_an_edit_loses_our_options(host: Host) -> None:
    change(host, MASTER_CF, lambda text: text + ADOPTED)
    host.deploy()
    change(host, MASTER_CF, lambda text: text.replace("\nsmtps inet", "\nsubmissions inet"))
    change(host, MASTER_CF, lambda text: set_options(text, {"submissions/inet": {"syslog_name": "mine"}}))
    host.remove()
    left = {name: one for name, one in effective(host.look).items() if name.startswith("submissions/")}
    assert left == {
        "submissions/inet": "n - y - 20 smtpd",
        "submissions/inet/smtpd_tls_wrappermode": "yes",
        "submissions/inet/syslog_name": "mine",
    }


def test_a_parameter_that_was_commented_out_is_restored_in_a_file_with_other_line_ends(host: Host) -> None:
    change(host, MAIN_CF, lambda text: f"{text}smtpd_tls_eccert_file = /etc/ec.pem\n")
    before = effective(host.look)
    host.deploy()
    change(host, MAIN_CF, lambda text: text.replace("\n", "\r\n"))
    host.remove()
    assert effective(host.look) == before
    assert "#smtpd_tls_eccert_file" not in host.content(MAIN_CF)
    assert "\n" not in host.content(MAIN_CF).replace("\r\n", "")


def test_what_an_owner_has_set_between_two_undos_is_theirs(host: Host) -> None:
    host.deploy()
    theirs = "permit_sasl_authenticated, reject"
    host.undo()
    change(host, MAIN_CF, lambda text: f"mua_client_restrictions = {theirs}\n{text}")
    host.undo()
    assert "submissions/inet" in effective(host.look)
    host.remove()
    assert effective(host.look)["mua_client_restrictions"] == theirs
    assert "smtpd_sasl_type" not in effective(host.look)


def test_a_service_of_ours_without_an_option_of_its_own_for_logins_is_ours(host: Host) -> None:
    before = {key: file.content for key, file in host.look.files.items()}
    host.deploy(submissions_options={"smtpd_sasl_auth_enable": None})
    host.edit(MAIN_CF, host.content(MAIN_CF))
    host.remove()
    assert {key: file.content for key, file in host.look.files.items()} == before


def test_an_option_of_ours_moves_with_port_25_behind_postscreen(host: Host) -> None:
    option = {"smtp/inet": {"smtpd_tls_security_level": "none"}}
    change(host, MASTER_CF, lambda text: set_options(text, option))
    host.deploy()
    change(host, MASTER_CF, lambda text: text.replace("  -o smtpd_tls_security_level=may\n", "", 1))
    passed = "smtpd pass - - y - - smtpd\n  -o smtpd_tls_security_level=may\n"
    change(host, MASTER_CF, lambda text: text + passed)
    host.remove()
    assert effective(host.look)["smtpd/pass/smtpd_tls_security_level"] == "none"


def test_a_setting_from_before_us_is_without_a_parameter_again(host: Host) -> None:
    options = "  -o smtpd_tls_wrappermode=yes\n  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    change(host, MASTER_CF, lambda text: f"{text}submissions inet n - y - - smtpd\n{options}")
    before = effective(host.look)
    host.deploy()
    assert not host.undo().refusals
    assert effective(host.look) == before
    host.deploy()
    change(host, MAIN_CF, lambda text: f"# a comment\n{text}")
    host.remove()
    assert effective(host.look) == before
