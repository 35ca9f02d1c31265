"""Figures for Prometheus: files in its text format, as node_exporter's textfile collector reads them.

It imports prometheus_client, which takes time: only what `--prometheus` asks for imports this.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from smtp_auth.fleet.written import Target

# node_exporter runs as an account of its own.
_READABLE = 0o644


def target(file: str) -> Target:
    """Where the figures are written: a file, or `-`. Raises `Mistake` if the file cannot be written."""
    return Target("--prometheus", file, _READABLE)


def gauge(
    name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    """A figure that can go up and down, of hosts.

    + samples: the values of the labels, and the figure
    """
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, figure in samples:
        family.add_metric(values, figure)
    return family


def lines(figures: Sequence[GaugeMetricFamily]) -> Iterator[str]:
    """The figures in the text format, line by line. They have no time of their own: the collector refuses
    those that do.
    """
    registry = CollectorRegistry()
    registry.register(_Known(figures))
    yield from generate_latest(registry).decode().splitlines()


class _Known(Collector):
    """What prometheus_client asks for the figures."""

    def __init__(self, figures: Sequence[GaugeMetricFamily]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._figures
