"""The settings of one of pyinfra's hosts, from its data."""

from functools import cache

from pyinfra.api import Host

from smtp_auth.runs.pyinfra_internals import connector_keys
from smtp_auth.settings import Settings, even_held, host_seconds, settings_from_data


def settings_of(host: Host) -> Settings:
    """The settings in a host's data and its groups' data. Raises `SettingsError` if it is not valid."""
    return settings_from_data(host.name, host.data.dict(), also_known=_connector_keys())


def seconds_of(host: Host) -> float:
    """`host_seconds` in a host's data, whatever is wrong with other data. Raises `SettingsError`."""
    return host_seconds(host.data.dict())


def even_held_of(host: Host) -> bool:
    """`even_held` in a host's data, whatever is wrong with other data. Raises `SettingsError`."""
    return even_held(host.data.dict())


@cache
def _connector_keys() -> frozenset[str]:
    # The same for all hosts, and slow to find.
    return connector_keys()
