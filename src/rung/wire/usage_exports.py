"""Usage as providers report it for a bill: OpenAI's and Anthropic's exports, and a plain table.

Read are the pages of both providers' usage and cost APIs (JSON, also several in a row), the CSV
files of their consoles, and any CSV or JSON table with a day, a model and counters. What cannot be
read is refused with its place: half an account would be compared as if it were a whole one.

https://platform.openai.com/docs/api-reference/usage
https://platform.claude.com/docs/en/build-with-claude/usage-cost-api
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from rung.core.money import MOST_USD, NANOUSD
from rung.core.reconciling import ALL_MODELS, Account, Figures, Told
from rung.wire.errors import WireError

OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"
PLAIN: Final = "plain"

MOST_COUNT: Final = 10**15
LONGEST_NUMBER: Final = 40
A_DAY_SECONDS: Final = 86_400

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "day": (
        *("usage_date_utc", "usage_date", "date", "day", "start_time_iso", "start_time"),
        *("starting_at", "timestamp", "created_at"),
    ),
    "model": ("model", "model_version", "model_id", "snapshot_id", "line_item"),
    "requests": ("num_model_requests", "requests", "n_requests", "num_requests", "calls"),
    "input": ("input_tokens", "prompt_tokens", "n_context_tokens_total"),
    "audio": ("input_audio_tokens",),
    "fresh": ("uncached_input_tokens", "usage_input_tokens_no_cache"),
    "read": (
        *("input_cached_tokens", "cache_read_input_tokens", "usage_input_tokens_cache_read"),
        *("cache_read_tokens", "cached_tokens", "n_cached_context_tokens_total"),
    ),
    "write": ("cache_write_tokens", "cache_creation_input_tokens"),
    "write_5m": ("ephemeral_5m_input_tokens", "usage_input_tokens_cache_write_5m"),
    "write_1h": ("ephemeral_1h_input_tokens", "usage_input_tokens_cache_write_1h"),
    "output": (
        *("output_tokens", "usage_output_tokens", "completion_tokens"),
        "n_generated_tokens_total",
    ),
    "spoken": ("output_audio_tokens",),
    "searches": ("web_search_requests", "web_search_count", "searches"),
    "cost": ("cost_usd", "amount_value", "amount_usd", "total_cost_usd", "cost", "usd"),
    "currency": ("amount_currency", "currency"),
}
"""What columns and fields are called, by what they tell."""

_KNOWN: Final = {name: told for told, names in NAMES.items() for name in names}
_COUNTERS: Final = (
    *("requests", "input", "audio", "fresh", "read", "write", "write_5m", "write_1h"),
    *("output", "spoken", "searches"),
)
_OF_OPENAI: Final = frozenset(
    {"num_model_requests", "input_cached_tokens", "n_context_tokens_total", "amount_value"}
)
_OF_ANTHROPIC: Final = frozenset(
    {"usage_date_utc", "usage_input_tokens_no_cache", "uncached_input_tokens", "model_version"}
)


def read(text: str) -> Account:
    """A provider's account. Raises WireError, which names what cannot be read and where."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in {"{", "["}:
        return _of_documents(list(_documents(text)))
    return _of_table(text)


# ------------------------------------------------------------------ JSON


def _documents(text: str) -> Iterator[Any]:
    """One JSON value, or several in a row, as lines or pages put together."""
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
    at = 0
    while at < len(text):
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, at) + 1
            raise WireError(f"line {line} is not JSON: {str(error)[:100]}") from None
        yield value


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _of_documents(documents: Sequence[Any]) -> Account:
    values = [each for one in documents for each in (one if isinstance(one, list) else [one])]
    pages = [
        each for each in values if isinstance(each, dict) and isinstance(each.get("data"), list)
    ]
    if not pages:
        return _of_rows((f"row {n}", each) for n, each in enumerate(values, 1))
    if len(pages) < len(values):
        raise WireError("it has pages of a usage report, and something else beside them")
    account = Account(OPENAI)
    for number, page in enumerate(pages, 1):
        for place, bucket in enumerate(page["data"], 1):
            _bucket(bucket, f"page {number}, bucket {place}", account)
    if pages[-1].get("has_more") is True:
        account.warnings.append("the last page says that there are more: this is a part of it")
    return account


def _is_page(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("data"), list)


def _bucket(bucket: Any, where: str, account: Account) -> None:
    """One span of a report; of one that had no calls the day alone is known."""
    results = bucket.get("results") if isinstance(bucket, dict) else None
    if not isinstance(results, list):
        raise WireError(f"{where} has no results: it is no page of a usage report")
    if "starting_at" in bucket:
        account.provider = ANTHROPIC
    start = _moment(bucket.get("start_time", bucket.get("starting_at")), where)
    end = _moment(bucket.get("end_time", bucket.get("ending_at")), where)
    if (end - start).total_seconds() > A_DAY_SECONDS:
        raise WireError(f"{where} spans more than a day: export it by the day (1d)")
    account.days.add(start.date())
    for result in results:
        if not isinstance(result, dict):
            raise WireError(f"{where} has a result that is no object")
        account.rows.append(_told({**_flat(result), "day": start.date()}, where))


