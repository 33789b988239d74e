"""What callers may ask of the cascade in headers, and what they are told in headers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from rung.core.errors import RequestError
from rung.core.money import exact, from_usd
from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.traces import HEADER, readable
from rung.core.types import Directions, Lane, Request, Usage, UsageSource
from rung.server.harnesses import asker

Headers = list[tuple[bytes, bytes]]

UNGATED: Headers = [(b"x-rung-gated", b"false")]
"""On streams that leave before the gates which their request implies have seen them."""

ESTIMATED: Headers = [(b"x-rung-estimated", b"true")]
"""On counts that no provider made."""

PRIVATE: Headers = [(b"x-rung-private", b"true")]
"""On answers of which nothing left this machine."""

NO_RETRY: Headers = [(b"x-should-retry", b"false")]
"""Keeps the SDKs of OpenAI and Anthropic from asking again for what will not come."""

KNOWN_OF_CLIENTS = frozenset(
    {b"anthropic-beta", b"anthropic-version", b"x-claude-code-session-id"}
    | {b"session-id", b"session_id", b"thread-id", b"conversation_id"}
    | {b"x-session-id", b"x-session-affinity"}
)
"""Headers of the clients' own that a dialect may look at. No other goes any further."""

LISTS = frozenset({b"anthropic-beta"})

_TRACEPARENT = HEADER.encode()

LONGEST_VALUE = 200
PREFIX = "x-rung-"
VERIFY = "x-rung-verify"
NUMBER = re.compile(r"^\d+(\.\d+)?$")
VERIFIED = {True: b"true", False: b"false", None: b"none"}
UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
MOST_DEADLINE_MS = 86_400_000


def directions(headers: Iterable[tuple[bytes, bytes]]) -> Directions:
    """The `x-rung-*` headers of a request, and what its client implies where they say nothing.

    Raises RequestError that names the header at fault.
    """
    headers = list(headers)
    asked: dict[str, str] = {}
    for raw, value in headers:
        name = raw.lower().decode("latin-1")
        if name.startswith(PREFIX):
            asked[name] = _once(name, value.decode("latin-1").strip(), asked.get(name))
    verify = asked.get(VERIFY, "")
    client = asker(headers)
    return Directions(
        ladder=asked.get("x-rung-ladder") or None,
        tier=asked.get("x-rung-tier") or None,
        verify=tuple(name.strip() for name in verify.split(",") if name.strip()),
        project=asked.get("x-rung-project") or None,
        lane=_lane(asked.get("x-rung-lane") or client.lane),
        deadline_seconds=_deadline(asked.get("x-rung-deadline-ms")),
        max_cost_nanousd=_cap(asked.get("x-rung-max-usd")),
        ceiling=asked.get("x-rung-ceiling") or None,
        private=_flag("x-rung-private", asked.get("x-rung-private")),
        fresh=_fresh(asked.get("x-rung-cache")),
        agent=client.agent,
    )


