"""Makes a rollout's plan out of the plans of its hosts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyinfra.api import Host

from smtp_auth.fleet.planning import WITHOUT_PLAN, HostPlan, State
from smtp_auth.local_time import in_utc
from smtp_auth.plan.as_json import digest
from smtp_auth.plan.plan import Plan
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.waves import check_waves, most_failures, waves
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.runs.inventory_check import hosts_called
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.settings import Settings, SettingsError
from smtp_auth.shown import shown, shown_name

# The digest of a plan by which no file changes.
OF_NO_CHANGE = digest(Plan())

# The mail domains of such hosts have to be served by others.
_SERVE_NOBODY = (State.UNREACHABLE, State.FAILED)


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

    Raises `Mistake` if others would be changed without any canary, because these are in no state for it.
    """
    settings = {host.name: _settings(host) for host in hosts}
    working = [host.name for host in hosts if _has_work(found[host.name])]
    # One that is only reloaded or proved shows nothing of the change, so others are the first.
    working.sort(key=lambda name: not changes_files(found[name]))
    changing = [name for name in working if changes_files(found[name])]
    may_be_first = {*(changing or working)}
    canaries_here = [name for name in first if name in may_be_first]
    if changing and not canaries_here:
        _refuse_absent(first, found)
    domains = {
        name: one.domains for name, one in settings.items() if one and found[name].state not in _SERVE_NOBODY
    }
    together = waves(working, layout.waves, canaries_here, domains)
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


def changes_files(found: HostPlan) -> bool:
    """Whether files of a host would change. Of others, services are at most reloaded or proved."""
    return found.digest not in ("", OF_NO_CHANGE)


def _refuse_absent(first: Sequence[str], found: Mapping[str, HostPlan]) -> None:
    """Raise `Mistake` if a canary is in no state for a change."""
    name = next((name for name in first if found[name].state in WITHOUT_PLAN), None)
    if name:
        raise Mistake(
            f"--first: {shown_name(name)} is {found[name].state.value}, and no other canary would change: "
            "mend that, which smtp-auth plan explains, or name another host"
        )


def _has_work(found: HostPlan) -> bool:
    """Whether a rollout has anything to do on a host: a change, or a proof that is due."""
    return found.state is State.PENDING or (found.state is State.CONVERGED and bool(found.proof_due))


def _settings(host: Host) -> Settings | None:
    """The settings of a host; `None` if its data is not valid, which its plan says."""
    try:
        return settings_of(host)
    except SettingsError:
        return None
