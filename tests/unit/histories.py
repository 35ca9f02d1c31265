"""Random histories of a host: deploys with different data, edits of its owner, undos and removals.

The shadow is the same host, edited only by its owner. If the owner edits something of ours, and it becomes
theirs, the shadow gets it, too. After a removal, the host must be equal to its shadow.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.postfix.logical_lines import ended
from smtp_auth.postfix.main_cf import comment_out, defined_parameters, set_parameter
from smtp_auth.postfix.master_cf import services, set_options
from smtp_auth.services.certbot.block import HOOK, our_lines, with_our_lines
from smtp_auth.services.dovecot.listener import DROPIN
from smtp_auth.services.postfix import POSTFIX
from tests.unit.past import LISTENER, with_effective_parameters
from tests.unit.scenarios import with_file

# Data keys, each with the values that deploys use; the first is the default.
DATA: dict[str, tuple[Any, ...]] = {
    "smtpd_tls_security_level": (None, "encrypt", "may"),
    "tls_minimum_version": ("TLSv1.2", "TLSv1.3"),
    "smtp_auth_on_port_25": (None, False),
    "mua_client_restrictions": (None, ["permit_sasl_authenticated", "permit_mynetworks", "reject"]),
    "mua_sender_restrictions": (None, ["reject_unknown_sender_domain"]),
    "mua_relay_restrictions": (None, ["permit_sasl_authenticated", "reject_unauth_destination", "reject"]),
    "submissions_options": ({}, {"smtpd_proxy_timeout": "50s"}, {"smtpd_hard_error_limit": "3"}),
    "additional_domains": ([], ["example.net"]),
    "certbot_reload_services": (["postfix"], ["postfix", "dovecot"]),
}

SASL_PATH = "smtpd_sasl_path"

PARAMETERS: dict[str, tuple[str, ...]] = {
    "smtpd_tls_security_level": ("encrypt", "none", "may"),
    SASL_PATH: ("inet:10.0.0.1:9", "private/owners"),
    "smtpd_tls_auth_only": ("no",),
    "smtpd_sasl_auth_enable": ("no",),
    "owners_floor": (">=TLSv1.3", "!SSLv2, !SSLv3"),
    "smtpd_tls_mandatory_protocols": ("$owners_floor", ">=TLSv1.3", "!SSLv2, !SSLv3"),
    "smtpd_tls_eccert_file": ("/etc/ssl/certs/ssl-cert-snakeoil.pem",),
    "cyrus_sasl_config_path": ("/etc/postfix/sasl2",),
    "mua_client_restrictions": ("permit_sasl_authenticated, check_client_access static:DUNNO, reject",),
    "mua_sender_restrictions": ("reject_sender_login_mismatch",),
    "owners_own": ("1", "2"),
    "message_size_limit": ("20480000",),
}

OWNERS_587 = (
    "587 inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
)
OWNERS_465 = (
    "smtps inet n - n - 20 smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
    "  -o smtpd_milters=inet:127.0.0.1:9\n  -o milter_default_action=accept\n"
)


class Edited(Protocol):
    """A host that its owner edits: simulated or booted."""

    @property
    def look(self) -> Look:
        """The host's state: at least its files."""

    def content(self, file: ManagedFile) -> str:
        """The content of a file; empty if it does not exist."""

    def edit(self, file: ManagedFile, content: str | None) -> None:
        """Give a file another content, or delete it."""


@dataclass
class World:
    """A host and its shadow.

    + parameters: the parameters that the owner sets, to the values for them
    + told: the history so far, for the message of a failed test
    + comments: options that the owner has added to a service of ours, and that must remain as comments
    + is_deployed: whether there has been a deploy
    + may_need: whether its owner has set up something since that needs what we have written
    + is_over: whether the history stops, because a removal kept what a service of the owner needs: then the
      host differs from its shadow
    """

    host: Edited
    shadow: Look
    random: Random
    parameters: Mapping[str, tuple[str, ...]]
    told: list[str] = field(default_factory=list)
    comments: set[str] = field(default_factory=set)
    is_deployed: bool = False
    may_need: bool = False
    is_over: bool = False

    def both(self, file: ManagedFile, change: Callable[[str], str]) -> None:
        """The owner edits a file, on the host and on the shadow."""
        self.host.edit(file, change(self.host.content(file)))
        self.on_shadow(file, change)

    def on_shadow(self, file: ManagedFile, change: Callable[[str], str]) -> None:
        """Edit a file only on the shadow, because something has become the owner's."""
        content = change(self.shadow.files[file.key].content or "")
        self.shadow = with_effective_parameters(with_file(self.shadow, file, content=content))


