"""What finished outcomes come to, counted as they end. A few microseconds a request."""

from __future__ import annotations

from rung.core.outcome import Outcome
from rung.core.types import Attempt, UsageSource
from rung.telemetry import catalogue as names
from rung.telemetry.series import Counter, Family, Histogram

VERIFIED = {True: "true", False: "false", None: "none"}
NOBODY = ""
"""The project or key of a request that has none: no label at all, in Prometheus' eyes."""


class Metrics:
    """The counters and histograms of one process. For one thread; `samples` from it alone too."""

    def __init__(self) -> None:
        self.counters = {family.name: Counter(family) for family in names.COUNTERS}
        self.histograms = {family.name: Histogram(family, at) for family, at in names.HISTOGRAMS}
        self._requests = self._counter(names.REQUESTS)
        self._request_seconds = self._histogram(names.REQUEST_SECONDS)
        self._request_cost = self._counter(names.REQUEST_COST)
        self._baseline = self._counter(names.BASELINE_COST)
        self._key_cost = self._counter(names.KEY_COST)
        self._attempts = self._counter(names.ATTEMPTS)
        self._attempt_seconds = self._histogram(names.ATTEMPT_SECONDS)
        self._first = self._histogram(names.FIRST_TOKEN_SECONDS)
        self._queue = self._histogram(names.QUEUE_SECONDS)
        self._tokens = self._counter(names.TOKENS)
        self._cost = self._counter(names.COST)
        self._wasted = self._counter(names.WASTED)
        self._checks = self._counter(names.CHECKS)
        self._check_seconds = self._histogram(names.CHECK_SECONDS)

    def _counter(self, family: Family) -> Counter:
        return self.counters[family.name]

    def _histogram(self, family: Family) -> Histogram:
        return self.histograms[family.name]

    def count(self, family: Family, labels: tuple[str, ...] = (), amount: int = 1) -> None:
        """Count something that is no outcome."""
        self.counters[family.name].add(labels, amount)

    def observe(self, family: Family, value: float, labels: tuple[str, ...] = ()) -> None:
        """Time something that is no outcome."""
        self.histograms[family.name].observe(labels, value)

    def note(self, outcome: Outcome) -> None:
        """Count one outcome with its attempts and verdicts."""
        if outcome.recovered:
            # Another process's request: it is on the bill, and was none of this process's.
            return
        if outcome.request.audit_of is None:
            self._note_request(outcome)
        else:
            self.count(names.AUDIT_COST, (), outcome.cost_nanousd)
        if outcome.cached_of is not None:
            self.count(names.SERVED_AGAIN, (outcome.plan.ladder,))
            return
        for place, attempt in enumerate(outcome.attempts):
            self._note_attempt(attempt, served=place == outcome.served)

    def _note_request(self, outcome: Outcome) -> None:
        request, ladder = outcome.request, outcome.plan.ladder
        lane = request.directions.lane.value
        self._requests.add((ladder, lane, result(outcome), VERIFIED[outcome.verified]))
        self._request_seconds.observe((ladder, lane), outcome.seconds)
        cost = outcome.cost_nanousd
        self._request_cost.add((ladder, request.directions.project or NOBODY), cost)
        for name, amount in outcome.baselines.items():
            self._baseline.add((ladder, name), amount)
        if request.key is not None:
            self._key_cost.add((request.key,), cost)
        if request.resend_of is not None:
            self.count(names.RESENDS, (ladder,))
        if request.loop:
            self.count(names.LOOPS, (ladder,))
        if outcome.plan.private:
            self.count(names.PRIVATE, (ladder,))
        if len(outcome.attempts) > 1 and outcome.escalated:
            self.count(names.ESCALATED, (ladder,))

    def _note_attempt(self, attempt: Attempt, *, served: bool) -> None:
        tier, usage = attempt.tier, attempt.usage
        self._attempts.add((tier, attempt.kind.value, ended(attempt)))
        self._attempt_seconds.observe((tier,), attempt.seconds)
        if attempt.first_token_seconds is not None:
            self._first.observe((tier,), attempt.first_token_seconds)
        if attempt.queued_seconds:
            self._queue.observe((tier,), attempt.queued_seconds)
        if usage.source is not UsageSource.NONE:
            self._note_usage(attempt)
        if attempt.cost_nanousd:
            self._cost.add((tier,), attempt.cost_nanousd)
            if not served:
                self._wasted.add((tier,), attempt.cost_nanousd)
        for verdict in attempt.verdicts:
            self._checks.add((verdict.verifier, verdict.status.value))
            self._check_seconds.observe((verdict.verifier,), verdict.seconds)
            if verdict.cost_nanousd:
                self.count(names.CHECK_COST, (verdict.verifier,), verdict.cost_nanousd)

    def _note_usage(self, attempt: Attempt) -> None:
        tier, usage, add = attempt.tier, attempt.usage, self._tokens.add
        add((tier, "input"), usage.input_tokens)
        add((tier, "output"), usage.output_tokens)
        if usage.cache_read_tokens:
            add((tier, "cache_read"), usage.cache_read_tokens)
        if usage.cache_write_tokens:
            add((tier, "cache_write"), usage.cache_write_tokens)
        if usage.reasoning_tokens:
            add((tier, "reasoning"), usage.reasoning_tokens)
        if usage.source is UsageSource.ESTIMATED:
            self.count(names.ESTIMATED, (tier,))


def result(outcome: Outcome) -> str:
    """How a request ended, in one word."""
    if outcome.served is not None:
        return "answered"
    if outcome.decision is None:
        return "cancelled"
    return "failed" if outcome.best is None else "unverified"


def ended(attempt: Attempt) -> str:
    """How a call ended, in one word: answered, aborted, or its fault."""
    if attempt.failure is not None:
        return attempt.failure.fault.value
    return "aborted" if attempt.aborted else "answered"
