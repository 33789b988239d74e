"""Trace context as it comes and goes, and an outcome as spans."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from rung.core.engine import Accept
from rung.core.outcome import Outcome
from rung.core.plan import Plan, Step
from rung.core.traces import Trace, readable, span_id, trace_of
from rung.core.types import Answer, Attempt, Kind, Request
from rung.telemetry import conventions
from rung.telemetry.spans import NANOSECONDS, Model, spans_of
from rung.telemetry.tracing import Origin, Traces, with_path
from support.outcomes import outcomes

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TIERS = {"tiny": Model("llama", "ollama"), "large": Model("gemini-3.8-flash", "gemini")}

# ------------------------------------------------------------------ trace context


@pytest.mark.parametrize(
    "given",
    [
        PARENT,
        PARENT[:-2] + "00",
        "cc" + PARENT[2:] + "-what-the-future-will-be-like",
    ],
)
def test_a_callers_trace_is_gone_on_with(given):
    trace = trace_of("r1", readable(given))
    assert (trace.trace_id, trace.parent_id) == (PARENT[3:35], PARENT[36:52])
    assert trace.sampled is given.split("-")[3].endswith("1")
    assert trace.header("a1").startswith(f"00-{trace.trace_id}-{span_id('a1')}-0")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
        PARENT + "\r\nx: y",
        "cc" + PARENT[2:] + "-" + "x" * 300,
    ],
)
def test_what_is_no_trace_begins_one(given):
    assert readable(given) == ""
    begun = trace_of("r1", readable(given))
    assert begun.parent_id == ""
    assert begun.sampled
    assert readable(begun.header("a1")) == begun.header("a1")


@given(st.text())
def test_whatever_comes_as_a_trace_what_goes_out_is_one(given):
    trace = trace_of("r1", readable(given))
    assert readable(trace.header("a1"))


@given(st.text(), st.floats(0, 1))
def test_a_share_is_drawn_as_opentelemetry_draws_it(identity, share):
    trace = trace_of(identity, share=share)
    drawn = TraceIdRatioBased(share).should_sample(None, int(trace.trace_id, 16), "")
    assert trace.sampled is (drawn.decision is Decision.RECORD_AND_SAMPLE)


# ------------------------------------------------------------------ spans


@given(outcomes())
def test_every_attempt_and_check_is_a_span_at_its_place(outcome):
    trace = trace_of(outcome.request.id, PARENT)
    request, *others = spans_of(outcome, trace, TIERS)
    assert (request.id, request.parent_id) == (trace.span_id, trace.parent_id)
    if outcome.cached_of is not None:
        assert others == []
        return
    calls = [span for span in others if span.calls]
    assert [span.id for span in calls] == [span_id(each.id) for each in outcome.attempts]
    assert {span.parent_id for span in calls} <= {request.id}
    checks = [span for span in others if not span.calls]
    assert len(checks) == sum(len(each.verdicts) for each in outcome.attempts)
    assert {span.parent_id for span in checks} <= {span.id for span in calls}
    assert len({span.id for span in (request, *others)}) == len(others) + 1
    for span, attempt in zip(calls, outcome.attempts, strict=True):
        length = (attempt.ended_at - attempt.started_at) * NANOSECONDS
        assert span.end - span.start == pytest.approx(length, abs=2)
        assert bool(span.error) is (attempt.failure is not None)


@given(outcomes())
def test_no_span_holds_a_word_of_a_text(outcome):
    """The texts of these outcomes are replaced by one that no name holds."""
    secret = "a-word-of-somebody"
    request = replace(outcome.request, body=secret.encode(), model=secret, session=secret)
    attempts = tuple(
        replace(
            a,
            answer=a.answer and replace(a.answer, text=secret, thinking=secret, model=""),
            failure=a.failure and replace(a.failure, message=secret),
            verdicts=tuple(replace(v, reason=secret) for v in a.verdicts),
        )
        for a in outcome.attempts
    )
    outcome = replace(outcome, request=request, attempts=attempts)
    assert secret not in repr(list(spans_of(outcome, trace_of("r"), TIERS)))


def test_names_are_the_conventions_and_all_others_are_rungs_own():
    ours = {
        value
        for name, value in vars(conventions).items()
        if name.isupper() and isinstance(value, str) and "." in value
    }
    theirs = {
        value
        for name, value in vars(gen_ai_attributes).items()
        if name.startswith("GEN_AI_") and isinstance(value, str)
    }
    for name in ours:
        if name.startswith("gen_ai."):
            assert name in theirs
            assert not name.endswith((".messages", ".arguments", ".result", "instructions"))
        else:
            assert name.startswith(("rung.", "service.", "error.type", "http.response.status"))
    known = {each.value for each in gen_ai_attributes.GenAiProviderNameValues}
    assert set(conventions.PROVIDERS.values()) <= known
    operations = {each.value for each in gen_ai_attributes.GenAiOperationNameValues}
    assert {conventions.CHAT, *conventions.OPERATIONS.values()} <= operations


# ------------------------------------------------------------------ on their way


class Collector:
    """Takes spans, or refuses them; ``came`` is set with each batch."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.spans: list[ReadableSpan] = []
        self.came = threading.Event()
        self.open = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        self.spans += spans
        self.came.set()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def shutdown(self) -> None:
        self.open = False