def begin(world: World) -> None:
    """Make some edits of the owner before the first deploy."""
    for _ in range(world.random.choice((0, 0, 1, 2))):
        edit(world)


def play(world: World, acts: Sequence[Callable[[], None]], number: int) -> None:
    """Do so many of these acts, chosen at random, or fewer if the history is over."""
    for _ in range(number):
        world.random.choice(acts)()
        if world.is_over:
            break


def edit(world: World) -> None:
    """Make one random edit of the owner."""
    doing = world.random.choice(EDITS)
    world.told.append(doing.__name__)
    doing(world)
    world.may_need |= world.is_deployed and doing in _NEEDING


def random_data(world: World, keys: Mapping[str, tuple[Any, ...]] = DATA) -> dict[str, Any]:
    """Random data for a deploy."""
    data = {key: world.random.choice((values[0], *values)) for key, values in keys.items()}
    world.told.append(f"deploy {data}")
    return data


def effective(look: Look) -> dict[str, str]:
    """The definitions that Postfix reads in main.cf and master.cf, name to value."""
    return {
        **POSTFIX.definitions.read(MAIN_CF, look.main_cf.content or ""),
        **POSTFIX.definitions.read(MASTER_CF, look.master_cf.content or ""),
    }


def differences(one: Look, other: Look) -> dict[str, tuple[str | None, str | None]]:
    """The definitions that differ on two hosts, name to both values. `465` and `submissions` are the same."""
    first, second = (
        {re.sub("^465/inet", "submissions/inet", name): value for name, value in effective(look).items()}
        for look in (one, other)
    )
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    return {name: (first.get(name), second.get(name)) for name in names}


# -- edits --------------------------------------------------------------------------------------------


def _set_a_parameter(world: World) -> None:
    name = world.random.choice([*world.parameters])
    value = world.random.choice(world.parameters[name])
    if defined_parameters(world.host.content(MAIN_CF)).get(name) != value:
        world.told.append(f"{name} = {value}")
        world.both(MAIN_CF, lambda text: set_parameter(text, name, value))


def _delete_a_parameter(world: World) -> None:
    name = world.random.choice([*world.parameters])
    if name in defined_parameters(world.host.content(MAIN_CF)):
        world.told.append(name)
        world.both(MAIN_CF, lambda text: comment_out(text, name))


def _comment(world: World) -> None:
    world.both(MAIN_CF, lambda text: f"# {len(text)}\n{text}")


_OPTIONS = {
    "smtpd_sasl_auth_enable": ("yes", "no"),
    "smtpd_tls_security_level": ("none", "may"),
    "smtpd_soft_error_limit": ("7",),
    "smtpd_recipient_restrictions": (
        "permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination",
    ),
}


def _set_an_option_of_port_25(world: World) -> None:
    name = world.random.choice([*_OPTIONS])
    value = world.random.choice(_OPTIONS[name])
    if effective(world.host.look).get(f"smtp/inet/{name}") != value:
        world.told.append(f"{name}={value}")
        world.both(MASTER_CF, lambda text: set_options(text, {"smtp/inet": {name: value}}))


def _service_on_587(world: World) -> None:
    if "587/inet" not in effective(world.host.look):
        world.both(MASTER_CF, lambda text: text + OWNERS_587)


def _replace_465(world: World) -> None:
    """Replace any service on port 465 by one of the owner."""

    def replaced(text: str) -> str:
        for one in reversed(services(text)):
            if one.label in ("submissions/inet", "smtps/inet", "465/inet"):
                text = text[: one.start] + text[one.end :]
        return text + OWNERS_465

    if effective(world.host.look).get("smtps/inet/smtpd_milters") != "inet:127.0.0.1:9":
        world.both(MASTER_CF, replaced)


def _rename_ours(world: World) -> None:
    text = world.host.content(MASTER_CF)
    if "\nsubmissions inet" in text:
        world.host.edit(MASTER_CF, text.replace("\nsubmissions inet", "\n465 inet"))
        world.on_shadow(MASTER_CF, lambda text: text.replace("\nsubmissions inet", "\n465 inet"))