def known(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The clients' own headers that mean something to a dialect, by name in lower case.

    Of those that come in several lines the last one counts; lists add up.
    """
    found: dict[str, str] = {}
    for given, value in headers:
        name = given.lower()
        if name in KNOWN_OF_CLIENTS:
            told, key = value.decode("latin-1"), name.decode("latin-1")
            found[key] = f"{found[key]},{told}" if name in LISTS and key in found else told
    return found


def trace(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's ``traceparent``; empty where there is none, or several, or nonsense."""
    given = [value for name, value in headers if name.lower() == _TRACEPARENT]
    return readable(given[0].decode("latin-1").strip()) if len(given) == 1 else ""


def shown_keys(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, ...]:
    """The keys that a client shows, each once, where OpenAI's and Anthropic's clients put them."""
    found: list[bytes] = []
    for given, value in headers:
        name, key = given.lower(), value.strip()
        if name == b"authorization":
            scheme, _, key = key.partition(b" ")
            key = key.strip() if scheme.lower() == b"bearer" else b""
        elif name != b"x-api-key":
            continue
        if key:
            found.append(key)
    return tuple(dict.fromkeys(found))


def _once(name: str, value: str, before: str | None) -> str:
    """A header's value. Only the list of checks may come in several lines: they add up."""
    if name not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise RequestError(f"there is no header {_shown(name)}.", fix=f"known: {known}")
    if before is not None and name != VERIFY:
        raise RequestError(f"{name} is given more than once.", param=name)
    joined = value if before is None else f"{before},{value}"
    if len(joined) > LONGEST_VALUE:
        raise RequestError(f"{name} is longer than {LONGEST_VALUE} characters.", param=name)
    return joined


KNOWN = frozenset(
    {"x-rung-ladder", "x-rung-tier", "x-rung-verify", "x-rung-project", "x-rung-lane"}
    | {"x-rung-deadline-ms", "x-rung-max-usd", "x-rung-ceiling", "x-rung-private", "x-rung-cache"}
)


def _lane(value: str | None) -> Lane:
    try:
        return Lane(value) if value else Lane.INTERACTIVE
    except ValueError:
        lanes = ", ".join(Lane)
        said = f"x-rung-lane must be one of: {lanes}."
        raise RequestError(said, param="x-rung-lane") from None


def _flag(name: str, value: str | None) -> bool:
    """A yes or a no. What cannot be read is no no, nor is an empty value."""
    if value is None:
        return False
    if value.lower() not in {"true", "false"}:
        raise RequestError(f"{name} must be true or false.", param=name)
    return value.lower() == "true"


def _fresh(value: str | None) -> bool:
    if value not in {None, "", "bypass"}:
        said = "x-rung-cache can only be `bypass`."
        raise RequestError(said, param="x-rung-cache", fix="leave the header out")
    return value == "bypass"


def _deadline(value: str | None) -> float | None:
    if not value:
        return None
    wanted = float(value) if NUMBER.match(value) else math.nan
    if not 1 <= wanted <= MOST_DEADLINE_MS:
        said = f"x-rung-deadline-ms must be between 1 and {MOST_DEADLINE_MS}."
        raise RequestError(said, param="x-rung-deadline-ms")
    return wanted / 1000


def _cap(value: str | None) -> int | None:
    if not value:
        return None
    try:
        return from_usd(Decimal(value if NUMBER.match(value) else "NaN"))
    except ValueError:
        said = "x-rung-max-usd must be an amount such as 0.05."
        raise RequestError(said, param="x-rung-max-usd") from None


def of_request(request_id: str) -> Headers:
    """What is known of any request."""
    return [(b"x-rung-request-id", safe(request_id)), (b"x-request-id", safe(request_id))]


def of_call(request_id: str, tier: str, model: str, attempts: int) -> Headers:
    """What is known when a stream's first byte leaves."""
    return [
        *of_request(request_id),
        (b"x-rung-tier", safe(tier)),
        (b"x-rung-model", safe(model)),
        (b"x-rung-attempts", b"%d" % attempts),
    ]


def of_outcome(outcome: Outcome) -> Headers:
    """All that is known at the end."""
    best = outcome.best
    told = of_request(outcome.request.id)
    if best is not None and outcome.served is not None:
        model = "" if best.answer is None else best.answer.model
        told += [(b"x-rung-tier", safe(best.tier)), (b"x-rung-model", safe(model))]
    cached = outcome.cached_of is not None
    told += [
        *([(b"x-rung-cache", b"hit")] if cached else []),
        (b"x-rung-attempts", b"%d" % (0 if cached else len(outcome.attempts))),
        (b"x-rung-verified", VERIFIED[outcome.verified]),
        (b"x-rung-cost-usd", exact(outcome.cost_nanousd).encode()),
    ]
    told += of_plan(outcome.request, outcome.plan)
    if outcome.served is not None and (sure := outcome.confidence) is not None:
        told += [(b"x-rung-confidence", sure.words.encode())]
    if outcome.served is not None and _estimated(outcome.attempts[outcome.served].usage):
        told += ESTIMATED
    told += _baseline(list(outcome.baselines.values()))
    return told


def of_plan(request: Request, plan: Plan) -> Headers:
    """What is found out of a request before anything is called."""
    told = [(b"x-rung-loop", safe(request.loop))] if request.loop else []
    return [*told, *(PRIVATE if plan.private else [])]


def _estimated(usage: Usage) -> bool:
    return usage.source is UsageSource.ESTIMATED


def retry_after(seconds: float | None) -> Headers:
    """When to come back, in whole seconds, if anyone said so."""
    return [] if seconds is None else [(b"retry-after", b"%d" % max(1, round(seconds)))]


def _baseline(costs: Sequence[int]) -> Headers:
    return [(b"x-rung-baseline-usd", exact(costs[0]).encode())] if costs else []


def safe(value: str) -> bytes:
    """A header value from anywhere: printable ASCII, bounded."""
    return UNPRINTABLE.sub("?", value)[:LONGEST_VALUE].encode("ascii")


def _shown(name: str) -> str:
    return UNPRINTABLE.sub("?", name)[:60]
