"""Edits master.cf: the services that listen on a port, and their -o options (master(5))."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from smtp_auth.postfix.logical_lines import WHITE, ended, fold, line_end, logical_lines, split_lines
from smtp_auth.postfix.parameters import same_value

# Port 465 and its names in /etc/services, now and in the past.
SUBMISSIONS_NAMES = ("submissions", "465", "smtps", "ssmtp", "urd")

PORT_587_NAMES = ("submission", "587")

PORT_25_NAMES = ("smtp", "25")

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")

_NAMES_OF = {25: PORT_25_NAMES, 465: SUBMISSIONS_NAMES, 587: PORT_587_NAMES}

_NUMBERS = {name: number for number, names in _NAMES_OF.items() for name in names}

# A name of one of these ports, to one name for all of them.
PORT_NAMES = {name: names[0] for names in _NAMES_OF.values() for name in names}


@dataclass(frozen=True)
class Option:
    """One `-o name=value` of a service.

    + start, end: the offsets of the option's start and end in the file, including `-o`
    + argument: the offset of its `name=value`; equal to `start` if it is one word (`-oname=value`)
    """

    name: str
    value: str
    start: int
    argument: int
    end: int

    @property
    def joined(self) -> bool:
        """Whether it is written `-oname=value`, which smtpd understands but postconf(1) does not."""
        return self.argument == self.start


@dataclass(frozen=True)
class Service:
    """One entry of master.cf; `start` is the offset of its first line, `end` that of the text after it.

    + columns: all columns but its name and type, one space between them
    + strays: words that are no option, or an option without its value; a daemon of Postfix ends at them
    """

    name: str
    type: str
    chroot: str
    command: str
    columns: str
    options: tuple[Option, ...]
    strays: tuple[str, ...]
    start: int
    end: int

    @property
    def port(self) -> str:
        """The port in its name; the name may begin with an address."""
        return self.name.rpartition(":")[2]

    @property
    def number(self) -> int | None:
        """The number of its port; `None` if it has a name that is not known here."""
        return int(self.port) if re.fullmatch("[0-9]{1,9}", self.port) else _NUMBERS.get(self.port)

    @property
    def is_on_all_interfaces(self) -> bool:
        """Whether it listens where inet_interfaces says: its name has no address."""
        return ":" not in self.name

    @property
    def label(self) -> str:
        """Its name for postconf(1), such as `smtp/inet`."""
        return f"{self.name}/{self.type}"

    @cached_property
    def effective_options(self) -> dict[str, str]:
        """Name to value; the last option of a name wins, as in Postfix."""
        return {option.name: option.value for option in self.options}


def services(content: str) -> list[Service]:
    """Every service of the file, in its order. Raises a `ValueError` that quotes a broken line."""
    return list(_parsed(content))


def submissions_services(content: str) -> list[Service]:
    """The services that listen on port 465, with any name of the port and on any address."""
    return services_of_port(content, 465)


def port_25_services(content: str) -> list[Service]:
    """The smtpd services that serve port 25, directly or behind postscreen (`smtpd pass`)."""
    return [service for service in services(content) if is_smtpd_of_port_25(service)]


def services_of_port(content: str, port: int) -> list[Service]:
    """The services that listen on a TCP port, with any name of the port and on any address."""
    return [service for service in services(content) if service.type == "inet" and service.number == port]


def is_submissions(service: Service) -> bool:
    """Whether a service listens on port 465."""
    return service.type == "inet" and service.port in SUBMISSIONS_NAMES


def is_smtpd_of_port_25(service: Service) -> bool:
    """Whether a service is an smtpd that serves port 25."""
    listens = service.type == "pass" or (service.type == "inet" and service.port in PORT_25_NAMES)
    return service.command == "smtpd" and listens


def port_of(label: str) -> tuple[str, str]:
    """The port and the type of a service; all names of a port give the same result.

    The type `pass` is for port 25.

    + label: its name for postconf(1), such as `submission/inet`
    """
    name, _, kind = label.partition("/")
    if kind == "pass":
        return PORT_NAMES["smtp"], "inet"
    port = name.rpartition(":")[2]
    return PORT_NAMES.get(port, port), kind


def is_on_loopback(service: Service) -> bool:
    """Whether a service is bound to an address of the host itself."""
    return is_loopback(service.name.rpartition(":")[0])


def is_loopback(address: str) -> bool:
    """Whether only the host itself can connect to an address, or to a name that Postfix knows as one."""
    return address.startswith(("127.", "::ffff:127.")) or address in ("::1", *LOOPBACK)


def serves_port_25(content: str) -> bool:
    """Whether a service listens on port 25, either smtpd or postscreen."""
    return bool(services_of_port(content, 25))


def set_options(content: str, wanted: Mapping[str, Mapping[str, str | None]]) -> str:
    """Set options of services; their other options stay.

    An existing option gets the new value in place. A missing option is added on its own line at the end. An
    option with the value `None` is deleted.

    + wanted: a service's label, such as `smtp/inet`, to its options, name to value
    """
    parts, done, end = [], 0, line_end(content)
    for service in services(content):
        options = wanted.get(service.label)
        if options:
            parts += [content[done : service.start], _edited(content, service, options, end)]
            done = service.end
    return "".join([*parts, content[done:]])


def add_submissions_service(content: str, chroot: str) -> str:
    """Add the service without options: below Debian's commented example if the file has it, else at the end.

    + chroot: the value of that column: `y`, `n` or `-`
    """
    stanza = f"submissions inet n       -       {chroot}       -       -       smtpd{line_end(content)}"
    content = ended(content)
    commented = re.search(r"^#submissions\s+inet\s.*\n(?:#[ \t]+\S.*\n)*", content, re.MULTILINE)
    place = commented.end() if commented else len(content)
    # A comment does not end a service: the lines below it may be options of the service above.
    place = next((service.end for service in services(content) if service.start < place < service.end), place)
    return content[:place] + stanza + content[place:]


def remove_services(content: str, kept: Mapping[str, Mapping[str, str]]) -> str:
    """Delete services, of several with one name the first. Comments between their lines stay.

    + kept: a service's name for postconf(1), such as `submissions/inet`, to options of the owner, name to
      value, which remain as comments in its place
    """
    parts, done, end = [], 0, line_end(content)
    rest = dict(kept)
    for service in services(content):
        options = rest.pop(service.label, None)
        if options is None:
            continue
        within = split_lines(content[service.start : service.end])
        parts += [content[done : service.start]]
        parts += [line for line in within if line.lstrip(WHITE)[:1] in ("", "#")]
        parts += [f"#  {option_words(name, value)}{end}" for name, value in options.items()]
        done = service.end
    return "".join([*parts, content[done:]])


def option_words(name: str, value: str) -> str:
    """`-o name=value` in the syntax of master.cf: in braces if the value contains white space."""
    return f"-o {_argument(name, value)}"


def _argument(name: str, value: str) -> str:
    return f"{{ {name} = {value} }}" if " " in value else f"{name}={value}"


_COLUMNS = 8

# How many characters of a broken line are quoted.
_QUOTED = 300

# Further options of Postfix's daemons whose next word is a value (GETOPT in src/master/single_server.c).
_WITH_ARGUMENT = ("-i", "-m", "-n", "-s", "-t")


# A plan parses the same text several times.
@lru_cache(maxsize=8)
def _parsed(content: str) -> tuple[Service, ...]:
    lines = split_lines(content)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return tuple(_service(lines, offsets, indices) for indices in logical_lines(lines))


def _service(lines: list[str], offsets: list[int], indices: list[int]) -> Service:
    words: list[tuple[str, int, int]] = []
    for index in indices:
        words += _words(lines[index], offsets[index])
    words = _join_braces(words)
    if len(words) < _COLUMNS:
        raise ValueError(f"not a service: {lines[indices[0]].strip(WHITE)[:_QUOTED]!r}")
    options = []
    strays = []
    rest = iter(words[_COLUMNS:])
    for text, start, end in rest:
        argument = start
        if text == "-o":
            text, argument, end = next(rest, ("", start, end))
        elif text.startswith("-o"):
            text = text[2:]
        else:
            strays += [] if text.startswith("-") else [text]
            if text in _WITH_ARGUMENT and words[_COLUMNS - 1][0] in ("smtpd", "postscreen"):
                next(rest, None)
            continue
        if text.startswith("{") and text.endswith("}"):
            text = text[1:-1]
        name, equals, value = text.partition("=")
        strays += [] if equals and not text.startswith("{") else [f"-o {text.strip(WHITE)}".rstrip()]
        options.append(Option(name.strip(WHITE), fold(value), start, argument, end))
    name, kind, chroot, command = (words[column][0] for column in (0, 1, 4, _COLUMNS - 1))
    start, end = offsets[indices[0]], offsets[indices[-1] + 1]
    columns = " ".join(word[0] for word in words[2:_COLUMNS])
    return Service(name, kind, chroot, command, columns, tuple(options), tuple(strays), start, end)


def _words(line: str, offset: int) -> list[tuple[str, int, int]]:
    return [(m[0], offset + m.start(), offset + m.end()) for m in re.finditer(r"\S+", line, re.ASCII)]


def _join_braces(words: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Words between braces are one word (Postfix's mystrtokq)."""
    found: list[tuple[list[str], int, int]] = []
    depth = 0
    for text, start, end in words:
        if depth > 0:
            parts, first, _ = found.pop()
            parts.append(text)
            found.append((parts, first, end))
        else:
            found.append(([text], start, end))
        for character in text:
            depth = max(0, depth + {"{": 1, "}": -1}.get(character, 0))
    return [(" ".join(parts), start, end) for parts, start, end in found]


