"""Every metric that rung tells, by name, with its labels: the one place where they are named.

Counters and histograms are fed by finished outcomes and by answered connections. Gauges are looked
up when somebody asks. Labels hold names of the configuration, words of rung's own, and few others.
"""

from __future__ import annotations

from typing import Final

from rung.telemetry.series import Family

# ------------------------------------------------------------------ requests

REQUESTS: Final = Family(
    "rung_requests_total",
    "Finished requests. result: answered, unverified (answers came, none passed), failed (no tier"
    " answered), cancelled. verified: true, false, none. Audits are none of them.",
    ("ladder", "lane", "result", "verified"),
)
SERVED_AGAIN: Final = Family(
    "rung_served_again_total",
    "Requests that an answer given before was served to. Inside rung_requests_total.",
    ("ladder",),
)
RESENDS: Final = Family(
    "rung_resends_total",
    "Requests that repeat one whose stream broke. Inside rung_requests_total.",
    ("ladder",),
)
ESCALATED: Final = Family(
    "rung_escalated_total",
    "Requests that a higher tier was asked for because of what an answer was.",
    ("ladder",),
)
PRIVATE: Final = Family(
    "rung_private_total", "Requests of which nothing may leave this machine.", ("ladder",)
)
LOOPS: Final = Family(
    "rung_loops_total", "Requests that were taken for one turn of a circle.", ("ladder",)
)
REQUEST_SECONDS: Final = Family(
    "rung_request_seconds",
    "From a request's plan to its outcome, without the ledger's commit.",
    ("ladder", "lane"),
)
BASELINE_COST: Final = Family(
    "rung_baseline_cost_usd_total",
    "What the served tokens would have cost at a baseline.",
    ("ladder", "baseline"),
    nano=True,
)
REQUEST_COST: Final = Family(
    "rung_request_cost_usd_total",
    "What requests cost, all attempts and checks inside, by project; audits are left out.",
    ("ladder", "project"),
    nano=True,
)
KEY_COST: Final = Family(
    "rung_key_cost_usd_total",
    "What requests cost by virtual key: the first 200 keys that ask by id, all others as other.",
    ("key",),
    nano=True,
)

# ------------------------------------------------------------------ attempts

ATTEMPTS: Final = Family(
    "rung_attempts_total",
    "Calls to tiers. result: answered, aborted, or the fault. Audits' calls are inside.",
    ("tier", "kind", "result"),
)
ATTEMPT_SECONDS: Final = Family(
    "rung_attempt_seconds", "Wall time of a call, with load and queue.", ("tier",)
)
FIRST_TOKEN_SECONDS: Final = Family(
    "rung_first_token_seconds",
    "From a call's start to its first token, without load and queue.",
    ("tier",),
)
QUEUE_SECONDS: Final = Family(
    "rung_queue_seconds", "How long calls stood behind others, of those that did.", ("tier",)
)
TOKENS: Final = Family(
    "rung_tokens_total",
    "Tokens of calls. type: input, output; cache_read and cache_write are inside input, reasoning"
    " is inside output.",
    ("tier", "type"),
)
ESTIMATED: Final = Family(
    "rung_usage_estimated_total",
    "Calls whose provider reported no usable counts: they were estimated.",
    ("tier",),
)
COST: Final = Family(
    "rung_cost_usd_total", "What calls cost, without their checks.", ("tier",), nano=True
)
WASTED: Final = Family(
    "rung_wasted_cost_usd_total",
    "Of that, what calls cost whose answer was not served.",
    ("tier",),
    nano=True,
)
AUDIT_COST: Final = Family(
    "rung_audit_cost_usd_total", "What second looks at answers cost.", nano=True
)

# ------------------------------------------------------------------ checks

CHECKS: Final = Family(
    "rung_checks_total",
    "Verdicts. status: passed, failed, abstained.",
    ("verifier", "status"),
)
CHECK_SECONDS: Final = Family("rung_check_seconds", "How long checks took.", ("verifier",))
CHECK_COST: Final = Family(
    "rung_check_cost_usd_total", "What checks themselves were billed.", ("verifier",), nano=True
)

# ------------------------------------------------------------------ the gateway and its ledger

RESPONSES: Final = Family(
    "rung_http_responses_total",
    "Responses by route and status; status 499: the caller left before one began.",
    ("route", "status"),
)
LEDGER_FAILURES: Final = Family("rung_ledger_failures_total", "Outcomes that could not be written.")
LEDGER_SECONDS: Final = Family(
    "rung_ledger_append_seconds", "How long an answer waited for its outcome to be durable."
)
SPANS: Final = Family(
    "rung_spans_total", "Spans of traces. result: exported, failed, dropped.", ("result",)
)

COUNTERS: Final = (
    *(REQUESTS, SERVED_AGAIN, RESENDS, ESCALATED, PRIVATE, LOOPS, BASELINE_COST, REQUEST_COST),
    *(KEY_COST, ATTEMPTS, TOKENS, ESTIMATED, COST, WASTED, AUDIT_COST, CHECKS, CHECK_COST),
    *(RESPONSES, LEDGER_FAILURES, SPANS),
)

SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bounds for what models take."""

QUICK: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Bounds for what disks and checks take."""

HISTOGRAMS: Final = (
    (REQUEST_SECONDS, SECONDS),
    (ATTEMPT_SECONDS, SECONDS),
    (FIRST_TOKEN_SECONDS, SECONDS),
    (QUEUE_SECONDS, SECONDS),
    (CHECK_SECONDS, (*QUICK, 30.0)),
    (LEDGER_SECONDS, QUICK),
)

# ------------------------------------------------------------------ gauges

IN_FLIGHT: Final = Family("rung_in_flight_requests", "Requests being answered now.")
TIER: Final = Family(
    "rung_tier_info", "Always 1: what a tier's name stands for.", ("tier", "model", "local")
)
TIER_SLOTS: Final = Family("rung_tier_slots", "Calls that a tier takes at once.", ("tier",))
TIER_CALLS: Final = Family(
    "rung_tier_calls", "Calls at a tier with slots. state: running, waiting.", ("tier", "state")
)
BREAKER: Final = Family(
    "rung_breaker_open", "1 while a tier that failed is left alone, else 0.", ("tier",)
)
LEDGER_UP: Final = Family(
    "rung_ledger_up",
    "1 if the last outcome could be written and none waits beside the ledger, else 0.",
)
LEDGER_WAITING: Final = Family(
    "rung_ledger_waiting", "Outcomes that wait for the ledger to take them."
)
LEDGER_SPOOLED: Final = Family(
    "rung_ledger_spooled", "Outcomes that the ledger could not take yet; they wait beside it."
)
LEDGER_BYTES: Final = Family("rung_ledger_bytes", "Size of the ledger's file with its log.")
BUDGET_CAP: Final = Family("rung_budget_cap_usd", "What may be spent in a period.", ("budget",))
BUDGET_SPENT: Final = Family(
    "rung_budget_spent_usd",
    "Spent in this period, by the one that has spent most of what the budget gives to each.",
    ("budget",),
)
BUDGET_HELD: Final = Family(
    "rung_budget_held_usd", "Reserved for that one's calls under way.", ("budget",)
)
BUILD: Final = Family("rung_build_info", "Always 1: the version that runs.", ("version",))

GAUGES: Final = (
    *(IN_FLIGHT, TIER, TIER_SLOTS, TIER_CALLS, BREAKER, LEDGER_UP, LEDGER_WAITING),
    *(LEDGER_SPOOLED, LEDGER_BYTES),
    *(BUDGET_CAP, BUDGET_SPENT, BUDGET_HELD, BUILD),
)
