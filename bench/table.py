"""The results as a page of aligned tables, for people and for the repository."""

import statistics
from collections.abc import Iterable
from typing import Any

from bench.peers import OURS, PEERS
from bench.works import WORKS

Row = dict[str, Any]


def table(results: dict[str, Any]) -> str:
    """The whole page in Markdown."""
    rows: list[Row] = results["measured"]
    return "\n".join(
        [
            "# Benchmark",
            "",
            *_origin(results),
            "",
            "## Time",
            "",
            "Seconds from start to end: median (smallest to largest). Behind it how many times that",
            "takes of what this deploy takes.",
            "",
            *_aligned(_times(rows)),
            "",
            "## Cost",
            "",
            "Controller: processor seconds (median) and peak memory. Host: the mean over the hosts of",
            "one watched run; bytes are those on the cable, in both directions.",
            "",
            *_aligned(_costs(rows)),
            "",
            "## Start",
            "",
            *_imports(results["imports"]),
            "",
        ]
    )


def _origin(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rows = results["measured"]
    started = sorted({row["started"] for row in rows})
    loads = [load for row in rows for load in row["load"]]
    runs = sorted({len(row["seconds"]) for row in rows})
    return [
        f"{started[0]} to {started[-1]}; {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}; Python {machine['python']}, {versions}. "
        f"Load of the machine meanwhile {min(loads):.1f} to {max(loads):.1f}.",
        "The hosts run on the same machine as the controller, Debian 13 and 12 in turn.",
        f"One run to warm up, then {' or '.join(map(str, runs))} counted ones, the peers in turn. "
        "Made by `python3 -m bench`.",
    ]


def _times(rows: list[Row]) -> list[list[str]]:
    lines = [["work", "hosts", *(peer.title for peer in PEERS.values())]]
    for hosts, delay, work in _distinct((r["hosts"], r["delay_ms"], r["work"]) for r in rows):
        found = {
            r["peer"]: r["seconds"]
            for r in rows
            if (r["hosts"], r["delay_ms"], r["work"]) == (hosts, delay, work)
        }
        ours = statistics.median(found[OURS.name]) if OURS.name in found else None
        cells = [_time(found.get(peer), None if peer == OURS.name else ours) for peer in PEERS]
        far = f" +{delay:g} ms" if delay else ""
        lines.append([WORKS[work].title, f"{hosts}{far}", *cells])
    return lines


def _time(seconds: list[float] | None, ours: float | None) -> str:
    if not seconds:
        return "-"
    middle = statistics.median(seconds)
    times = f" {middle / ours:.1f}x" if ours else ""
    return f"{middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f}){times}"


def _costs(rows: list[Row]) -> list[list[str]]:
    lines = [
        [
            *("work", "hosts", "peer", "CPU s", "CPU s/host", "MiB"),
            *("SSH connections", "SSH channels", "KiB", "processes", "reloads"),
        ]
    ]
    for row in rows:
        far = f" +{row['delay_ms']:g} ms" if row["delay_ms"] else ""
        cpu = statistics.median(row["cpu_seconds"])
        hosts = list(row["counts"].values())

        def mean(*keys: str, hosts: list[dict[str, int]] = hosts) -> float:
            return sum(host[key] for host in hosts for key in keys) / len(hosts)

        lines.append(
            [
                WORKS[row["work"]].title,
                f"{row['hosts']}{far}",
                PEERS[row["peer"]].title,
                f"{cpu:.2f}",
                f"{cpu / row['hosts']:.3f}",
                f"{row['memory_bytes'] / 2**20:.0f}",
                f"{mean('connections'):.1f}",
                f"{mean('channels'):.1f}",
                f"{mean('sent', 'received') / 1024:.0f}",
                f"{mean('processes'):.0f}",
                f"{mean('postfix_reloads', 'dovecot_reloads'):.1f}",
            ]
        )
    return lines


def _imports(imports: dict[str, list[float]]) -> list[str]:
    pyinfra, ours, library = (statistics.median(seconds) * 1000 for seconds in imports.values())
    return [
        f"Importing pyinfra takes {pyinfra:.0f} ms of processor time and our modules on top of it "
        f"{ours:.0f} ms ({ours / pyinfra:.0%}): medians. The library that reads certificates takes "
        f"{library:.0f} ms more; it is loaded while the hosts are at work."
    ]


def _distinct(items: Iterable[tuple[int, float, str]]) -> list[tuple[int, float, str]]:
    return list(dict.fromkeys(items))


def _aligned(lines: list[list[str]]) -> list[str]:
    """A Markdown table that reads as well unrendered."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def row(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [row(lines[0]), rule, *(row(line) for line in lines[1:])]
