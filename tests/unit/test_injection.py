"""No value that passes validation makes a second parameter, service, option, command or file."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import PurePosixPath

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations import STEPS, postfix_sni
from smtp_auth.facts.decode import decode
from smtp_auth.on_host.asking import look_command
from smtp_auth.on_host.packing import PERL
from smtp_auth.on_host.programs import rehearsal_program
from smtp_auth.plan.step import files_managed, parameters_asked
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.postfix.submissions_options import options_of_services
from smtp_auth.settings import Settings
from tests.unit.hostile_data import Tally, passing
from tests.unit.scenarios import RELEASES, Part, asked, stock, with_lineages

TALLY = Tally()
LOOKS = {version: stock(version) for version in RELEASES}


def lenient(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck))


@lenient(180)
@given(st.sampled_from(sorted(RELEASES)), passing(TALLY))
def test_the_files_hold_what_was_meant_and_nothing_more(version: str, found: Settings) -> None:
    look = with_lineages(LOOKS[version], found)
    part = Part(look, found, *STEPS)
    before, after = (defined_parameters(text) for text in (look.main_cf.content or "", part.main_cf))
    merged = {**before, **asked(look, found, *STEPS)}
    assert after == {name: value for name, value in merged.items() if value is not None}
    *others, own = sorted(services(part.master_cf), key=lambda service: service.name == "submissions")
    assert [(o.name, o.type, o.command, o.effective_options) for o in others] == [
        (o.name, o.type, o.command, o.effective_options) for o in services(look.master_cf.content or "")
    ]
    [wanted] = options_of_services(found, look)
    options = {name: value for name, value in wanted.options.items() if value is not None}
    assert own.effective_options == options
    for path in (after["smtpd_tls_key_file"], after["smtpd_tls_cert_file"]):
        assert PurePosixPath(path).parts[:-2] == PurePosixPath(found.letsencrypt_live).parts
        assert ".." not in PurePosixPath(path).parts
    table = [line.split() for line in (part.content(postfix_sni.TABLE) or "#").splitlines()[1:]]
    names = [found.mail_hostname, *(f"mail.{domain}" for domain in found.additional_domains)]
    assert [line[0] for line in table] == (list(dict.fromkeys(names)) if found.additional_domains else [])
    assert all(len(line) == 3 for line in table)


@lenient(100)
@given(passing(TALLY))
def test_the_looks_command_has_the_words_that_were_meant(found: Settings) -> None:
    files = files_managed(STEPS)
    words = shlex.split(look_command(found, "/record", parameters_asked(STEPS, found), files))
    first = [
        f"live={found.letsencrypt_live}",
        f"hostname={found.mail_hostname}",
        "record=/record",
        "listener=private/auth",
    ]
    assert words[:7] == [*PERL, *first]
    ours = [word for word in words[7:] if not word.startswith("parameter=")]
    assert ours == [
        *(f"file={file.key}={file.service}={file.name}" for file in files),
        *(f"certificate={domain}={found.lineage(domain)}" for domain in found.domains),
    ]
    lineages = [PurePosixPath(found.lineage(domain)) for domain in found.domains]
    assert {lineage.parent for lineage in lineages} == {PurePosixPath(found.letsencrypt_live)}
    assert ".." not in {lineage.name for lineage in lineages}


@lenient(40)
@given(st.sampled_from(sorted(RELEASES)), passing(TALLY))
def test_a_change_gets_the_instructions_that_were_meant(version: str, found: Settings) -> None:
    look = with_lineages(LOOKS[version], found)
    plan = Part(look, found, *STEPS).plan
    assert [service.name for service in plan.services] == ["certbot's deploy hook", "Dovecot", "Postfix"]
    program, _, instructions = rehearsal_program(plan, found, look).partition("\n__END__\n")
    # As the program itself reads them.
    show = (
        "my $read = SmtpAuth::Instructions->read_from(\\*DATA);"
        "SmtpAuth::Lines::answer($_, join '|', $read->all($_)) for sort keys %{$read->{values}};"
    )
    reads = program[: program.rindex("exit ")] + show
    perl = ["perl", "-"]
    said = subprocess.run(
        perl, input=f"{reads}\n__END__\n{instructions}", text=True, capture_output=True, check=True
    )
    assert not said.stderr
    read = {key: value for key, [value] in decode(said.stdout.splitlines()).items()}
    chain = f"{found.lineage(found.mail_domain)}/fullchain.pem"
    served = "" if "smtpd_tls_cert_file" in found.submissions_options else chain
    assert (read["postfix.hostname"], read["postfix.chain"]) == (found.mail_hostname, served)
    coming = {planned.file.path: planned.content for planned in plan.files}
    contents = {
        read[f"file.{key}.path"]: read[f"file.{key}.content"]
        for key in look.files
        if f"file.{key}.content" in read
    }
    assert contents == coming


def test_a_good_part_of_the_hostile_values_passed(record_property: Callable[[str, object], None]) -> None:
    """Runs last: the properties above are only meaningful for values that pass."""
    record_property("cases", TALLY.tried)
    assert TALLY.passed > 500, f"{TALLY.passed} of {TALLY.tried} values passed"