def _edited(content: str, service: Service, options: Mapping[str, str | None], end: str) -> str:
    """The text of a service with its options changed. + end: the line end for new lines"""
    given: dict[str, list[Option]] = {}
    for option in service.options:
        given.setdefault(option.name, []).append(option)
    edits: list[tuple[int, int, str]] = []
    added = ""
    for name, value in options.items():
        its = given.get(name)
        if value is None:
            edits += [_removal(content, option) for option in its or ()]
        elif its is None:
            added += f"  {option_words(name, value)}{end}"
        elif not same_value(its[-1].value, value):
            last = its[-1]
            text = option_words(name, value) if last.joined else _argument(name, value)
            edits.append((last.argument, last.end, text))
    parts, done = [], service.start
    for first, behind, text in sorted(edits):
        parts += [content[done:first], text]
        done = behind
    body = "".join([*parts, content[done : service.end]])
    return (body if body.endswith("\n") else body + end) + added if added else body


def _removal(content: str, option: Option) -> tuple[int, int, str]:
    """The edit that deletes an option, with its whole line if nothing else is on it."""
    start, end = option.start, option.end
    while start and content[start - 1].isspace() and content[start - 1] != "\n":
        start -= 1
    while end < len(content) and content[end].isspace() and content[end] != "\n":
        end += 1
    if (not start or content[start - 1] == "\n") and content[end : end + 1] in ("", "\n"):
        return start, min(end + 1, len(content)), ""
    start = option.start
    while start and content[start - 1] in " \t":
        start -= 1
    return start, option.end, ""
