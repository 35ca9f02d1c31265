"""No value that passes validation makes a second parameter, service, option, command or file."""

import shlex
import subprocess
from pathlib import PurePosixPath

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facts.mail_host import DROPIN, SNI, MailHost, Question
from operations import (
    certbot_hook,
    dovecot_auth_listener,
    postfix_activation,
    postfix_sasl,
    postfix_sni,
    postfix_tls,
)
from operations import submissions_service as submissions
from operations.readiness import parameters
from postfix.main_cf import defined_parameters
from postfix.master_cf import services
from settings import Settings
from tests.unit.hostile_data import Tally, passing
from tests.unit.scenarios import RELEASES, Plan, stock, with_lineages

TALLY = Tally()
LOOKS = {version: stock(version) for version in RELEASES}
PREPARING = (
    postfix_tls.certificate,
    postfix_sni.domains,
    certbot_hook.reload_services,
    dovecot_auth_listener.listener,
    postfix_sasl.sasl,
    submissions.service,
    postfix_activation.activate,
)


def lenient(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@lenient(150)
@given(st.sampled_from(sorted(RELEASES)), passing(TALLY))
def test_the_files_hold_what_was_meant_and_nothing_more(version: str, found: Settings) -> None:
    look = with_lineages(LOOKS[version], found)
    plan = Plan(look, found)
    for operation in PREPARING[:-1]:
        plan.do(operation)
    before, after = (defined_parameters(text) for text in (look.main_cf.content or "", plan.change.main_cf))
    meant = {
        **postfix_tls.desired(found, look),
        **postfix_sni.desired(found, look),
        **postfix_sasl.desired(found, look),
        **submissions.desired_restrictions(found, before),
    }
    merged = {**before, **meant}
    assert after == {name: value for name, value in merged.items() if value is not None}
    *others, own = sorted(services(plan.change.master_cf), key=lambda service: service.name == "submissions")
    assert [(o.name, o.type, o.command, o.effective_options) for o in others] == [
        (o.name, o.type, o.command, o.effective_options) for o in services(look.master_cf.content or "")
    ]
    options = submissions.desired_options(found, look)
    assert own.effective_options == {name: value for name, value in options.items() if value is not None}
    for path in (after["smtpd_tls_key_file"], after["smtpd_tls_cert_file"]):
        assert PurePosixPath(path).parts[:-2] == PurePosixPath(found.letsencrypt_live).parts
        assert ".." not in PurePosixPath(path).parts
    table = [line.split() for line in (plan.change.sni or "#").splitlines()[1:]]
    names = [found.mail_hostname, *(f"mail.{domain}" for domain in found.additional_domains)]
    assert [line[0] for line in table] == (list(dict.fromkeys(names)) if found.additional_domains else [])
    assert all(len(line) == 3 for line in table)


@lenient(100)
@given(passing(TALLY))
def test_the_looks_command_has_the_words_that_were_meant(found: Settings) -> None:
    command = MailHost().command(Question(found, parameters(found)))
    words = shlex.split(str(command))
    assert words[:3] == ["perl", "-", f"live={found.letsencrypt_live}"]
    ours = [word for word in words[3:] if not word.startswith("parameter=")]
    assert ours == [f"dropin={DROPIN}", f"sni={SNI}", *(f"domain={domain}" for domain in found.domains)]


@lenient(40)
@given(st.sampled_from(sorted(RELEASES)), passing(TALLY))
def test_the_scripts_give_their_variables_what_was_meant(version: str, found: Settings) -> None:
    plan = Plan(with_lineages(LOOKS[version], found), found)
    scripts = [script for operation in PREPARING for script in plan.do(operation).scripts]
    assert len(scripts) == 3
    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    # The variables in front of the last one, as the shell itself reads them.
    head = scripts[-1].partition("# A change of configuration files")[0]
    show = 'printf "%s\\n" "$mail_hostname" "$chain" "$services"; }; change'
    said = subprocess.run(["sh"], input=head + show, text=True, capture_output=True, check=True)
    chain = f"{found.letsencrypt_live}/{found.mail_domain}/fullchain.pem"
    served = "" if "smtpd_tls_cert_file" in found.submissions_options else chain
    assert said.stdout.splitlines() == [found.mail_hostname, served, "submissions/inet"]
    assert not said.stderr


def test_a_good_part_of_the_hostile_values_passed() -> None:
    """Runs last: the properties above mean something only for values that pass."""
    assert TALLY.passed > 500, f"{TALLY.passed} of {TALLY.tried} values passed"
