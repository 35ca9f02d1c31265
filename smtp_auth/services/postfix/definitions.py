"""Reads and restores the definitions in main.cf and master.cf. Their names are those of postconf(1).

The name of a parameter is that in main.cf, `smtpd_sasl_type`. The name of a service in master.cf is
`submissions/inet`, and its value is its other columns. An option is a part of its service, with a name such
as `submissions/inet/syslog_name`.
"""

from collections.abc import Mapping

from smtp_auth.facts.ledger import Definition
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, ManagedFile
from smtp_auth.plan.service import Definitions
from smtp_auth.postfix.lists import references
from smtp_auth.postfix.main_cf import defined_parameters, definition_lines, give_back, without_earlier
from smtp_auth.postfix.master_cf import port_of, remove_services, services, set_options
from smtp_auth.postfix.parameters import came_with


class PostfixDefinitions(Definitions):
    """The definitions in main.cf and master.cf."""

    def covers(self, file: ManagedFile) -> bool:
        """Whether the file is main.cf or master.cf."""
        return file in (MAIN_CF, MASTER_CF)

    def read(self, file: ManagedFile, content: str) -> Mapping[str, str]:
        """The definitions, name to value. Raises a `ValueError` that quotes a broken line of master.cf."""
        if file == MAIN_CF:
            return defined_parameters(content)
        if file != MASTER_CF:
            return {}
        found = {}
        for service in services(content):
            found[service.label] = service.columns
            found |= {f"{service.label}/{name}": value for name, value in service.effective_options.items()}
        return found

    def lines(self, file: ManagedFile, content: str, name: str) -> str:
        """The lines that define a parameter; empty for master.cf."""
        return definition_lines(content, name) if file == MAIN_CF else ""

    def restored(self, file: ManagedFile, content: str, before: Mapping[str, Definition]) -> str:
        """The content with the earlier lines of these parameters, and without the services that we added."""
        if file == MAIN_CF:
            theirs = {
                name: one.written for name, one in before.items() if one.is_theirs and one.written is not None
            }
            content = without_earlier(content, theirs)
            return give_back(content, {name: one.lines for name, one in before.items() if not one.is_theirs})
        before = {name: one for name, one in before.items() if not one.is_theirs}
        options: dict[str, dict[str, str | None]] = {}
        for name, one in before.items():
            label, is_option, option = _split(name)
            if is_option and label not in before:
                options.setdefault(label, {})[option] = one.before
        content = set_options(content, options)
        gone = {
            one.label: {
                name: value
                for name, value in one.effective_options.items()
                if f"{one.label}/{name}" not in before
            }
            for one in reversed(services(content))
            if one.label in before
        }
        return remove_services(content, gone)

    def references(self, value: str) -> set[str]:
        """The parameters of the user's own to which a value refers: Postfix itself does not know them."""
        return {name for name in references(value) if came_with(name) is None}

    def renamed(
        self, file: ManagedFile, ours: Mapping[str, Definition], present: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The services of ours that have a new name, with their options: old name to new name.

        A service that we have added was renamed if another one has the same port and everything that we have
        written in ours. For a service that its owner had before us, most of our options are enough.
        """
        if file != MASTER_CF:
            return {}
        names: dict[str, str] = {}
        on_port: dict[tuple[str, str], list[str]] = {}
        for other in present:
            if not _split(other)[1]:
                on_port.setdefault(port_of(other), []).append(other)
        of_labels: dict[str, dict[str, Definition]] = {}
        for name, one in ours.items():
            of_labels.setdefault(_split(name)[0], {})[name] = one
        for label, its in of_labels.items():
            # If postscreen has taken the place of port 25's smtpd, that is `smtpd pass` now.
            if any(name in present for name in its):
                continue
            found = [
                other
                for other in on_port.get(port_of(label), ())
                if other != label and _is_same(its, present, label, other)
            ]
            if len(found) == 1:
                names |= {name: found[0] + name[len(label) :] for name in its}
        return names


def _is_same(its: Mapping[str, Definition], present: Mapping[str, str], label: str, other: str) -> bool:
    """Whether the definitions of a service are those of another one."""
    equal = [name for name, one in its.items() if present.get(other + name[len(label) :]) == one.written]
    return len(equal) == len(its) if label in its else 2 * len(equal) > len(its)


def _split(name: str) -> tuple[str, str, str]:
    """The label of a service; and, if the name is that of an option, a slash and the option's own name."""
    service, _, rest = name.partition("/")
    kind, slash, option = rest.partition("/")
    return f"{service}/{kind}", slash, option
