"""Carries out a host's plan, or proves its services, over pyinfra's connections.

Both front ends use it: nothing here knows operations or the report of a run. A function returns how it ended
for this host and raises nothing, because an exception would stop the run for all hosts.
"""

import re
from dataclasses import replace

from pyinfra.api import Host

from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import ChangeOutcome, Ended, change, prove
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer
from smtp_auth.runs.bounds import wire_of
from smtp_auth.runs.channel import connect, connect_again
from smtp_auth.runs.fault import fault
from smtp_auth.runs.host_settings import seconds_of
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.runs.pyinfra_internals import notice_silence
from smtp_auth.settings import Settings

# Seconds without any acknowledgement from the host's network after which its connection counts as lost.
_SILENCE = 30


def attentive(host: Host, channel: Channel) -> Channel:
    """A channel that fails soon if the host has vanished, or if its sshd does not respond any more.

    A change prints nothing until it is over, so that its answer says nothing about this. Nor does who waits
    for it.
    """

    def run(command: str, stdin: str, limits: Limits) -> Answer:
        connect(host)
        notice_silence(host, _SILENCE)
        wire_of(host).ask_for_signs_of_life(min(_SILENCE, seconds_of(host)) / 3)
        return channel(command, stdin, limits)

    return run


def carry_out(host: Host, channel: Channel, asked: Asked) -> Ended:
    """Carry out a host's plan, whole or not at all. It may be called inside `change_under_way`.

    + channel: that to the host
    """
    try:
        ended = change(
            attentive(host, channel),
            lambda: connect_again(host, "to read the outcome of the change"),
            origin_of_this_run(),
            asked.plan,
            asked.settings,
            asked.look,
            even_held=asked.even_held,
        )
        return _without_own_name(ended, asked.settings)
    except Exception as error:
        return Ended(ChangeOutcome.FAILED, (fault(error),))


def prove_services(channel: Channel, asked: Asked) -> Ended:
    """Prove the services of a plan that changes nothing (`Plan.to_prove`).

    + channel: that to the host
    """
    try:
        ended = prove(channel, asked.plan, asked.settings, asked.look)
        return _without_own_name(ended, asked.settings)
    except NoAnswer as reason:
        return Ended(ChangeOutcome.FAILED, (str(reason),))
    except Exception as error:
        return Ended(ChangeOutcome.FAILED, (fault(error),))


def _without_own_name(ended: Ended, settings: Settings) -> Ended:
    """What was proved, without the name of the host itself, so that it is the same on other hosts."""
    name = rf"(?<![\w.-]){re.escape(settings.mail_hostname)}(?![\w.-])"
    return replace(ended, proved=tuple(re.sub(name, "its own name", text) for text in ended.proved))
