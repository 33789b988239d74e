"""What a provider's refusal means: HTTP status and error object to a `Failure`, by tables.

Its own words go on to the caller, cleaned: they can echo the key, or try to fool a terminal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from rung.core.types import Failure, Fault

LONGEST_MESSAGE = 300
LONGEST_WAIT_SECONDS = 60.0
_READ_AT_MOST = 64 * 1024

BY_STATUS: Mapping[int, Fault] = {
    401: Fault.AUTH,
    402: Fault.BILLING,
    403: Fault.AUTH,
    404: Fault.NOT_FOUND,
    408: Fault.TIMEOUT,
    410: Fault.NOT_FOUND,
    429: Fault.RATE_LIMITED,
    503: Fault.OVERLOADED,
    504: Fault.TIMEOUT,
    524: Fault.TIMEOUT,
    529: Fault.OVERLOADED,
}
"""Statuses with a meaning of their own; the others count by their hundred."""

BY_HUNDRED: Mapping[int, Fault] = {
    3: Fault.INVALID_RESPONSE,
    4: Fault.REJECTED,
    5: Fault.SERVER_ERROR,
}

WHATEVER_THE_STATUS: Mapping[str, Fault] = {
    "insufficient_quota": Fault.BILLING,
    "insufficient_balance": Fault.BILLING,
    "enforced_spend_limit_reached": Fault.BILLING,
    "billing_hard_limit_reached": Fault.BILLING,
    "billing_not_active": Fault.BILLING,
    "billing_error": Fault.BILLING,
    "context_length_exceeded": Fault.CONTEXT_TOO_LONG,
    "request_too_large": Fault.CONTEXT_TOO_LONG,
    "exceed_context_size_error": Fault.CONTEXT_TOO_LONG,
}
"""Codes that say more than the status they come with."""

BY_CODE: Mapping[str, Fault] = {
    "rate_limit_exceeded": Fault.RATE_LIMITED,
    "rate_limit_error": Fault.RATE_LIMITED,
    "rate_limited": Fault.RATE_LIMITED,
    "overloaded": Fault.OVERLOADED,
    "overloaded_error": Fault.OVERLOADED,
    "slow_down": Fault.OVERLOADED,
    "server_overloaded": Fault.OVERLOADED,
    "unavailable_error": Fault.OVERLOADED,
    "timeout": Fault.TIMEOUT,
    "timeout_error": Fault.TIMEOUT,
    "authentication_error": Fault.AUTH,
    "invalid_api_key": Fault.AUTH,
    "permission_error": Fault.AUTH,
    "not_found_error": Fault.NOT_FOUND,
    "model_not_found": Fault.NOT_FOUND,
    "invalid_request_error": Fault.REJECTED,
    "content_policy_violation": Fault.REJECTED,
    "invalid_prompt": Fault.REJECTED,
}
"""Codes of errors that come without a status, inside of an answer or a stream."""

_CONTEXT = re.compile(
    r"maximum context|context (?:length|size|window)|prompt is too long", re.IGNORECASE
)
_CREDIT = re.compile(r"credit balance is too low", re.IGNORECASE)
"""Anthropic says so with a 400: https://github.com/continuedev/continue/issues/5499"""
_SHAPE = (
    r"(?:\b(?:sk|pk|rk|gsk|xai|csk|nvapi|pplx|hf|r8|tgp)[-_]|\bAIza)[\w*\u2022\u2026.-]*[\w*\u2022]"
)
_KEY_SHAPES = re.compile(_SHAPE + r"|[\w-]*(?:\*{3,}|\u2022{2,})[\w-]*")
_WHOLE_KEYS = re.compile(r"(?=[\w-]{20})(?:" + _SHAPE + ")")
"""Too long for a word such as `pk_id`: what is quoted of answers is no provider's error."""
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=*-]{6,}", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Told:
    """A provider's error in one shape: its words, its codes in lower case, a status among them."""

    message: str
    codes: frozenset[str]
    status: int | None = None