def sent(collector: Collector, *noted, share: float = 1.0, near: bool = True) -> Traces:
    traces = Traces(collector, Origin("rung", "1", "i", TIERS), share=share, near=near)
    for outcome in noted:
        traces.note(outcome)
    traces.close()
    assert not collector.open
    return traces


@given(outcomes())
def test_spans_arrive_with_their_ids_parents_and_times(outcome):
    outcome = replace(outcome, recovered=False, plan=replace(outcome.plan, private=""))
    trace = Trace(PARENT[3:35], "b" * 16, PARENT[36:52])
    outcome = replace(outcome, request=replace(outcome.request, trace=trace))
    collector = Collector()
    traces = sent(collector, outcome)
    wanted = list(spans_of(outcome, trace, TIERS))
    assert traces.exported == len(wanted) == len(collector.spans)
    for span, made in zip(wanted, collector.spans, strict=True):
        assert (f"{made.context.trace_id:032x}", f"{made.context.span_id:016x}") == (
            trace.trace_id,
            span.id,
        )
        assert f"{made.parent.span_id:016x}" == span.parent_id
        assert (made.start_time, made.end_time) == (span.start, max(span.start, span.end))
        assert (made.status.status_code is StatusCode.ERROR) is bool(span.error)
        assert (made.kind is SpanKind.SERVER) is span.asked
        assert made.resource.attributes[conventions.SERVICE_NAME] == "rung"


@given(outcomes())
def test_what_is_not_drawn_not_ours_or_private_and_far_is_not_sent(outcome):
    outcome = replace(outcome, recovered=False, plan=replace(outcome.plan, private=""))
    private = replace(outcome, plan=replace(outcome.plan, private="it says so"))
    assert sent(Collector(), outcome, share=0.0).exported == 0
    assert sent(Collector(), replace(outcome, recovered=True)).exported == 0
    assert sent(Collector(), private, near=False).exported == 0
    assert sent(Collector(), private, near=True).exported > 0
    unsampled = replace(outcome.request, trace=trace_of("r", PARENT[:-2] + "00"))
    assert sent(Collector(), replace(outcome, request=unsampled)).exported == 0


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, OSError("gone")])
def test_a_collector_that_does_not_take_them_is_told_of_once_and_counted(result, caplog):
    collector = Collector(result)
    outcome = some()
    traces = Traces(collector, Origin("rung", "1", "i"), share=1.0, near=True, gather_seconds=0)
    for _ in range(2):
        traces.note(outcome)
        assert collector.came.wait(10)
        collector.came.clear()
    collector.result = SpanExportResult.SUCCESS
    traces.note(outcome)
    traces.close()
    assert (traces.failed, traces.exported, traces.dropped) == (4, 2, 0)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "the collector does not take traces",
        "the collector takes traces again",
    ]


def test_the_address_is_made_as_opentelemetry_makes_it():
    assert with_path("http://c:4318") == with_path("http://c:4318/") == "http://c:4318/v1/traces"
    assert with_path("https://c/x/v1/traces") == "https://c/x/v1/traces"


def some() -> Outcome:
    attempt = Attempt("a", "tiny", Kind.FIRST, 0.0, 1.0, Answer("x"))
    plan, request = Plan("default", (Step("tiny"),)), Request("r", "chat", ())
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
