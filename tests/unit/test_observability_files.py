"""The dashboard and the alert rules lean only on what rung tells."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rung.core.types import Fault, Kind, Lane
from rung.core.verdicts import Status
from rung.telemetry import catalogue
from rung.telemetry.metrics import VERIFIED
from support.promql import Metric, check

FOLDER = Path(__file__).parent.parent.parent / "observability"
WORDS = {
    "rung_requests_total": {
        "result": {"answered", "unverified", "failed", "cancelled"},
        "verified": set(VERIFIED.values()),
        "lane": set(Lane),
    },
    "rung_attempts_total": {
        "result": {"answered", "aborted", *Fault},
        "kind": set(Kind),
    },
    "rung_checks_total": {"status": set(Status)},
    "rung_tokens_total": {"type": {"input", "output", "cache_read", "cache_write", "reasoning"}},
    "rung_tier_calls": {"state": {"running", "waiting"}},
    "rung_spans_total": {"result": {"exported", "failed", "dropped"}},
}
"""Every value that these labels can have."""

PROCESS = {"process_resident_memory_bytes": False, "process_cpu_seconds_total": True}
"""What the client library adds of the process itself."""


def known() -> dict[str, Metric]:
    found = {name: Metric(frozenset(), counter=counter) for name, counter in PROCESS.items()}
    for family in (*catalogue.COUNTERS, *catalogue.GAUGES):
        words = {k: frozenset(map(str, v)) for k, v in WORDS.get(family.name, {}).items()}
        counter = family in catalogue.COUNTERS
        found[family.name] = Metric(frozenset(family.labels), words, counter=counter)
    for family, _ in catalogue.HISTOGRAMS:
        for suffix, more in (("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
            found[family.name + suffix] = Metric(frozenset({*family.labels, *more}))
    return found


METRICS = known()


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    return read


def panels() -> list[Any]:
    return [
        pytest.param(panel, id=panel["title"])
        for panel in dashboard()["panels"]
        if panel["type"] != "row"
    ]


def rules() -> dict[str, dict[str, str]]:
    """The rules by name: as much of YAML as they are written in."""
    found: dict[str, dict[str, str]] = {}
    for line in (FOLDER / "alerts.yml").read_text("utf-8").splitlines():
        if begin := re.fullmatch(r" {6}- alert: (\w+)", line):
            assert begin[1] not in found
            rule = found[begin[1]] = {}
        elif entry := re.fullmatch(r" {8,10}(\w+):(?: (.+))?", line):
            rule[entry[1]] = entry[2] or ""
        else:
            assert re.fullmatch(r"(#.*|groups:|  - name: rung|    rules:|)", line), line
    return found


RULES = rules()


def test_every_metric_is_named_for_what_it_is():
    names = [f.name for f in (*catalogue.COUNTERS, *catalogue.GAUGES)]
    names += [family.name for family, _ in catalogue.HISTOGRAMS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("rung_") for name in names)
    assert all(f.name.endswith("_total") for f in catalogue.COUNTERS)
    assert not any(f.name.endswith("_total") for f in catalogue.GAUGES)
    assert all(f.name.endswith("_seconds") for f, _ in catalogue.HISTOGRAMS)
    assert all(f.nano is ("_usd_" in f.name) for f in catalogue.COUNTERS)


@pytest.mark.parametrize("panel", panels())
def test_a_panel_asks_for_what_rung_tells(panel):
    for target in panel["targets"]:
        labels = check(target["expr"], METRICS)
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert shown <= labels
        # What a legend names has to be left by the grouping.
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
        assert not grouped or shown <= grouped | {"instance"}


def test_the_dashboard_is_laid_out_without_overlaps():
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_dashboards_variables_are_filled_from_metrics_and_used():
    read = dashboard()
    used = json.dumps(read["panels"])
    for variable in read["templating"]["list"]:
        assert f"${variable['name']}" in used or f"${{{variable['name']}}}" in used
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            metric, label = found.groups()
            assert label in METRICS[metric].labels | {"instance"}


@pytest.mark.parametrize(("name", "rule"), RULES.items(), ids=RULES)
def test_an_alert_asks_for_what_rung_tells_and_says_what_to_do(name, rule):
    labels = check(rule["expr"], METRICS)
    assert name.startswith("Rung")
    assert rule["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"\d+[mhd]", rule.get("for", "1m"))
    told = rule["summary"] + rule["action"]
    assert all(rule[part][0] == rule[part][-1] == '"' for part in ("summary", "action"))
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= labels
    grouped = re.search(r"by \(([^)]*)\)", rule["expr"])
    if grouped:
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= set(re.findall(r"\w+", grouped[1]))


def test_the_alerts_name_commands_that_there_are():
    from rung.cli.main import COMMANDS

    for rule in RULES.values():
        for command, part in re.findall(r"`rung (\w+)(?: (\w+))?", rule["action"]):
            assert command in COMMANDS
            assert not part or not COMMANDS[command].parts or part in COMMANDS[command].parts


def test_what_matters_most_is_seen_and_alerted_on():
    drawn = json.dumps(dashboard())
    alerted = " ".join(rule["expr"] for rule in RULES.values())
    for metric in ("rung_cost_usd_total", "rung_ledger_up", "rung_breaker_open"):
        assert metric in alerted
    assert {name for name in METRICS if name.endswith("_total") and name not in drawn} == set()


def test_the_page_names_every_metric_and_no_other():
    page = (FOLDER.parent / "docs" / "observability.md").read_text("utf-8")
    told = set(re.findall(r"`(rung_\w+)`", page))
    families = (*catalogue.COUNTERS, *catalogue.GAUGES, *(f for f, _ in catalogue.HISTOGRAMS))
    assert told == {family.name for family in families}
