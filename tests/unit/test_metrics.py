"""Counters and histograms of outcomes: exact sums, and bounded however many names come by."""

from __future__ import annotations

import math
from collections import Counter as Tally

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from rung.core.engine import Accept
from rung.core.outcome import Outcome
from rung.core.plan import Plan, Step
from rung.core.types import Answer, Attempt, Directions, Kind, Request, UsageSource
from rung.telemetry import catalogue as names
from rung.telemetry.exposition import exposed
from rung.telemetry.panel import Panel, Sample
from rung.telemetry.series import (
    LONGEST_VALUE,
    MOST_SERIES,
    MOST_VALUES,
    Counter,
    Family,
    Histogram,
)
from support.outcomes import outcomes


def shown(panel: Panel, accept: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a scraper reads."""
    body, _ = exposed(panel.read(), accept)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name.startswith("rung_")
    }


def total(panel: Panel, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return math.fsum(v for (n, have), v in shown(panel).items() if n == name and wanted <= {*have})


@given(st.lists(outcomes(), max_size=5))
@settings(max_examples=30)
def test_sums_are_those_of_the_outcomes(given):
    panel = Panel()
    for outcome in given:
        panel.metrics.note(outcome)
    own = [each for each in given if not each.recovered]
    asked = [each for each in own if each.request.audit_of is None]
    calls = [a for each in own if each.cached_of is None for a in each.attempts]
    assert total(panel, "rung_requests_total") == len(asked)
    assert total(panel, "rung_request_seconds_count") == len(asked)
    assert total(panel, "rung_attempts_total") == len(calls)
    cost = sum(call.cost_nanousd for call in calls)
    assert total(panel, "rung_cost_usd_total") == pytest.approx(cost / 1e9, rel=1e-12)
    read = sum(c.usage.input_tokens for c in calls if c.usage.source is not UsageSource.NONE)
    assert total(panel, "rung_tokens_total", type="input") == read
    verdicts = Tally(v.status.value for call in calls for v in call.verdicts)
    for status, count in verdicts.items():
        assert total(panel, "rung_checks_total", status=status) == count


def test_money_is_exact_to_the_nano_dollar():
    counter = Counter(Family("x_usd_total", "", (), nano=True))
    counter.add((), 1)
    counter.add((), 1_234_567_890_123)
    assert repr(next(counter.samples())[1]) == "1234.567890124"


def test_ten_thousand_names_are_a_bounded_number_of_series_and_lose_nothing():
    panel = Panel()
    for number in range(10_000):
        request = Request(
            f"r{number}",
            "chat",
            (),
            model=f"model-{number}",
            key=f"key-{number}",
            directions=Directions(project=f"project-{number}"),
        )
        panel.metrics.note(outcome_of(request, cost=1_000_000_000))
    text = exposed(panel.read(), "")[0]
    assert len(text) < 200_000
    assert text.count(b"rung_key_cost_usd_total{") == MOST_VALUES + 1
    assert b"model-" not in text
    assert total(panel, "rung_key_cost_usd_total") == 10_000
    assert total(panel, "rung_key_cost_usd_total", key="other") == 10_000 - MOST_VALUES
    assert total(panel, "rung_request_cost_usd_total", project="other") == 10_000 - MOST_VALUES


def test_labels_that_multiply_are_bounded_together():
    counter = Counter(Family("x_total", "", ("a", "b")))
    histogram = Histogram(Family("y_seconds", "", ("a", "b")), (1.0,))
    for a in range(MOST_VALUES):
        for b in range(50):
            counter.add((str(a), str(b)))
            histogram.observe((str(a), str(b)), 0.5)
    assert len(list(counter.samples())) == MOST_SERIES + 1
    assert sum(value for _, value in counter.samples()) == MOST_VALUES * 50
    assert sum(total for _, _, total in histogram.samples()) == MOST_VALUES * 25
    assert len(list(histogram.samples())) == MOST_SERIES + 1


@given(st.text())
def test_any_text_makes_a_label_that_can_be_scraped(text):
    panel = Panel()
    panel.metrics.count(names.CHECKS, (text, "passed"))
    [(_, labels)] = [key for key in shown(panel) if key[0] == "rung_checks_total"]
    value = dict(labels).get("verifier", "")
    assert value.isprintable()
    assert len(value) <= LONGEST_VALUE
    assert shown(panel, "application/openmetrics-text") == shown(panel)


@given(st.lists(st.floats() | st.sampled_from([1.0, 2.0]), max_size=20))
def test_a_histogram_counts_each_observation_once(values):
    histogram = Histogram(Family("x_seconds", ""), (1.0, 2.0))
    for value in values:
        histogram.observe((), value)
    rows = list(histogram.samples())
    kept = [value if value > 0 else 0.0 for value in values]
    if not values:
        assert rows == []
        return
    [(_, below, total)] = rows
    assert below == [
        (1.0, sum(v <= 1 for v in kept)),
        (2.0, sum(v <= 2 for v in kept)),
        (math.inf, len(kept)),
    ]
    assert total == pytest.approx(sum(kept))


def test_a_source_that_fails_hides_no_other():
    def broken() -> list[Sample]:
        raise RuntimeError("the ledger is away")

    panel = Panel(live=[broken, lambda: [Sample(names.IN_FLIGHT, (), 3)]])
    assert total(panel, "rung_in_flight_requests") == 3


def test_every_family_is_told_of_before_anything_has_happened():
    text = exposed(Panel().read(), "")[0].decode()
    for family in (*names.COUNTERS, *names.GAUGES, *(each for each, _ in names.HISTOGRAMS)):
        assert f"# TYPE {family.name} " in text


def outcome_of(request: Request, *, cost: int) -> Outcome:
    attempt = Attempt("a", "local", Kind.FIRST, 0.0, 1.0, Answer("x"), cost_nanousd=cost)
    plan = Plan("default", (Step("local"),))
    return Outcome(
        request,
        plan,
        (attempt,),
        Accept(0, verified=True),
        0,
        verified=True,
        started_unix=1.0,
        seconds=2.0,
    )
