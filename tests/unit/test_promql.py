"""The reader of PromQL that the dashboard and the alerts are held to finds what is wrong."""

from __future__ import annotations

import pytest

from support.promql import Metric, PromqlError, check

METRICS = {
    "calls_total": Metric(frozenset({"tier", "result"}), {"result": frozenset({"ok", "bad"})}),
    "wait_seconds_bucket": Metric(frozenset({"tier", "le"})),
    "open": Metric(frozenset({"tier"}), counter=False),
}
GOOD = (
    "open",
    "max by (tier) (open) == 1",
    "sum(rate(calls_total[5m])) by (tier)",
    'sum by (tier) (rate(calls_total{result=~"ok|bad", tier=~"$tier"}[$__rate_interval])) / 2',
    "histogram_quantile(0.9, sum by (tier, le) (rate(wait_seconds_bucket[5m]))) > 1e3",
    "topk(10, open) and on (tier) (open or vector(0))",
)
BAD = {
    "close": "no metric close",
    "max by (tear) (open)": "label",
    "max by (tier) (open": "expected",
    "open)": "does not go on",
    "rate(calls_total)": "range",
    "calls_total[5m]": "range",
    "rate(open[5m])": "no counter",
    "rate(calls_total[5x])": "is none",
    'rate(calls_total{result="fine"}[5m])': "never 'fine'",
    'rate(calls_total{result=~"ok|worse"}[5m])': "never 'worse'",
    'rate(calls_total{kind="ok"}[5m])': "no label kind",
    "sum(rate(wait_seconds_bucket[5m]))": "histogram_quantile",
    "summ(open)": "no metric summ",
    "open ! 1": "cannot be read",
    'open + "a"': "no operand",
}


@pytest.mark.parametrize("expression", GOOD)
def test_what_leans_on_what_is_there_passes(expression):
    assert "instance" in check(expression, METRICS)


@pytest.mark.parametrize(("expression", "why"), BAD.items())
def test_what_leans_on_what_is_not_there_is_told(expression, why):
    with pytest.raises(PromqlError, match=why):
        check(expression, METRICS)
