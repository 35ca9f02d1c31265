"""The plan of a lab's host, made from a look at it without any run of pyinfra."""

from collections.abc import Mapping
from typing import Any

from lab.host import LabHost
from operations import STEPS
from smtp_auth.facts.look import parse
from smtp_auth.facts.mail_host import LookRequest, MailHost
from smtp_auth.on_host.change import RECORD
from smtp_auth.on_host.looking import look_program
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import files_managed, parameters_asked
from smtp_auth.services.dovecot import LISTENER
from smtp_auth.settings import settings_from_data
from tests.unit.scenarios import DEFAULTS


def plan_at(host: LabHost, data: Mapping[str, Any]) -> Plan:
    """What a deploy with this data would do to the host.

    + data: data keys over the defaults and the host's mail domain
    """
    settings = settings_from_data(host.name, {**DEFAULTS, "mail_domain": host.domain, **data})
    request = LookRequest(settings, RECORD, parameters_asked(STEPS, settings), files_managed(STEPS), LISTENER)
    said = host.run(str(MailHost().command(request)), stdin=look_program()).stdout
    look = parse(said.splitlines())
    assert look is not None, said
    return plan_of(settings, look, STEPS)
