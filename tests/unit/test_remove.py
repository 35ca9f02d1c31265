"""A removal deletes everything that a deploy has written, and nothing else."""

from collections.abc import Callable

import pytest

from operations import STEPS
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.past.removal import plan_of_removal
from smtp_auth.plan.plan import Plan
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot.listener import DROPIN
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.settings import Settings
from tests.unit.past import carried_out, copies, deployed
from tests.unit.scenarios import stock, wanted, with_file, with_main_cf, with_master_cf

LINEAGE = "/etc/letsencrypt/live/example.jp"
VERSIONS = ("3.7.11", "3.10.5")


def content(look: Look, file: ManagedFile) -> str:
    return look.files[file.key].content or ""


def record_of(first: Look, *changes: PastChange) -> Record:
    return Record(changes, baseline=copies(first, changes[0]))


def removed(look: Look, record: Record, settings: Settings) -> tuple[Look, Plan]:
    plan = plan_of_removal(record, settings, look, STEPS)
    assert not plan.refusals
    return carried_out(look, plan, settings, 9)[0], plan


def effective(look: Look) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What Postfix reads: the parameters of main.cf, and the options of each service in master.cf."""
    options = {one.label: one.effective_options for one in services(content(look, MASTER_CF))}
    return defined_parameters(content(look, MAIN_CF)), options


def _adopted(look: Look) -> Look:
    master = (
        "smtps inet n - y - 20 smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_milters=inet:127.0.0.1:1\n"
    )
    return with_master_cf(look, content(look, MASTER_CF) + master)


def _by_hand(look: Look) -> Look:
    text = content(look, MAIN_CF).replace("smtpd_tls_security_level=may", "smtpd_tls_security_level = none")
    return with_main_cf(
        look, text + "# SASL\ncyrus_sasl_config_path =\n  /etc/postfix/sasl\nsmtpd_sasl_type=cyrus\nlast = 1"
    )


def _with_logins(look: Look) -> Look:
    """A service from before us that checks logins with another listener."""
    look = _adopted(look)
    logins = "  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_sasl_path=private/owners\n"
    return with_master_cf(look, content(look, MASTER_CF) + logins)


STATES = {
    "stock": lambda look: look,
    "adopted": _adopted,
    "adopted, with logins": _with_logins,
    "by hand": _by_hand,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_where_nobody_else_has_edited_every_byte_is_as_first_seen(
    version: str, state: Callable[[Look], Look]
) -> None:
    settings = wanted()
    first = state(stock(version))
    look, one = deployed(first, settings)
    look, two = deployed(look, wanted(smtpd_tls_security_level="encrypt"), 2)
    back, plan = removed(look, record_of(first, one, two), settings)
    assert {key: (file.content, file.mode) for key, file in back.files.items()} == {
        key: (file.content, file.mode) for key, file in first.files.items()
    }
    assert plan.services == (POSTFIX, DOVECOT, CERTBOT)
    assert plan.about == "removal: As first seen"
    # A second removal has nothing to do.
    again = plan_of_removal(record_of(first, one, two), settings, back, STEPS)
    assert again.is_empty


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_where_others_have_edited_what_is_effective_is_as_it_was(
    version: str, state: Callable[[Look], Look]
) -> None:
    settings = wanted()
    first = state(stock(version))
    look, change = deployed(first, settings)
    look = with_file(look, MAIN_CF, content="owners = 1\n" + content(look, MAIN_CF) + "late = 2\n")
    look = with_file(
        look, MASTER_CF, content="owners unix - - n - - pipe\n  argv=x\n" + content(look, MASTER_CF)
    )
    back, _ = removed(look, record_of(first, change), settings)
    parameters, options = effective(first)
    found, found_options = effective(back)
    assert found == parameters | {"owners": "1", "late": "2"}
    assert found_options == options | {"owners/unix": {}}
    # Except for what the owner added, the bytes are the same.
    assert content(back, MAIN_CF).removeprefix("owners = 1\n").replace("late = 2\n", "").rstrip(
        "\n"
    ) == content(first, MAIN_CF).rstrip("\n")


def test_what_an_owner_edited_since_stays_and_is_named() -> None:
    settings = wanted()
    first = _adopted(stock("3.10.5"))
    look, change = deployed(first, settings)
    main = content(look, MAIN_CF).replace("smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no")
    master = content(look, MASTER_CF).replace("syslog_name=postfix/submissions", "syslog_name=mine")
    look = with_file(with_file(look, MAIN_CF, content=main), MASTER_CF, content=master)
    back, plan = removed(look, record_of(first, change), settings)
    parameters, options = effective(back)
    assert parameters["smtpd_tls_auth_only"] == "no"
    assert options["smtps/inet"] == {
        "smtpd_tls_wrappermode": "yes",
        "smtpd_milters": "inet:127.0.0.1:1",
        "syslog_name": "mine",
    }
    notes = [note.text for note in plan.notes]
    assert "smtpd_tls_auth_only = no stays, because its owner has edited it" in notes
    assert "smtps/inet/syslog_name = mine stays, because its owner has edited it" in notes


def test_options_that_an_owner_added_to_our_service_stay_as_comments() -> None:
    settings = wanted()
    first = stock("3.10.5")
    look, change = deployed(first, settings)
    text = "\n  -o smtpd_tls_wrappermode=yes\n"
    look = with_file(
        look,
        MASTER_CF,
        content=content(look, MASTER_CF).replace(text, f"{text}  -o smtpd_milters=inet:h:1\n"),
    )
    back, plan = removed(look, record_of(first, change), settings)
    assert "#  -o smtpd_milters=inet:h:1\n" in content(back, MASTER_CF)
    assert effective(back) == effective(first)
    assert (
        "submissions/inet/smtpd_milters = inet:h:1 remains as a comment, because its owner has added it"
        in [note.text for note in plan.notes]
    )


def test_a_definition_that_others_refer_to_stays() -> None:
    settings = wanted()
    first = stock("3.10.5")
    look, change = deployed(first, settings)
    theirs = "587 inet n - y - - smtpd\n  -o smtpd_client_restrictions=$mua_client_restrictions\n"
    look = with_file(look, MASTER_CF, content=content(look, MASTER_CF) + theirs)
    back, _ = removed(look, record_of(first, change), settings)
    assert "mua_client_restrictions" in effective(back)[0]
    assert "mua_relay_restrictions" not in effective(back)[0]


def test_only_our_lines_are_deleted_from_an_edited_hook() -> None:
    settings = wanted()
    first = stock("3.10.5")
    look, change = deployed(first, settings)
    look = with_file(look, HOOK, content=content(look, HOOK) + "logger renewed\n")
    back, _ = removed(look, record_of(first, change), settings)
    assert content(back, HOOK) == "#!/bin/sh\nlogger renewed\n"


def test_an_edited_drop_in_stays_and_is_named() -> None:
    settings = wanted()
    first = stock("3.10.5")
    look, change = deployed(first, settings)
    look = with_file(look, DROPIN, content=content(look, DROPIN) + "# mine\n")
    back, plan = removed(look, record_of(first, change), settings)
    assert content(back, DROPIN).endswith("# mine\n")
    assert any("99-postfix-smtp-auth.conf stays" in note.text for note in plan.notes)
