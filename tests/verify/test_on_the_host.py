"""The host itself: what runs, what is configured, and whether the two are the same."""

import re

from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.same_machine import note
from smtp_auth.plan.step import Step
from smtp_auth.plan.text import step_lines
from smtp_auth.postfix.master_cf import serves_port_25
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.dovecot.listener import WANTED, is_for_postfix_alone, is_served, listener_wanted
from smtp_auth.shown import command
from smtp_auth.verify.inside import Hook, Unit
from smtp_auth.verify.target import caution

_DEPLOY = "smtp-auth plan shows what a deploy would change"


# -- which machine it is ------------------------------------------------------------------------------


def test_no_other_host_is_the_same_machine(look: Look, machine_names: tuple[str, ...]) -> None:
    """The look is an argument, so that all hosts are looked at side by side."""
    assert look
    if machine_names:
        caution(note(machine_names))


# -- what runs ----------------------------------------------------------------------------------------


def test_postfix_is_enabled_and_running(postfix_units: tuple[Unit, ...]) -> None:
    _enabled_and_running(postfix_units)


def test_dovecot_is_enabled_and_running(dovecot_units: tuple[Unit, ...]) -> None:
    _enabled_and_running(dovecot_units)


def test_the_host_listens_on_its_ports(look: Look) -> None:
    """Port 25 only if master.cf serves it: some hosts are only for submission."""
    wanted = {465} | ({25} if serves_port_25(look.master_cf.content or "") else set())
    missing = wanted - look.listening
    assert not missing, (
        f"no program listens on port {', '.join(map(str, sorted(missing)))}: check that Postfix runs, and "
        "that the service is in master.cf"
    )


def test_postfix_owns_port_465(owners_465: tuple[str, ...], master_pid: str) -> None:
    assert owners_465, (
        "no program listens on port 465: start Postfix, and check that the service is in master.cf"
    )
    # Other processes may hold the socket, too: master's children inherit it.
    assert f"master (pid {master_pid})" in owners_465, (
        f"{', '.join(owners_465)} listens on port 465 instead of Postfix's master: stop that program, or "
        "start Postfix"
    )


def test_no_reload_is_pending(plan: Plan) -> None:
    reasons = [reason for reload in plan.reloads for reason in reload.due]
    assert not reasons, f"{'; '.join(reasons)}: deploy again, or run systemctl reload postfix dovecot"


def test_the_log_since_the_last_reload_has_no_fatal_error(troubles: tuple[str, ...]) -> None:
    assert not troubles, "Postfix has logged errors that stop mail:\n" + "\n".join(troubles)


# -- what is configured -------------------------------------------------------------------------------


def test_as_deployed(plan: Plan, step: Step) -> None:
    """Every step finds on the host what it wants."""
    edits = plan.edits_of(step)
    lines = "\n".join(step_lines(Plan(edits=edits), step))
    assert not edits, f"the host differs from what a deploy writes:\n{lines}\n{_DEPLOY}"


def test_postfix_has_no_complaint(complaints: tuple[str, ...]) -> None:
    """A warning of Postfix, for example about a parameter that nothing uses, does not stop mail."""
    errors = [line for line in complaints if not re.search(r"^warning: |: warning: ", line)]
    assert not errors, "\n".join(errors)
    for line in complaints:
        caution(line)


def test_nothing_prevents_a_deploy(deploy_plan: Plan) -> None:
    assert not deploy_plan.refusals, "\n".join(deploy_plan.refusals)
    for warning in deploy_plan.warnings:
        caution(warning)


# -- Dovecot's listener -------------------------------------------------------------------------------


def test_dovecots_configuration_has_the_auth_listener(look: Look) -> None:
    assert is_for_postfix_alone(look), (
        f"in doveconf -n, {look.queue_directory}/private/auth is {look.listener}, but must be {WANTED}, or "
        "another listener that only Postfix may use: deploy again, or delete the setting that overrules it"
    )


def test_the_auth_listener_is_for_postfix_alone(look: Look) -> None:
    found, wanted = look.socket, listener_wanted(look)
    assert is_served(wanted, found), (
        f"{look.queue_directory}/private/auth is {found}, but must be {wanted}: deploy again, or "
        "run systemctl reload dovecot if its configuration is right already"
    )


def test_dovecot_answers_on_the_auth_listener(listener_proof: str) -> None:
    error = listener_proof
    assert not error, f"{error}: doveconf -n and journalctl -u dovecot show the reason"


# -- certbot's hook -----------------------------------------------------------------------------------


def test_certbot_can_run_the_hook(look: Look, hook: Hook) -> None:
    path, found = look.files[HOOK.key].path, hook
    assert found.executable, f"certbot skips {path}, because it is not executable: run chmod +x"
    assert found.interpreter_runs, (
        f"{path} names {found.interpreter!r} in its first line, and that program does not exist or cannot run"
    )
    assert not found.parse_error, f"{path} has a syntax error: {found.parse_error}"
    assert not found.call_error, f"{path} fails even if there is nothing to reload: {found.call_error}"


def test_what_the_hook_reloads_can_be_reloaded(hook: Hook) -> None:
    wrong = [unit for unit, can in hook.reloads.items() if not can]
    assert not wrong, (
        f"systemd cannot reload {', '.join(wrong)}: check that it is installed, is running, and is spelt "
        "correctly"
    )


def _enabled_and_running(units: tuple[Unit, ...]) -> None:
    for unit in units:
        assert unit.running, (
            f"{unit.name} is not running: run {command('systemctl', 'start', unit.name)}; "
            f"{command('journalctl', '-u', unit.name)} shows why it stopped"
        )
        assert unit.enabled, (
            f"{unit.name} does not start when the host boots: run {command('systemctl', 'enable', unit.name)}"
        )
