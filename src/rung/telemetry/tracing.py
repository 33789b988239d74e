"""Spans on their way to a collector, by OpenTelemetry's own SDK and OTLP over HTTP.

A thread of its own turns them into the SDK's spans and sends them. It is never waited for: what the
collector does not take in time is dropped and counted. Imports the packages of the extra ``otel``,
so it is itself imported only where an endpoint is configured.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Final, Protocol

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from requests import Session

from rung.core.outcome import Outcome
from rung.core.traces import Trace, trace_of
from rung.providers.registry import is_private_address
from rung.telemetry import catalogue
from rung.telemetry import conventions as names
from rung.telemetry.panel import Sample
from rung.telemetry.spans import Model, Span, spans_of

logger = logging.getLogger("rung.traces")

PATH: Final = "/v1/traces"
MOST_WAITING: Final = 10_000
"""Spans that may wait for the collector."""

MOST_AT_ONCE: Final = 512
GATHER_SECONDS: Final = 1.0
SEND_SECONDS: Final = 5.0
LAST_SECONDS: Final = 2.0


class Sending(Protocol):
    """Takes a batch of the SDK's spans to where they are kept."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them. Blocks."""
        ...

    def shutdown(self) -> None:
        """Send no more."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same of all spans of a process: who it is, and what its tiers stand for."""

    service: str
    version: str
    instance: str
    tiers: Mapping[str, Model] = field(default_factory=dict)


def sending(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    """Sends to a collector. Follows no redirect, and takes no proxy from the environment."""
    # Its messages quote what the collector answered, which may echo the headers.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL + 1)
    session = Session()
    session.trust_env = False
    # Never empty: in place of none the exporter would take what the environment has.
    told = {"user-agent": names.RUNG} | dict(headers)
    return OTLPSpanExporter(
        with_path(endpoint), headers=told, timeout=SEND_SECONDS, session=session
    )


def with_path(endpoint: str) -> str:
    """The address of a collector's traces, as OTEL_EXPORTER_OTLP_ENDPOINT's is made."""
    return endpoint if endpoint.endswith(PATH) else endpoint.rstrip("/") + PATH


class Traces:
    """Takes outcomes on the event loop and sends their spans from a thread.

    ``share`` (0..1) of the traces that rung begins is kept. ``near`` says that the collector is on
    this machine or network: spans of private requests go nowhere else.
    """

    def __init__(
        self,
        sending: Sending,
        origin: Origin,
        *,
        share: float,
        near: bool,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._sending = sending
        self._gather_seconds = gather_seconds
        self._made = _Made(origin)
        self._tiers = origin.tiers
        self._share = share
        self._near = near
        self._queue: Queue[tuple[Span, Trace] | None] = Queue(MOST_WAITING)
        self._ended = threading.Event()
        self._down = False
        self.exported = self.failed = self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="rung-traces", daemon=True)
        self._thread.start()

    def note(self, outcome: Outcome) -> None:
        """Make the spans of a finished request, and have them sent. Never raises, never waits."""
        request = outcome.request
        trace = request.trace or trace_of(request.id, share=self._share)
        if not trace.sampled or outcome.recovered or (outcome.plan.private and not self._near):
            return
        for span in spans_of(outcome, trace, self._tiers):
            if self._queue.qsize() >= MOST_WAITING:
                self.dropped += 1
            else:
                self._queue.put_nowait((span, trace))

    def counts(self) -> list[Sample]:
        """What became of spans."""
        ends = {"exported": self.exported, "failed": self.failed, "dropped": self.dropped}
        return [Sample(catalogue.SPANS, (end,), float(count)) for end, count in ends.items()]

    def close(self) -> None:
        """Send what waits, for a while at most. Blocks."""
        self._ended.set()
        with suppress(Exception):  # a full queue wakes the thread by itself
            self._queue.put_nowait(None)
        self._thread.join(LAST_SECONDS)
        self._sending.shutdown()

    # -------------------------------------------------------------- in the thread

    def _run(self) -> None:
        while not (self._ended.is_set() and self._queue.empty()):
            waiting = self._gathered()
            if waiting:
                self._send([self._made.of(span, trace) for span, trace in waiting])

    def _gathered(self) -> list[tuple[Span, Trace]]:
        """What comes soon after the first, so that a batch is worth its way."""
        first = self._queue.get()
        found = [] if first is None else [first]
        until = time.monotonic() + self._gather_seconds
        while len(found) < MOST_AT_ONCE:
            try:
                left = 0.0 if self._ended.is_set() else max(0.0, until - time.monotonic())
                each = self._queue.get(timeout=left) if left else self._queue.get_nowait()
            except Empty:
                break
            if each is not None:
                found.append(each)
        return found

    def _send(self, spans: list[ReadableSpan]) -> None:
        try:
            taken = self._sending.export(spans) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 boundary: no error of the exporter's ends the thread
            taken = False
        if taken:
            self.exported += len(spans)
        else:
            self.failed += len(spans)
        if taken is self._down:
            # Told once: each batch after it has the same to tell.
            self._down = not taken
            word = "takes traces again" if taken else "does not take traces; they are dropped"
            logger.warning("the collector %s", word, extra={"event": "traces", "count": len(spans)})


class _Given(IdGenerator):
    """The ids that the next span is to have, instead of random ones."""

    def __init__(self) -> None:
        self.trace = self.span = ""

    def generate_trace_id(self) -> int:
        """The trace's."""
        return int(self.trace, 16)

    def generate_span_id(self) -> int:
        """The span's."""
        return int(self.span, 16)


class _Kept(SpanProcessor):
    """Keeps the span that ended last."""

    span: ReadableSpan

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self.span = span


class _Made:
    """Makes the SDK's spans of rung's. For one thread."""

    def __init__(self, origin: Origin) -> None:
        self._ids, self._kept = _Given(), _Kept()
        told = {
            names.SERVICE_NAME: origin.service,
            names.SERVICE_VERSION: origin.version,
            names.SERVICE_INSTANCE: origin.instance,
        }
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource(told),
            id_generator=self._ids,
            span_limits=SpanLimits(max_attribute_length=200),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._kept)
        self._tracer = provider.get_tracer(names.SCOPE, origin.version)

    def of(self, span: Span, trace: Trace) -> ReadableSpan:
        """The same span as the SDK has it."""
        self._ids.trace, self._ids.span = trace.trace_id, span.id
        kind = SpanKind.SERVER if span.asked else SpanKind.CLIENT if span.calls else None
        made = self._tracer.start_span(
            span.name,
            context=_below(span, trace),
            kind=kind or SpanKind.INTERNAL,
            attributes={
                **span.attributes,
                **({names.ERROR_TYPE: span.error} if span.error else {}),
            },
            start_time=span.start,
            record_exception=False,
            set_status_on_exception=False,
        )
        if span.error:
            made.set_status(Status(StatusCode.ERROR))
        made.end(max(span.start, span.end))
        return self._kept.span


def _below(span: Span, trace: Trace) -> Context:
    """Where a span hangs: below its parent, or nowhere."""
    if not span.parent_id:
        return Context()
    parent = SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(span.parent_id, 16),
        is_remote=span.asked,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def near(endpoint: str) -> bool:
    """Whether a collector is on this machine or network."""
    return is_private_address(endpoint)
