"""The host itself: what runs, what is configured, and whether the two are the same."""

import difflib
from collections.abc import Callable, Mapping

from facts.mail_host import Look
from operations import dovecot_auth_listener, postfix_activation, postfix_sasl, postfix_sni, postfix_tls
from operations.certbot_hook import desired_content
from operations.changes import Change
from operations.main_cf import stage_parameters
from operations.readiness import obstacles
from operations.submissions_service import desired_options, desired_restrictions
from postfix.main_cf import defined_parameters
from postfix.master_cf import set_options
from settings import Settings
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
        f"nothing listens on {sorted(missing)}: does Postfix run, is the service in master.cf?"
    )


def test_postfix_owns_port_465(see: See) -> None:
    owners = see(owners_465)
    # Its children inherit the socket.
    assert f"master (pid {see(master_pid)})" in owners, (
        f"port 465 belongs to {', '.join(owners) or 'nobody'} and not to Postfix's master: stop that program"
    )


def test_no_reload_is_pending(see: See) -> None:
    reasons = postfix_activation.pending(see(look)) + dovecot_auth_listener.pending(see(look))
    assert not reasons, f"{'; '.join(reasons)}: deploy again, or systemctl reload postfix dovecot"


def test_the_log_since_the_last_reload_has_no_fatal_error(see: See) -> None:
    found = see(troubles)
    assert not found, "mail was held up:\n" + "\n".join(found)


# -- what is configured -------------------------------------------------------------------------------


def test_tls_parameters_are_as_deployed(see: See, target: Target) -> None:
    _no_difference(target.settings, see(look), postfix_tls.desired)


def test_sasl_parameters_are_as_deployed(see: See, target: Target) -> None:
    _no_difference(target.settings, see(look), postfix_sasl.desired)


def test_the_submissions_service_is_as_deployed(see: See, target: Target) -> None:
    before = see(look).master_cf.content or ""
    after = set_options(before, desired_options(target.settings, see(look)))
    assert after == before, f"master.cf differs:\n{_difference(before, after)}\n{_DEPLOY}"


def test_the_certificates_by_name_are_as_deployed(see: See, target: Target) -> None:
    _no_difference(target.settings, see(look), postfix_sni.desired)
    before, after = see(look).sni.content, postfix_sni.desired_table(target.settings, see(look))
    assert after == before, (
        f"{see(look).sni.path} differs:\n{_difference(before or '', after or '')}\n{_DEPLOY}"
    )


def test_the_restrictions_are_as_deployed(see: See, target: Target) -> None:
    missing = desired_restrictions(target.settings, defined_parameters(see(look).main_cf.content or ""))
    assert not missing, f"main.cf lacks {missing}; {_DEPLOY}"


def test_postfix_has_no_complaint(see: See) -> None:
    said = {command: text for command, text in see(complaints).items() if text}
    assert not said, "; ".join(f"{command} says: {text}" for command, text in said.items())


def test_nothing_stands_in_the_way_of_a_deploy(see: See, target: Target) -> None:
    found = list(obstacles(target.settings, see(look)))
    assert not found, "\n".join(found)


# -- Dovecot's listener -------------------------------------------------------------------------------


def test_the_auth_listener_is_for_postfix_alone(see: See) -> None:
    found, wanted = see(look).socket, dovecot_auth_listener.WANTED
    assert found == wanted, (
        f"{see(look).queue_directory}/private/auth is {found}, wanted {wanted}: deploy again, or "
        "systemctl reload dovecot where its configuration says so already"
    )


def test_dovecot_answers_on_the_auth_listener(see: See) -> None:
    error = see(listener_proof)
    assert not error, f"{error}: doveconf -n and journalctl -u dovecot say why"


# -- certbot's hook -----------------------------------------------------------------------------------


def test_the_hook_reloads_what_it_should(see: See, target: Target) -> None:
    file = see(look).hook
    wanted = desired_content(target.settings, file.content)
    assert wanted == file.content, f"{file.path} lacks:\n{_difference(file.content or '', wanted)}\n{_DEPLOY}"


def test_certbot_can_run_the_hook(see: See) -> None:
    path, found = see(look).hook.path, see(hook)
    assert found.executable, f"certbot passes over {path}, which is not executable: chmod +x"
    assert found.interpreter_runs, f"{path} begins with {found.interpreter!r}, which is no program to run it"
    assert not found.parse_error, f"{path} does not parse: {found.parse_error}"
    assert not found.call_error, f"{path} fails although there is nothing to do: {found.call_error}"


def test_what_the_hook_reloads_can_be_reloaded(see: See) -> None:
    wrong = [unit for unit, can in see(hook).reloads.items() if not can]
    assert not wrong, (
        f"systemd cannot reload {', '.join(wrong)}: is it installed, running, and named rightly?"
    )


def _enabled_and_running(units: tuple[Unit, ...]) -> None:
    for unit in units:
        assert unit.running, (
            f"{unit.name} does not run: systemctl start {unit.name}, journalctl -u {unit.name}"
        )
        assert unit.enabled, f"{unit.name} does not start with the host: systemctl enable {unit.name}"


def _no_difference(
    settings: Settings, look: Look, desired: Callable[[Settings, Look], Mapping[str, str | None]]
) -> None:
    before = look.main_cf.content or ""
    change = Change(settings, (), look, False, before, look.master_cf.content or "", look.sni.content)
    stage_parameters(change, desired(settings, look))
    assert change.main_cf == before, f"main.cf differs:\n{_difference(before, change.main_cf)}\n{_DEPLOY}"


def _difference(before: str, after: str) -> str:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return "\n".join(line for line in lines if line[0] in "+-")
