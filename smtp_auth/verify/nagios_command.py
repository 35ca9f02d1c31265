"""`smtp-auth verify --nagios HOST`: a verification of one host, with an answer for Nagios."""

import time
from collections.abc import Sequence
from dataclasses import replace

from smtp_auth.fleet.chosen import Chosen
from smtp_auth.plan.step import Step
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.settings import SettingsError
from smtp_auth.verify.command import Wishes, verify
from smtp_auth.verify.nagios import Nagios


def verify_for_nagios(chosen: Chosen, steps: Sequence[Step], wishes: Wishes) -> int:
    """Run the checks for the one host, and write the answer to standard output.

    Returns Nagios' exit status. Raises `Mistake` if there are several hosts, or as `verify`.
    """
    if len(chosen.hosts) > 1:
        raise Mistake(f"--nagios means {len(chosen.hosts)} hosts: give the name of one")
    host = chosen.hosts[0]
    try:
        limit = settings_of(host).verify_seconds
    except SettingsError:
        # The check of the data says what is wrong.
        limit = None
    nagios = Nagios(host.name, limit, time.time)
    verify(chosen, steps, replace(wishes, outputs=[nagios], heeds_interruptions=False))
    return nagios.state
