"""Directories into which others than root may write: refused, warned of, or not used."""

from dataclasses import replace

import pytest

from operations import STEPS
from smtp_auth.facts.look import MAIN_CF, Look, Writer
from smtp_auth.plan.plan import plan_of
from smtp_auth.plan.step import files_managed
from smtp_auth.plan.writers import unprotected, warnings
from smtp_auth.services.certbot.block import HOOK
from tests.unit.scenarios import RELEASES, stock, wanted, with_file

ETC = "/etc/postfix"


def _written_by(*writers: Writer, key: str = MAIN_CF.key) -> Look:
    look = stock("3.10.5")
    return replace(look, files={**look.files, key: replace(look.files[key], writers=writers)})


def _refused(look: Look) -> list[str]:
    return list(unprotected(look, files_managed(STEPS)))


def _warned(look: Look) -> list[str]:
    return list(warnings(look, files_managed(STEPS)))


@pytest.mark.parametrize(
    ("writer", "sentence"),
    [
        (
            Writer(ETC, "everybody"),
            "everybody may write to /etc/postfix, and so replace what root writes there: run chmod o-w "
            "/etc/postfix",
        ),
        (
            Writer(ETC, "owner", "postfix", {"postfix": 101}),
            "the account postfix may write to /etc/postfix, so that the service of postfix could replace "
            "what root writes there: run chown root /etc/postfix",
        ),
        (
            Writer(ETC, "group", "mail", {"alice": 1000, "dovecot": 105}),
            "the group mail (alice, dovecot) may write to /etc/postfix, so that the service of dovecot could "
            "replace what root writes there: run chmod g-w /etc/postfix",
        ),
        (Writer(ETC, "account", "nobody", {"nobody": 65534}), "the account nobody may write"),
        (Writer(ETC, "owner", "61200", {"61200": 61200}), "the account 61200 may write"),
    ],
)
def test_everybody_and_services_are_refused(writer: Writer, sentence: str) -> None:
    [said] = _refused(_written_by(writer))
    assert said.startswith(sentence)
    assert _warned(_written_by(writer)) == []
    assert plan_of(wanted(), _written_by(writer), STEPS).refusals == (said,)


@pytest.mark.parametrize(
    ("writer", "sentence"),
    [
        (
            Writer(ETC, "owner", "alice", {"alice": 1000}),
            "the account alice may write to /etc/postfix, and so",
        ),
        (
            Writer(ETC, "group", "admins", {"alice": 1000, "bob": 1001}),
            "the group admins (alice, bob) may write",
        ),
    ],
)
def test_people_are_warned_of(writer: Writer, sentence: str) -> None:
    [said] = _warned(_written_by(writer))
    assert said.startswith(sentence)
    plan = plan_of(wanted(), _written_by(writer), STEPS)
    assert (plan.refusals, said in plan.warnings) == ((), True)


def test_each_is_named_once() -> None:
    look = _written_by(Writer("/etc", "everybody"))
    look = with_file(look, HOOK, writers=(Writer("/etc", "everybody"),))
    assert len(_refused(look)) == 1


@pytest.mark.parametrize("version", RELEASES)
def test_no_hook_is_written_into_a_directory_of_somebody_elses(version: str) -> None:
    """A client without rights runs its hooks without rights, and could replace what root writes there."""
    owner = Writer("/etc/letsencrypt", "owner", "acme", {"acme": 998})
    plan = plan_of(wanted(), with_file(stock(version), HOOK, writers=(owner,)), STEPS)
    assert plan.refusals == ()
    assert [
        warning
        for warning in plan.warnings
        if warning.startswith(
            "/etc/letsencrypt belongs to the account acme, which could replace a hook there, so no"
        )
        and "run this after each renewal: systemctl reload postfix" in warning
    ]
    assert not [one for one in plan.files if one.file.path.endswith("reload_services.sh")]
    # Nor is it compared before a change: the account could edit it at each.
    assert not [one for _, one in plan.managed if one.path.endswith("reload_services.sh")]


def test_what_somebody_else_makes_in_his_directory_is_not_left_over() -> None:
    planted = "/etc/letsencrypt/renewal-hooks/deploy/.x.smtp-auth-new~"
    look = replace(stock("3.10.5"), leftovers=(planted,))
    assert plan_of(wanted(), look, STEPS).unfinished
    owner = Writer("/etc/letsencrypt", "owner", "acme", {"acme": 998})
    assert plan_of(wanted(), with_file(look, HOOK, writers=(owner,)), STEPS).unfinished == ()
