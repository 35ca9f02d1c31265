"""What `plan --prometheus` writes."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from smtp_auth.fleet.plan_metrics import plan_lines
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.verify.prometheus import figures

FOUND = {f"{state.value}.example": HostPlan(state) for state in State}


def _samples(metric: str) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families("\n".join(plan_lines(FOUND)) + "\n")
    samples = [sample for family in families for sample in family.samples if sample.name == metric]
    return {(one.labels["host"], one.labels.get("state", "")): one.value for one in samples}


def test_only_a_host_with_an_answer_is_pending_or_not() -> None:
    assert _samples("smtp_auth_pending_changes") == {
        ("pending.example", ""): 1,
        ("converged.example", ""): 0,
    }


def test_every_host_is_in_one_state() -> None:
    found = _samples("smtp_auth_state")
    assert len(found) == len(State) ** 2
    assert {key for key, figure in found.items() if figure} == {
        (f"{state.value}.example", state.value) for state in State
    }


def test_every_host_has_the_time() -> None:
    assert {host for host, _ in _samples("smtp_auth_last_plan_timestamp_seconds")} == {*FOUND}


def test_the_page_and_the_rules_know_every_metric_and_no_other() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    written = {line.split()[2] for line in plan_lines(FOUND) if line.startswith("# TYPE ")}
    written |= {family.name for family in figures([], ["a"], 0)}
    on_the_page = set(
        re.findall(r"^\| `(smtp_auth_\w+)\{", (docs / "monitoring.md").read_text(), re.MULTILINE)
    )
    assert on_the_page == written
    lines = (docs / "alerts.yml").read_text().splitlines()
    in_rules = {name for line in lines for name in re.findall(r"\bsmtp_auth_\w+", line)}
    # The last one is a job.
    assert in_rules - {"smtp_auth_465"} == written
