"""The values in the plot; `plot` draws them, with a library that only the benchmark needs."""

import statistics
from dataclasses import dataclass
from typing import Any

from bench.peers import PEERS
from bench.table import measured_on
from bench.works import WORKS


@dataclass(frozen=True)
class Spread:
    """The seconds of one peer's runs."""

    fastest: float
    median: float
    slowest: float


@dataclass(frozen=True)
class Row:
    """One work.

    + title: for people
    + peers: the names of those who do it, on any fleet
    + fields: one per fleet; each has those who did it there
    """

    title: str
    peers: list[str]
    fields: list[dict[str, Spread]]


@dataclass(frozen=True)
class Picture:
    """All of it: one row per work, one column per fleet.

    + fleets: the titles of the columns
    + foot: what a reader must know about the figures
    """

    fleets: list[str]
    rows: list[Row]
    foot: str


def picture(results: dict[str, Any]) -> Picture:
    """The values of the plot."""
    measured = results["measured"]
    fleets = sorted({_fleet(row) for row in measured})
    rows = []
    for name, work in WORKS.items():
        fields: list[dict[str, Spread]] = [{} for _ in fleets]
        for row in measured:
            if row["work"] == name:
                fields[fleets.index(_fleet(row))][row["peer"]] = _spread(row["seconds"])
        peers = [peer for peer in PEERS if any(peer in field for field in fields)]
        if peers:
            rows.append(Row(work.title, peers, fields))
    cores, days = results["machine"]["cores"], measured_on(measured)
    foot = f"Median seconds on a logarithmic scale; the line spans all counted runs. {cores} cores, {days}."
    return Picture([_title(hosts, delay) for delay, hosts in fleets], rows, foot)


def _fleet(row: dict[str, Any]) -> tuple[float, int]:
    """The sort key of the columns: distance, then size."""
    return row["delay_ms"], row["hosts"]


def _spread(seconds: list[float]) -> Spread:
    return Spread(min(seconds), statistics.median(seconds), max(seconds))


def _title(hosts: int, delay: float) -> str:
    fleet = f"{hosts} host{'s' if hosts > 1 else ''}"
    return f"{fleet}{f', +{delay:g} ms' if delay else ''}"
