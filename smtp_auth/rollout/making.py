"""Makes a rollout's plan out of the plans of its hosts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyinfra.api import Host

from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.local_time import in_utc
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.waves import check_waves, most_failures, waves
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.runs.inventory_check import hosts_called
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.settings import Settings, SettingsError
from smtp_auth.shown import shown


@dataclass(frozen=True)
class Layout:
    """The waves of a rollout and the failures that it accepts, as options of the command line say it.

    + waves: `--waves`
    + first: `--first`: names, patterns or groups of canaries
    + max_failures: `--max-failures`
    """

    waves: str
    first: tuple[str, ...]
    max_failures: str

    def check(self) -> None:
        """Raise `Mistake` if an option is wrong, whatever the hosts are."""
        try:
            check_waves(self.waves)
        except ValueError as error:
            raise Mistake(f"--waves {shown(self.waves)}: {error}") from None
        try:
            most_failures(self.max_failures, 0)
        except ValueError as error:
            raise Mistake(f"--max-failures {shown(self.max_failures)}: {error}") from None


def canaries(hosts: Sequence[Host], layout: Layout) -> list[str]:
    """The names of the canaries. Raises `Mistake` if an option means no host, or none that was chosen.

    + hosts: those that were chosen
    """
    chosen = {host.name for host in hosts}
    found: list[str] = []
    for word in layout.first:
        names = [host.name for host in hosts_called(hosts[0].inventory, "--first", word)]
        if not chosen & {*names}:
            raise Mistake(f"--first {shown(word)}: --limit or --exclude leaves this host out")
        found += [name for name in names if name in chosen]
    return found


def made(
    found: Mapping[str, HostPlan], hosts: Sequence[Host], layout: Layout, first: Sequence[str]
) -> RolloutPlan:
    """The plan of a rollout.

    + found: the hosts' plans, by their names
    + hosts: the same hosts
    + first: the names of the canaries
    """
    settings = {host.name: _settings(host) for host in hosts}
    working = [host.name for host in hosts if has_work(found[host.name])]
    domains = {name: one.domains for name, one in settings.items() if one}
    together = waves(working, layout.waves, first, domains)
    wave_of = {name: number for number, names in enumerate(together, 1) for name in names}
    origin = origin_of_this_run()
    return RolloutPlan(
        origin.id,
        in_utc(datetime.now(UTC)),
        origin.controller,
        origin.commit,
        layout.waves,
        most_failures(layout.max_failures, len(working)),
        {
            name: PlannedHost(one, wave_of.get(name), known.zone if (known := settings[name]) else None)
            for name, one in found.items()
        },
    )


def has_work(found: HostPlan) -> bool:
    """Whether a rollout has anything to do on a host: a change, or a proof that is due."""
    return found.state is State.PENDING or (found.state is State.CONVERGED and bool(found.proof_due))


def _settings(host: Host) -> Settings | None:
    """The settings of a host; `None` if its data is not valid, which its plan says."""
    try:
        return settings_of(host)
    except SettingsError:
        return None
