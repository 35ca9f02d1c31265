"""A verification of 200 hosts in several groups, with names and reasons that try to act on a page."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from smtp_auth.verify.page import page_of
from smtp_auth.verify.report import Outcome, settled
from smtp_auth.verify.since import Earlier

BEGAN = datetime(2026, 11, 27, 6, 33, 5, tzinfo=UTC)

UP, GREETS, RELAYS, COVERED = (
    "the host is up",
    "port 465 greets in time",
    "port 25 relays nothing",
    "the name is covered",
)
CHECKS = (UP, GREETS, RELAYS, COVERED, *(f"as deployed: step {number}" for number in range(30)))

# What a browser may act on, what changes the direction of a text, and what has no place to be torn.
HOSTILE_NAMES = (
    "<script>document.title='ran'</script>",
    "</style></title><img src=http://127.0.0.1:9/x onerror=\"document.title='ran'\">",
    "\"'><svg onload=document.title='ran'>",
    "&lt;b&gt;.example",
    "{{ 7 * 7 }}{% endset %}.example",
    "\u202eelpmaxe.\u2066mail",
    "mail\x00\x1b[31m\x07\r\n.example",
    "\ud800.example",
    "\u0645\u062b\u0627\u0644.example",
    "\u65e5\u672c.example.jp",
    "a" * 500,
    "javascript:alert(1)",
)  # fmt: skip

HOSTILE_REASON = (
    "</p></section><script>document.title='ran'</script><style>body{display:none}</style>\n"
    "\x1b[2J\u202e\x00 the second line: " + "x" * 700
)

NAMES = (*HOSTILE_NAMES, *(f"mail{number}.customers.example.jp" for number in range(13, 201)))

# Groups of hosts, each by how its hosts differ from healthy ones.
_GROUPS = 14


def outcomes_of(names: Sequence[str]) -> list[Outcome]:
    """The outcomes of these hosts; most are healthy."""
    return settled(one for index, name in enumerate(names) for one in _outcomes(index, name))


def _outcomes(index: int, name: str) -> Iterator[Outcome]:
    kind = index % _GROUPS if index < 2 * _GROUPS else 0
    end = (BEGAN + timedelta(days=index - 1)).timestamp()
    for place, check in enumerate(CHECKS):
        if kind == 1:
            if check == UP:
                yield Outcome(name, check, "failed", "192.0.2.7:22: Connection refused: start ssh there")
            else:
                yield Outcome(name, check, "skipped", "the host is down", reported_by=UP)
        elif kind == 2 and check == RELAYS:
            yield Outcome(name, check, "failed", HOSTILE_REASON)
        elif kind == 3 and check == RELAYS:
            yield Outcome(name, check, "skipped", "the host does not serve port 25")
        elif kind > 3 and place == kind:
            yield Outcome(name, check, "passed", warnings=(f"<i>{kind}</i> is unused",))
        elif check == GREETS:
            yield Outcome(name, check, "passed", measured={"TLS": 0.01 * index, "greeting": 2.0})
        elif check == COVERED:
            yield Outcome(name, check, "passed", not_after={name: end})
        else:
            yield Outcome(name, check, "passed")


def page(names: Sequence[str] = NAMES) -> str:
    """The page of these hosts, compared with an earlier verification."""
    before = {name: dict.fromkeys(CHECKS[:-1], "passed") for name in names[3:]} | {
        names[0]: dict.fromkeys(CHECKS, "failed"),
        "<b>old</b>.example": {"an <i>older</i> check": "passed"},
    }
    earlier = Earlier("<u>monday</u>.json", "2026-11-26T06:33:05Z", before)
    return page_of(outcomes_of(names), names, BEGAN, BEGAN + timedelta(seconds=57), earlier)
