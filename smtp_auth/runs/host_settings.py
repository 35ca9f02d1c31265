"""The settings of a host of pyinfra's, out of its data."""

from pyinfra.api import Host

from smtp_auth.runs.pyinfra_internals import connector_keys
from smtp_auth.settings import Settings, settings_from_data


def settings_of(host: Host) -> Settings:
    """What a host's data says, with that of its groups. Raises `SettingsError` if it is not valid."""
    return settings_from_data(host.name, host.data.dict(), also_known=connector_keys())
