"""How sure was the model of its own words?

The probability that it gave to each token it wrote, told as a low quantile of them: one that most
tokens reach. Sums and means of their logs depend on how long an answer is, and the least of all on
a single odd word; quantiles tell right from wrong better (https://arxiv.org/abs/2404.10136). A
model can be sure and wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rung.core.stats import quantile
from rung.core.types import Answer
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, Verifier, abstained, failed, passed
from rung.verifiers.options import Options, count, wrong

QUANTILE = 0.1
"""Of the quantiles tried, with the mean, the sum and the least, what told right from wrong best on
short answers of the embedded model (benchmarks/logprobs.py)."""

FEWEST_TOKENS = 3
"""Of one or two tokens a quantile is only their least. Labels are shorter: then set it to 1."""

MOST_TOKENS = 50_000
"""Sorting them takes some milliseconds of the event loop."""

SURE_AT = 0.5
SUSPICIOUS_TOKENS = 8
"""So many that are all alike were made up, or left the model no choice."""

_ROUNDING = 1e-3
_LOWEST = -1e300

OPTIONS = ("quantile", "fewest_tokens")


@dataclass(frozen=True, slots=True)
class Logprobs:
    """A signal: the probability that a ``quantile`` of the answer's tokens fell short of."""

    quantile: float = QUANTILE
    fewest_tokens: int = FEWEST_TOKENS
    name: str = "logprobs"
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.SELF
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True
    needs_logprobs: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Judge by the numbers alone, where they are those of this whole answer."""
        logs = subject.answer.logprobs
        unfit = _unfit(subject) or _unsound(logs, max(1, self.fewest_tokens))
        if unfit is not None:
            return abstained(unfit)
        score, median = _chance(logs, self.quantile), _chance(logs, 0.5)
        said = (
            f"the {self.quantile:.0%} quantile of the probabilities of {len(logs)} tokens is "
            f"{score:.2f}, their median {median:.2f} (uncalibrated)"
        )
        return passed(said, score) if score >= SURE_AT else failed(said, score)


def from_options(options: Options) -> Verifier:
    """The signal as it is configured. Raises ConfigError."""
    return Logprobs(_quantile(options), count(options, "fewest_tokens", FEWEST_TOKENS))


def _quantile(options: Options) -> float:
    value = options.get("quantile", QUANTILE)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        said = "quantile must be a number from 0 (the least likely token) to 1 (the likeliest)."
        raise wrong("quantile", said, f"quantile = {QUANTILE}")
    return float(value)


def _unfit(subject: Subject) -> str | None:
    """Why the numbers would not be those of this answer."""
    answer: Answer = subject.answer
    if answer.tool_calls:
        return "log-probabilities of text say nothing of tool calls"
    if answer.more:
        return "there are several choices, and log-probabilities of one"
    if answer.logprobs:
        return None if answer.text.strip() else "there is no text"
    if subject.request.tools:
        return "log-probabilities are not asked for where tools are offered"
    return "this tier gives no log-probabilities"


def _unsound(logs: Sequence[object], fewest: int) -> str | None:
    """Why nothing can be said by these numbers."""
    odd = sum(not _is_log(one) for one in logs)
    if odd:
        return f"{odd} of {len(logs)} log-probabilities are none"
    if len(logs) < fewest:
        return f"the answer has {len(logs)} tokens, too few to judge by: {fewest} are asked for"
    if len(logs) > MOST_TOKENS:
        return f"the answer has more than {MOST_TOKENS:,} tokens"
    if len(logs) >= SUSPICIOUS_TOKENS and len(set(logs)) == 1:
        return f"the log-probabilities of all {len(logs)} tokens are the same: they say nothing"
    return None


def _is_log(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and _LOWEST <= value <= _ROUNDING  # type: ignore[operator]


def _chance(logs: Sequence[float], share: float) -> float:
    """The probability at a quantile, between two tokens in proportion of their logs."""
    log = quantile(list(logs), share)
    return 0.0 if log is None else math.exp(min(0.0, log))
