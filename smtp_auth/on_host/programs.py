"""Builds the programs that are sent to hosts: to look, to change, to prove one service.

The program of a change consists of Perl packages, `__END__` and the instructions. Supervise.pm is sent before
it, and makes systemd run it. All of it is sent on standard input of one command, and the host does nothing
before all of it has arrived.
"""

from collections.abc import Iterable, Iterator

from smtp_auth.facts.look import Look
from smtp_auth.on_host.instructions import as_lines, instructions, record_instructions
from smtp_auth.on_host.origin import Origin
from smtp_auth.on_host.packing import packages, packed
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.service import Service
from smtp_auth.services import SERVICES
from smtp_auth.services.instruction import Instruction
from smtp_auth.settings import Settings


def look_program() -> str:
    """The program of a look; `asking.look_command` makes its arguments."""
    return packed("SmtpAuth::Look", *(f"{service.package}::Look" for service in SERVICES))


def history_program() -> str:
    """The program that reads the record of changes; `asking.record_command` makes its arguments."""
    return packed("SmtpAuth::History")


def holding_program(told: Iterable[Instruction]) -> str:
    """The program that holds a host or releases it: input of `perl -x - hold` or `release`.

    + told: its instructions
    """
    return f"{packed('SmtpAuth::Holding')}__END__\n{as_lines(told)}"


def rehearsal_program(plan: Plan, settings: Settings, look: Look) -> str:
    """The program that makes the host's own programs check new files: input of `perl -x - rehearse`."""
    return change_program([*instructions(plan, settings, look), *_proofs()], SERVICES)


def proof_of_services(plan: Plan, settings: Settings, look: Look) -> str:
    """The program that proves services as they are: input of `perl -x - prove`."""
    told = [
        *instructions(plan, settings, look),
        *(("service", service.key) for service in plan.to_prove(look)),
        *_proofs(),
    ]
    return change_program(told, SERVICES)


def start_program(
    origin: Origin, plan: Plan, settings: Settings, look: Look, *, even_held: bool = False
) -> str:
    """The program that makes the host carry out its plan: input of `perl -x - start ID RECORD`.

    + even_held: whether it does so even if it is held
    """
    told = [
        *instructions(plan, settings, look),
        *_proofs(),
        *record_instructions(origin, plan, settings, look),
        *([("even_held", "1")] if even_held else []),
    ]
    return f"{packed('SmtpAuth::Supervise')}__END__\n{change_program(told, SERVICES)}"


def follow_program() -> str:
    """The program that waits for the outcome of a change: input of `perl -x - follow ID RECORD`."""
    return packed("SmtpAuth::Supervise")


def proof_program(service: Service) -> str:
    """The program that proves a service, `perl -e PROGRAM -- WORDS`: see its Proof.pm."""
    return packed("SmtpAuth::Proof", f"{service.package}::Proof")


def shell_program() -> str:
    """The program that runs shell commands: input of `perl -x -`, followed by them (`SmtpAuth::Shell`)."""
    return f"{packed('SmtpAuth::Shell')}__END__\n"


def change_program(told: Iterable[Instruction], services: Iterable[Service]) -> str:
    """The program of a change: `perl FILE change`.

    + told: the instructions
    + services: those whose packages it needs
    """
    parts = (f"{service.package}::Change" for service in services)
    return f"{packed('SmtpAuth::Change', *parts)}__END__\n{as_lines(told)}"


def _proofs() -> Iterator[Instruction]:
    for service in SERVICES:
        if f"{service.package}::Proof" in packages():
            # In bytes, as every value.
            yield f"{service.key}.proof", proof_program(service).encode().decode("latin-1")