def status_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, secret: str | None, now: datetime
) -> Failure:
    """Why an answer with this status is none. ``now`` is the wall clock, for dates in headers."""
    told = read_error(_decoded(body))
    words = clean(told.message, secret)
    if status // 100 == 3:
        words = "a redirect, which is not followed"
    return Failure(
        fault=_fault(status, told),
        message=f"the provider answered {status}" + (f": {words}" if words else ""),
        status=status,
        retry_after_seconds=retry_after_seconds(headers, now),
    )


def error_failure(error: Any, *, secret: str | None) -> Failure:
    """Why an answer with HTTP 200 that holds an error object is none."""
    told = read_error(error)
    words = clean(told.message, secret)
    return Failure(
        fault=_fault(told.status, told),
        message="the provider answered with an error" + (f": {words}" if words else ""),
        status=told.status,
    )


def read_error(value: Any) -> Told:
    """Make sense of an error: an object as of OpenAI or Anthropic, Gemini's list, a bare string."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict) and isinstance(value.get("error"), dict | str):
        value = value["error"]
    if isinstance(value, str):
        return Told(value, frozenset())
    if not isinstance(value, dict):
        return Told("", frozenset())
    words = next((value[k] for k in ("message", "detail") if isinstance(value.get(k), str)), "")
    named = [value.get(key) for key in ("code", "type", "status")]
    status = next((one for one in named if isinstance(one, int) and 300 <= one <= 599), None)
    return Told(words, frozenset(one.lower() for one in named if isinstance(one, str)), status)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """What the provider asks to wait, at most a minute; ``None`` for no header and for nonsense."""
    for name, unit in (
        ("retry-after-ms", 0.001),
        ("x-ms-retry-after-ms", 0.001),
        ("retry-after", 1),
    ):
        told = headers.get(name, "").strip()
        seconds = _number(told)
        if seconds is not None:
            seconds *= unit
        elif unit == 1 and told:
            seconds = _until(told, now)
        if seconds is not None and seconds >= 0:
            return min(seconds, LONGEST_WAIT_SECONDS)
    return None


def clean(text: str, secret: str | None) -> str:
    """One line of a provider's words without keys or control characters, cut to a fit length."""
    text = text[:_READ_AT_MOST]
    if secret:
        text = without_secret(text, secret)
    text = "".join(one if one.isprintable() else " " for one in text)
    text = _BEARER.sub(r"\1 [key]", _KEY_SHAPES.sub("[key]", text))
    text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def without_keys(text: str) -> str:
    """A text that may quote an answer, without what is shaped like a whole key."""
    return _WHOLE_KEYS.sub("[key]", text)


def without_secrets(text: str, secrets: tuple[str, ...]) -> str:
    """The same text without any of these keys."""
    for secret in secrets:
        if secret in text:
            text = without_secret(text, secret)
    return text


def without_secret(text: str, secret: str) -> str:
    """Without the key, and without words that hold its beginning or its end."""
    text = text.replace(secret, "[key]")
    if len(secret) < 16:
        return text
    part = 6
    ends = f"{re.escape(secret[:part])}|{re.escape(secret[-part:])}"
    return re.sub(rf"\S*(?:{ends})\S*", "[key]", text)


def _fault(status: int | None, told: Told) -> Fault:
    for code in told.codes & WHATEVER_THE_STATUS.keys():
        return WHATEVER_THE_STATUS[code]
    if status in {None, 400} and _CREDIT.search(told.message):
        return Fault.BILLING
    if status in {None, 400, 413, 422, 500} and _CONTEXT.search(told.message):
        return Fault.CONTEXT_TOO_LONG
    if status is not None:
        return BY_STATUS.get(status) or BY_HUNDRED.get(status // 100, Fault.INVALID_RESPONSE)
    return next((BY_CODE[one] for one in sorted(told.codes) if one in BY_CODE), Fault.SERVER_ERROR)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body[:_READ_AT_MOST])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _number(told: str) -> float | None:
    try:
        value = float(told)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _until(told: str, now: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(told)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
