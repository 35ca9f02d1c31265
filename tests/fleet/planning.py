"""The plan of a lab's host, made from a look at it without any run of pyinfra."""

from collections.abc import Mapping
from typing import Any

from lab.host import LabHost
from operations import STEPS
from smtp_auth.facts.look import parse
from smtp_auth.facts.mail_host import MailHost, Question
from smtp_auth.on_host import program
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import files_managed, parameters_asked
from smtp_auth.settings import settings_from_data
from tests.unit.scenarios import DEFAULTS


def plan_at(host: LabHost, data: Mapping[str, Any]) -> Plan:
    """What a deploy with this data would do to the host.

    + data: data keys over the defaults and the host's mail domain
    """
    settings = settings_from_data(host.name, {**DEFAULTS, "mail_domain": host.domain, **data})
    question = Question(settings, RECORD, parameters_asked(STEPS, settings), files_managed(STEPS))
    said = host.run(str(MailHost().command(question)), stdin=program("look.pl")).stdout
    look = parse(said.splitlines())
    assert look is not None, said
    return plan_of(settings, look, STEPS)
