from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.types import Fault
from rung.providers.faults import (
    LONGEST_MESSAGE,
    clean,
    error_failure,
    read_error,
    retry_after_seconds,
    status_failure,
)

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, 30),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 60),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "abc"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "9e9"}, 60),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "500"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
    ],
)
def test_the_wait_asked_for_is_read_capped_and_nonsense_ignored(headers, seconds) -> None:
    assert retry_after_seconds(headers, NOW) == seconds


@given(st.text())
def test_no_header_can_break_the_reading(value) -> None:
    seconds = retry_after_seconds({"retry-after": value, "retry-after-ms": value}, NOW)
    assert seconds is None or 0 <= seconds <= 60


@pytest.mark.parametrize(
    ("value", "message", "codes"),
    [
        ({"error": {"message": "m", "type": "T", "code": "c"}}, "m", {"t", "c"}),
        ({"message": "m", "code": None}, "m", set()),
        ([{"error": {"message": "m", "status": "UNAVAILABLE"}}], "m", {"unavailable"}),
        ({"error": "m"}, "m", set()),
        ({"detail": "m"}, "m", set()),
        ({"detail": [{"loc": []}]}, "", set()),
        ("m", "m", set()),
        (None, "", set()),
        ([], "", set()),
    ],
)
def test_errors_of_many_shapes_are_read(value, message, codes) -> None:
    told = read_error(value)
    assert (told.message, told.codes) == (message, codes)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"type": "overloaded_error"}, Fault.OVERLOADED),
        ({"code": "rate_limit_exceeded"}, Fault.RATE_LIMITED),
        ({"code": 502, "message": "upstream"}, Fault.SERVER_ERROR),
        ({"code": 429}, Fault.RATE_LIMITED),
        ({"code": 7}, Fault.SERVER_ERROR),
        ({"type": "invalid_request_error"}, Fault.REJECTED),
        ({"type": "invalid_request_error", "code": "insufficient_quota"}, Fault.BILLING),
        ({"message": "prompt is too long: 9 tokens"}, Fault.CONTEXT_TOO_LONG),
        ({"type": "api_error", "message": "m"}, Fault.SERVER_ERROR),
        ({"type": "timeout_error"}, Fault.TIMEOUT),
        ({"type": "billing_error"}, Fault.BILLING),
        ({"type": "request_too_large"}, Fault.CONTEXT_TOO_LONG),
        ({"type": "error", "error": {"type": "overloaded_error"}}, Fault.OVERLOADED),
        ({"code": "server_error", "message": "m"}, Fault.SERVER_ERROR),
        ({"code": "invalid_prompt"}, Fault.REJECTED),
        ("something", Fault.SERVER_ERROR),
        (None, Fault.SERVER_ERROR),
    ],
)
def test_errors_without_a_status_count_by_their_codes(error, fault) -> None:
    assert error_failure(error, secret=None).fault is fault


@pytest.mark.parametrize(
    ("status", "kind", "message", "fault"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", Fault.REJECTED),
        (400, "invalid_request_error", "prompt is too long: 9 > 8", Fault.CONTEXT_TOO_LONG),
        (400, "invalid_request_error", "Your credit balance is too low to", Fault.BILLING),
        (401, "authentication_error", "invalid x-api-key", Fault.AUTH),
        (402, "billing_error", "m", Fault.BILLING),
        (403, "permission_error", "m", Fault.AUTH),
        (404, "not_found_error", "model: m", Fault.NOT_FOUND),
        (413, "request_too_large", "m", Fault.CONTEXT_TOO_LONG),
        (429, "rate_limit_error", "m", Fault.RATE_LIMITED),
        (500, "api_error", "m", Fault.SERVER_ERROR),
        (504, "timeout_error", "m", Fault.TIMEOUT),
        (529, "overloaded_error", "Overloaded", Fault.OVERLOADED),
    ],
)
def test_the_refusals_of_anthropic(status, kind, message, fault) -> None:
    told = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    failure = status_failure(status, {}, json.dumps(told).encode(), secret=None, now=NOW)
    assert failure.fault is fault
    assert failure.message == f"the provider answered {status}: {message}"


KEYS = ["sk-proj-abcdef0123456789wxyz", "AIzaSyA0123456789abcdefgh", "plainkey0123456789plainkey"]


@pytest.mark.parametrize("secret", [*KEYS, "short"])
@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: {key}.",
        'header "Authorization: Bearer {key}" is bad',
        "key={key}&x=1",
    ],
)
def test_the_key_is_not_passed_on(said, secret) -> None:
    cleaned = clean(said.format(key=secret), secret)
    assert secret not in cleaned
    assert "[key]" in cleaned


@pytest.mark.parametrize("secret", KEYS)
@pytest.mark.parametrize("mask", ["****", "...", "…", "", "xxxx"])
def test_a_masked_key_is_not_passed_on_either(mask, secret) -> None:
    start, end = secret[:8], secret[-6:]
    cleaned = clean(f"{start}{mask}{end} is no key", secret)
    assert cleaned == "[key] is no key"


@pytest.mark.parametrize(
    "said",
    [
        "invalid key sk-ant-api03-xyzzyxyzzy",
        "invalid key sk-...wxyz",
        "invalid key gsk_0123456789abc",
        "invalid key AIzaSyB-1234567890",
        "Authorization: Bearer abcdef.ghijkl",
    ],
)
def test_keys_that_are_not_ours_are_not_passed_on_either(said) -> None:
    assert "[key]" in clean(said, None)
    assert not {"xyzzy", "wxyz", "0123", "1234", "ghijkl"} & {
        clean(said, None)[i : i + 5] for i in range(60)
    }


@pytest.mark.parametrize(
    "said",
    [
        "The model `llama-3.1` does not exist",
        "max_tokens must be > 0",
        "wait... then try",
        "risk-free",
    ],
)
def test_plain_words_stay(said) -> None:
    assert clean(said, KEYS[0]) == said


@given(st.text(), st.sampled_from([None, *KEYS]))
def test_a_message_is_one_short_printable_line(said, secret) -> None:
    cleaned = clean(said, secret)
    assert len(cleaned) <= LONGEST_MESSAGE
    assert cleaned.isprintable()
    assert not secret or secret not in cleaned


def test_control_and_bidi_characters_are_dropped_and_length_is_bounded() -> None:
    assert clean("a\x1b[31m\r\nb\u202ec\x00d", None) == "a [31m b c d"
    assert clean("x" * 5000, None) == "x" * 299 + "…"


@given(st.integers(100, 599), st.binary())
def test_whatever_a_provider_sends_becomes_a_failure(status, body) -> None:
    failure = status_failure(status, {}, body, secret=None, now=NOW)
    assert failure.status == status
    assert str(status) in failure.message


def test_huge_error_bodies_are_not_parsed_whole() -> None:
    body = json.dumps({"error": {"message": "x" * 10**6}}).encode()
    failure = status_failure(500, {}, body, secret=None, now=NOW)
    assert failure.message == "the provider answered 500"