def _flat(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result's fields by what they tell, those inside of objects too."""
    found: dict[str, Any] = {}
    amount = result.get("amount")
    if isinstance(amount, dict):
        found |= {"cost": amount.get("value"), "currency": amount.get("currency")}
    elif amount is not None:
        # Anthropic's cost report is in cents, as decimal text.
        found |= {"cost": _number(amount, "amount") / 100, "currency": result.get("currency")}
    for name, value in result.items():
        inside = value.items() if isinstance(value, dict) and name != "amount" else [(name, value)]
        found |= {_KNOWN[inner]: each for inner, each in inside if inner in _KNOWN}
    return found


# ------------------------------------------------------------------ tables


def _of_table(text: str) -> Account:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[str, Any]] = []
    try:
        names = next(reader, [])
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(names):
                said = f"has {len(cells)} cells, and the first line {len(names)}"
                raise WireError(f"line {reader.line_num} {said}")
            rows.append((f"line {reader.line_num}", dict(zip(names, cells, strict=True))))
    except csv.Error as error:
        raise WireError(f"line {reader.line_num} is no CSV: {error}") from None
    return _of_rows(rows)


def _of_rows(rows: Iterable[tuple[str, Any]]) -> Account:
    account = Account(PLAIN)
    names: set[str] = set()
    for where, row in rows:
        if not isinstance(row, dict):
            raise WireError(f"{where} is no object with a day, a model and counters")
        told = {str(name).strip().lower().replace(" ", "_"): value for name, value in row.items()}
        names |= told.keys()
        account.rows.append(_told(_by_meaning(told), where))
    if not account.rows:
        raise WireError("it has no rows")
    if names & _OF_ANTHROPIC:
        account.provider = ANTHROPIC
    elif names & _OF_OPENAI:
        account.provider = OPENAI
    return account


def _by_meaning(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's cells by what they tell: of several names for one thing the first known one."""
    found: dict[str, Any] = {}
    for told, names in NAMES.items():
        for name in names:
            if row.get(name) not in (None, ""):
                found[told] = row[name]
                break
    if "day" in found and not isinstance(found["day"], date):
        found["day"] = _moment(found["day"], "the day").date()
    return found


# ------------------------------------------------------------------ one row


def _told(row: Mapping[str, Any], where: str) -> Told:
    """One row's figures. Raises WireError for what is none."""
    if "day" not in row:
        raise WireError(f"{where} has no day: columns are called {', '.join(NAMES['day'])}")
    counts = {
        name: _count(row[name], f"{where}, {name}")
        for name in _COUNTERS
        if row.get(name) is not None
    }
    cost = None if row.get("cost") is None else _cost(row, where)
    if cost is None and not counts:
        raise WireError(f"{where} has neither counters nor an amount")
    model = row.get("model")
    named = model if isinstance(model, str) else ALL_MODELS
    figures = replace(_figures(counts), cost_nanousd=cost)
    # A line item of costs is the model with what was paid for: "gpt-5.4, cached input".
    return Told(row["day"], named.partition(", ")[0], figures)


def _figures(counts: Mapping[str, int]) -> Figures:
    written = counts.get("write")
    if {"write_5m", "write_1h"} & counts.keys():
        written = counts.get("write_5m", 0) + counts.get("write_1h", 0)
    read = counts.get("read")
    sent = counts.get("input")
    if "fresh" in counts:
        sent = counts["fresh"] + (read or 0) + (written or 0)
    elif sent is not None:
        sent += counts.get("audio", 0)
    said = counts.get("output")
    return Figures(
        requests=counts.get("requests"),
        input_tokens=sent,
        output_tokens=None if said is None else said + counts.get("spoken", 0),
        cache_read_tokens=read,
        cache_write_tokens=written,
        searches=counts.get("searches"),
    )


def _count(value: Any, where: str) -> int:
    number = _number(value, where)
    if number != int(number) or not 0 <= number <= MOST_COUNT:
        raise WireError(f"{where}: {_shown(value)} is no count")
    return int(number)


def _cost(row: Mapping[str, Any], where: str) -> int:
    currency = str(row.get("currency") or "usd").strip().lower()
    if currency != "usd":
        raise WireError(f"{where} is in {_shown(currency)}: only US dollars can be compared")
    dollars = _number(row["cost"], f"{where}, cost")
    if abs(dollars) > MOST_USD:
        raise WireError(f"{where}: {_shown(row['cost'])} is no amount of money")
    return round(dollars * NANOUSD)


def _number(value: Any, where: str) -> Decimal:
    try:
        text = str(value).strip().removeprefix("$")
        number = None if len(text) > LONGEST_NUMBER or "_" in text else Decimal(text)
    except InvalidOperation:
        number = None
    sane = number is not None and number.is_finite() and abs(number.adjusted()) < LONGEST_NUMBER
    if number is None or not sane or isinstance(value, bool):
        raise WireError(f"{where}: {_shown(value)} is no number")
    return number


def _moment(value: Any, where: str) -> datetime:
    """A time as seconds since 1970 or in ISO's words; one without a zone is UTC."""
    try:
        if isinstance(value, str) and not value.strip().isdigit():
            found = datetime.fromisoformat(value.strip())
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
            return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise WireError(f"{where}: {_shown(value)} is no time")


def _shown(value: Any) -> str:
    return repr(str(value)[:60])
