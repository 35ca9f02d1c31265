"""The results as a page of aligned tables, for people and for the repository."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from bench.peers import OURS, PEERS
from bench.works import NOTHING, WORKS

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
            "Seconds from start to end: median (smallest to largest); 2.0x is twice the time of this deploy.",
            "The dry run is that of a first deploy, with its differences; the parameter is changed on each",
            "host.",
            "",
            *_aligned(_times(rows, _spread)),
            "",
            "## Growth",
            "",
            "With nothing to do: the time on the largest fleet compared with one host, and the controller's",
            "processor time per further host.",
            "",
            *_aligned(_growth(rows)),
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


def summary(results: dict[str, Any]) -> str:
    """Where it was measured, and a line per work with the times on the largest fleet: for the README."""
    machine = results["machine"]
    rows: list[Row] = [row for row in results["measured"] if not row["delay_ms"]]
    most = max(row["hosts"] for row in rows)
    lines = [f"Median seconds on {most} hosts. {machine['cores']} cores, {measured_on(rows)}.", ""]
    for work in dict.fromkeys(row["work"] for row in rows):
        found = {
            r["peer"]: statistics.median(r["seconds"])
            for r in rows
            if (r["hosts"], r["work"]) == (most, work) and r["seconds"]
        }
        times = [f"{peer.title} {found[name]:.1f}" for name, peer in PEERS.items() if name in found]
        lines.append(f"- {WORKS[work].title}: {', '.join(times)}")
    return "\n".join([*lines, ""])


def measured_on(rows: list[Row]) -> str:
    """The days on which rows were measured: `2026-01-02`, or the first and the last."""
    days = sorted({row["started"][:10] for row in rows})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _origin(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rows = results["measured"]
    started = sorted({row["started"] for row in rows})
    loads = [load for row in rows for load in row["load"]]
    runs = sorted({len(row["seconds"]) for row in rows})
    counted = f"{runs[0]} to {runs[-1]}" if len(runs) > 1 else f"{runs[0]}"
    return [
        f"{started[0]} to {started[-1]}; {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}; Python {machine['python']}, {versions}. "
        f"Load of the machine meanwhile {min(loads):.1f} to {max(loads):.1f}.",
        "The hosts run on the same machine as the controller, Debian 13 and 12 in turn.",
        f"One run to warm up, then {counted} counted, the peers in turn. Made by `python3 -m bench`.",
        "",
        "Measured are this deploy, the same work as an Ansible playbook, that playbook with Mitogen, the",
        "same work as a shell script over `ssh`, and a bare `ssh` that only reads the same state. `make",
        "bench` measures again, in less than half an hour: nothing to do, first deploy and one",
        "parameter, on 1, 4 and 16 hosts. `python3 -m bench --full` measures everything, in one and a",
        "half hours; `--help` says how to measure a part.",
        "The plot is [benchmark.svg](benchmark.svg), the figures are [benchmark.json](benchmark.json).",
    ]


def _times(rows: list[Row], behind: Callable[[list[float]], str]) -> list[list[str]]:
    lines = [["work", "hosts", *(peer.title for peer in PEERS.values())]]
    for hosts, delay, work in _distinct((r["hosts"], r["delay_ms"], r["work"]) for r in rows):
        found = {
            r["peer"]: r["seconds"]
            for r in rows
            if (r["hosts"], r["delay_ms"], r["work"]) == (hosts, delay, work)
        }
        ours = statistics.median(found[OURS.name]) if OURS.name in found else None
        cells = [_time(found.get(peer), None if peer == OURS.name else ours, behind) for peer in PEERS]
        lines.append([WORKS[work].title, _fleet(hosts, delay), *cells])
    return lines


def _time(seconds: list[float] | None, ours: float | None, behind: Callable[[list[float]], str]) -> str:
    if not seconds:
        return "-"
    middle = statistics.median(seconds)
    times = f" {middle / ours:.1f}x" if ours else ""
    return f"{middle:.2f}{behind(seconds)}{times}"


def _spread(seconds: list[float]) -> str:
    # A single run has no spread.
    return "" if len(seconds) == 1 else f" ({min(seconds):.2f} to {max(seconds):.2f})"


def _fleet(hosts: int, delay: float) -> str:
    return f"{hosts}{f' +{delay:g} ms' if delay else ''}"


def _growth(rows: list[Row]) -> list[list[str]]:
    lines = [["peer", "hosts", "times as long as one", "ms per further host"]]
    for name, peer in PEERS.items():
        found = {
            r["hosts"]: r for r in rows if (r["peer"], r["work"], r["delay_ms"]) == (name, NOTHING.name, 0)
        }
        if len(found) > 1 and 1 in found:
            most = max(found)
            seconds, cpu = (
                {hosts: statistics.median(found[hosts][key]) for hosts in (1, most)}
                for key in ("seconds", "cpu_seconds")
            )
            times = seconds[most] / seconds[1]
            further = (cpu[most] - cpu[1]) / (most - 1) * 1000
            lines.append([peer.title, f"{most}", f"{times:.1f}", f"{further:.0f}"])
    return lines


def _costs(rows: list[Row]) -> list[list[str]]:
    lines = [
        [
            *("work", "hosts", "peer", "CPU s", "CPU s/host", "MiB"),
            *("SSH connections", "SSH channels", "KiB", "processes", "reloads"),
        ]
    ]
    for row in rows:
        cpu = statistics.median(row["cpu_seconds"])
        hosts = list(row["counts"].values())

        def mean(*keys: str, hosts: list[dict[str, int]] = hosts) -> float:
            return sum(host[key] for host in hosts for key in keys) / len(hosts)

        lines.append(
            [
                WORKS[row["work"]].title,
                _fleet(row["hosts"], row["delay_ms"]),
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
    """A Markdown table, aligned to be easy to read unrendered, too."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def row(cells: list[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [row(lines[0]), rule, *(row(line) for line in lines[1:])]
