"""The bill as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rung.core.money import exact
from rung.core.stats import Rate
from rung.ledger.bill import Beside, Bill, RequestLine, Saving, Sparing, Spend, TierLine


def to_json(bill: Bill) -> dict[str, Any]:
    """The bill as plain JSON values: amounts both as nano-dollars and as exact text in dollars."""
    return {
        "since_unix": bill.since_unix,
        "until_unix": bill.until_unix,
        "by": None if bill.by is None else bill.by.value,
        "baseline": bill.baseline,
        "total": _request_line(bill.total),
        "tiers": [_tier_line(line) for line in bill.tiers],
        "lines": [
            _request_line(line) if isinstance(line, RequestLine) else _tier_line(line)
            for line in bill.lines
        ],
    }


def _request_line(line: RequestLine) -> dict[str, Any]:
    return {
        "key": line.key,
        "requests": line.requests,
        "resent": line.resent,
        "answered": line.answered,
        "verified": line.verified,
        "unverified": line.unverified,
        "flagged": line.flagged,
        "exhausted": line.exhausted,
        "inbox": line.inbox,
        "by_human": line.by_human,
        "ungated": line.ungated,
        **_spend(line.spend),
        **_money("spend", line.spend_nanousd),
        **_money("wasted", line.wasted_nanousd),
        **_beside(line.beside),
        **asdict(line.fidelity),
        "served_again": line.served_again,
        **_money("spared", line.spared_nanousd),
        "recovered": line.recovered,
        **_money("blended", line.blended_nanousd),
        "escalation": _rate(line.escalation),
        "fallbacks": line.fallbacks,
        "median_seconds": line.median_seconds,
        "p90_seconds": line.p90_seconds,
        "savings": [_saving(saving) for saving in line.savings],
    }


def _tier_line(line: TierLine) -> dict[str, Any]:
    return {
        "key": line.key,
        **_spend(line.spend),
        **asdict(line.fidelity),
        "failures": line.failures,
        "served": _rate(line.served),
        "passed": _rate(line.passed),
    }


def _spend(spend: Spend) -> dict[str, Any]:
    tokens = spend.tokens
    return {
        "attempts": spend.attempts,
        **_money("spend", spend.spend_nanousd),
        **_money("wasted", spend.wasted_nanousd),
        "wasted_seconds": spend.wasted_seconds,
        "tokens": {
            "input": tokens.input,
            "output": tokens.output,
            "cache_read": tokens.cache_read,
            "cache_write": tokens.cache_write,
            "reasoning": tokens.reasoning,
            "image": tokens.image,
            "server_tools": tokens.server_tools,
        },
        **_sparing(spend.sparing),
        "estimated": _rate(spend.estimated),
    }


def _sparing(sparing: Sparing) -> dict[str, Any]:
    return {
        "cache": {
            "hit_rate": sparing.hit_rate,
            "input_tokens": sparing.told_tokens,
            "read_tokens": sparing.read_tokens,
            **_money("saved", sparing.cache_nanousd),
        },
        "shortened": {
            "tokens": sparing.shortened_tokens,
            **_money("saved", sparing.shortened_nanousd),
        },
    }


def _beside(beside: Beside) -> dict[str, Any]:
    return {
        **_money("checks", beside.checks_nanousd),
        **_money("checks_wasted", beside.checks_wasted_nanousd),
        "audited": beside.audited,
        "audit_calls": beside.audit_calls,
        **_money("audits", beside.audits_nanousd),
    }


def _saving(saving: Saving) -> dict[str, Any]:
    return {
        "name": saving.name,
        "requests": saving.requests,
        **_money("baseline", saving.baseline_nanousd),
        **_money("spend", saving.spend_nanousd),
        **_money("saved", saving.saved_nanousd),
        "share": saving.savings,
    }


def _money(name: str, nanousd: int | None) -> dict[str, Any]:
    return {
        f"{name}_nanousd": nanousd,
        f"{name}_usd": None if nanousd is None else exact(nanousd),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {
        "hits": rate.hits,
        "trials": rate.trials,
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
    }
