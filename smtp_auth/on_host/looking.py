"""Builds the programs that only read a host: the look at it, and what reads its record of changes."""

from smtp_auth.on_host.packing import packed
from smtp_auth.services import SERVICES


def look_program() -> str:
    """The program of a look; `asking.look_command` has its arguments."""
    return packed("SmtpAuth::Look", *(f"{service.package}::Look" for service in SERVICES))


def history_program() -> str:
    """The program that reads the record of changes; `asking.record_command` has its arguments."""
    return packed("SmtpAuth::History")
