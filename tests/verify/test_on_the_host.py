"""The host itself: what runs, what is configured, and whether the two are the same."""

from operations import STEPS, dovecot_auth_listener
from operations.certbot_hook import HOOK
from plan.plan import Plan, plan_of
from plan.preview import step_lines
from plan.step import Step
from shown import command
from tests.verify.conftest import See
from tests.verify.inside import (
    Unit,
    complaints,
    dovecot_units,
    hook,
    listener_proof,
    look,
    master_pid,
    owners_465,
    plan,
    postfix_units,
    troubles,
)
from tests.verify.target import Target

_DEPLOY = "pyinfra inventory.py deploy.py --dry --diff shows what a deploy would change"


# -- what runs ----------------------------------------------------------------------------------------


def test_postfix_is_enabled_and_running(see: See) -> None:
    _enabled_and_running(see(postfix_units))


def test_dovecot_is_enabled_and_running(see: See) -> None:
    _enabled_and_running(see(dovecot_units))


def test_the_host_listens_on_ports_25_and_465(see: See) -> None:
    missing = {25, 465} - see(look).listening
    assert not missing, (
        f"nothing listens on {sorted(missing)}: does Postfix run, and is the service in master.cf?"
    )


def test_postfix_owns_port_465(see: See) -> None:
    owners = see(owners_465)
    # Its children inherit the socket.
    assert f"master (pid {see(master_pid)})" in owners, (
        f"port 465 belongs to {', '.join(owners) or 'nobody'} and not to Postfix's master: stop that program"
    )


def test_no_reload_is_pending(see: See) -> None:
    reasons = [reason for reload in see(plan).reloads for reason in reload.due]
    assert not reasons, f"{'; '.join(reasons)}: deploy again, or systemctl reload postfix dovecot"


def test_the_log_since_the_last_reload_has_no_fatal_error(see: See) -> None:
    found = see(troubles)
    assert not found, "mail was held up:\n" + "\n".join(found)


# -- what is configured -------------------------------------------------------------------------------


def test_as_deployed(see: See, step: Step) -> None:
    """Every step finds on the host what it wants."""
    edits = see(plan).edits_of(step)
    lines = "\n".join(step_lines(Plan(edits=edits), step))
    assert not edits, f"the host is not as a deploy leaves it:\n{lines}\n{_DEPLOY}"


def test_postfix_has_no_complaint(see: See) -> None:
    said = {command: text for command, text in see(complaints).items() if text}
    assert not said, "; ".join(f"{command} says: {text}" for command, text in said.items())


def test_nothing_stands_in_the_way_of_a_deploy(see: See, target: Target) -> None:
    found = plan_of(target.settings, see(look), STEPS).refusals
    assert not found, "\n".join(found)


# -- Dovecot's listener -------------------------------------------------------------------------------


def test_dovecots_configuration_has_the_auth_listener(see: See) -> None:
    found, wanted = see(look).listener, dovecot_auth_listener.WANTED
    assert found == wanted, (
        f"doveconf -n says of {see(look).queue_directory}/private/auth {found}, wanted {wanted}: "
        "deploy again, or remove the setting that overrules it"
    )


def test_the_auth_listener_is_for_postfix_alone(see: See) -> None:
    found, wanted = see(look).socket, dovecot_auth_listener.WANTED
    assert found == wanted, (
        f"{see(look).queue_directory}/private/auth is {found}, wanted {wanted}: deploy again, or "
        "systemctl reload dovecot if its configuration already says so"
    )


def test_dovecot_answers_on_the_auth_listener(see: See) -> None:
    error = see(listener_proof)
    assert not error, f"{error}: doveconf -n and journalctl -u dovecot say why"


# -- certbot's hook -----------------------------------------------------------------------------------


def test_certbot_can_run_the_hook(see: See) -> None:
    path, found = see(look).files[HOOK.key].path, see(hook)
    assert found.executable, f"certbot skips {path}, which is not executable: chmod +x"
    assert found.interpreter_runs, f"{path} begins with {found.interpreter!r}, which cannot run it"
    assert not found.parse_error, f"{path} does not parse: {found.parse_error}"
    assert not found.call_error, f"{path} fails although there is nothing to do: {found.call_error}"


def test_what_the_hook_reloads_can_be_reloaded(see: See) -> None:
    wrong = [unit for unit, can in see(hook).reloads.items() if not can]
    assert not wrong, (
        f"systemd cannot reload {', '.join(wrong)}: is it installed, running, and spelt correctly?"
    )


def _enabled_and_running(units: tuple[Unit, ...]) -> None:
    for unit in units:
        assert unit.running, (
            f"{unit.name} does not run: {command('systemctl', 'start', unit.name)}, "
            f"{command('journalctl', '-u', unit.name)}"
        )
        assert unit.enabled, (
            f"{unit.name} does not start with the host: {command('systemctl', 'enable', unit.name)}"
        )
