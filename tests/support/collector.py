"""A collector of traces on a real socket: takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.openai_server import Call, OpenAIServer, Step, whole

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Span:
    """A span as it arrived; ids in hexadecimal digits."""

    name: str
    trace_id: str
    id: str
    parent_id: str
    kind: int
    failed: bool
    seconds: float
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector(OpenAIServer):
    """``status`` is what it answers with."""

    def __init__(self, status: int = 200, said: bytes = b"") -> None:
        super().__init__(self._take)
        self.status = status
        self.said = said

    def _take(self, call: Call) -> Iterable[Step]:
        assert call.path == "/v1/traces"
        return [whole(self.status, self.said, content_type="application/x-protobuf")]

    @property
    def url(self) -> str:
        return self.base_url.removesuffix("/v1")

    @property
    def spans(self) -> list[Span]:
        return [span for call in list(self.requests) for span in _read(call.body)]

    def trace(self, request_id: str) -> list[Span]:
        """Wait for the spans of one request: they come together."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            spans = self.spans
            found = {s.trace_id for s in spans if s.attributes.get("rung.request.id") == request_id}
            if found:
                return [span for span in spans if span.trace_id in found]
            assert time.monotonic() < end, f"no span of {request_id} came"
            time.sleep(0.02)


def _read(body: bytes) -> list[Span]:
    message = ExportTraceServiceRequest()
    message.ParseFromString(body)
    return [
        Span(
            name=span.name,
            trace_id=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            kind=span.kind,
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
            seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
            attributes=_values(span.attributes),
            resource=_values(each.resource.attributes),
        )
        for each in message.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
