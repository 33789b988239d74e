"""Who a request's spans belong to: W3C trace context, https://www.w3.org/TR/trace-context/.

Ids are digests of rung's own ids, so that a call can be told its span before there is one, and the
spans of a stored outcome are always the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

HEADER = "traceparent"

_SHAPE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of one request. Ids are in hexadecimal digits.

    ``parent_id`` is the caller's span, empty where rung began the trace.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    sampled: bool = True

    def header(self, attempt_id: str) -> str:
        """The ``traceparent`` of one call: what is done for it belongs below its span."""
        return f"00-{self.trace_id}-{span_id(attempt_id)}-{'01' if self.sampled else '00'}"


def span_id(identity: str) -> str:
    """The id of a span by rung's id of what it is about."""
    return blake2b(_bytes(identity), digest_size=_SPAN_BYTES).hexdigest()


def readable(given: str) -> str:
    """A caller's ``traceparent`` as it is, empty where it is none."""
    found = _SHAPE.fullmatch(given)
    if found is None or len(given) > 256:
        return ""
    version, trace, parent, _, more = found.groups()
    wrong = version == "ff" or (version == "00" and more) or not int(trace, 16)
    return "" if wrong or not int(parent, 16) else given


def trace_of(request_id: str, given: str = "", share: float = 1.0) -> Trace:
    """The trace of a request whose caller sent ``given``, a readable ``traceparent`` or nothing.

    A caller that keeps a trace has said whether this one is kept; of all others a ``share`` (0..1)
    is, as OpenTelemetry's TraceIdRatioBased draws it.
    """
    own = span_id(request_id)
    if given:
        _, trace, parent, flags = given.split("-")[:4]
        return Trace(trace, own, parent, sampled=bool(int(flags, 16) & _SAMPLED))
    trace = blake2b(_bytes(request_id), digest_size=_TRACE_BYTES, person=b"trace").hexdigest()
    return Trace(trace, own, sampled=int(trace[16:], 16) < round(share * 2**64))


def _bytes(identity: str) -> bytes:
    return identity.encode("utf-8", "surrogatepass")
