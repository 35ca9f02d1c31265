"""`smtp-auth verify --blackbox-config FILE`: writes modules of blackbox_exporter, and shows their targets."""

import json
from collections.abc import Sequence

from pyinfra.api import Host

from smtp_auth.fleet.console import Line, show_beside, write_results
from smtp_auth.fleet.written import Target
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.runs.status import Status
from smtp_auth.settings import SettingsError
from smtp_auth.shown import shown, shown_name
from smtp_auth.verify.addresses import name_for_ssh
from smtp_auth.verify.blackbox import Probe, config, names_of, probe, targets


def write_config(hosts: Sequence[Host], target: Target) -> int:
    """Write the modules for these hosts. Standard output gets the targets, as JSON for Prometheus.

    Returns the exit status. A host whose data is not valid is left out, and named on standard error.
    """
    probes: list[Probe] = []
    wrong: list[Line] = []
    for host in hosts:
        try:
            probes.append(probe(host.name, settings_of(host), name_for_ssh(host)))
        except SettingsError as error:
            wrong += [Line(f"{shown_name(host.name)}: {shown(str(one))}", under=4) for one in error.problems]
    show_beside(wrong)
    if not probes:
        return Status.TROUBLE
    names = names_of(probes)
    if not target.write(config(names)):
        return Status.TROUBLE
    write_results([json.dumps(targets(probes, names), indent=2), "\n"])
    return Status.TROUBLE if wrong else 0