def _change_an_option_of_ours(world: World) -> None:
    """Change an option of our service: from now on, the whole service is the owner's."""
    found = [one for one in services(world.host.content(MASTER_CF)) if one.port in ("submissions", "465")]
    if not found or found[0].effective_options.get("syslog_name") == "postfix/mine":
        return
    label = found[0].label
    changed = {label: {"syslog_name": "postfix/mine"}}
    world.host.edit(MASTER_CF, set_options(world.host.content(MASTER_CF), changed))
    now = next(one for one in services(world.host.content(MASTER_CF)) if one.label == label)
    stanza = world.host.content(MASTER_CF)[now.start : now.end]
    if label in effective(world.shadow):
        world.on_shadow(MASTER_CF, lambda text: set_options(text, changed))
    else:
        world.on_shadow(MASTER_CF, lambda text: text + stanza)


def _add_an_option_on_465(world: World) -> None:
    found = [
        one for one in services(world.host.content(MASTER_CF)) if one.port in ("submissions", "465", "smtps")
    ]
    if not found or "smtpd_junk_command_limit" in found[0].effective_options:
        return
    option = {found[0].label: {"smtpd_junk_command_limit": "7"}}
    world.host.edit(MASTER_CF, set_options(world.host.content(MASTER_CF), option))
    if found[0].label in effective(world.shadow):
        world.on_shadow(MASTER_CF, lambda text: set_options(text, option))
    else:
        world.comments.add("-o smtpd_junk_command_limit=7")


def _define_a_parameter_again(world: World) -> None:
    name = world.random.choice([*world.parameters])
    value = world.random.choice(world.parameters[name])
    if defined_parameters(world.host.content(MAIN_CF)).get(name) != value:
        world.told.append(f"again: {name} = {value}")
        world.both(MAIN_CF, lambda text: f"{text.rstrip()}\n{name} = {value}\n")


def _edit_our_lines_in_the_hook(world: World) -> None:
    ours = our_lines(world.host.content(HOOK))
    if ours and "# mine" not in ours:
        theirs = ours.replace("# END", "# mine\n# END")
        world.host.edit(HOOK, world.host.content(HOOK).replace(ours, theirs))
        world.on_shadow(
            HOOK,
            lambda text: "#!/bin/sh\n" + theirs + with_our_lines(text, "").removeprefix("#!/bin/sh\n"),
        )


def _edit_the_dropin(world: World) -> None:
    text = world.host.content(DROPIN)
    if text and "# mine" not in text:
        world.host.edit(DROPIN, text + "# mine\n")
        world.on_shadow(DROPIN, lambda _: text + "# mine\n")
        world.shadow = replace(world.shadow, listener=LISTENER)


def _delete_the_dropin(world: World) -> None:
    if world.host.content(DROPIN):
        world.host.edit(DROPIN, None)
        world.shadow = replace(with_file(world.shadow, DROPIN, content=None, mode=""), listener=None)


def _leave_out_the_last_line_end(world: World) -> None:
    if world.host.content(HOOK):
        world.host.edit(HOOK, world.host.content(HOOK).rstrip("\n"))
        world.on_shadow(HOOK, lambda text: text.rstrip("\n"))


def _append_to_the_hook(world: World) -> None:
    line = f"logger renewed {world.random.random()}\n"
    world.host.edit(HOOK, ended(world.host.content(HOOK)) + line)
    world.on_shadow(HOOK, lambda text: ended(text or "#!/bin/sh\n") + line)


EDITS = [
    _set_a_parameter,
    _set_a_parameter,
    _set_a_parameter,
    _delete_a_parameter,
    _comment,
    _set_an_option_of_port_25,
    _service_on_587,
    _replace_465,
    _rename_ours,
    _change_an_option_of_ours,
    _append_to_the_hook,
    _leave_out_the_last_line_end,
    _add_an_option_on_465,
    _define_a_parameter_again,
    _edit_our_lines_in_the_hook,
    _edit_the_dropin,
    _delete_the_dropin,
]


# After these, a removal may have to keep what a service of the owner needs.
_NEEDING = (_set_an_option_of_port_25, _service_on_587, _replace_465, _change_an_option_of_ours)


def hook_of_the_owner(look: Look) -> list[str]:
    """The lines of the hook that belong to the owner."""
    text = look.files[HOOK.key].content or ""
    return [line for line in text.splitlines() if line != "#!/bin/sh"]


def is_mine(look: Look) -> bool | None:
    """Whether the drop-in contains the owner's edit; `None` if there is no drop-in."""
    content = look.files[DROPIN.key].content
    return None if content is None else "# mine" in content


def defined_twice(look: Look) -> set[str]:
    """The parameters that main.cf defines more than once. Postfix warns of them."""
    names = re.findall(r"^(\w+)\s*=", look.main_cf.content or "", re.MULTILINE)
    return {name for name in names if names.count(name) > 1}
